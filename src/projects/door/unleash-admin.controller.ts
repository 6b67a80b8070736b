import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, UseInterceptors } from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiNotModifiedResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentPrincipal, principalOf, type Principal } from '../../access/principal.js';
import { RequirePermission } from '../../access/require-permission.js';
import { Bare } from '../../kernel/http/bare.js';
import { EntityTagInterceptor } from '../../kernel/http/entity-tag.interceptor.js';
import { inputOf } from '../../kernel/http/input.pipe.js';
import { ProjectTokens } from '../project-tokens.service.js';
import { ProjectsService } from '../projects.service.js';
import { LOCATION, MANAGERS } from './unleash-callers.js';
import { ApiUnleashErrors } from './unleash-error.dto.js';
import { toReference } from './unleash-selector.js';
import { UnleashChangeExpiry, UnleashCreatedToken, UnleashCreateToken, UnleashTokens } from './unleash.dto.js';
import { toCreatedToken, toExpiry, toNewToken, toProjectKeys, toTokens } from './unleash.mapper.js';

@ApiTags('Project API tokens (Unleash)')
@Controller('api/admin/api-tokens')
export class UnleashAdminController {
  constructor(
    private readonly projects: ProjectsService,
    private readonly tokens: ProjectTokens,
  ) {}

  @Post()
  @Bare()
  @RequirePermission('project:api-token:write', { credential: MANAGERS })
  @ApiOperation({ summary: 'Create a token of one project, of several or of all', description: 'The secret is in this answer and nowhere else.' })
  @ApiBody({ type: UnleashCreateToken })
  @ApiCreatedResponse({ description: 'The token was created.', type: UnleashCreatedToken, headers: LOCATION.documented })
  @ApiUnleashErrors(400, 401, 403, 413, 415)
  async create(request: FastifyRequest, reply: FastifyReply): Promise<string> {
    const principal = principalOf(request);
    const body = inputOf(UnleashCreateToken, 'body', request.body);
    const keys = toProjectKeys(body);
    const projects = keys === 'all' ? keys : await this.projects.getByKeys(principal, keys);
    const minted = await this.tokens.mint(principal, toNewToken(projects, body));
    reply.header('location', LOCATION.value);
    return JSON.stringify(toCreatedToken(minted));
  }

  @Get()
  @UseInterceptors(EntityTagInterceptor)
  @RequirePermission('project:api-token:read', { credential: MANAGERS })
  @ApiOperation({ summary: 'All tokens of projects', description: 'Without secrets.' })
  @ApiOkResponse({ description: 'The tokens, oldest first.', type: UnleashTokens })
  @ApiNotModifiedResponse({ description: 'Nothing has changed since the answer with this entity tag.' })
  @ApiUnleashErrors(401, 403)
  async list(@CurrentPrincipal() principal: Principal): Promise<UnleashTokens> {
    return toTokens(await this.tokens.list(principal));
  }

  @Get(':name')
  @UseInterceptors(EntityTagInterceptor)
  @RequirePermission('project:api-token:read', { credential: MANAGERS })
  @ApiOperation({ summary: 'The tokens of this very name', description: 'A list, empty where there is none: names are not unique.' })
  @ApiParam({ name: 'name', example: 'checkout-service' })
  @ApiOkResponse({ description: 'The tokens, oldest first.', type: UnleashTokens })
  @ApiNotModifiedResponse({ description: 'Nothing has changed since the answer with this entity tag.' })
  @ApiUnleashErrors(400, 401, 403)
  async getByName(@CurrentPrincipal() principal: Principal, @Param('name') name: string): Promise<UnleashTokens> {
    return toTokens(await this.tokens.list(principal, { name }));
  }

  @Put(':token')
  @HttpCode(200)
  @RequirePermission('project:api-token:write', { credential: MANAGERS })
  @ApiOperation({ summary: 'Change when a token expires', description: 'Takes effect at once. 200 for a token that does not exist as well.' })
  @ApiParam({ name: 'token', description: 'The secret, or what the list shows in its place' })
  @ApiBody({ type: UnleashChangeExpiry })
  @ApiOkResponse({ description: 'The token, if there is one, expires then.' })
  @ApiUnleashErrors(400, 401, 403, 413, 415)
  async changeExpiry(@CurrentPrincipal() principal: Principal, @Param('token') token: string, @Body() body: UnleashChangeExpiry): Promise<void> {
    await this.tokens.changeExpiry(principal, toReference(token), toExpiry(body));
  }

  @Delete(':token')
  @HttpCode(200)
  @RequirePermission('project:api-token:write', { credential: MANAGERS })
  @ApiOperation({ summary: 'Delete a token at once', description: '200 for a token that does not exist as well: what shall be gone is gone.' })
  @ApiParam({ name: 'token', description: 'The secret, or what the list shows in its place' })
  @ApiOkResponse({ description: 'The token does not work (any more).' })
  @ApiUnleashErrors(401, 403)
  async delete(@CurrentPrincipal() principal: Principal, @Param('token') token: string): Promise<void> {
    await this.tokens.revoke(principal, toReference(token));
  }
}
