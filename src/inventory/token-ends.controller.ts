import { Body, Controller, Delete, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBody, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { Clock } from '../kernel/clock.js';
import { ApiProblems } from '../kernel/http/document.js';
import { BulkRevocation } from '../tokens/bulk-revocation.js';
import { TokenEngine } from '../tokens/token-engine.js';
import { TokenRestoration } from '../tokens/token-restoration.js';
import { InventoryToken } from './inventory.dto.js';
import { toInventoryToken, toTokenFilter } from './inventory.mapper.js';
import { BulkRevocationBody, BulkRevocationOutcome, EndQuery, EndRequest, toReason } from './token-ends.dto.js';

@ApiTags('Tokens')
@Controller('v1/tokens')
export class TokenEndsController {
  constructor(
    private readonly tokens: TokenEngine,
    private readonly bulk: BulkRevocation,
    private readonly restoration: TokenRestoration,
    private readonly clock: Clock,
  ) {}

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('token:write', { limitedCallers: true })
  @ApiOperation({
    summary: 'Revoke a token at once',
    description: 'With all that were minted with it. They stay listed, with who, when and why. The reason comes in the query or in the body. Revoking it again changes nothing.',
  })
  @ApiBody({ type: EndRequest, required: false })
  @ApiNoContentResponse({ description: 'The token does not work any more.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  async revoke(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Query() query: EndQuery, @Body() body: EndRequest): Promise<void> {
    await this.tokens.revoke(principal, id, { reason: toReason(body.reason ?? query.reason) });
  }

  @Post('revoke')
  @HttpCode(200)
  @RequirePermission('token:write', { limitedCallers: true, uncounted: true })
  @ApiOperation({
    summary: 'Revoke every token that a filter lets through',
    description: 'With all that were minted with them. Ask with `dry_run` first. A filter that lets through all there are, or all that work, must be confirmed. Where an outage stops it midway, the same call again ends the rest.',
  })
  @ApiOkResponse({ description: 'How many it were.', type: BulkRevocationOutcome })
  @ApiProblems(400, 401, 403, 413, 415)
  revokeMany(@CurrentPrincipal() principal: Principal, @Body() { filter, reason, dry_run: dryRun = false, confirm = false }: BulkRevocationBody): Promise<BulkRevocationOutcome> {
    return this.bulk.revoke(principal, { filter: toTokenFilter(filter), reason: toReason(reason), dryRun, confirmed: confirm });
  }

  @Post(':id/restore')
  @HttpCode(200)
  @RequirePermission('token:write', { limitedCallers: true, uncounted: true })
  @ApiOperation({
    summary: 'Undo a revocation',
    description: 'Within 60 minutes, with the same secret and with those that ended along with it. Not after a compromise, not where it would exceed what you may do yourself, and not where its owner, project or environment is gone.',
  })
  @ApiOkResponse({ description: 'The token, live again.', type: InventoryToken })
  @ApiProblems(401, 403, 404, 409)
  async restore(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<InventoryToken> {
    return toInventoryToken(await this.restoration.restore(principal, id), this.clock.now());
  }
}
