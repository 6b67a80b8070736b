import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { limitOf, PageQuery } from '../kernel/http/page-query.js';
import { requireCursor } from '../kernel/page.js';
import { EnvironmentsService } from './environments.service.js';
import { CreateEnvironment, EnvironmentPage, EnvironmentResource, UpdateEnvironment } from './projects.dto.js';
import { toEnvironment, toEnvironmentPage } from './projects.mapper.js';
import { RemovalsService } from './removals.service.js';

const ENVIRONMENT_KEY = { name: 'environmentKey', example: 'staging' };

@ApiTags('Projects')
@ApiParam({ name: 'key', example: 'checkout', description: 'Key of the project' })
@Controller('v1/projects/:key/environments')
export class EnvironmentsController {
  constructor(
    private readonly environments: EnvironmentsService,
    private readonly removals: RemovalsService,
  ) {}

  @Get()
  @RequirePermission('project:read', { limitedCallers: true })
  @ApiOperation({ summary: 'The environments of a project, oldest first' })
  @ApiOkResponse({ description: 'A page of environments.', type: EnvironmentPage })
  @ApiProblems(400, 401, 403, 404)
  async list(@CurrentPrincipal() principal: Principal, @Param('key') key: string, @Query() query: PageQuery): Promise<EnvironmentPage> {
    return toEnvironmentPage(await this.environments.page(principal, key, limitOf(query), requireCursor(query.cursor)));
  }

  @Post()
  @RequirePermission('project:write', { limitedCallers: true })
  @ApiOperation({ summary: 'Create an environment in a project' })
  @ApiCreatedResponse({ description: 'The environment.', type: EnvironmentResource })
  @ApiProblems(400, 401, 403, 404, 409, 413, 415)
  async create(@CurrentPrincipal() principal: Principal, @Param('key') projectKey: string, @Body() { key, name }: CreateEnvironment): Promise<EnvironmentResource> {
    return toEnvironment(await this.environments.create(principal, projectKey, { key, name }));
  }

  @Get(':environmentKey')
  @RequirePermission('project:read', { limitedCallers: true })
  @ApiParam(ENVIRONMENT_KEY)
  @ApiOperation({ summary: 'One environment' })
  @ApiOkResponse({ description: 'The environment.', type: EnvironmentResource })
  @ApiProblems(401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('key') key: string, @Param('environmentKey') environmentKey: string): Promise<EnvironmentResource> {
    return toEnvironment(await this.environments.get(principal, key, environmentKey));
  }

  @Patch(':environmentKey')
  @RequirePermission('project:write', { limitedCallers: true })
  @ApiParam(ENVIRONMENT_KEY)
  @ApiOperation({ summary: 'Rename an environment', description: 'Its key stays.' })
  @ApiOkResponse({ description: 'The environment as it is now.', type: EnvironmentResource })
  @ApiProblems(400, 401, 403, 404, 409, 413, 415)
  async update(
    @CurrentPrincipal() principal: Principal,
    @Param('key') key: string,
    @Param('environmentKey') environmentKey: string,
    @Body() { name }: UpdateEnvironment,
  ): Promise<EnvironmentResource> {
    return toEnvironment(await this.environments.update(principal, key, environmentKey, { name }));
  }

  @Delete(':environmentKey')
  @HttpCode(204)
  @RequirePermission('project:write', { limitedCallers: true })
  @ApiParam(ENVIRONMENT_KEY)
  @ApiOperation({
    summary: 'Delete an environment',
    description:
      'Tokens that are left without an environment are revoked at once and stay listed; so are tokens of all projects where no project has this environment any more. One that gets the key later inherits nothing.',
  })
  @ApiNoContentResponse({ description: 'The environment is gone.' })
  @ApiProblems(401, 403, 404)
  async delete(@CurrentPrincipal() principal: Principal, @Param('key') key: string, @Param('environmentKey') environmentKey: string): Promise<void> {
    await this.removals.deleteEnvironment(principal, key, environmentKey);
  }
}
