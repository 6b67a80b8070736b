import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../../access/principal.js';
import { RequirePermission } from '../../access/require-permission.js';
import { ProjectsService } from '../../projects/projects.service.js';
import { MembershipsService } from '../memberships.service.js';
import { requireOwnOrganization } from '../own-organization.js';
import { RolesService } from '../roles.service.js';
import { DeepsetRolePage, DeepsetUser, DeepsetWorkspace } from './deepset-account.dto.js';
import { ApiDeepsetErrors } from './deepset-error.dto.js';
import { DeepsetPageQuery } from './deepset-page.dto.js';
import { toLimit, toPageStart, toPathId, toRolePage, toUser, toWorkspace } from './deepset.mapper.js';

@ApiTags('Organization API tokens (deepset)')
@Controller('api/v1')
export class DeepsetAccountController {
  constructor(
    private readonly memberships: MembershipsService,
    private readonly roles: RolesService,
    private readonly projects: ProjectsService,
  ) {}

  @Get('me')
  @RequirePermission('profile:read', { limitedCallers: true })
  @ApiOperation({ summary: 'Read Users Me', description: 'The person behind this credential; a service token has none.' })
  @ApiOkResponse({ description: 'Successful Response', type: DeepsetUser })
  @ApiDeepsetErrors()
  async me(@CurrentPrincipal() principal: Principal): Promise<DeepsetUser> {
    return toUser(principal, await this.memberships.ownRole(principal), await this.projects.list(principal));
  }

  @Get('users/me')
  @RequirePermission('profile:read', { limitedCallers: true })
  @ApiOperation({ summary: 'Read Users Me', description: 'The same as /api/v1/me.' })
  @ApiOkResponse({ description: 'Successful Response', type: DeepsetUser })
  @ApiDeepsetErrors()
  usersMe(@CurrentPrincipal() principal: Principal): Promise<DeepsetUser> {
    return this.me(principal);
  }

  @Get('workspaces')
  @RequirePermission('project:read', { limitedCallers: true })
  @ApiOperation({ summary: 'List Workspaces', description: 'The workspaces within reach of this credential, by name.' })
  @ApiOkResponse({ description: 'Successful Response', type: [DeepsetWorkspace] })
  @ApiDeepsetErrors()
  async workspaces(@CurrentPrincipal() principal: Principal): Promise<DeepsetWorkspace[]> {
    return (await this.projects.list(principal)).map(toWorkspace);
  }

  @Get('organization/:organization_id/roles')
  @RequirePermission('organization:read')
  @ApiOperation({ summary: 'Get Roles', description: 'The roles that exist in your organization.' })
  @ApiParam({ name: 'organization_id', schema: { type: 'string', format: 'uuid' } })
  @ApiOkResponse({ description: 'Successful Response', type: DeepsetRolePage })
  @ApiDeepsetErrors([400, 'Malformed request'], [404, 'No such organization, or no role has the id in before or after'], [422, 'Validation Error'])
  async rolesOf(@CurrentPrincipal() principal: Principal, @Param('organization_id') id: string, @Query() query: DeepsetPageQuery): Promise<DeepsetRolePage> {
    requireOwnOrganization(principal, toPathId('organization_id', id));
    return toRolePage(await this.roles.listOf(principal), toPageStart(query), toLimit(query));
  }
}
