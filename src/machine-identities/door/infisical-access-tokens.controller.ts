import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Public } from '../../access/require-permission.js';
import { originOf } from '../../kernel/http/request.js';
import { IdentityTokensService } from '../identity-tokens.service.js';
import { InfisicalAccessToken, InfisicalPresentedToken } from './infisical-access-tokens.dto.js';
import { ApiInfisicalErrors } from './infisical-error.dto.js';
import { InfisicalMessage } from './infisical-token-auth.dto.js';
import { toBearer } from './infisical-token-auth.mapper.js';

@ApiTags('Machine identities (Infisical)')
@Controller('api/v1/auth/token')
export class InfisicalAccessTokensController {
  constructor(private readonly tokens: IdentityTokensService) {}

  @Post('renew')
  @HttpCode(200)
  @Public()
  @ApiOperation({ summary: 'Renew access token', description: 'The token gets a new secret and more life, within its maximum TTL. The old secret works until it would have expired anyway.' })
  @ApiBody({ type: InfisicalPresentedToken })
  @ApiOkResponse({ description: 'A token, with its secret', type: InfisicalAccessToken })
  @ApiInfisicalErrors(400, 401, 403, 413, 415, 422)
  async renew(@Body() body: InfisicalPresentedToken, @Req() request: FastifyRequest): Promise<InfisicalAccessToken> {
    return toBearer(await this.tokens.renew(body.accessToken.trim(), originOf(request)));
  }

  @Post('revoke')
  @HttpCode(200)
  @Public()
  @ApiOperation({ summary: 'Revoke access token', description: 'Whoever holds a token may end it.' })
  @ApiBody({ type: InfisicalPresentedToken })
  @ApiOkResponse({ description: 'The token does not work any more', type: InfisicalMessage })
  @ApiInfisicalErrors(400, 401, 413, 415, 422)
  async revoke(@Body() body: InfisicalPresentedToken, @Req() request: FastifyRequest): Promise<InfisicalMessage> {
    await this.tokens.revokeBySecret(body.accessToken.trim(), originOf(request));
    return { message: 'Successfully revoked access token' };
  }
}
