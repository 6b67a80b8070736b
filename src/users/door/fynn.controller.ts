import { Body, Controller, Post } from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../../access/principal.js';
import { RequirePermission } from '../../access/require-permission.js';
import { TokenEngine } from '../../tokens/token-engine.js';
import { FynnCreatedToken, FynnCreateToken, FynnProblem, FynnUnauthenticated } from './fynn.dto.js';
import { toCreatedToken, toMintRequest } from './fynn.mapper.js';

@ApiTags('User API tokens (Fynn)')
@ApiResponse({ status: 400, description: 'Invalid input', type: FynnProblem })
@ApiResponse({ status: 401, description: 'No credential, or one that is not good', type: FynnUnauthenticated })
@ApiResponse({ status: 403, description: 'Access denied', type: FynnProblem })
@ApiResponse({ status: 503, description: 'Service unavailable', type: FynnProblem })
@Controller('user/api-tokens')
export class FynnController {
  constructor(private readonly tokens: TokenEngine) {}

  @Post()
  @RequirePermission('user:api-token:write', { limitedCallers: true })
  @ApiOperation({ summary: 'Create api token', description: 'A token with the privileges the current user has at the time of its use.' })
  @ApiBody({ type: FynnCreateToken })
  @ApiCreatedResponse({ description: 'ApiToken resource created', type: FynnCreatedToken })
  @ApiResponse({ status: 413, description: 'Body larger than 64 KB', type: FynnProblem })
  @ApiResponse({ status: 415, description: 'Unsupported content type', type: FynnProblem })
  @ApiResponse({ status: 422, description: 'Unprocessable entity', type: FynnProblem })
  async create(@CurrentPrincipal() principal: Principal, @Body() body: FynnCreateToken): Promise<FynnCreatedToken> {
    return toCreatedToken(await this.tokens.mint(principal, toMintRequest(principal, body)));
  }
}
