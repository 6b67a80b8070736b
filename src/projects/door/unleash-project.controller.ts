import { Controller, Delete, Get, HttpCode, Param, Post, UseInterceptors } from '@nestjs/common';
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
import { UnleashCreatedToken, UnleashCreateProjectToken, UnleashTokens } from './unleash.dto.js';
import { toCreatedToken, toNewToken, toTokens } from './unleash.mapper.js';

@ApiTags('Project API tokens (Unleash)')
@ApiParam({ name: 'projectId', example: 'default', description: 'Key of the project' })
@Controller('api/admin/projects/:projectId/api-tokens')
export class UnleashProjectController {
  constructor(
    private readonly projects: ProjectsService,
    private readonly tokens: ProjectTokens,
  ) {}

  @Post()
  @Bare()
  @RequirePermission('project:api-token:write', { credential: MANAGERS, limitedCallers: true })
  @ApiOperation({ summary: 'Create a project API token', description: 'The secret is in this answer and nowhere else.' })
  @ApiBody({ type: UnleashCreateProjectToken })
  @ApiCreatedResponse({ description: 'The token was created.', type: UnleashCreatedToken, headers: LOCATION.documented })
  @ApiUnleashErrors(400, 401, 403, 404, 413, 415)
  async create(request: FastifyRequest, reply: FastifyReply): Promise<string> {
    const { projectId } = request.params as { projectId: string };
    const body = inputOf(UnleashCreateProjectToken, 'body', request.body);
    const minted = await this.tokens.mintFor(principalOf(request), projectId, (project) => toNewToken([project], body));
    reply.header('location', LOCATION.value);
    return JSON.stringify(toCreatedToken(minted));
  }

  @Get()
  @UseInterceptors(EntityTagInterceptor)
  @RequirePermission('project:api-token:read', { credential: MANAGERS, limitedCallers: true })
  @ApiOperation({ summary: 'Tokens of the project', description: 'Those of several projects too, but not those of all projects. Without secrets.' })
  @ApiOkResponse({ description: 'The tokens, oldest first.', type: UnleashTokens })
  @ApiNotModifiedResponse({ description: 'Nothing has changed since the answer with this entity tag.' })
  @ApiUnleashErrors(401, 403, 404)
  async list(@CurrentPrincipal() principal: Principal, @Param('projectId') projectId: string): Promise<UnleashTokens> {
    const project = await this.projects.getByKey(principal, projectId);
    return toTokens(await this.tokens.list(principal, { projectId: project.id }));
  }

  @Delete(':token')
  @HttpCode(200)
  @RequirePermission('project:api-token:write', { credential: MANAGERS, limitedCallers: true })
  @ApiOperation({
    summary: 'Delete a token of the project at once',
    description: '404 without a body where there is no such token; 400 without a body where it is not of this project alone.',
  })
  @ApiParam({ name: 'token', description: 'The secret, or what the list shows in its place' })
  @ApiOkResponse({ description: 'The token does not work any more.' })
  @ApiUnleashErrors(400, 401, 403, 404)
  async delete(@CurrentPrincipal() principal: Principal, @Param('projectId') projectId: string, @Param('token') token: string): Promise<void> {
    const project = await this.projects.getByKey(principal, projectId);
    await this.tokens.revokeOf(principal, project, toReference(token));
  }
}
