import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOkResponse, ApiOperation, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, principalOf, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { onceKnown } from '../kernel/at-once.js';
import { Bare, type BareAnswer, type BareRequest } from '../kernel/http/bare.js';
import { ApiProblems } from '../kernel/http/document.js';
import { PublicUrl } from '../kernel/public-url.js';
import { RefusalQueue } from '../kernel/refusal-queue.js';
import { TokenEngine } from '../tokens/token-engine.js';
import { TokenVerifier } from '../tokens/token-verifier.js';
import { askedBy, isFullyConsistent } from './asking.js';
import { Introspection, OAuthError, PresentedToken } from './introspection.dto.js';
import { INACTIVE, toIntrospectionText } from './introspection.mapper.js';
import { presentedToken } from './presented-token.js';

@ApiTags('OAuth 2.0')
@ApiResponse({ status: 400, description: 'The request is malformed (RFC 6749 section 5.2).', type: OAuthError })
@Controller('oauth2')
export class IntrospectionController {
  constructor(
    private readonly verifier: TokenVerifier,
    private readonly tokens: TokenEngine,
    private readonly publicUrl: PublicUrl,
    private readonly refusals: RefusalQueue,
  ) {}

  @Post('introspect')
  @Bare()
  @HttpCode(200)
  @RequirePermission('token:introspect', { limitedCallers: true })
  @ApiOperation({
    summary: 'Is this token good, whose is it, what may it do? (RFC 7662)',
    description: 'Counts as a use of the token. Where a second may be too long after a change, ask with consistency=full.',
  })
  @ApiConsumes('application/x-www-form-urlencoded')
  @ApiBody({ type: PresentedToken })
  @ApiQuery({ name: 'consistency', required: false, enum: ['full'], description: 'full: ask the database, whatever is remembered.' })
  @ApiOkResponse({ description: 'What is known of the token, or only that it is not active.', type: Introspection })
  @ApiProblems(401, 403, 413, 415)
  introspect(request: BareRequest): BareAnswer {
    const token = presentedToken(request.body);
    const principal = principalOf(request);
    const verdict = this.verifier.verify(token, askedBy(principal), isFullyConsistent(request));
    return onceKnown(verdict, (judged) => {
      const text = toIntrospectionText(principal, this.publicUrl.value, judged);
      return text === INACTIVE ? this.refusals.say(text) : text;
    });
  }

  @Post('revoke')
  @HttpCode(200)
  @RequirePermission('profile:read', { limitedCallers: true })
  @ApiOperation({
    summary: 'Revoke a token by its secret (RFC 7009)',
    description: 'Whoever holds a secret may end it, if they are of its organization. The answer is the same for tokens that are unknown, revoked already or of another organization.',
  })
  @ApiConsumes('application/x-www-form-urlencoded')
  @ApiBody({ type: PresentedToken })
  @ApiOkResponse({ description: 'The token does not work (any more).', schema: { type: 'object', example: {} } })
  @ApiProblems(401, 413, 415)
  async revoke(@CurrentPrincipal() principal: Principal, @Body() { token }: PresentedToken): Promise<object> {
    const found = await this.verifier.locate(token);
    // The secret in hand, as long as it is one the token has, opens the token whatever projects the caller is limited to.
    if (found?.inForce && [found.organizationId, found.keptIn].includes(principal.organizationId)) {
      await this.tokens.revoke({ ...principal, organizationId: found.keptIn, projects: 'all' }, found.tokenId);
    }
    return {};
  }
}
