import { Body, Controller, Delete, Get, HttpCode, Query } from '@nestjs/common';
import { ApiBody, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { Clock } from '../kernel/clock.js';
import { ApiProblems } from '../kernel/http/document.js';
import { TokenEngine } from '../tokens/token-engine.js';
import { TOKEN_KINDS, type Caller } from '../tokens/token.js';
import { InventoryToken } from './inventory.dto.js';
import { toInventoryToken } from './inventory.mapper.js';
import { EndQuery, EndRequest, toReason } from './token-ends.dto.js';

/** What a token may do with itself, which takes no permission. */
@ApiTags('Tokens')
@Controller('v1/tokens/self')
export class OwnTokenController {
  constructor(
    private readonly tokens: TokenEngine,
    private readonly clock: Clock,
  ) {}

  @Get()
  @RequirePermission('profile:read', { credential: TOKEN_KINDS, limitedCallers: true })
  @ApiOperation({ summary: 'The token that asks' })
  @ApiOkResponse({ description: 'The token.', type: InventoryToken })
  @ApiProblems(401, 403)
  async get(@CurrentPrincipal() principal: Principal): Promise<InventoryToken> {
    return toInventoryToken(await this.tokens.find(asKeeper(principal), ownId(principal)), this.clock.now());
  }

  @Delete()
  @HttpCode(204)
  @RequirePermission('profile:read', { credential: TOKEN_KINDS, limitedCallers: true })
  @ApiOperation({ summary: 'Revoke the token that asks', description: 'At once, with all that were minted with it. For whoever holds it, or has found it.' })
  @ApiBody({ type: EndRequest, required: false })
  @ApiNoContentResponse({ description: 'The token does not work any more.' })
  @ApiProblems(400, 401, 403, 413, 415)
  async revoke(@CurrentPrincipal() principal: Principal, @Query() query: EndQuery, @Body() body: EndRequest): Promise<void> {
    await this.tokens.revoke(asKeeper(principal), ownId(principal), { reason: toReason(body.reason ?? query.reason) });
  }
}

/** A token of a sub-organization is kept by the parent; and itself it is whatever projects it is limited to. */
function asKeeper(principal: Principal): Caller {
  return { ...principal, organizationId: principal.tokenKeptIn ?? principal.organizationId, projects: 'all' };
}

function ownId({ tokenId }: Principal): string {
  if (tokenId === null) throw new Error('a session was let in where only tokens are');
  return tokenId;
}
