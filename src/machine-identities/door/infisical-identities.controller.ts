import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../../access/principal.js';
import { RequirePermission } from '../../access/require-permission.js';
import { requireOwnOrganization } from '../../organizations/own-organization.js';
import { MachineIdentitiesService } from '../machine-identities.service.js';
import { ApiInfisicalErrors } from './infisical-error.dto.js';
import {
  InfisicalCreatedIdentityAnswer,
  InfisicalCreateIdentity,
  InfisicalIdentityAnswer,
  InfisicalIdentityDetailsAnswer,
  InfisicalIdentityList,
  InfisicalIdentityMembershipAnswer,
  InfisicalIdentityQuery,
  InfisicalProjectMemberships,
  InfisicalSearchIdentities,
  InfisicalUpdatedIdentityAnswer,
  InfisicalUpdateIdentity,
} from './infisical-identities.dto.js';
import { toCreatedIdentity, toDetails, toIdentity, toIdentityChange, toIdentityList, toIdentityMembership, toNewIdentity, toSearch, toUpdatedIdentity } from './infisical-identities.mapper.js';

@ApiTags('Machine identities (Infisical)')
@Controller('api/v1/identities')
export class InfisicalIdentitiesController {
  constructor(private readonly identities: MachineIdentitiesService) {}

  @Post()
  @HttpCode(200)
  @RequirePermission('identity:write')
  @ApiOperation({ summary: 'Create identity' })
  @ApiBody({ type: InfisicalCreateIdentity })
  @ApiOkResponse({ description: 'The new identity', type: InfisicalCreatedIdentityAnswer })
  @ApiInfisicalErrors(400, 401, 403, 404, 413, 415, 422)
  async create(@CurrentPrincipal() principal: Principal, @Body() body: InfisicalCreateIdentity): Promise<InfisicalCreatedIdentityAnswer> {
    requireOwnOrganization(principal, body.organizationId.trim());
    return toCreatedIdentity(await this.identities.create(principal, toNewIdentity(body)));
  }

  @Get()
  @RequirePermission('identity:read')
  @ApiOperation({ summary: 'List identities' })
  @ApiOkResponse({ description: 'Identities, with how many there are in all', type: InfisicalIdentityList })
  @ApiInfisicalErrors(401, 403, 422)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: InfisicalIdentityQuery): Promise<InfisicalIdentityList> {
    requireOwnOrganization(principal, query.orgId);
    return toIdentityList(await this.identities.search(principal, {}));
  }

  @Get('details')
  @RequirePermission('profile:read', { credential: ['machine-identity'], limitedCallers: true })
  @ApiOperation({ summary: 'Get identity details', description: 'Where the token of a machine identity acts; other credentials are refused.' })
  @ApiOkResponse({ description: 'Where the token acts', type: InfisicalIdentityDetailsAnswer })
  @ApiInfisicalErrors(401, 403)
  details(@CurrentPrincipal() principal: Principal): InfisicalIdentityDetailsAnswer {
    return toDetails(principal);
  }

  @Post('search')
  @HttpCode(200)
  @RequirePermission('identity:read')
  @ApiOperation({ summary: 'Search identities' })
  @ApiBody({ type: InfisicalSearchIdentities })
  @ApiOkResponse({ description: 'Identities, with how many there are in all', type: InfisicalIdentityList })
  @ApiInfisicalErrors(400, 401, 403, 413, 415, 422)
  async search(@CurrentPrincipal() principal: Principal, @Body() body: InfisicalSearchIdentities): Promise<InfisicalIdentityList> {
    return toIdentityList(await this.identities.search(principal, toSearch(body)));
  }

  @Get(':identityId')
  @RequirePermission('identity:read')
  @ApiOperation({ summary: 'Get an identity by id' })
  @ApiOkResponse({ description: 'The identity, its role and its metadata', type: InfisicalIdentityMembershipAnswer })
  @ApiInfisicalErrors(401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string): Promise<InfisicalIdentityMembershipAnswer> {
    return toIdentityMembership(await this.identities.get(principal, identityId));
  }

  @Patch(':identityId')
  @RequirePermission('identity:write')
  @ApiOperation({ summary: 'Update identity' })
  @ApiBody({ type: InfisicalUpdateIdentity })
  @ApiOkResponse({ description: 'The identity as it is now', type: InfisicalUpdatedIdentityAnswer })
  @ApiInfisicalErrors(400, 401, 403, 404, 413, 415, 422)
  async update(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string, @Body() body: InfisicalUpdateIdentity): Promise<InfisicalUpdatedIdentityAnswer> {
    return toUpdatedIdentity(await this.identities.update(principal, identityId, toIdentityChange(body)));
  }

  @Delete(':identityId')
  @RequirePermission('identity:write')
  @ApiOperation({ summary: 'Delete identity', description: 'Ends its tokens and its ways to log in at once.' })
  @ApiOkResponse({ description: 'The identity as it was', type: InfisicalIdentityAnswer })
  @ApiInfisicalErrors(400, 401, 403, 404)
  async delete(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string): Promise<InfisicalIdentityAnswer> {
    return { identity: toIdentity(await this.identities.delete(principal, identityId)) };
  }

  @Get(':identityId/identity-memberships')
  @RequirePermission('identity:read')
  @ApiOperation({ summary: 'List project memberships that identity with id is part of' })
  @ApiOkResponse({ description: 'Project memberships', type: InfisicalProjectMemberships })
  @ApiInfisicalErrors(401, 403, 404)
  async listMemberships(@CurrentPrincipal() principal: Principal, @Param('identityId') identityId: string): Promise<InfisicalProjectMemberships> {
    await this.identities.get(principal, identityId);
    return { identityMemberships: [] };
  }
}
