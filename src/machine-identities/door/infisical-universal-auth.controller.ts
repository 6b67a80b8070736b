import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Req } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentPrincipal, type Principal } from '../../access/principal.js';
import { Public, RequirePermission } from '../../access/require-permission.js';
import { originOf } from '../../kernel/http/request.js';
import { ClientLoginService } from '../client-login.service.js';
import { ClientSecretsService } from '../client-secrets.service.js';
import { UniversalAuthService } from '../universal-auth.service.js';
import { InfisicalAccessToken } from './infisical-access-tokens.dto.js';
import { ApiInfisicalErrors } from './infisical-error.dto.js';
import { toBearer } from './infisical-token-auth.mapper.js';
import {
  InfisicalAttachUniversalAuth,
  InfisicalClientSecretAnswer,
  InfisicalClientSecretList,
  InfisicalCreateClientSecret,
  InfisicalCreatedClientSecret,
  InfisicalLockoutsCleared,
  InfisicalLogin,
  InfisicalUniversalAuthAnswer,
  InfisicalUpdateUniversalAuth,
} from './infisical-universal-auth.dto.js';
import { toClientSecret, toClientSettings, toClientSettingsChange, toCredentials, toNewClientSecret, toUniversalAuthAnswer } from './infisical-universal-auth.mapper.js';

@ApiTags('Machine identities (Infisical)')
@Controller('api/v1/auth/universal-auth')
export class InfisicalUniversalAuthController {
  constructor(
    private readonly logins: ClientLoginService,
    private readonly universalAuth: UniversalAuthService,
    private readonly secrets: ClientSecretsService,
  ) {}

  @Post('login')
  @HttpCode(200)
  @Public()
  @ApiOperation({ summary: 'Login with Universal Auth for machine identity', description: 'Failed logins lock their own source out for a while, and nobody else.' })
  @ApiBody({ type: InfisicalLogin })
  @ApiOkResponse({ description: 'A token, with its secret', type: InfisicalAccessToken })
  @ApiInfisicalErrors(400, 401, 403, 404, 413, 415, 422)
  async login(@Body() body: InfisicalLogin, @Req() request: FastifyRequest): Promise<InfisicalAccessToken> {
    return toBearer(await this.logins.login(toCredentials(body), originOf(request)));
  }

  @Post('identities/:identityId')
  @HttpCode(200)
  @RequirePermission('identity:write')
  @ApiOperation({ summary: 'Attach Universal Auth configuration onto machine identity' })
  @ApiBody({ type: InfisicalAttachUniversalAuth })
  @ApiOkResponse({ description: 'The configuration', type: InfisicalUniversalAuthAnswer })
  @ApiInfisicalErrors(400, 401, 403, 404, 413, 415, 422)
  async attach(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string, @Body() body: InfisicalAttachUniversalAuth): Promise<InfisicalUniversalAuthAnswer> {
    return toUniversalAuthAnswer(await this.universalAuth.attach(principal, identityId, toClientSettings(body)));
  }

  @Patch('identities/:identityId')
  @RequirePermission('identity:write')
  @ApiOperation({ summary: 'Update Universal Auth configuration on machine identity' })
  @ApiBody({ type: InfisicalUpdateUniversalAuth })
  @ApiOkResponse({ description: 'The configuration', type: InfisicalUniversalAuthAnswer })
  @ApiInfisicalErrors(400, 401, 403, 404, 413, 415, 422)
  async update(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string, @Body() body: InfisicalUpdateUniversalAuth): Promise<InfisicalUniversalAuthAnswer> {
    return toUniversalAuthAnswer(await this.universalAuth.update(principal, identityId, toClientSettingsChange(body)));
  }

  @Get('identities/:identityId')
  @RequirePermission('identity:read')
  @ApiOperation({ summary: 'Retrieve Universal Auth configuration on machine identity' })
  @ApiOkResponse({ description: 'The configuration', type: InfisicalUniversalAuthAnswer })
  @ApiInfisicalErrors(401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string): Promise<InfisicalUniversalAuthAnswer> {
    return toUniversalAuthAnswer(await this.universalAuth.get(principal, identityId));
  }

