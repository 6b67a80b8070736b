import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { limitOf, PageQuery } from '../kernel/http/page-query.js';
import { requireCursor } from '../kernel/page.js';
import { CreateMachineIdentity, MachineIdentityPage, MachineIdentityResource, UpdateMachineIdentity } from './machine-identities.dto.js';
import { toMachineIdentity, toMachineIdentityChange, toMachineIdentityPage, toNewMachineIdentity } from './machine-identities.mapper.js';
import { MachineIdentitiesService } from './machine-identities.service.js';

const ID = { name: 'id', format: 'uuid' };

@ApiTags('Machine identities')
@Controller('v1/machine-identities')
export class MachineIdentitiesController {
  constructor(private readonly identities: MachineIdentitiesService) {}

  @Get()
  @RequirePermission('identity:read')
  @ApiOperation({ summary: 'The machine identities of the organization, oldest first' })
  @ApiOkResponse({ description: 'A page of machine identities.', type: MachineIdentityPage })
  @ApiProblems(400, 401, 403)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: PageQuery): Promise<MachineIdentityPage> {
    return toMachineIdentityPage(await this.identities.page(principal, limitOf(query), requireCursor(query.cursor)));
  }

  @Post()
  @RequirePermission('identity:write')
  @ApiOperation({ summary: 'Create a machine identity', description: 'How it comes by tokens is set up at the door for machine identities.' })
  @ApiCreatedResponse({ description: 'The machine identity.', type: MachineIdentityResource })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  async create(@CurrentPrincipal() principal: Principal, @Body() body: CreateMachineIdentity): Promise<MachineIdentityResource> {
    return toMachineIdentity(await this.identities.create(principal, toNewMachineIdentity(body)));
  }

  @Get(':id')
  @RequirePermission('identity:read')
  @ApiParam(ID)
  @ApiOperation({ summary: 'One machine identity', description: 'Its tokens are listed at `/v1/tokens?owner_id=`.' })
  @ApiOkResponse({ description: 'The machine identity.', type: MachineIdentityResource })
  @ApiProblems(401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<MachineIdentityResource> {
    return toMachineIdentity(await this.identities.get(principal, id));
  }

  @Patch(':id')
  @RequirePermission('identity:write')
  @ApiParam(ID)
  @ApiOperation({ summary: 'Change a machine identity', description: 'What is left out stays. Its tokens may do what its role allows from then on. You must hold what its role allows before and after.' })
  @ApiOkResponse({ description: 'The machine identity as it is now.', type: MachineIdentityResource })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  async update(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Body() body: UpdateMachineIdentity): Promise<MachineIdentityResource> {
    return toMachineIdentity(await this.identities.update(principal, id, toMachineIdentityChange(body)));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('identity:write')
  @ApiParam(ID)
  @ApiOperation({
    summary: 'Delete a machine identity',
    description: 'Its tokens are revoked at once and stay listed; its client secrets and admissions are gone. Refused while it is protected, and to callers who hold less than its role allows.',
  })
  @ApiNoContentResponse({ description: 'The machine identity is gone.' })
  @ApiProblems(401, 403, 404, 409)
  async delete(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.identities.delete(principal, id);
  }
}
