import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import { isWritingPost, type AccessRule } from '../access/require-permission.js';

export const IDEMPOTENCY_KEY = 'idempotency-key';
export const RETRYABLE = Symbol('retryable');
const EXTENSION = 'x-idempotent';

/** On a POST that creates something though its permission does not end in `:write`. */
export function Retryable(): MethodDecorator {
  return applyDecorators(SetMetadata(RETRYABLE, true), ApiExtension(EXTENSION, true));
}

/** Whether a route honours Idempotency-Key: every POST whose permission is to write, and those marked `Retryable`. */
export function isRetryable(method: string, rule: AccessRule | 'public' | undefined, marked: boolean): boolean {
  return isWritingPost(method, rule) || (marked && method === 'POST' && rule !== undefined && rule !== 'public');
}

/** The same, told from a route's entry in the OpenAPI document. */
export function isRetryableOperation(method: string, operation: object): boolean {
  const { 'x-permission': permission, [EXTENSION]: marked } = operation as Record<string, unknown>;
  return method === 'post' && (marked === true || (typeof permission === 'string' && permission.endsWith(':write')));
}
