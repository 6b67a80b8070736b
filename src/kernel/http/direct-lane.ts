import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import proxyAddr from '@fastify/proxy-addr';
import { onceKnown } from '../at-once.js';
import { sendBare, type AnswerFailure, type BareAnswer, type BareReply, type BareRequest } from './bare.js';
import type { Door } from './door.js';
import { refusalOf } from './intake.js';
import { BODY_BYTES_MAX, ReceivedBody } from './received-body.js';
import { newRequestId, pathOf } from './request.js';

/** Whatever else a body is called is for Fastify to understand. */
const TYPES: readonly (string | undefined)[] = ['application/json', 'application/x-www-form-urlencoded', 'application/json; charset=utf-8', 'application/x-www-form-urlencoded; charset=utf-8'];

/** One parameter of characters that mean themselves, or none. */
const QUERY = /^(?:(\w+)=([\w.:~*-]*))?$/;
const NOTHING = Object.freeze({});

export interface DirectRoute {
  readonly method: 'GET' | 'POST';
  readonly door: Door;
  readonly facts: BareRequest['routeOptions'];
  /** Decides who may, does what the route is for and sets the status. */
  readonly respond: (request: BareRequest, reply: BareReply) => BareAnswer;
}

export interface DirectFailures {
  readonly answer: AnswerFailure;
  /** Is told of each failure, once it is answered. */
  readonly note: (request: BareRequest, reply: BareReply) => void;
}

/**
 * The routes that are asked most, answered on Node's own HTTP server: a request passes by Fastify, which would take as long as all
 * the rest of the answer. Only what is plain, from its first line to its length, is taken; anything else goes on to Fastify, whose
 * route answers by the same handler, guard and failures. So what the lane does not understand is slower and never different.
 */
export class DirectLane {
  private readonly routes = new Map<string, DirectRoute>();
  private readonly addressOf: (raw: IncomingMessage) => string;
  private isOpen = true;

  constructor(
    trustedProxies: readonly string[],
    private readonly failures: DirectFailures,
  ) {
    // As Fastify has it.
    const isTrusted = trustedProxies.length > 0 ? proxyAddr.compile([...trustedProxies]) : null;
    this.addressOf = (raw) => (isTrusted ? proxyAddr(raw, isTrusted) : (raw.socket.remoteAddress ?? ''));
  }

  add(url: string, route: DirectRoute): void {
    this.routes.set(url, route);
  }

  /** From now on Fastify answers everything: it knows how to say goodbye. */
  close(): void {
    this.isOpen = false;
  }

  /** Stands before whoever listens to this server now. */
  enter(server: Server): void {
    const [next, ...others] = server.listeners('request') as RequestListener[];
    if (!next || others.length > 0) throw new Error('one listener answers requests');
    server.removeListener('request', next);
    server.on('request', (raw, response) => {
      const route = this.isOpen ? this.routes.get(pathOf(raw.url ?? '')) : undefined;
      const query = route && route.method === raw.method && isPlain(raw) ? queryOf(raw.url ?? '') : null;
      if (route && query) this.take(route, query, raw, response);
      else next(raw, response);
    });
  }

  private take(route: DirectRoute, query: object, raw: IncomingMessage, response: ServerResponse): void {
    const request = new DirectRequest(raw, query, route, this.addressOf);
    const reply = new DirectReply(response, request.id);
    if (route.method === 'GET') return this.answer(route, request, reply);
    let bytes: Buffer | null = null;
    raw.on('data', (chunk: Buffer) => {
      bytes = bytes === null ? chunk : Buffer.concat([bytes, chunk]);
    });
    raw.on('end', () => {
      request.bytes = bytes;
      this.answer(route, request, reply);
    });
  }

  private answer(route: DirectRoute, request: DirectRequest, reply: DirectReply): void {
    const fail = (error: unknown): void => this.fail(error, request, reply);
    try {
      request.receive(route.door);
      const answer = onceKnown(route.respond(request, reply), (body) => sendBare(reply, body));
      if (answer instanceof Promise) answer.catch(fail);
    } catch (error) {
      fail(error);
    }
  }

  private fail(error: unknown, request: DirectRequest, reply: DirectReply): void {
    reply.onSent = () => this.failures.note(request, reply);
    this.failures.answer(error, request, reply);
  }
}

/** Whether it is what clients usually send: one of everything, of a stated length and a known type. */
function isPlain(raw: IncomingMessage): boolean {
  const { headers } = raw;
  if (headers['transfer-encoding'] !== undefined || headers['accept-version'] !== undefined || refusalOf(raw)) return false;
  const length = headers['content-length'];
  if (raw.method === 'GET') return length === undefined;
  return length !== undefined && length !== '0' && Number(length) <= BODY_BYTES_MAX && TYPES.includes(headers['content-type']);
}

/** Null for one that is not plain. */
function queryOf(url: string): object | null {
  const start = url.indexOf('?');
  if (start === -1) return NOTHING;
  const parts = QUERY.exec(url.slice(start + 1));
  if (!parts) return null;
  const [, name, value] = parts;
  return name === undefined ? NOTHING : Object.assign(Object.create(null) as object, { [name]: value });
}

class DirectRequest implements BareRequest {
  readonly id = newRequestId();
  body: unknown;
  bytes: Buffer | null = null;

  constructor(
    private readonly raw: IncomingMessage,
    readonly query: object,
    private readonly route: DirectRoute,
    private readonly addressOf: (raw: IncomingMessage) => string,
  ) {}

  get method(): string {
    return this.route.method;
  }

  get url(): string {
    return this.raw.url ?? '';
  }

  get headers(): IncomingMessage['headers'] {
    return this.raw.headers;
  }

  get ip(): string {
    return this.addressOf(this.raw);
  }

  get routeOptions(): BareRequest['routeOptions'] {
    return this.route.facts;
  }

  /** As Fastify's parser does it. */
  receive({ body: policy }: Door): void {
    if (this.bytes === null) return;
    const body = new ReceivedBody(this.bytes, this.headers['content-type'], policy);
    body.requireWellFormed();
    this.body = body;
  }
}

/** Of the fields of an answer, those that each has: two names and two values. */
const ALWAYS = 4;

class DirectReply implements BareReply {
  statusCode = 200;
  onSent: (() => void) | null = null;
  private readonly begun = performance.now();
  /** Names, in small letters, and values in turns. */
  private readonly fields: string[];

  constructor(
    private readonly response: ServerResponse,
    requestId: string,
  ) {
    this.fields = ['x-request-id', requestId, 'cache-control', 'no-store'];
  }

  get elapsedTime(): number {
    return performance.now() - this.begun;
  }

  status(code: number): this {
    this.statusCode = code;
    return this;
  }

  hasHeader(name: string): boolean {
    return this.placeOf(name) !== -1;
  }

  header(name: string, value: string | number | readonly string[]): this {
    const lower = name.toLowerCase();
    const place = this.placeOf(lower);
    if (place === -1) this.fields.push(lower, String(value));
    else this.fields[place + 1] = String(value);
    return this;
  }

  send(body?: string | Buffer): void {
    const length = body === undefined ? 0 : Buffer.byteLength(body);
    this.fields.push('content-length', String(length));
    try {
      this.response.writeHead(this.statusCode, this.fields);
    } catch (error) {
      // One of them cannot be sent: what is said of that goes without them.
      this.fields.splice(ALWAYS);
      throw error;
    }
    this.response.end(body);
    this.onSent?.();
  }

  private placeOf(name: string): number {
    for (let place = 0; place < this.fields.length; place += 2) if (this.fields[place] === name) return place;
    return -1;
  }
}
