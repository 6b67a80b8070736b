import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { limitOf, PageQuery } from '../kernel/http/page-query.js';
import { requireCursor } from '../kernel/page.js';
import { CreateProject, ProjectPage, ProjectResource, UpdateProject } from './projects.dto.js';
import { toProject, toProjectPage } from './projects.mapper.js';
import { ProjectsService } from './projects.service.js';
import { RemovalsService } from './removals.service.js';

const KEY = { name: 'key', example: 'checkout' };

@ApiTags('Projects')
@Controller('v1/projects')
export class ProjectsController {
  constructor(
    private readonly projects: ProjectsService,
    private readonly removals: RemovalsService,
  ) {}

  @Get()
  @RequirePermission('project:read', { limitedCallers: true })
  @ApiOperation({ summary: 'The projects of the organization, oldest first', description: 'A credential limited to projects sees these.' })
  @ApiOkResponse({ description: 'A page of projects.', type: ProjectPage })
  @ApiProblems(400, 401, 403)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: PageQuery): Promise<ProjectPage> {
    return toProjectPage(await this.projects.page(principal, limitOf(query), requireCursor(query.cursor)));
  }

  @Post()
  @RequirePermission('project:write')
  @ApiOperation({ summary: 'Create a project', description: 'It begins with the environments `default`, `development` and `production`.' })
  @ApiCreatedResponse({ description: 'The project.', type: ProjectResource })
  @ApiProblems(400, 401, 403, 409, 413, 415)
  async create(@CurrentPrincipal() principal: Principal, @Body() { key, name }: CreateProject): Promise<ProjectResource> {
    return toProject(await this.projects.create(principal, { key, name }));
  }

  @Get(':key')
  @RequirePermission('project:read', { limitedCallers: true })
  @ApiParam(KEY)
  @ApiOperation({ summary: 'One project' })
  @ApiOkResponse({ description: 'The project.', type: ProjectResource })
  @ApiProblems(401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('key') key: string): Promise<ProjectResource> {
    return toProject(await this.projects.getByKey(principal, key));
  }

  @Patch(':key')
  @RequirePermission('project:write', { limitedCallers: true })
  @ApiParam(KEY)
  @ApiOperation({ summary: 'Rename a project', description: 'Its key stays.' })
  @ApiOkResponse({ description: 'The project as it is now.', type: ProjectResource })
  @ApiProblems(400, 401, 403, 404, 409, 413, 415)
  async update(@CurrentPrincipal() principal: Principal, @Param('key') key: string, @Body() { name }: UpdateProject): Promise<ProjectResource> {
    return toProject(await this.projects.update(principal, key, { name }));
  }

  @Delete(':key')
  @HttpCode(204)
  @RequirePermission('project:write', { limitedCallers: true })
  @ApiParam(KEY)
  @ApiOperation({
    summary: 'Delete a project with its environments',
    description: 'Tokens that are left without a project are revoked at once and stay listed; those of several projects keep the others. A project that gets the key later inherits nothing.',
  })
  @ApiNoContentResponse({ description: 'The project is gone.' })
  @ApiProblems(401, 403, 404)
  async delete(@CurrentPrincipal() principal: Principal, @Param('key') key: string): Promise<void> {
    await this.removals.deleteProject(principal, key);
  }
}
