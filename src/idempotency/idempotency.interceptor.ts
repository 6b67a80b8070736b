import { createHash } from 'node:crypto';
import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { principalOf } from '../access/principal.js';
import { ACCESS, type AccessRule } from '../access/require-permission.js';
import { Database } from '../kernel/database/database.js';
import { DomainError, Unavailable } from '../kernel/failure.js';
import { ReceivedBody } from '../kernel/http/received-body.js';
import { IDEMPOTENCY_KEY, isRetryable, RETRYABLE } from './idempotency.js';
import { KeptAnswers, ownedKey, type Answer, type OwnedKey } from './kept-answers.js';

/** 1 to 255 visible ASCII characters. */
const KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * Answers a repeated request as it was answered first (draft-ietf-httpapi-idempotency-key-header). What the route does
 * and the kept answer are one transaction: there is never one without the other, and a failure frees the key.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly database: Database,
    private readonly answers: KeptAnswers,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const key = request.headers[IDEMPOTENCY_KEY];
    if (key === undefined || !this.honours(context, request.method)) return next.handle();
    if (typeof key !== 'string' || !KEY.test(key)) {
      const message = 'The Idempotency-Key must have 1 to 255 visible ASCII characters.';
      throw new DomainError('request-malformed', message, { reason: message });
    }
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const owned = ownedKey(principalOf(request), key);
    return from(this.database.together(() => this.answerOnce(owned, fingerprintOf(request), reply, next)));
  }

  private honours(context: ExecutionContext, method: string): boolean {
    const places = [context.getHandler(), context.getClass()];
    const rule = this.reflector.getAllAndOverride<AccessRule | 'public' | undefined>(ACCESS, places);
    return isRetryable(method, rule, this.reflector.getAllAndOverride<boolean | undefined>(RETRYABLE, places) ?? false);
  }

  private async answerOnce(key: OwnedKey, request: string, reply: FastifyReply, next: CallHandler): Promise<unknown> {
    const kept = await this.answers.take(key);
    if (kept) {
      if (kept.request !== request) throw new DomainError('idempotency-mismatch', 'This Idempotency-Key has been used for another request.', {});
      return repeat(kept, reply);
    }
    const before = reply.getHeaders();
    const returned: unknown = await lastValueFrom(next.handle(), { defaultValue: undefined });
    // Refused meanwhile, as by an outage: whoever was told so will ask again.
    if (reply.sent) throw new Unavailable();
    const { statusCode: status } = reply;
    if (status >= 200 && status < 300) {
      const headers = Object.entries(reply.getHeaders()).flatMap(([name, value]) => (value === undefined || value === before[name] ? [] : [[name, value] as const]));
      await this.answers.keep(key, { request, status, headers, body: toBody(returned) });
    }
    return returned;
  }
}

/** The same for the same route, query and body, byte for byte. */
function fingerprintOf({ method, url, headers, body }: FastifyRequest): string {
  const asked = JSON.stringify([method, url, headers['content-type'] ?? null]);
  return createHash('sha256').update(asked).update('\0').update(body instanceof ReceivedBody ? body.bytes : '').digest('base64');
}

function repeat({ status, headers, body }: Answer, reply: FastifyReply): unknown {
  reply.status(status).header('idempotent-replayed', 'true');
  for (const [name, value] of headers) reply.header(name, value);
  if (body === null) return undefined;
  return 'json' in body ? JSON.parse(body.json) : Buffer.from(body.base64, 'base64');
}

function toBody(returned: unknown): Answer['body'] {
  if (returned === undefined) return null;
  return Buffer.isBuffer(returned) ? { base64: returned.toString('base64') } : { json: JSON.stringify(returned) };
}