  @Delete('identities/:identityId')
  @RequirePermission('identity:write')
  @ApiOperation({ summary: 'Delete Universal Auth configuration on machine identity', description: 'Ends its client secrets and every token obtained with them.' })
  @ApiOkResponse({ description: 'The configuration', type: InfisicalUniversalAuthAnswer })
  @ApiInfisicalErrors(400, 401, 403, 404)
  async detach(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string): Promise<InfisicalUniversalAuthAnswer> {
    return toUniversalAuthAnswer(await this.universalAuth.detach(principal, identityId));
  }

  @Post('identities/:identityId/client-secrets')
  @HttpCode(200)
  @RequirePermission('identity:token:write')
  @ApiOperation({ summary: 'Create Universal Auth Client Secret for machine identity' })
  @ApiBody({ type: InfisicalCreateClientSecret })
  @ApiOkResponse({ description: 'The new client secret, which is shown this once', type: InfisicalCreatedClientSecret })
  @ApiInfisicalErrors(400, 401, 403, 404, 413, 415, 422)
  async createSecret(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string, @Body() body: InfisicalCreateClientSecret): Promise<InfisicalCreatedClientSecret> {
    const { secret, view } = await this.secrets.create(principal, identityId, toNewClientSecret(body));
    return { clientSecret: secret, clientSecretData: toClientSecret(view) };
  }

  @Get('identities/:identityId/client-secrets')
  @RequirePermission('identity:token:read')
  @ApiOperation({ summary: 'List Universal Auth Client Secrets for machine identity', description: 'Oldest first; revoked ones stay listed.' })
  @ApiOkResponse({ description: 'Client secrets', type: InfisicalClientSecretList })
  @ApiInfisicalErrors(400, 401, 403, 404)
  async listSecrets(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string): Promise<InfisicalClientSecretList> {
    return { clientSecretData: (await this.secrets.list(principal, identityId)).map(toClientSecret) };
  }

  @Get('identities/:identityId/client-secrets/:clientSecretId')
  @RequirePermission('identity:token:read')
  @ApiOperation({ summary: 'Get Universal Auth Client Secret for machine identity' })
  @ApiOkResponse({ description: 'The client secret', type: InfisicalClientSecretAnswer })
  @ApiInfisicalErrors(400, 401, 403, 404)
  async getSecret(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string, @Param('clientSecretId') clientSecretId: string): Promise<InfisicalClientSecretAnswer> {
    return { clientSecretData: toClientSecret(await this.secrets.get(principal, identityId, clientSecretId)) };
  }

  @Post('identities/:identityId/client-secrets/:clientSecretId/revoke')
  @HttpCode(200)
  @RequirePermission('identity:token:write', { uncounted: true })
  @ApiOperation({ summary: 'Revoke Universal Auth Client Secret for machine identity', description: 'Ends it and the tokens obtained with it at once.' })
  @ApiOkResponse({ description: 'The client secret', type: InfisicalClientSecretAnswer })
  @ApiInfisicalErrors(400, 401, 403, 404)
  async revokeSecret(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string, @Param('clientSecretId') clientSecretId: string): Promise<InfisicalClientSecretAnswer> {
    return { clientSecretData: toClientSecret(await this.secrets.revoke(principal, identityId, clientSecretId)) };
  }

  @Post('identities/:identityId/clear-lockouts')
  @HttpCode(200)
  @RequirePermission('identity:write', { uncounted: true })
  @ApiOperation({ summary: 'Clear Universal Auth Lockouts for machine identity' })
  @ApiOkResponse({ description: 'How many sources were counted or locked out', type: InfisicalLockoutsCleared })
  @ApiInfisicalErrors(400, 401, 403, 404)
  async clearLockouts(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string): Promise<InfisicalLockoutsCleared> {
    return { deleted: await this.secrets.clearLockouts(principal, identityId) };
  }
}
