import { applyDecorators } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { FliptStatus } from './flipt.dto.js';

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  400: 'Code 3: the body is not JSON, or a value is not what its field takes.',
  401: 'Code 16: no credential, one that is not good, or one limited to a namespace.',
  403: 'Code 7: the credential does not allow this; for a missing permission WWW-Authenticate names it.',
  404: 'Code 5: there is no such token, or it is not yours.',
  413: 'Code 3: the body is larger than 64 KB.',
  503: 'Code 14: the service cannot answer right now; Retry-After says when to ask again.',
};

/** Documents the failures of a route in the dialect's words. */
export function ApiFliptFailures(...statuses: readonly number[]): MethodDecorator & ClassDecorator {
  return applyDecorators(
    ...[...statuses, 503].map((status) => ApiResponse({ status, description: DESCRIPTIONS[status] ?? '', type: FliptStatus })),
  );
}
