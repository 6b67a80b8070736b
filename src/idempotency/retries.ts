import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { principalOf } from '../access/principal.js';
import { Database } from '../kernel/database/database.js';
import { DomainError, Unavailable } from '../kernel/failure.js';
import { ReceivedBody } from '../kernel/http/received-body.js';
import { IDEMPOTENCY_KEY } from './idempotency.js';
import { KeptAnswers, ownedKey, type Answer, type KeptBody, type OwnedKey } from './kept-answers.js';

/** 1 to 255 visible ASCII characters. */
const KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * Answers a repeated request as it was answered first (draft-ietf-httpapi-idempotency-key-header). What the route does
 * and the kept answer are one transaction: there is never one without the other, and a failure frees the key.
 */
@Injectable()
export class Retries {
  constructor(
    private readonly database: Database,
    private readonly answers: KeptAnswers,
  ) {}

  /** Does the work, or repeats the answer that is kept under the request's key. To be asked only where there is a key. */
  answer(request: FastifyRequest, reply: FastifyReply, work: () => Promise<KeptBody>): Promise<KeptBody> {
    const key = request.headers[IDEMPOTENCY_KEY];
    if (typeof key !== 'string' || !KEY.test(key)) {
      const message = 'The Idempotency-Key must have 1 to 255 visible ASCII characters.';
      throw new DomainError('request-malformed', message, { reason: message });
    }
    const owned = ownedKey(principalOf(request), key);
    return this.database.together(() => this.answerOnce(owned, fingerprintOf(request), reply, work));
  }

  private async answerOnce(key: OwnedKey, request: string, reply: FastifyReply, work: () => Promise<KeptBody>): Promise<KeptBody> {
    const kept = await this.answers.take(key);
    if (kept) {
      if (kept.request !== request) throw new DomainError('idempotency-mismatch', 'This Idempotency-Key has been used for another request.', {});
      return repeat(kept, reply);
    }
    const before = reply.getHeaders();
    const body = await work();
    // Refused meanwhile, as by an outage: whoever was told so will ask again.
    if (reply.sent) throw new Unavailable();
    const { statusCode: status } = reply;
    if (status >= 200 && status < 300) {
      const headers = Object.entries(reply.getHeaders()).flatMap(([name, value]) => (value === undefined || value === before[name] ? [] : [[name, value] as const]));
      await this.answers.keep(key, { request, status, headers, body });
    }
    return body;
  }
}

export function hasKey({ headers }: FastifyRequest): boolean {
  return headers[IDEMPOTENCY_KEY] !== undefined;
}

/** The same for the same route, query and body, byte for byte. */
function fingerprintOf({ method, url, headers, body }: FastifyRequest): string {
  const asked = JSON.stringify([method, url, headers['content-type'] ?? null]);
  return createHash('sha256').update(asked).update('\0').update(body instanceof ReceivedBody ? body.bytes : '').digest('base64');
}

function repeat({ status, headers, body }: Answer, reply: FastifyReply): KeptBody {
  reply.status(status).header('idempotent-replayed', 'true');
  for (const [name, value] of headers) reply.header(name, value);
  return body;
}
