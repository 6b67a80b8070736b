import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type OutgoingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DomainError } from '../failure.js';
import type { BareAnswer, BareReply, BareRequest } from './bare.js';
import { DirectLane } from './direct-lane.js';
import type { Door } from './door.js';
import { BODY_BYTES_MAX, type ReceivedBody } from './received-body.js';

let server: Server;
let lane: DirectLane;
/** Paths of requests that went on to the other listener, with what it could read of their bodies. */
let passed: [string, string][];
let respond: (request: BareRequest, reply: BareReply) => BareAnswer;
let noted: [string, number][];

const door = { name: 'test', body: { accepts: ['application/json'], form: true, malformedFirst: true, empty: 'empty-object' } } as unknown as Door;

beforeEach(async () => {
  [passed, noted] = [[], []];
  respond = ({ body }) => JSON.stringify((body as ReceivedBody | undefined)?.read() ?? null);
  server = createServer((incoming, answer) => {
    let text = '';
    incoming.on('data', (chunk: Buffer) => (text += chunk.toString()));
    incoming.on('end', () => {
      passed.push([incoming.url ?? '', text]);
      answer.end('passed');
    });
  });
  lane = new DirectLane(['127.0.0.1'], {
    answer: (error, _, reply) => {
      reply.status(error instanceof DomainError ? 422 : 500);
      reply.header('Cache-Control', 'private');
      reply.send(Buffer.from(String(error)));
    },
    note: ({ url }, { statusCode }) => void noted.push([url, statusCode]),
  });
  for (const [path, method] of [['/read', 'GET'], ['/ask', 'POST']] as const) {
    lane.add(path, { method, door, facts: { url: path, config: {} }, respond: (incoming, reply) => respond(incoming, reply) });
  }
  lane.enter(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(() => void server.close());

interface Sent {
  readonly body?: string;
  readonly headers?: OutgoingHttpHeaders | readonly string[];
}

async function send(method: string, path: string, { body, headers = {} }: Sent = {}): Promise<{ status: number; headers: IncomingMessage['headers']; text: string }> {
  const { port } = server.address() as AddressInfo;
  const outgoing = request({ host: '127.0.0.1', port, method, path, agent: false, headers: headers as OutgoingHttpHeaders });
  outgoing.end(body);
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of answer) text += String(chunk);
  return { status: answer.statusCode ?? 0, headers: answer.headers, text };
}

const json = (body: string, headers: Record<string, string> = {}): Sent => ({ body, headers: { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)), ...headers } });

