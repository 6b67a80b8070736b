import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiHeader, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { matches, toEntityTag } from '../kernel/http/entity-tag.js';
import { limitOf, PageQuery } from '../kernel/http/page-query.js';
import { requireCursor } from '../kernel/page.js';
import { RoleAdministration, type RoleDetail } from './role-administration.service.js';
import { CreateRole, RolePage, RoleResource, UpdateRole } from './roles.dto.js';

const ID = { name: 'id', description: 'Id or key.', example: 'accounting' };
const ETAG = { ETag: { description: 'Names this state of the role, for If-Match.', schema: { type: 'string' } } };
const IF_MATCH = { name: 'If-Match', required: false, description: 'ETag of the role as it was read; where it has changed since, nothing is done.' };

@ApiTags('Roles and permissions')
@Controller('v1/roles')
export class RolesController {
  constructor(private readonly roles: RoleAdministration) {}

  @Get()
  @RequirePermission('role:read')
  @ApiOperation({ summary: 'The roles of the organization, oldest first' })
  @ApiOkResponse({ description: 'A page of roles.', type: RolePage })
  @ApiProblems(400, 401, 403)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: PageQuery): Promise<RolePage> {
    const { entries, nextCursor } = await this.roles.list(principal, limitOf(query), requireCursor(query.cursor));
    return { data: entries.map(toResource), next_cursor: nextCursor };
  }

  @Get(':id')
  @RequirePermission('role:read')
  @ApiParam(ID)
  @ApiOperation({ summary: 'One role' })
  @ApiOkResponse({ description: 'The role.', type: RoleResource, headers: ETAG })
  @ApiProblems(400, 401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<RoleResource> {
    return tagged(reply, await this.roles.get(principal, id));
  }

  @Post()
  @RequirePermission('role:write')
  @ApiOperation({ summary: 'Create a role', description: 'It holds nothing that you do not hold yourself; a wildcard also takes a wildcard as wide in your own role.' })
  @ApiCreatedResponse({ description: 'The role.', type: RoleResource, headers: ETAG })
  @ApiProblems(400, 401, 403, 409, 413, 415)
  async create(@CurrentPrincipal() principal: Principal, @Body() body: CreateRole, @Res({ passthrough: true }) reply: FastifyReply): Promise<RoleResource> {
    return tagged(reply, await this.roles.create(principal, body));
  }

  @Patch(':id')
  @RequirePermission('role:write')
  @ApiParam(ID)
  @ApiHeader(IF_MATCH)
  @ApiOperation({ summary: 'Change a role', description: 'What is left out stays. In force at once, for everyone and every token that has it. You must hold what it allows before and after.' })
  @ApiOkResponse({ description: 'The role as it is now.', type: RoleResource, headers: ETAG })
  @ApiProblems(400, 401, 403, 404, 409, 412, 413, 415)
  async update(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() { key, name, permissions }: UpdateRole,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RoleResource> {
    return tagged(reply, await this.roles.update(principal, id, { key, name, permissions }, (updatedAt) => matches(ifMatch, updatedAt)));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('role:write')
  @ApiParam(ID)
  @ApiHeader(IF_MATCH)
  @ApiOperation({ summary: 'Delete a role', description: 'Refused while members, machine identities, live tokens or open invitations have it; the answer says how many.' })
  @ApiNoContentResponse({ description: 'The role is gone.' })
  @ApiProblems(400, 401, 403, 404, 409, 412)
  async delete(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Headers('if-match') ifMatch: string | undefined): Promise<void> {
    await this.roles.delete(principal, id, (updatedAt) => matches(ifMatch, updatedAt));
  }
}

function tagged(reply: FastifyReply, role: RoleDetail): RoleResource {
  reply.header('etag', toEntityTag(role.updatedAt));
  return toResource(role);
}

function toResource({ id, key, name, builtIn, permissions, effective, createdAt, updatedAt }: RoleDetail): RoleResource {
  return {
    id,
    key,
    name,
    built_in: builtIn,
    permissions: [...permissions],
    effective_permissions: [...effective].sort(),
    created_at: createdAt.toRfc3339(),
    updated_at: updatedAt.toRfc3339(),
  };
}
