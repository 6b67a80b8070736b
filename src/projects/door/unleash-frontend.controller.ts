import { Controller, Get, Header, Headers, HttpCode, Options, Post, Res, UseInterceptors } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiNotModifiedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public, RequirePermission } from '../../access/require-permission.js';
import { EntityTagInterceptor } from '../../kernel/http/entity-tag.interceptor.js';
import { SDKS } from './unleash-callers.js';
import { AnyOrigin } from './unleash-cors.js';
import { ApiUnleashSdkErrors } from './unleash-error.dto.js';
import { UnleashToggles } from './unleash-sdk.dto.js';

const NO_TOGGLES: UnleashToggles = { toggles: [] };
const HEARD = { description: 'Heard.', content: { 'text/plain': { schema: { type: 'string' as const, example: 'OK' } } } };

/** What SDKs of browsers call, so that a token can be seen to work; nothing of what they send is kept. */
@ApiTags('Project API tokens (Unleash)')
@Controller('api/frontend')
export class UnleashFrontendController {
  @Get()
  @UseInterceptors(EntityTagInterceptor)
  @AnyOrigin()
  @RequirePermission('project:frontend:read', { credential: SDKS, limitedCallers: true })
  @ApiOperation({ summary: 'Enabled feature flags for a frontend token', description: 'There are none.' })
  @ApiOkResponse({ description: 'No flags.', type: UnleashToggles })
  @ApiNotModifiedResponse({ description: 'Nothing has changed since the answer with this entity tag.' })
  @ApiUnleashSdkErrors(401, 403)
  toggles(): UnleashToggles {
    return NO_TOGGLES;
  }

  @Post('client/register')
  @HttpCode(200)
  @AnyOrigin()
  @Header('content-type', 'text/plain; charset=utf-8')
  @RequirePermission('project:frontend:read', { credential: SDKS, limitedCallers: true })
  @ApiOperation({ summary: 'An SDK says that it has started', description: 'Nothing of it is kept.' })
  @ApiOkResponse(HEARD)
  @ApiUnleashSdkErrors(400, 401, 403, 413)
  register(): string {
    return 'OK';
  }

  @Post('client/metrics')
  @HttpCode(200)
  @AnyOrigin()
  @Header('content-type', 'text/plain; charset=utf-8')
  @RequirePermission('project:frontend:read', { credential: SDKS, limitedCallers: true })
  @ApiOperation({ summary: 'An SDK tells what it has evaluated', description: 'Nothing of it is kept.' })
  @ApiOkResponse(HEARD)
  @ApiUnleashSdkErrors(400, 401, 403, 413)
  metrics(): string {
    return 'OK';
  }

  /** A browser asks this before it sends the Authorization header. */
  @Options(['', 'client/register', 'client/metrics'])
  @HttpCode(204)
  @AnyOrigin()
  @Header('access-control-allow-methods', 'GET,HEAD,POST')
  @Header('access-control-max-age', '172800')
  @Public()
  @ApiExcludeEndpoint()
  preflight(@Headers('access-control-request-headers') wanted: string | undefined, @Res({ passthrough: true }) reply: FastifyReply): void {
    reply.header('access-control-allow-headers', wanted ?? 'authorization,content-type');
  }
}
