import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { principalOf } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { onceAllKnown } from '../kernel/at-once.js';
import { Bare, type BareAnswer, type BareRequest } from '../kernel/http/bare.js';
import { ApiProblems } from '../kernel/http/document.js';
import { inputOf } from '../kernel/http/input.pipe.js';
import { PublicUrl } from '../kernel/public-url.js';
import { RefusalQueue } from '../kernel/refusal-queue.js';
import { TokenVerifier } from '../tokens/token-verifier.js';
import { askedBy, isFullyConsistent } from './asking.js';
import { Introspections, PresentedTokens } from './introspection.dto.js';
import { INACTIVE, toIntrospectionText } from './introspection.mapper.js';

@ApiTags('OAuth 2.0')
@Controller('v1/introspect')
export class BatchIntrospectionController {
  constructor(
    private readonly verifier: TokenVerifier,
    private readonly publicUrl: PublicUrl,
    private readonly refusals: RefusalQueue,
  ) {}

  @Post('batch')
  @Bare()
  @HttpCode(200)
  @RequirePermission('token:introspect', { limitedCallers: true })
  @ApiOperation({ summary: 'The same of up to 100 tokens at once', description: 'One answer for each, in the order asked; each counts as a use.' })
  @ApiBody({ type: PresentedTokens })
  @ApiQuery({ name: 'consistency', required: false, enum: ['full'], description: 'full: ask the database, whatever is remembered.' })
  @ApiOkResponse({ description: 'What is known of each.', type: Introspections })
  @ApiProblems(400, 401, 403, 413, 415)
  introspect(request: BareRequest): BareAnswer {
    const { tokens } = inputOf(PresentedTokens, 'body', request.body);
    const principal = principalOf(request);
    const anew = isFullyConsistent(request);
    const asked = askedBy(principal);
    return onceAllKnown(tokens.map((token) => this.verifier.verify(token, asked, anew)), (verdicts) => {
      const answers = verdicts.map((verdict) => toIntrospectionText(principal, this.publicUrl.value, verdict));
      const text = `{"results":[${answers.join(',')}]}`;
      return answers.every((answer) => answer === INACTIVE) ? this.refusals.say(text) : text;
    });
  }
}
