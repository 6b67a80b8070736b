import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiResponse } from '@nestjs/swagger';

export class DeepsetValidationError {
  @ApiProperty({ example: 'bool_parsing', title: 'Error Type' })
  type!: string;

  @ApiProperty({
    type: 'array',
    items: { anyOf: [{ type: 'string' }, { type: 'integer' }] },
    example: ['body', 'expires'],
    title: 'Location',
    description: 'The part of the request, then the path into it.',
  })
  loc!: (string | number)[];

  @ApiProperty({ example: 'Input should be a valid boolean, unable to interpret input', title: 'Message' })
  msg!: string;

  @ApiProperty({ type: Object, example: 'maybe', description: 'What was sent; long text is cut and what may be a secret is starred.' })
  input!: unknown;

  @ApiProperty({ type: Object, required: false, title: 'Context' })
  ctx?: object;
}

export class DeepsetHttpValidationError {
  @ApiProperty({ type: [DeepsetValidationError], description: 'Every fault, in the order of the fields.' })
  detail!: DeepsetValidationError[];
}

export class DeepsetError {
  @ApiProperty({ type: [String], required: false, example: ['There is no such API token.'] })
  errors?: string[];

  @ApiProperty({ example: 'There is no such API token.' })
  detail!: string;
}

/** Documents the refusals that any route of the door may answer, and those of this one. */
export function ApiDeepsetErrors(...descriptions: readonly (readonly [status: number, description: string])[]): MethodDecorator & ClassDecorator {
  const errors = descriptions.map(([status, description]) =>
    ApiResponse({ status, description, type: status === 422 ? DeepsetHttpValidationError : DeepsetError }));
  return applyDecorators(
    ...errors,
    ApiResponse({ status: 401, description: 'No credential, or one that is not good', type: DeepsetError }),
    ApiResponse({ status: 403, description: 'The credential does not allow this; the body names what is missing', type: DeepsetError }),
    ApiResponse({ status: 503, description: 'Service unavailable', type: DeepsetError }),
  );
}
