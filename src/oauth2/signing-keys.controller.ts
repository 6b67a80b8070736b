import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { NOTICE_SECONDS, SigningKeyRotation, type KeyView } from '../access/signing-key-rotation.js';
import { ApiProblems } from '../kernel/http/document.js';
import { RotateSigningKey, SigningKeyPage, SigningKeyResource } from './signing-keys.dto.js';

@ApiTags('OAuth 2.0')
@Controller('v1/signing-keys')
export class SigningKeysController {
  constructor(private readonly rotation: SigningKeyRotation) {}

  @Get()
  @RequirePermission('platform:signing-key:read')
  @ApiOperation({ summary: 'The keys that sign our JWTs, newest first', description: 'Private halves are never shown.' })
  @ApiOkResponse({ description: 'All keys there have been.', type: SigningKeyPage })
  @ApiProblems(401, 403)
  async list(): Promise<SigningKeyPage> {
    return { data: (await this.rotation.list()).map(toResource), next_cursor: null };
  }

  @Post()
  @RequirePermission('platform:signing-key:write')
  @ApiOperation({
    summary: 'Rotate: draw the next signing key',
    description: 'It is published at once and signs when everyone who keeps our key set for its 300 seconds knows it. What the keys before it signed stays good until it expires. Keys rotate by themselves after 90 days.',
  })
  @ApiCreatedResponse({ description: 'The new key.', type: SigningKeyResource })
  @ApiProblems(400, 401, 403, 413, 415)
  async rotate(@CurrentPrincipal() principal: Principal, @Body() { activate_in_seconds: seconds = NOTICE_SECONDS }: RotateSigningKey): Promise<SigningKeyResource> {
    return toResource(await this.rotation.rotate(principal, seconds));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('platform:signing-key:write')
  @ApiParam({ name: 'id', example: 'b3xTq0cJb2mXw9ZA' })
  @ApiOperation({ summary: 'Retire a signing key now', description: 'For a key that has leaked: whatever it signed, sessions included, is refused from now on. Refused for the only key that can sign.' })
  @ApiNoContentResponse({ description: 'The key is retired.' })
  @ApiProblems(401, 403, 404, 409)
  async retire(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.rotation.retire(principal, id);
  }
}

function toResource({ id, algorithm, state, createdAt, activatesAt, retiredAt }: KeyView): SigningKeyResource {
  return {
    id,
    algorithm,
    state,
    created_at: createdAt.toRfc3339(),
    activates_at: activatesAt.toRfc3339(),
    retired_at: retiredAt?.toRfc3339() ?? null,
  };
}
