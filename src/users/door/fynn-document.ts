import { applyDecorators } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { FynnProblem, FynnUnauthenticated } from './fynn.dto.js';

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  400: 'Invalid input',
  401: 'No credential, or one that is not good',
  403: 'Access denied; the body names the permission that is missing',
  404: 'Resource not found',
  413: 'Body larger than 64 KB',
  415: 'Unsupported content type',
  422: 'Unprocessable entity',
  503: 'Service unavailable; Retry-After says when to ask again',
};

/** Documents the failures of a route in the dialect's words. */
export function ApiFynnFailures(...statuses: readonly number[]): MethodDecorator & ClassDecorator {
  return applyDecorators(
    ...[...statuses, 503].map((status) =>
      ApiResponse({ status, description: DESCRIPTIONS[status] ?? '', type: status === 401 ? FynnUnauthenticated : FynnProblem })),
  );
}
