import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '../access/require-permission.js';
import { SigningKeys } from '../access/signing-keys.js';
import { ApiProblems } from '../kernel/http/document.js';

@ApiTags('OAuth 2.0')
@Controller('.well-known')
export class WellKnownController {
  constructor(private readonly keys: SigningKeys) {}

  @Get('jwks.json')
  @Public()
  @Header('cache-control', 'public, max-age=300')
  @ApiOperation({ summary: 'Public keys that verify our JWTs (RFC 7517)' })
  @ApiOkResponse({ description: 'The key set.', schema: { type: 'object', example: { keys: [{ kty: 'EC', crv: 'P-256', kid: '…', alg: 'ES256', use: 'sig', x: '…', y: '…' }] } } })
  @ApiProblems()
  jwks(): object {
    return this.keys.jwks;
  }
}
