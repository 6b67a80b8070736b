import { applyDecorators } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { Problem } from './problem.js';

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  400: 'The request is malformed or holds invalid input.',
  401: 'No credential, or one that is not good.',
  403: 'The credential does not allow this; the body names what is missing.',
  404: 'It does not exist, or is not yours.',
  409: 'It contradicts what is there already.',
  412: 'It has changed since it was read.',
  413: 'The body is larger than 64 KB.',
  415: 'The content type is not supported.',
  422: 'The Idempotency-Key was used for another request.',
  429: 'Too many requests; Retry-After and RateLimit headers say when to ask again.',
  503: 'The service cannot answer right now; Retry-After says when to ask again.',
};

/** Documents the failures of our own routes. */
export function ApiProblems(...statuses: readonly number[]): MethodDecorator & ClassDecorator {
  return applyDecorators(
    ...[...statuses, 503].map((status) =>
      ApiResponse({ status, description: DESCRIPTIONS[status] ?? '', type: Problem, content: undefined })),
  );
}
