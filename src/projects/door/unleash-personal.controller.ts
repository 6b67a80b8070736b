import { Body, Controller, Delete, Get, HttpCode, Param, Post, UseInterceptors } from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiNotModifiedResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, requireUser, type Principal } from '../../access/principal.js';
import { RequirePermission } from '../../access/require-permission.js';
import { EntityTagInterceptor } from '../../kernel/http/entity-tag.interceptor.js';
import { NumberedTokens } from '../../tokens/numbered-tokens.js';
import { MANAGERS } from './unleash-callers.js';
import { ApiUnleashErrors } from './unleash-error.dto.js';
import { UnleashCreatedPersonalToken, UnleashCreatePersonalToken, UnleashPersonalTokens } from './unleash-personal.dto.js';
import { PERSONAL_TOKENS_MAX, toCreatedPersonalToken, toNumberedMint, toPersonalTokens, toTokenNumber } from './unleash-personal.mapper.js';

@ApiTags('Project API tokens (Unleash)')
@Controller('api/admin/user/tokens')
export class UnleashPersonalController {
  constructor(private readonly tokens: NumberedTokens) {}

  @Post()
  @RequirePermission('user:api-token:write', { credential: MANAGERS, limitedCallers: true })
  @ApiOperation({
    summary: 'Create a personal access token',
    description: `It may do what the person may do at the time of its use. A person has at most ${PERSONAL_TOKENS_MAX}. The secret is in this answer and nowhere else.`,
  })
  @ApiBody({ type: UnleashCreatePersonalToken })
  @ApiCreatedResponse({ description: 'The token was created.', type: UnleashCreatedPersonalToken })
  @ApiUnleashErrors(400, 401, 403, 409, 413, 415)
  async create(@CurrentPrincipal() principal: Principal, @Body() body: UnleashCreatePersonalToken): Promise<UnleashCreatedPersonalToken> {
    return toCreatedPersonalToken(await this.tokens.mint(principal, requireUser(principal).id, toNumberedMint(body)));
  }

  @Get()
  @UseInterceptors(EntityTagInterceptor)
  @RequirePermission('user:api-token:read', { credential: MANAGERS, limitedCallers: true })
  @ApiOperation({ summary: 'Personal access tokens of the person who asks', description: 'Without secrets.' })
  @ApiOkResponse({ description: 'The tokens, by their numbers.', type: UnleashPersonalTokens })
  @ApiNotModifiedResponse({ description: 'Nothing has changed since the answer with this entity tag.' })
  @ApiUnleashErrors(401, 403)
  async list(@CurrentPrincipal() principal: Principal): Promise<UnleashPersonalTokens> {
    return toPersonalTokens(await this.tokens.list(principal, requireUser(principal).id, { limit: PERSONAL_TOKENS_MAX }));
  }

  @Delete(':id')
  @HttpCode(200)
  @RequirePermission('user:api-token:write', { credential: MANAGERS, limitedCallers: true })
  @ApiOperation({ summary: 'Delete a personal access token at once', description: '200 for one that does not exist as well: what shall be gone is gone.' })
  @ApiParam({ name: 'id', type: Number, example: 1 })
  @ApiOkResponse({ description: 'The token does not work (any more).' })
  @ApiUnleashErrors(400, 401, 403)
  async delete(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.tokens.revoke(principal, requireUser(principal).id, toTokenNumber(id));
  }
}
