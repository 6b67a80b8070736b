import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { DomainError } from '../failure.js';
import type { Doors } from './doors.js';
import { BODY_BYTES_MAX, ReceivedBody } from './received-body.js';
import { pathOf } from './request.js';

/** How requests come in: one parser for every body, read later in the dialect's way, and no request of two minds. */
export function prepareIntake(server: FastifyInstance, doors: Doors): void {
  server.removeAllContentTypeParsers();
  // By name what clients send, for Fastify remembers named types; every other type all the same.
  server.addContentTypeParser(['application/json', 'application/x-www-form-urlencoded', '*'], { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX }, (request, bytes, done) => {
    const { body: policy } = doors.at(pathOf(request.url));
    const body = new ReceivedBody(bytes as Buffer, request.headers['content-type'], policy);
    try {
      if (!request.is404) body.requireWellFormed();
      done(null, body);
    } catch (error) {
      done(error as Error);
    }
  });
  // Fastify runs no parser where neither a body nor a content type was sent.
  server.addHook('preValidation', (request, _, done) => {
    if (request.body === undefined && doors.at(pathOf(request.url)).body.empty === 'empty-object') request.body = {};
    done();
  });
  server.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    reply.header('cache-control', 'no-store');
    done(refusalOf(request.raw) ?? undefined);
  });
}

/** Node keeps the first of two Host or Authorization headers; a proxy in front may have judged the other. */
export function refusalOf({ rawHeaders }: IncomingMessage): DomainError | null {
  let hosts = 0;
  let authorizations = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    else if (name.length === 13 && name.toLowerCase() === 'authorization') authorizations += 1;
  }
  if (hosts > 1) return new DomainError('request-malformed', 'The request has two Host headers.', { reason: 'duplicate Host header' });
  if (authorizations > 1) return new DomainError('credentials-ambiguous', 'The request has two Authorization headers.', {});
  return null;
}
