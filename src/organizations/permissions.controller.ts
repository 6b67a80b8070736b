import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { InputInvalid } from '../kernel/failure.js';
import { ApiProblems } from '../kernel/http/document.js';
import { limitOf, PageQuery } from '../kernel/http/page-query.js';
import { isPermissionKey } from '../tokens/permission-pattern.js';
import { PermissionRegistry, type KnownPermission } from './permission-registry.service.js';
import { PermissionPage, PermissionResource, RegisterPermission } from './permissions.dto.js';

@ApiTags('Roles and permissions')
@Controller('v1/permissions')
export class PermissionsController {
  constructor(private readonly permissions: PermissionRegistry) {}

  @Get()
  @RequirePermission('permission:read')
  @ApiOperation({ summary: 'Every permission that a role can hold, by key', description: 'Those of the service itself, and those the operator has registered for the product.' })
  @ApiOkResponse({ description: 'A page of permissions.', type: PermissionPage })
  @ApiProblems(400, 401, 403)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: PageQuery): Promise<PermissionPage> {
    const after = query.cursor === undefined ? '' : requireKey(query.cursor);
    const limit = limitOf(query);
    const rest = (await this.permissions.list(principal)).filter(({ key }) => key > after);
    const page = rest.slice(0, limit).map(toResource);
    const last = page.at(-1);
    return { data: page, next_cursor: last && rest.length > limit ? Buffer.from(last.key).toString('base64url') : null };
  }

  @Post()
  @RequirePermission('platform:permission:write')
  @ApiOperation({ summary: 'Register a permission of the product', description: 'Every tenant can put it into roles from now on; administrators hold it at once.' })
  @ApiCreatedResponse({ description: 'It is registered.', type: PermissionResource })
  @ApiProblems(400, 401, 403, 409, 413, 415)
  async register(@CurrentPrincipal() principal: Principal, @Body() { key, description }: RegisterPermission): Promise<PermissionResource> {
    return toResource(await this.permissions.register(principal, key, description));
  }

  @Delete(':key')
  @HttpCode(204)
  @RequirePermission('platform:permission:write')
  @ApiParam({ name: 'key', example: 'invoice:write' })
  @ApiOperation({ summary: 'Retire a permission of the product', description: 'It has no effect any more, anywhere, in whichever role or token it stands; until it is registered again.' })
  @ApiNoContentResponse({ description: 'It is retired.' })
  @ApiProblems(401, 403, 404, 409)
  async retire(@CurrentPrincipal() principal: Principal, @Param('key') key: string): Promise<void> {
    await this.permissions.retire(principal, key);
  }
}

function toResource({ key, description, builtIn }: KnownPermission): PermissionResource {
  return { id: key, key, description, built_in: builtIn };
}

/** The list is in the order of keys, and so are the places in it. */
function requireKey(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString('latin1');
  if (!isPermissionKey(key)) throw InputInvalid.at('cursor', 'cursor', 'must be a cursor from an earlier page', cursor);
  return key;
}
