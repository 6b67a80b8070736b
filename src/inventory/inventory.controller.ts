import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { Clock } from '../kernel/clock.js';
import { ApiProblems } from '../kernel/http/document.js';
import { requireCursor } from '../kernel/page.js';
import { TokenEngine } from '../tokens/token-engine.js';
import { InventoryPage, InventoryToken, TokenQuery } from './inventory.dto.js';
import { toInventoryPage, toInventoryToken } from './inventory.mapper.js';

const LIMIT_DEFAULT = 50;

@ApiTags('Tokens')
@Controller('v1/tokens')
export class InventoryController {
  constructor(
    private readonly tokens: TokenEngine,
    private readonly clock: Clock,
  ) {}

  @Get()
  @RequirePermission('token:read', { limitedCallers: true })
  @ApiOperation({ summary: 'Every token of the organization, of all kinds, newest first' })
  @ApiOkResponse({ description: 'A page of tokens.', type: InventoryPage })
  @ApiProblems(400, 401, 403)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: TokenQuery): Promise<InventoryPage> {
    const { kind, owner_id: ownerId, project, environment, state } = query;
    const limit = Number(query.limit ?? LIMIT_DEFAULT);
    const listing = { order: 'newest-first', limit: limit + 1, after: requireCursor(query.cursor) } as const;
    const tokens = await this.tokens.list(principal, { kind, ownerId, project, environment, state }, listing);
    return toInventoryPage(tokens, limit, this.clock.now());
  }

  @Get(':id')
  @RequirePermission('token:read', { limitedCallers: true })
  @ApiOperation({ summary: 'One token' })
  @ApiOkResponse({ description: 'The token.', type: InventoryToken })
  @ApiProblems(401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<InventoryToken> {
    return toInventoryToken(await this.tokens.find(principal, id), this.clock.now());
  }

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('token:write', { limitedCallers: true })
  @ApiOperation({ summary: 'Revoke a token at once', description: 'It stays listed, with who and when. Revoking it again changes nothing.' })
  @ApiNoContentResponse({ description: 'The token does not work any more.' })
  @ApiProblems(401, 403, 404)
  async revoke(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.tokens.revoke(principal, id);
  }
}
