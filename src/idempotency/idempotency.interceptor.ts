import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { ACCESS, type AccessRule } from '../access/require-permission.js';
import { isRetryable, RETRYABLE } from './idempotency.js';
import type { KeptBody } from './kept-answers.js';
import { hasKey, Retries } from './retries.js';

/** Lets requests be repeated at the routes that honour it. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly retries: Retries,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (!hasKey(request) || !this.honours(context, request.method)) return next.handle();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const work = async (): Promise<KeptBody> => toBody(await lastValueFrom(next.handle(), { defaultValue: undefined }));
    return from(this.retries.answer(request, reply, work).then(toReturned));
  }

  private honours(context: ExecutionContext, method: string): boolean {
    const places = [context.getHandler(), context.getClass()];
    const rule = this.reflector.getAllAndOverride<AccessRule | 'public' | undefined>(ACCESS, places);
    return isRetryable(method, rule, this.reflector.getAllAndOverride<boolean | undefined>(RETRYABLE, places) ?? false);
  }
}

function toBody(returned: unknown): KeptBody {
  if (returned === undefined) return null;
  return Buffer.isBuffer(returned) ? { base64: returned.toString('base64') } : { json: JSON.stringify(returned) };
}

function toReturned(body: KeptBody): unknown {
  if (body === null) return undefined;
  return 'json' in body ? JSON.parse(body.json) : Buffer.from(body.base64, 'base64');
}
