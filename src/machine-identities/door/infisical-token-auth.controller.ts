import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentPrincipal, principalOf, type Principal } from '../../access/principal.js';
import { RequirePermission } from '../../access/require-permission.js';
import { Bare } from '../../kernel/http/bare.js';
import { inputOf } from '../../kernel/http/input.pipe.js';
import { IdentityTokensService } from '../identity-tokens.service.js';
import { TokenAuthService } from '../token-auth.service.js';
import { ApiInfisicalErrors } from './infisical-error.dto.js';
import {
  InfisicalAttachTokenAuth,
  InfisicalCreatedToken,
  InfisicalCreateToken,
  InfisicalMessage,
  InfisicalTokenAnswer,
  InfisicalTokenAuthAnswer,
  InfisicalTokenList,
  InfisicalTokenQuery,
  InfisicalUpdateToken,
  InfisicalUpdateTokenAuth,
} from './infisical-token-auth.dto.js';
import { toCreatedToken, toPage, toSettings, toSettingsChange, toTokenAuthAnswer, toTokenData, toTokenRequest } from './infisical-token-auth.mapper.js';

const LIMITED = { limitedCallers: true };

@ApiTags('Machine identities (Infisical)')
@Controller('api/v1/auth/token-auth')
export class InfisicalTokenAuthController {
  constructor(
    private readonly tokenAuth: TokenAuthService,
    private readonly tokens: IdentityTokensService,
  ) {}

  @Post('identities/:identityId')
  @HttpCode(200)
  @RequirePermission('identity:write')
  @ApiOperation({ summary: 'Attach Token Auth configuration onto machine identity' })
  @ApiBody({ type: InfisicalAttachTokenAuth })
  @ApiOkResponse({ description: 'The configuration', type: InfisicalTokenAuthAnswer })
  @ApiInfisicalErrors(400, 401, 403, 404, 413, 415, 422)
  async attach(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string, @Body() body: InfisicalAttachTokenAuth): Promise<InfisicalTokenAuthAnswer> {
    return toTokenAuthAnswer(await this.tokenAuth.attach(principal, identityId, toSettings(body)));
  }

  @Patch('identities/:identityId')
  @RequirePermission('identity:write')
  @ApiOperation({ summary: 'Update Token Auth configuration on machine identity', description: 'Tokens that exist keep their life; trusted addresses are judged by the new list at once.' })
  @ApiBody({ type: InfisicalUpdateTokenAuth })
  @ApiOkResponse({ description: 'The configuration', type: InfisicalTokenAuthAnswer })
  @ApiInfisicalErrors(400, 401, 403, 404, 413, 415, 422)
  async update(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string, @Body() body: InfisicalUpdateTokenAuth): Promise<InfisicalTokenAuthAnswer> {
    return toTokenAuthAnswer(await this.tokenAuth.update(principal, identityId, toSettingsChange(body)));
  }

  @Get('identities/:identityId')
  @RequirePermission('identity:read')
  @ApiOperation({ summary: 'Retrieve Token Auth configuration on machine identity' })
  @ApiOkResponse({ description: 'The configuration', type: InfisicalTokenAuthAnswer })
  @ApiInfisicalErrors(401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string): Promise<InfisicalTokenAuthAnswer> {
    return toTokenAuthAnswer(await this.tokenAuth.get(principal, identityId));
  }

  @Delete('identities/:identityId')
  @RequirePermission('identity:write')
  @ApiOperation({ summary: 'Delete Token Auth configuration on machine identity', description: 'Ends every token that was minted for it.' })
  @ApiOkResponse({ description: 'The configuration', type: InfisicalTokenAuthAnswer })
  @ApiInfisicalErrors(400, 401, 403, 404)
  async detach(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string): Promise<InfisicalTokenAuthAnswer> {
    return toTokenAuthAnswer(await this.tokenAuth.detach(principal, identityId));
  }

