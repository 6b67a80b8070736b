import { Body, Controller, Headers, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOkResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { IncomingHttpHeaders } from 'node:http';
import { Public } from '../access/require-permission.js';
import { InputInvalid } from '../kernel/failure.js';
import { ApiProblems } from '../kernel/http/document.js';
import { originOf } from '../kernel/http/request.js';
import type { Origin } from '../kernel/origin.js';
import { ClientLoginService } from '../machine-identities/client-login.service.js';
import { TokenVerifier } from '../tokens/token-verifier.js';
import { clientOf } from './client-authentication.js';
import { OAuthError } from './introspection.dto.js';
import { TokenExchange } from './token-exchange.service.js';
import { ACCESS_TOKEN_TYPE, CLIENT_CREDENTIALS, JWT_TYPE, TOKEN_EXCHANGE, TokenAnswer, TokenRequest } from './token-request.dto.js';

@ApiTags('OAuth 2.0')
@ApiResponse({ status: 400, description: 'The request is malformed, or asks for more than there is (RFC 6749 section 5.2).', type: OAuthError })
@Controller('oauth2')
export class TokenController {
  constructor(
    private readonly clients: ClientLoginService,
    private readonly exchanges: TokenExchange,
    private readonly verifier: TokenVerifier,
  ) {}

  @Post('token')
  @HttpCode(200)
  @Public()
  @ApiOperation({
    summary: 'Log a machine in, or exchange a token for a JWT (RFC 6749, RFC 8693)',
    description:
      '`client_credentials`: a machine identity under Universal Auth gets a token, as its settings say; it proves itself by client secret (Basic or body) or by an assertion (`private_key_jwt`). ' +
      `\`${TOKEN_EXCHANGE}\`: whoever holds any live token gets a JWT of five minutes that anyone can verify with \`/.well-known/jwks.json\`.`,
  })
  @ApiConsumes('application/x-www-form-urlencoded')
  @ApiBody({ type: TokenRequest })
  @ApiOkResponse({ description: 'The token.', type: TokenAnswer })
  @ApiProblems(401, 413, 415)
  async token(@Body() body: TokenRequest, @Headers() headers: IncomingHttpHeaders, @Req() request: FastifyRequest): Promise<TokenAnswer> {
    switch (body.grant_type) {
      case CLIENT_CREDENTIALS:
        return this.login(body, headers, originOf(request));
      case TOKEN_EXCHANGE:
        return this.exchange(body, headers, originOf(request));
      default:
        throw InputInvalid.at('grant_type', 'unsupported_grant_type', `must be ${CLIENT_CREDENTIALS} or ${TOKEN_EXCHANGE}`);
    }
  }

  private async login(body: TokenRequest, headers: IncomingHttpHeaders, origin: Origin): Promise<TokenAnswer> {
    const permissions = permissionsOf(body);
    const { token, secret } = await this.clients.login({ ...clientOf(headers, body), ...(permissions && { permissions }) }, origin);
    const verdict = await this.verifier.inspect(secret);
    return {
      access_token: secret,
      token_type: 'Bearer',
      ...(token.expiresAt && { expires_in: token.expiresAt.secondsSince(token.createdAt) }),
      scope: verdict.active ? [...verdict.token.permissions].sort().join(' ') : '',
    };
  }

  private async exchange(body: TokenRequest, headers: IncomingHttpHeaders, origin: Origin): Promise<TokenAnswer> {
    const { subject_token: subjectToken, subject_token_type: type, requested_token_type: requested = ACCESS_TOKEN_TYPE } = body;
    if (headers.authorization !== undefined || body.client_secret !== undefined || body.client_assertion !== undefined) {
      throw new InputInvalid([{ at: [], rule: 'alone', message: 'The subject token proves who asks: send no client credentials beside it.' }]);
    }
    if (!subjectToken) throw InputInvalid.at('subject_token', 'isString', 'is required');
    if (type !== ACCESS_TOKEN_TYPE) throw InputInvalid.at('subject_token_type', 'supported', `must be ${ACCESS_TOKEN_TYPE}`);
    if (requested !== ACCESS_TOKEN_TYPE && requested !== JWT_TYPE) throw InputInvalid.at('requested_token_type', 'supported', `must be ${ACCESS_TOKEN_TYPE} or ${JWT_TYPE}`);
    if (body.actor_token !== undefined) throw InputInvalid.at('actor_token', 'supported', 'is not supported');
    const audience = [body.audience ?? [], body.resource ?? []].flat();
    const { jwt, expiresInSeconds, permissions } = await this.exchanges.exchange({ subjectToken, permissions: permissionsOf(body), audience }, origin);
    return { access_token: jwt, issued_token_type: requested, token_type: 'Bearer', expires_in: expiresInSeconds, scope: permissions.join(' ') };
  }
}

function permissionsOf({ scope }: TokenRequest): readonly string[] | null {
  return scope === undefined ? null : scope.split(' ');
}
