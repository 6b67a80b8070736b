import { Body, Controller, Headers, HttpCode, Post, Req } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBody, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Public } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { ReceivedBody } from '../kernel/http/received-body.js';
import { originOf } from '../kernel/http/request.js';
import { Limits } from '../kernel/http/route-limits.js';
import { TokenExposure } from '../tokens/token-exposure.js';
import { GithubAlerts } from './github-alerts.js';
import { LeakReceipt, ReportLeak } from './leaks.dto.js';

const BODY_BYTES_MAX = 1024 * 1024;

@ApiTags('Leaks')
@Controller('v1')
export class LeaksController {
  constructor(
    private readonly exposure: TokenExposure,
    private readonly alerts: GithubAlerts,
  ) {}

  @Post('tokens/report-leak')
  @HttpCode(202)
  @Public()
  @Limits({ requestsPerMinute: 60, bodyBytes: BODY_BYTES_MAX })
  @ApiOperation({
    summary: 'Report secrets that stand where others can read them',
    description: 'Open to anyone who found one, up to 1,000 at once. Tokens among them are revoked, and webhooks for `token.exposed` are called. The answer is the same whatever the strings are.',
  })
  @ApiAcceptedResponse({ description: 'All of it was dealt with.', type: LeakReceipt })
  @ApiProblems(400, 413, 415, 429)
  async report(@Body() { tokens }: ReportLeak, @Req() request: FastifyRequest): Promise<LeakReceipt> {
    await this.exposure.report(tokens.map(({ token, url = null }) => ({ secret: token, url })), 'report', originOf(request));
    return { received: tokens.length };
  }

  @Post('secret-scanning/github')
  @HttpCode(200)
  @Public()
  @Limits({ requestsPerMinute: 600, bodyBytes: BODY_BYTES_MAX })
  @ApiOperation({
    summary: 'Alerts of GitHub secret scanning',
    description: 'For GitHub, as a secret scanning partner calls it: a list of matches, signed by a key that GitHub publishes. docs/secret-scanning.md has the pattern to register.',
  })
  @ApiHeader({ name: 'Github-Public-Key-Identifier', required: true })
  @ApiHeader({ name: 'Github-Public-Key-Signature', required: true, description: 'ECDSA P-256 over SHA-256 of the body, base64.' })
  @ApiBody({ schema: { type: 'array', items: { type: 'object', properties: { token: { type: 'string' }, type: { type: 'string' }, url: { type: 'string' }, source: { type: 'string' } } } } })
  @ApiOkResponse({ description: 'All of it was dealt with.', type: LeakReceipt })
  @ApiProblems(400, 401, 413, 415, 429)
  async github(
    @Headers('github-public-key-identifier') keyId: string | undefined,
    @Headers('github-public-key-signature') signature: string | undefined,
    @Req() request: FastifyRequest,
  ): Promise<LeakReceipt> {
    const body = request.body instanceof ReceivedBody ? request.body : null;
    const found = await this.alerts.read(body, { keyId, signature });
    await this.exposure.report(found, 'github', originOf(request));
    return { received: found.length };
  }
}