  @Post('identities/:identityId/tokens')
  @Bare()
  @HttpCode(200)
  @RequirePermission('identity:token:write', LIMITED)
  @ApiOperation({ summary: 'Create token for machine identity with Token Auth' })
  @ApiParam({ name: 'identityId' })
  @ApiBody({ type: InfisicalCreateToken })
  @ApiOkResponse({ description: 'The new token, with its secret', type: InfisicalCreatedToken })
  @ApiInfisicalErrors(400, 401, 403, 404, 413, 415, 422)
  async create(request: FastifyRequest): Promise<string> {
    const { identityId } = request.params as { identityId: string };
    const body = inputOf(InfisicalCreateToken, 'body', request.body);
    return JSON.stringify(toCreatedToken(await this.tokens.mint(principalOf(request), identityId, toTokenRequest(body))));
  }

  @Get('identities/:identityId/tokens')
  @RequirePermission('identity:token:read', LIMITED)
  @ApiOperation({ summary: 'Get tokens for machine identity with Token Auth', description: 'Last changed first, dead ones included.' })
  @ApiOkResponse({ description: 'Tokens', type: InfisicalTokenList, headers: { 'x-total-count': { description: 'How many there are in all.', schema: { type: 'integer' } } } })
  @ApiInfisicalErrors(400, 401, 403, 404, 422)
  async list(
    @CurrentPrincipal() principal: Principal,
    @Param('identityId') identityId: string,
    @Query() query: InfisicalTokenQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<InfisicalTokenList> {
    const { tokens, total } = await this.tokens.list(principal, identityId, toPage(query));
    reply.header('x-total-count', total);
    return { tokens: tokens.map(toTokenData) };
  }

  @Get('identities/:identityId/tokens/:tokenId')
  @RequirePermission('identity:token:read', LIMITED)
  @ApiOperation({ summary: 'Get token for machine identity with Token Auth', deprecated: true, description: 'The identity in the path is not looked at.' })
  @ApiOkResponse({ description: 'The token', type: InfisicalTokenAnswer })
  @ApiInfisicalErrors(401, 403, 404)
  async getNested(@CurrentPrincipal() principal: Principal, @Param('identityId') _identityId: string, @Param('tokenId') tokenId: string): Promise<InfisicalTokenAnswer> {
    return { token: toTokenData(await this.tokens.get(principal, tokenId)) };
  }

  @Get('tokens/:tokenId')
  @RequirePermission('identity:token:read', LIMITED)
  @ApiOperation({ summary: 'Get token for machine identity with Token Auth' })
  @ApiOkResponse({ description: 'The token', type: InfisicalTokenAnswer })
  @ApiInfisicalErrors(401, 403, 404)
  async getToken(@CurrentPrincipal() principal: Principal, @Param('tokenId') tokenId: string): Promise<InfisicalTokenAnswer> {
    return { token: toTokenData(await this.tokens.get(principal, tokenId)) };
  }

  @Patch('tokens/:tokenId')
  @RequirePermission('identity:token:write', LIMITED)
  @ApiOperation({ summary: 'Update token for machine identity with Token Auth' })
  @ApiBody({ type: InfisicalUpdateToken })
  @ApiOkResponse({ description: 'The token', type: InfisicalTokenAnswer })
  @ApiInfisicalErrors(400, 401, 403, 404, 413, 415, 422)
  async updateToken(@CurrentPrincipal() principal: Principal, @Param('tokenId') tokenId: string, @Body() body: InfisicalUpdateToken): Promise<InfisicalTokenAnswer> {
    return { token: toTokenData(await this.tokens.rename(principal, tokenId, body.name)) };
  }

  @Post('tokens/:tokenId/revoke')
  @HttpCode(200)
  @RequirePermission('identity:token:write', { ...LIMITED, uncounted: true })
  @ApiOperation({ summary: 'Revoke token for machine identity with Token Auth', description: 'It stops working at once and stays listed.' })
  @ApiOkResponse({ description: 'The token does not work any more', type: InfisicalMessage })
  @ApiInfisicalErrors(401, 403, 404)
  async revokeToken(@CurrentPrincipal() principal: Principal, @Param('tokenId') tokenId: string): Promise<InfisicalMessage> {
    await this.tokens.revoke(principal, tokenId);
    return { message: 'Successfully revoked access token' };
  }
}
