import type { IncomingHttpHeaders } from 'node:http';
import type { Type } from '@nestjs/common';
import type { FastifyContextConfig } from 'fastify';
import { RouteFacts } from './route-facts.js';

/** A method of a controller that the server itself calls. */
export interface BareRoute {
  readonly controller: Type;
  readonly method: string;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly bare?: BareRoute;
    /** Answers that are no failure leave no line in the log. */
    readonly quiet?: boolean;
  }
}

/** What a bare handler may know of a request, whoever serves it; each of Fastify's is one. */
export interface BareRequest {
  readonly id: string;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly ip: string;
  readonly query: unknown;
  readonly body: unknown;
  readonly routeOptions: { readonly url?: string; readonly config: FastifyContextConfig };
}

/** The same of the answer. */
export interface BareReply {
  readonly statusCode: number;
  readonly elapsedTime: number;
  status(code: number): unknown;
  hasHeader(name: string): boolean;
  header(name: string, value: string | number | readonly string[]): unknown;
  send(body?: string | Buffer): unknown;
}

/** Answers what went wrong in the words of the door. */
export type AnswerFailure = (error: unknown, request: BareRequest, reply: BareReply) => void;

/** JSON as text, or as bytes of the handler's own content type; null for none. */
export type BareBody = string | Buffer | null;
export type BareAnswer = BareBody | Promise<BareBody>;

/** Sends what a bare handler answers, with the status and the headers that were set before. */
export function sendBare(reply: BareReply, body: BareBody): void {
  if (typeof body === 'string') reply.header('content-type', 'application/json; charset=utf-8');
  reply.header('x-content-type-options', 'nosniff');
  reply.send(body ?? undefined);
}

/**
 * A route that is asked so often that what surrounds a handler costs more than the handler. The server itself calls the
 * method, with request and reply, after the guard's decision: no pipe, no interceptor, no headers that only browsers heed,
 * and no deadline but those of what it waits for. Where it writes, it is retried and given up in an outage as any route is,
 * and logged; else failures alone are. It reads its own input; what it throws is answered in its dialect like everything
 * else. Its other decorators state its access and its status, and describe it, as those of any route.
 */
export function Bare(): MethodDecorator {
  return (prototype, method, descriptor) => {
    RouteFacts({ bare: { controller: prototype.constructor as Type, method: String(method) } })(prototype, method, descriptor);
  };
}
