import { Controller, Delete, Get, Header, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentPrincipal, principalOf, type Principal } from '../../access/principal.js';
import { RequirePermission } from '../../access/require-permission.js';
import { Bare } from '../../kernel/http/bare.js';
import { inputOf } from '../../kernel/http/input.pipe.js';
import { OrganizationTokens } from '../organization-tokens.service.js';
import { ApiDeepsetErrors } from './deepset-error.dto.js';
import { DeepsetPageQuery } from './deepset-page.dto.js';
import { DeepsetApiTokenResult, DeepsetCreateToken, DeepsetTokenPage } from './deepset-token.dto.js';
import { toCreatedToken, toLimit, toPageStart, toPathId, toTokenPage, toTokenRequest } from './deepset.mapper.js';

@ApiTags('Organization API tokens (deepset)')
@Controller('api/v1/token')
export class DeepsetTokenController {
  constructor(private readonly tokens: OrganizationTokens) {}

  @Post()
  @Bare()
  @HttpCode(200)
  @RequirePermission('organization:api-token:write', { credential: 'session' })
  @ApiOperation({ summary: 'Create Token', description: 'A personal or service token that may do what its role allows at the time of its use. API tokens cannot create tokens.' })
  @ApiBody({ type: DeepsetCreateToken })
  @ApiOkResponse({ description: 'Successful Response', type: DeepsetApiTokenResult })
  @ApiDeepsetErrors([400, 'Unreadable body'], [404, 'No such role or workspace'], [413, 'Body larger than 64 KB'], [415, 'Unreadable content type'], [422, 'Validation Error'])
  async create(request: FastifyRequest): Promise<string> {
    const body = inputOf(DeepsetCreateToken, 'body', request.body);
    return JSON.stringify(toCreatedToken(await this.tokens.mint(principalOf(request), toTokenRequest(body))));
  }

  @Get()
  @RequirePermission('organization:api-token:read', { limitedCallers: true })
  @ApiOperation({ summary: 'List Tokens', description: 'Tokens that were not deleted, newest first; a credential limited to workspaces sees those within them.' })
  @ApiOkResponse({ description: 'Successful Response', type: DeepsetTokenPage })
  @ApiDeepsetErrors([400, 'Malformed request'], [404, 'No token has the id in before or after'], [422, 'Validation Error'])
  async list(@CurrentPrincipal() principal: Principal, @Query() query: DeepsetPageQuery): Promise<DeepsetTokenPage> {
    return toTokenPage(await this.tokens.list(principal, toPageStart(query), toLimit(query)));
  }

  @Delete(':api_token_id')
  @Header('content-type', 'application/json; charset=utf-8')
  @RequirePermission('organization:api-token:write', { credential: 'session' })
  @ApiOperation({ summary: 'Remove Token', description: 'The token stops working at once. API tokens cannot remove tokens.' })
  @ApiParam({ name: 'api_token_id', schema: { type: 'string', format: 'uuid' } })
  @ApiOkResponse({ description: 'Successful Response', schema: { nullable: true, example: null } })
  @ApiDeepsetErrors([400, 'Malformed request'], [404, 'No such API token'], [422, 'Validation Error'])
  async remove(@CurrentPrincipal() principal: Principal, @Param('api_token_id') id: string): Promise<string> {
    await this.tokens.revoke(principal, toPathId('api_token_id', id));
    // FastAPI's body of a route that returns nothing.
    return 'null';
  }
}
