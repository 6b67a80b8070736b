import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '../../access/require-permission.js';
import { onceKnown } from '../../kernel/at-once.js';
import { Bare, type BareAnswer, type BareRequest } from '../../kernel/http/bare.js';
import { inputOf } from '../../kernel/http/input.pipe.js';
import { RefusalQueue } from '../../kernel/refusal-queue.js';
import { ProjectTokens } from '../project-tokens.service.js';
import { ApiUnleashErrors } from './unleash-error.dto.js';
import { UnleashValidate, UnleashValidTokens } from './unleash-sdk.dto.js';
import { toPresentedTokens, toValidTokens } from './unleash-sdk.mapper.js';

@ApiTags('Project API tokens (Unleash)')
@Controller('edge')
export class UnleashEdgeController {
  constructor(
    private readonly tokens: ProjectTokens,
    private readonly refusals: RefusalQueue,
  ) {}

  @Post('validate')
  @Bare()
  @HttpCode(200)
  @Public()
  @ApiOperation({
    summary: 'Which of these are live tokens of projects?',
    description: 'Open to anyone: it tells of a token only to whoever has its secret. All others are left out. Does not count as a use.',
  })
  @ApiBody({ type: UnleashValidate })
  @ApiOkResponse({ description: 'Those that are, in the order asked.', type: UnleashValidTokens })
  @ApiUnleashErrors(400, 413, 415, 429)
  validate({ body, ip }: BareRequest): BareAnswer {
    const presented = toPresentedTokens(inputOf(UnleashValidate, 'body', body));
    return onceKnown(this.tokens.inspect(presented, ip), (live) => {
      const text = JSON.stringify(toValidTokens(presented, live));
      return live.size === 0 ? this.refusals.say(text) : text;
    });
  }
}