describe('the lane', () => {
  it('answers what is plain, with the headers of every answer, and nobody else sees it', async () => {
    const answer = await send('POST', '/ask', json('{"is":"ä"}'));
    expect(answer).toMatchObject({ status: 200, text: '{"is":"ä"}' });
    expect(answer.headers).toMatchObject({
      'x-request-id': expect.stringMatching(/^req-\w{14}$/),
      'cache-control': 'no-store',
      'content-type': 'application/json; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'content-length': '11',
    });
    expect(await send('GET', '/read')).toMatchObject({ status: 200, text: 'null' });
    expect([passed, noted]).toEqual([[], []]);
  });

  it('reads a body that comes in pieces as one', async () => {
    const body = `{"long":"${'x'.repeat(60_000)}"}`;
    const { port } = server.address() as AddressInfo;
    const outgoing = request({ host: '127.0.0.1', port, method: 'POST', path: '/ask', agent: false, headers: { 'content-type': 'application/json', 'content-length': body.length } });
    outgoing.write(body.slice(0, 30));
    await once(server, 'request');
    outgoing.end(body.slice(30));
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of answer) text += String(chunk);
    expect(text).toBe(body);
    expect(passed).toEqual([]);
  });

  it.each<[string, string, string, Sent]>([
    ['another path', 'POST', '/ask/', json('{}')],
    ['a query with an escape', 'POST', '/ask?x=%31', json('{}')],
    ['a query of two parameters', 'POST', '/ask?x=1&y=1', json('{}')],
    ['a query without a value', 'POST', '/ask?x', json('{}')],
    ['a query in a query', 'POST', '/ask?x=?', json('{}')],
    ['another method', 'PUT', '/ask', json('{}')],
    ['HEAD', 'HEAD', '/read', {}],
    ['a method of another path', 'GET', '/ask', {}],
    ['a body where none belongs', 'GET', '/read', { body: '{}', headers: { 'content-length': '2' } }],
    ['no length', 'POST', '/ask', { body: '{}', headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' } }],
    ['nothing at all', 'POST', '/ask', { headers: { 'content-type': 'application/json', 'content-length': '0' } }],
    ['another type', 'POST', '/ask', { body: '{}', headers: { 'content-type': 'application/vnd.api+json', 'content-length': '2' } }],
    ['no type', 'POST', '/ask', { body: '{}', headers: { 'content-length': '2' } }],
    ['too much', 'POST', '/ask', json('x'.repeat(BODY_BYTES_MAX + 1))],
    ['a version', 'POST', '/ask', json('{}', { 'accept-version': '2' })],
    ['two callers', 'GET', '/read', { headers: ['host', 'x', 'authorization', 'Bearer a', 'Authorization', 'Bearer b'] }],
  ])('leaves %s to the other listener, whole', async (_, method, path, sent) => {
    expect((await send(method, path, sent)).status).toBe(200);
    expect(passed).toEqual([[path, sent.body ?? '']]);
  });

  it('has failures answered and noted, be they thrown at once or late or found in the body', async () => {
    for (const failing of [
      () => {
        throw new DomainError('credentials-missing', 'none', {});
      },
      () => Promise.reject(new DomainError('credentials-missing', 'none', {})),
    ]) {
      respond = failing;
      expect(await send('GET', '/read')).toMatchObject({ status: 422, headers: { 'cache-control': 'private', 'x-request-id': expect.any(String) } });
    }
    expect(await send('POST', '/ask', json('{"is":'))).toMatchObject({ status: 422 });
    expect(noted).toEqual([['/read', 422], ['/read', 422], ['/ask', 422]]);
    respond = () => {
      throw new TypeError('a defect');
    };
    expect(await send('GET', '/read')).toMatchObject({ status: 500, text: 'TypeError: a defect' });
    respond = (_, reply) => {
      reply.header('x-split', 'a\r\nb');
      return '{}';
    };
    expect(await send('GET', '/read')).toMatchObject({ status: 500, text: expect.stringContaining('ERR_INVALID_CHAR') as string });
  });

  it('answers what comes late, bytes, and nothing, as they are', async () => {
    respond = async (_, reply) => {
      reply.header('Content-Type', 'text/x-other');
      reply.status(203);
      return Promise.resolve(Buffer.from('bytes'));
    };
    expect(await send('GET', '/read')).toMatchObject({ status: 203, text: 'bytes', headers: { 'content-type': 'text/x-other', 'content-length': '5' } });
    respond = () => null;
    const { headers, text } = await send('GET', '/read');
    expect([text, headers['content-length'], headers['content-type']]).toEqual(['', '0', undefined]);
  });

  it('believes of the address what trusted proxies say', async () => {
    respond = ({ ip }) => ip;
    expect((await send('GET', '/read')).text).toBe('127.0.0.1');
    expect((await send('GET', '/read', { headers: { 'x-forwarded-for': '203.0.113.1, 198.51.100.7' } })).text).toBe('198.51.100.7');
  });

  it('reads a query of one plain parameter', async () => {
    respond = ({ query, url }) => JSON.stringify([query, url]);
    for (const [path, query] of [['/read', {}], ['/read?', {}], ['/read?permission=user:api-token:*', { permission: 'user:api-token:*' }], ['/read?x=', { x: '' }], ['/read?__proto__=1', { ['__proto__']: '1' }]] as const) {
      expect((await send('GET', path)).text).toBe(JSON.stringify([query, path]));
    }
    expect(passed).toEqual([]);
  });

  it('is closed once the server says goodbye', async () => {
    lane.close();
    expect((await send('GET', '/read')).text).toBe('passed');
  });

  it('outlives a client that hangs up amid its body', async () => {
    const { port } = server.address() as AddressInfo;
    const outgoing = request({ host: '127.0.0.1', port, method: 'POST', path: '/ask', agent: false, headers: { 'content-type': 'application/json', 'content-length': 100 } });
    outgoing.on('error', () => undefined);
    outgoing.write('{"is":');
    const [incoming] = (await once(server, 'request')) as [IncomingMessage];
    const gone = new Promise((resolve) => incoming.on('close', resolve));
    outgoing.destroy();
    await gone;
    expect((await send('GET', '/read')).status).toBe(200);
    expect([passed, noted]).toEqual([[], []]);
  });
});
