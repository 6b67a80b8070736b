import { Body, Controller, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { Clock } from '../kernel/clock.js';
import { ApiProblems } from '../kernel/http/document.js';
import { matches, toEntityTag } from '../kernel/http/entity-tag.js';
import { PreconditionFailed } from '../organizations/precondition-failed.js';
import { limitOf } from '../kernel/http/page-query.js';
import { TokenEngine } from '../tokens/token-engine.js';
import { TokenInventory } from '../tokens/token-inventory.js';
import { TokenNarrowing } from '../tokens/token-narrowing.js';
import type { Token } from '../tokens/token.js';
import { readCursor, toCursor } from './inventory-cursor.js';
import { InventoryPage, InventoryToken, LookupRequest, TokenQuery } from './inventory.dto.js';
import { toChange, toInventoryToken, toSort, toTokenFilter } from './inventory.mapper.js';
import { ChangeToken } from './token-change.dto.js';

const ETAG = { ETag: { description: 'Names this state of the token, for If-Match. Being used does not change it.', schema: { type: 'string' } } };
const IF_MATCH = { name: 'If-Match', required: false, description: 'ETag of the token as it was read; where it has changed since, nothing is done.' };

@ApiTags('Tokens')
@Controller('v1/tokens')
export class InventoryController {
  constructor(
    private readonly tokens: TokenEngine,
    private readonly inventory: TokenInventory,
    private readonly narrowing: TokenNarrowing,
    private readonly clock: Clock,
  ) {}

  @Get()
  @RequirePermission('token:read', { limitedCallers: true })
  @ApiOperation({
    summary: 'Every token of the organization, of all kinds, newest first',
    description: 'Revoked and expired ones too, with who, when and why, for as long as they are kept. Of several filters all must hold.',
  })
  @ApiOkResponse({ description: 'A page of tokens.', type: InventoryPage })
  @ApiProblems(400, 401, 403)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: TokenQuery): Promise<InventoryPage> {
    const sort = toSort(query);
    const paging = { sort, limit: limitOf(query), after: readCursor(sort, query.cursor) };
    const { tokens, next, total } = await this.inventory.page(principal, toTokenFilter(query), paging, query.total === 'true');
    const now = this.clock.now();
    return { data: tokens.map((token) => toInventoryToken(token, now)), next_cursor: toCursor(sort, next), ...(total !== null && { total }) };
  }

  @Post('lookup')
  @HttpCode(200)
  @RequirePermission('token:read', { limitedCallers: true })
  @ApiOperation({ summary: 'Find a token by its secret', description: 'For a secret that turned up somewhere. It costs no use and is not kept. One that is no token and one of another organization are the same answer.' })
  @ApiOkResponse({ description: 'The token.', type: InventoryToken, headers: ETAG })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  async lookUp(@CurrentPrincipal() principal: Principal, @Body() { token }: LookupRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<InventoryToken> {
    return this.tagged(reply, await this.inventory.lookUp(principal, token));
  }

  @Get(':id')
  @RequirePermission('token:read', { limitedCallers: true })
  @ApiOperation({ summary: 'One token' })
  @ApiOkResponse({ description: 'The token.', type: InventoryToken, headers: ETAG })
  @ApiProblems(401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<InventoryToken> {
    return this.tagged(reply, await this.tokens.find(principal, id));
  }

  @Patch(':id')
  @RequirePermission('token:write', { limitedCallers: true })
  @ApiHeader(IF_MATCH)
  @ApiOperation({
    summary: 'Rename a token, write beside it, or cut what it may do',
    description: 'In force at once. Nothing here gives a token more than it has: no permission beyond its own, no later end; a revoked one is not changed.',
  })
  @ApiOkResponse({ description: 'The token as it is now.', type: InventoryToken, headers: ETAG })
  @ApiProblems(400, 401, 403, 404, 409, 412, 413, 415)
  async change(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() body: ChangeToken,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<InventoryToken> {
    const token = await this.narrowing.narrow(principal, id, toChange(body), ({ updatedAt }) => {
      if (!matches(ifMatch, updatedAt)) throw new PreconditionFailed('token');
    });
    return this.tagged(reply, token);
  }

  private tagged(reply: FastifyReply, token: Token): InventoryToken {
    reply.header('etag', toEntityTag(token.updatedAt));
    return toInventoryToken(token, this.clock.now());
  }
}
