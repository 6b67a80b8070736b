import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiResponse } from '@nestjs/swagger';

export class UnleashErrorDetail {
  @ApiProperty({ example: 'The `/body/type` property is required. It was not present on the data you sent.' }) message!: string;
  @ApiProperty({ required: false, example: '/body/type' }) path?: string;
}

export class UnleashError {
  @ApiProperty({ required: false, format: 'uuid', description: 'Absent where the request was understood and only its content is refused.' }) id?: string;
  @ApiProperty({ example: 'BadDataError' }) name!: string;
  @ApiProperty({ example: 'Request validation failed: your request body or params contain invalid data. Refer to the `details` list for more information.' }) message!: string;
  @ApiProperty({ type: [UnleashErrorDetail] }) details!: UnleashErrorDetail[];
}

export class UnleashPermissionError extends UnleashError {
  @ApiProperty({ type: [String], required: false, example: ['CREATE_PROJECT_API_TOKEN'], description: 'Any one of these would do. WWW-Authenticate names the permission in this service’s own words.' }) permissions?: string[];
}

export class UnleashAuthenticationRequired extends UnleashError {
  @ApiProperty({ required: false, example: '/auth/simple/login', description: 'What Unleash says; sessions of this service begin at POST /auth/login.' }) path?: string;
  @ApiProperty({ required: false, example: 'password' }) type?: string;
  @ApiProperty({ required: false, example: false }) defaultHidden?: boolean;
}

export class UnleashMessage {
  @ApiProperty({ example: 'request entity too large' }) message!: string;
}

type ErrorBody = typeof UnleashError | typeof UnleashPermissionError | typeof UnleashAuthenticationRequired | typeof UnleashMessage;

const ADMIN_ERRORS: Readonly<Record<number, readonly [description: string, type: ErrorBody | undefined]>> = {
  400: ['The request could not be understood, or contains invalid data.', UnleashError],
  401: ['No credential, or one that is not good.', UnleashAuthenticationRequired],
  403: ['The credential is of the wrong type, or lacks a permission.', UnleashPermissionError],
  404: ['It does not exist, or is not yours.', UnleashError],
  409: ['It contradicts what is there already.', UnleashError],
  413: ['The body is larger than 64 KB.', UnleashMessage],
  415: ['The content type is not supported.', UnleashError],
  429: ['Too many unknown tokens were asked about.', UnleashError],
  503: ['The service cannot answer right now.', UnleashError],
};

/** Documents the failures of the admin API. */
export function ApiUnleashErrors(...statuses: readonly number[]): MethodDecorator & ClassDecorator {
  return applyDecorators(
    ...[...statuses, 503].map((status) => {
      const [description = '', type] = ADMIN_ERRORS[status] ?? [];
      return ApiResponse({ status, description, type });
    }),
  );
}

const SDK_ERRORS: Readonly<Record<number, string>> = {
  400: 'The body is not JSON.',
  401: 'No API token, or one that is not good.',
  403: 'The token is of the wrong type.',
  413: 'The body is larger than 64 KB.',
  503: 'The service cannot answer right now.',
};

/** Documents the failures of the client and frontend APIs, which answer with a message only. */
export function ApiUnleashSdkErrors(...statuses: readonly number[]): MethodDecorator & ClassDecorator {
  return applyDecorators(
    ...[...statuses, 503].map((status) => ApiResponse({ status, description: SDK_ERRORS[status] ?? '', type: UnleashMessage })),
  );
}
