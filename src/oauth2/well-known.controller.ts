import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '../access/require-permission.js';
import { SigningKeys } from '../access/signing-keys.js';
import { ApiProblems } from '../kernel/http/document.js';
import { PublicUrl } from '../kernel/public-url.js';
import { ASSERTION_ALGORITHMS } from '../machine-identities/client-assertions.js';
import { CLIENT_CREDENTIALS, TOKEN_EXCHANGE } from './token-request.dto.js';

/** Also a token type of RFC 6750, as RFC 8414 section 2 allows: any token or session in the Authorization header. */
const ENDPOINT_AUTH_METHODS = ['client_secret_basic', 'Bearer'];

@ApiTags('OAuth 2.0')
@Controller('.well-known')
export class WellKnownController {
  constructor(
    private readonly keys: SigningKeys,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Get('jwks.json')
  @Public()
  @Header('cache-control', 'public, max-age=300')
  @ApiOperation({ summary: 'Public keys that verify our JWTs (RFC 7517)' })
  @ApiOkResponse({ description: 'The key set.', schema: { type: 'object', example: { keys: [{ kty: 'EC', crv: 'P-256', kid: '…', alg: 'ES256', use: 'sig', x: '…', y: '…' }] } } })
  @ApiProblems()
  jwks(): Promise<object> {
    return this.keys.jwks();
  }

  @Get('oauth-authorization-server')
  @Public()
  @Header('cache-control', 'public, max-age=300')
  @ApiOperation({ summary: 'What this authorization server can do, and where (RFC 8414)' })
  @ApiOkResponse({ description: 'The metadata.', schema: { type: 'object', example: { issuer: 'https://tokens.example', token_endpoint: 'https://tokens.example/oauth2/token' } } })
  @ApiProblems()
  metadata(): object {
    const issuer = this.publicUrl.value;
    return {
      issuer,
      token_endpoint: `${issuer}/oauth2/token`,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      introspection_endpoint: `${issuer}/oauth2/introspect`,
      revocation_endpoint: `${issuer}/oauth2/revoke`,
      service_documentation: `${issuer}/docs`,
      // There is no authorization endpoint: nobody consents to anything here.
      response_types_supported: [],
      grant_types_supported: [CLIENT_CREDENTIALS, TOKEN_EXCHANGE],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: [...ASSERTION_ALGORITHMS],
      introspection_endpoint_auth_methods_supported: ENDPOINT_AUTH_METHODS,
      revocation_endpoint_auth_methods_supported: ENDPOINT_AUTH_METHODS,
    };
  }
}
