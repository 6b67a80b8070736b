import { Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentPrincipal, principalOf, type Principal } from '../../access/principal.js';
import { RequirePermission } from '../../access/require-permission.js';
import { Bare } from '../../kernel/http/bare.js';
import { inputOf } from '../../kernel/http/input.pipe.js';
import { TokenEngine } from '../../tokens/token-engine.js';
import { UsersService } from '../users.service.js';
import { ApiFynnFailures } from './fynn-document.js';
import { FynnCreatedToken, FynnCreateToken, FynnPageQuery, FynnTenantPage, FynnToken, FynnTokenPage } from './fynn.dto.js';
import { ownTokens, toCreatedToken, toListing, toMintRequest, toTenantPage, toToken, toTokenPage } from './fynn.mapper.js';

@ApiTags('User API tokens (Fynn)')
@Controller('user')
export class FynnController {
  constructor(
    private readonly tokens: TokenEngine,
    private readonly users: UsersService,
  ) {}

  @Post('api-tokens')
  @Bare()
  @RequirePermission('user:api-token:write', { limitedCallers: true })
  @ApiOperation({ summary: 'Create api token', description: 'A token with the privileges the current user has at the time of its use.' })
  @ApiConsumes('application/json', 'text/html')
  @ApiBody({ type: FynnCreateToken, description: 'The new ApiToken resource' })
  @ApiCreatedResponse({ description: 'ApiToken resource created', type: FynnCreatedToken })
  @ApiFynnFailures(400, 401, 403, 413, 415, 422)
  async create(request: FastifyRequest): Promise<string> {
    const principal = principalOf(request);
    const body = inputOf(FynnCreateToken, 'body', request.body);
    return JSON.stringify(toCreatedToken(await this.tokens.mint(principal, toMintRequest(principal, body))));
  }

  @Get('api-tokens')
  @RequirePermission('user:api-token:read', { limitedCallers: true })
  @ApiOperation({ summary: 'Get all api tokens', description: 'Those of the current user, oldest first, expired ones included.' })
  @ApiOkResponse({ description: 'ApiToken collection', type: FynnTokenPage })
  @ApiFynnFailures(400, 401, 403)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: FynnPageQuery): Promise<FynnTokenPage> {
    const own = ownTokens(principal);
    const tokens = await this.tokens.list(principal, own, toListing(query));
    return toTokenPage(tokens, await this.tokens.count(principal, own), query);
  }

  @Get('api-tokens/:id')
  @RequirePermission('user:api-token:read', { limitedCallers: true })
  @ApiOperation({ summary: 'Get one api token', description: 'One of the current user.' })
  @ApiOkResponse({ description: 'ApiToken resource', type: FynnToken })
  @ApiFynnFailures(401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<FynnToken> {
    return toToken(await this.tokens.find(principal, id, ownTokens(principal)));
  }

  @Delete('api-tokens/:id')
  @HttpCode(204)
  @RequirePermission('user:api-token:write', { limitedCallers: true })
  @ApiOperation({ summary: 'Delete api token', description: 'One of the current user. It stops working at once.' })
  @ApiNoContentResponse({ description: 'ApiToken resource deleted' })
  @ApiFynnFailures(401, 403, 404)
  async delete(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.tokens.revoke(principal, id, { within: ownTokens(principal) });
  }

  @Get('tenants')
  @RequirePermission('profile:read', { limitedCallers: true })
  @ApiOperation({ summary: 'Get the tenants of the current user', description: 'Where the person may enter now, in the order they joined; asked with a token, only the tenant of the token.' })
  @ApiOkResponse({ description: 'Tenant collection', type: FynnTenantPage })
  @ApiFynnFailures(400, 401, 403)
  async tenants(@CurrentPrincipal() principal: Principal, @Query() query: FynnPageQuery): Promise<FynnTenantPage> {
    return toTenantPage(await this.users.organizationsOpenTo(principal), query);
  }
}
