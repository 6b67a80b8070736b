import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { limitOf, PageQuery } from '../kernel/http/page-query.js';
import { originOf } from '../kernel/http/request.js';
import { requireCursor } from '../kernel/page.js';
import { OrganizationAdministration } from './organization-administration.service.js';
import { CreateOrganization, OrganizationPage, OrganizationResource, RenameOrganization } from './organizations.dto.js';
import { toOrganization, toOrganizationPage } from './organizations.mapper.js';

/** For the operator: every organization of the installation. */
@ApiTags('Organizations')
@Controller('v1/organizations')
export class OrganizationsController {
  constructor(private readonly organizations: OrganizationAdministration) {}

  @Get()
  @RequirePermission('platform:organization:read')
  @ApiOperation({ summary: 'Every organization of the installation, newest first' })
  @ApiOkResponse({ description: 'A page of organizations.', type: OrganizationPage })
  @ApiProblems(400, 401, 403)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: PageQuery): Promise<OrganizationPage> {
    return toOrganizationPage(await this.organizations.list(principal, limitOf(query), requireCursor(query.cursor)));
  }

  @Post()
  @RequirePermission('platform:organization:write')
  @ApiOperation({
    summary: 'Create an organization with its first administrator',
    description: 'With its built-in roles, the project `default` and its environments. Who has an account under the administrator\'s address already must be named with its password.',
  })
  @ApiCreatedResponse({ description: 'The organization.', type: OrganizationResource })
  @ApiProblems(400, 401, 403, 409, 413, 415, 429)
  async create(@CurrentPrincipal() principal: Principal, @Body() { slug, name, admin }: CreateOrganization, @Req() request: FastifyRequest): Promise<OrganizationResource> {
    const administrator = { email: admin.email, password: admin.password, name: admin.name ?? 'Administrator' };
    return toOrganization(await this.organizations.create(principal, { slug, name, admin: administrator }, originOf(request)));
  }

  @Get(':id')
  @RequirePermission('platform:organization:read')
  @ApiOperation({ summary: 'One organization' })
  @ApiOkResponse({ description: 'The organization.', type: OrganizationResource })
  @ApiProblems(401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<OrganizationResource> {
    return toOrganization(await this.organizations.get(principal, id));
  }

  @Patch(':id')
  @RequirePermission('platform:organization:write')
  @ApiOperation({ summary: 'Rename an organization' })
  @ApiOkResponse({ description: 'The organization as it is now.', type: OrganizationResource })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  async rename(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Body() { name }: RenameOrganization): Promise<OrganizationResource> {
    return toOrganization(await this.organizations.rename(principal, id, name));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('platform:organization:write')
  @ApiOperation({ summary: 'Delete an organization', description: 'With those within it. All their tokens and sessions stop at once and for good. The slug stays taken.' })
  @ApiNoContentResponse({ description: 'The organization is gone.' })
  @ApiProblems(401, 403, 404, 409)
  async delete(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.organizations.delete(principal, id);
  }

  @Post(':id/suspend')
  @HttpCode(200)
  @RequirePermission('platform:organization:write', { uncounted: true })
  @ApiOperation({ summary: 'Suspend an organization', description: 'All its tokens and sessions, and those of organizations within it, stop at once, until it is resumed.' })
  @ApiOkResponse({ description: 'The organization, suspended.', type: OrganizationResource })
  @ApiProblems(401, 403, 404, 409)
  async suspend(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<OrganizationResource> {
    return toOrganization(await this.organizations.suspend(principal, id));
  }

  @Post(':id/resume')
  @HttpCode(200)
  @RequirePermission('platform:organization:write', { uncounted: true })
  @ApiOperation({ summary: 'Resume an organization', description: 'What was not revoked meanwhile works again.' })
  @ApiOkResponse({ description: 'The organization, active.', type: OrganizationResource })
  @ApiProblems(401, 403, 404)
  async resume(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<OrganizationResource> {
    return toOrganization(await this.organizations.resume(principal, id));
  }
}
