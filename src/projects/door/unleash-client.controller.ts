import { Controller, Get, HttpCode, Post, Res, UseInterceptors } from '@nestjs/common';
import { ApiAcceptedResponse, ApiNotModifiedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentPrincipal, type Principal } from '../../access/principal.js';
import { RequirePermission } from '../../access/require-permission.js';
import { EntityTagInterceptor } from '../../kernel/http/entity-tag.interceptor.js';
import { SDKS } from './unleash-callers.js';
import { ApiUnleashSdkErrors } from './unleash-error.dto.js';
import { UnleashFeatures } from './unleash-sdk.dto.js';
import { toFeatures } from './unleash-sdk.mapper.js';

/** What SDKs of back ends call, so that a token can be seen to work; nothing of what they send is kept. */
@ApiTags('Project API tokens (Unleash)')
@Controller('api/client')
export class UnleashClientController {
  @Get('features')
  @UseInterceptors(EntityTagInterceptor)
  @RequirePermission('project:backend:read', { credential: SDKS, limitedCallers: true })
  @ApiOperation({ summary: 'Feature flags for a backend or client token', description: 'There are none; the answer says for which projects and environment the token asks.' })
  @ApiOkResponse({ description: 'No flags.', type: UnleashFeatures })
  @ApiNotModifiedResponse({ description: 'Nothing has changed since the answer with this entity tag.' })
  @ApiUnleashSdkErrors(401, 403)
  features(@CurrentPrincipal() principal: Principal, @Res({ passthrough: true }) reply: FastifyReply): UnleashFeatures {
    const features = toFeatures(principal);
    reply.header('etag', features.meta.etag);
    return features;
  }

  @Post('register')
  @HttpCode(202)
  @RequirePermission('project:backend:read', { credential: SDKS, limitedCallers: true })
  @ApiOperation({ summary: 'An SDK says that it has started', description: 'Nothing of it is kept.' })
  @ApiAcceptedResponse({ description: 'Heard.' })
  @ApiUnleashSdkErrors(400, 401, 403, 413)
  register(): void {}

  @Post('metrics')
  @HttpCode(202)
  @RequirePermission('project:backend:read', { credential: SDKS, limitedCallers: true })
  @ApiOperation({ summary: 'An SDK tells what it has evaluated', description: 'Nothing of it is kept.' })
  @ApiAcceptedResponse({ description: 'Heard.' })
  @ApiUnleashSdkErrors(400, 401, 403, 413)
  metrics(): void {}
}
