import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, requireUser, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { limitOf, PageQuery } from '../kernel/http/page-query.js';
import { requireCursor } from '../kernel/page.js';
import { OrganizationSettings } from './organization-settings.service.js';
import { CreateSubOrganization, OrganizationPage, OrganizationResource, RenameOrganization } from './organizations.dto.js';
import { toOrganization, toOrganizationPage } from './organizations.mapper.js';
import { SubOrganizations } from './sub-organizations.service.js';

/** For tenants: the organization of the credential, and those within it. */
@ApiTags('Organizations')
@Controller('v1/organization')
export class OwnOrganizationController {
  constructor(
    private readonly settings: OrganizationSettings,
    private readonly children: SubOrganizations,
  ) {}

  @Get()
  @RequirePermission('organization:read')
  @ApiOperation({ summary: 'Your organization' })
  @ApiOkResponse({ description: 'The organization this credential belongs to.', type: OrganizationResource })
  @ApiProblems(401, 403)
  async get(@CurrentPrincipal() principal: Principal): Promise<OrganizationResource> {
    return toOrganization(await this.settings.get(principal));
  }

  @Patch()
  @RequirePermission('organization:write')
  @ApiOperation({ summary: 'Rename your organization' })
  @ApiOkResponse({ description: 'The organization as it is now.', type: OrganizationResource })
  @ApiProblems(400, 401, 403, 413, 415)
  async rename(@CurrentPrincipal() principal: Principal, @Body() { name }: RenameOrganization): Promise<OrganizationResource> {
    return toOrganization(await this.settings.rename(principal, name));
  }

  @Get('children')
  @RequirePermission('organization:read')
  @ApiOperation({ summary: 'The organizations within yours, newest first' })
  @ApiOkResponse({ description: 'A page of organizations.', type: OrganizationPage })
  @ApiProblems(400, 401, 403)
  async listChildren(@CurrentPrincipal() principal: Principal, @Query() query: PageQuery): Promise<OrganizationPage> {
    return toOrganizationPage(await this.children.list(principal, limitOf(query), requireCursor(query.cursor)));
  }

  @Post('children')
  @RequirePermission('organization:child:write')
  @ApiOperation({
    summary: 'Create an organization within yours',
    description: 'A tenant of its own, which you administer; nothing of it is seen from yours but that it is there. It stops when yours does. There is one level of these. Only a person can create one.',
  })
  @ApiCreatedResponse({ description: 'The new organization.', type: OrganizationResource })
  @ApiProblems(400, 401, 403, 409, 413, 415)
  async createChild(@CurrentPrincipal() principal: Principal, @Body() { slug, name }: CreateSubOrganization): Promise<OrganizationResource> {
    requireUser(principal);
    return toOrganization(await this.children.create(principal, { slug, name }));
  }

  @Post('children/:id/suspend')
  @HttpCode(200)
  @RequirePermission('organization:child:write', { uncounted: true })
  @ApiOperation({ summary: 'Suspend an organization within yours', description: 'All its tokens and sessions stop at once, until it is resumed.' })
  @ApiOkResponse({ description: 'The organization, suspended.', type: OrganizationResource })
  @ApiProblems(401, 403, 404)
  async suspendChild(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<OrganizationResource> {
    return toOrganization(await this.children.suspend(principal, id));
  }

  @Post('children/:id/resume')
  @HttpCode(200)
  @RequirePermission('organization:child:write', { uncounted: true })
  @ApiOperation({ summary: 'Resume an organization within yours', description: 'What was not revoked meanwhile works again. What the operator has suspended, only the operator resumes.' })
  @ApiOkResponse({ description: 'The organization, active.', type: OrganizationResource })
  @ApiProblems(401, 403, 404, 409)
  async resumeChild(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<OrganizationResource> {
    return toOrganization(await this.children.resume(principal, id));
  }

  @Delete('children/:id')
  @HttpCode(204)
  @RequirePermission('organization:child:write')
  @ApiOperation({ summary: 'Delete an organization within yours', description: 'All its tokens and sessions stop at once and for good. The slug stays taken.' })
  @ApiNoContentResponse({ description: 'The organization is gone.' })
  @ApiProblems(401, 403, 404)
  async deleteChild(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.children.delete(principal, id);
  }
}
