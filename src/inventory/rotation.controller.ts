import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { Retryable } from '../idempotency/idempotency.js';
import { Clock } from '../kernel/clock.js';
import { ApiProblems } from '../kernel/http/document.js';
import { TokenRotation } from '../tokens/token-rotation.js';
import { TOKEN_KINDS, type MintedToken } from '../tokens/token.js';
import { toInventoryToken } from './inventory.mapper.js';
import { RotatedToken, RotateToken } from './rotation.dto.js';

const HOW = `Id, name, permissions, limits and expiry stay. The new secret waits for its first use: until then the one in use
works on as if nothing had happened, and only then its overlap begins. A newer rotation cancels one that waits.`;

@ApiTags('Tokens')
@Controller('v1/tokens')
export class RotationController {
  constructor(
    private readonly rotation: TokenRotation,
    private readonly clock: Clock,
  ) {}

  @Post('self/rotate')
  @Retryable()
  @HttpCode(200)
  @ApiBody({ type: RotateToken, required: false })
  @RequirePermission('profile:read', { credential: TOKEN_KINDS, limitedCallers: true })
  @ApiOperation({ summary: 'A new secret for the token this is called with', description: `${HOW} Takes no permission; a frontend token, whose secret is public, is refused.` })
  @ApiOkResponse({ description: 'The token and its new secret.', type: RotatedToken })
  @ApiProblems(400, 401, 403, 409, 413, 415)
  async rotateSelf(@CurrentPrincipal() principal: Principal, @Body() { overlap_seconds: overlapSeconds }: RotateToken): Promise<RotatedToken> {
    return this.toRotated(await this.rotation.rotateSelf(principal, { overlapSeconds }));
  }

  @Post(':id/rotate')
  @HttpCode(200)
  @ApiBody({ type: RotateToken, required: false })
  @RequirePermission('token:write', { limitedCallers: true, uncounted: true })
  @ApiOperation({ summary: 'A new secret for a token', description: `${HOW} You must hold all that the token may do; a person’s token is rotated by that person.` })
  @ApiOkResponse({ description: 'The token and its new secret.', type: RotatedToken })
  @ApiProblems(400, 401, 403, 404, 409, 413, 415)
  async rotate(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Body() { overlap_seconds: overlapSeconds }: RotateToken): Promise<RotatedToken> {
    return this.toRotated(await this.rotation.rotate(principal, id, { overlapSeconds }));
  }

  private toRotated({ token, secret }: MintedToken): RotatedToken {
    return { ...toInventoryToken(token, this.clock.now()), secret };
  }
}
