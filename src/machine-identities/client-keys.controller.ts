import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { Instant } from '../kernel/instant.js';
import { AddClientKey, ClientKeyPage, ClientKeyResource } from './client-keys.dto.js';
import { ClientKeysService, type ClientKeyView } from './client-keys.service.js';

const IDENTITY = { name: 'id', format: 'uuid', description: 'The machine identity; it must have Universal Auth.' };

@ApiTags('Machine identities')
@Controller('v1/machine-identities/:id/client-keys')
export class ClientKeysController {
  constructor(private readonly keys: ClientKeysService) {}

  @Get()
  @RequirePermission('identity:read')
  @ApiParam(IDENTITY)
  @ApiOperation({ summary: 'Public keys the machine proves itself with, newest first' })
  @ApiOkResponse({ description: 'All of them.', type: ClientKeyPage })
  @ApiProblems(401, 403, 404, 409)
  async list(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<ClientKeyPage> {
    return { data: (await this.keys.list(principal, id)).map(toResource), next_cursor: null };
  }

  @Post()
  @RequirePermission('identity:write')
  @ApiParam(IDENTITY)
  @ApiOperation({
    summary: 'Let the machine prove itself with a key (private_key_jwt)',
    description: 'From now on it may log in at `POST /oauth2/token` with an assertion signed by this key (RFC 7523) instead of a client secret. You must hold what its role allows.',
  })
  @ApiCreatedResponse({ description: 'The key.', type: ClientKeyResource })
  @ApiProblems(400, 401, 403, 404, 409, 413, 415)
  async add(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Body() body: AddClientKey): Promise<ClientKeyResource> {
    const expiresAt = body.expires_at ? Instant.parse(body.expires_at) : null;
    return toResource(await this.keys.add(principal, id, { name: body.name, jwk: body.jwk, expiresAt }));
  }

  @Delete(':keyId')
  @HttpCode(204)
  @RequirePermission('identity:write')
  @ApiParam(IDENTITY)
  @ApiParam({ name: 'keyId', format: 'uuid' })
  @ApiOperation({ summary: 'Remove a key of the machine', description: 'Tokens obtained with it are revoked at once.' })
  @ApiNoContentResponse({ description: 'The key is gone.' })
  @ApiProblems(401, 403, 404, 409)
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Param('keyId') keyId: string): Promise<void> {
    await this.keys.remove(principal, id, keyId);
  }
}

function toResource({ id, clientId, name, thumbprint, algorithm, expiresAt, createdAt, lastUsedAt }: ClientKeyView): ClientKeyResource {
  return {
    id,
    client_id: clientId,
    name,
    thumbprint,
    algorithm,
    expires_at: expiresAt?.toRfc3339() ?? null,
    created_at: createdAt.toRfc3339(),
    last_used_at: lastUsedAt?.toRfc3339() ?? null,
  };
}
