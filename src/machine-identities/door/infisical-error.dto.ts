import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiResponse } from '@nestjs/swagger';

export class InfisicalError {
  @ApiProperty({ example: 'req-4rTq0cJb2mXw9Z' })
  reqId!: string;

  @ApiProperty({ example: 404 })
  statusCode!: number;

  @ApiProperty({ example: 'Failed to find identity with ID 5c1f2a2e-6a0a-4f3a-9a57-2f8a2d2a7f10' })
  message!: string;

  @ApiProperty({ type: Object, required: false, description: 'What is missing, where permissions are.' })
  details?: unknown;

  @ApiProperty({ example: 'NotFound' })
  error!: string;
}

export class InfisicalIssue {
  @ApiProperty({ example: 'too_small' })
  code!: string;

  @ApiProperty({ type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'integer' }] }, example: ['accessTokenTTL'] })
  path!: (string | number)[];

  @ApiProperty({ example: 'Number must be greater than or equal to 0' })
  message!: string;
}

export class InfisicalValidationError {
  @ApiProperty({ example: 'req-4rTq0cJb2mXw9Z' })
  reqId!: string;

  @ApiProperty({ example: 422 })
  statusCode!: number;

  @ApiProperty({ type: [InfisicalIssue], description: 'Issues as zod writes them, with further members by their code.' })
  message!: InfisicalIssue[];

  @ApiProperty({ example: 'ValidationFailure' })
  error!: string;
}

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  400: 'The request is malformed, or contradicts what is there',
  401: 'No credential, or one that is not good',
  403: 'Not allowed; details name the missing permissions',
  404: 'It does not exist, or is not yours',
  413: 'Body larger than 64 KB',
  415: 'Unsupported content type',
  422: 'Invalid input',
  503: 'The service cannot answer right now; Retry-After says when to ask again',
};

/** Documents the failures of a route in the dialect's words. */
export function ApiInfisicalErrors(...statuses: readonly number[]): MethodDecorator & ClassDecorator {
  return applyDecorators(
    ...[...statuses, 503].map((status) =>
      ApiResponse({ status, description: DESCRIPTIONS[status] ?? '', type: status === 422 ? InfisicalValidationError : InfisicalError })),
  );
}
