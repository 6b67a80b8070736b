import { Body, Controller, Get, HttpCode, Post, Req } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { Public, RequirePermission } from '../access/require-permission.js';
import { Sessions, type SessionTokens } from '../access/sessions.js';
import { ApiProblems } from '../kernel/http/document.js';
import { originOf } from '../kernel/http/request.js';
import { Limits } from '../kernel/http/route-limits.js';
import { LoginService } from './login.service.js';
import { Login, Me, Refresh, SessionStarted, Switch } from './session.dto.js';

@ApiTags('Sessions')
@Controller('auth')
export class SessionController {
  constructor(
    private readonly logins: LoginService,
    private readonly sessions: Sessions,
  ) {}

  @Post('login')
  @HttpCode(200)
  @Public()
  @Limits({ requestsPerMinute: 600 })
  @ApiOperation({ summary: 'Log in with e-mail address and password' })
  @ApiOkResponse({ description: 'The session has started.', type: SessionStarted })
  @ApiProblems(400, 401, 413, 415, 429)
  async login(@Body() body: Login, @Req() request: FastifyRequest): Promise<SessionStarted> {
    return toSessionStarted(await this.logins.login(body, originOf(request)));
  }

  @Post('refresh')
  @HttpCode(200)
  @Public()
  @Limits({ requestsPerMinute: 600 })
  @ApiOperation({ summary: 'Exchange the refresh token for a new pair' })
  @ApiOkResponse({ description: 'The session goes on with these.', type: SessionStarted })
  @ApiProblems(400, 401, 413, 415, 429)
  async refresh(@Body() body: Refresh, @Req() request: FastifyRequest): Promise<SessionStarted> {
    return toSessionStarted(await this.sessions.refresh(body.refresh_token, originOf(request)));
  }

  @Post('switch')
  @HttpCode(200)
  @RequirePermission('profile:read', { credential: 'session' })
  @ApiOperation({
    summary: 'Go on in another organization of yours',
    description: 'This session ends at once, and another one starts there, which ends no later than this one would have. To be in several at once, log in to each.',
  })
  @ApiOkResponse({ description: 'The session there has started.', type: SessionStarted })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  async switch(@CurrentPrincipal() principal: Principal, @Body() { organization }: Switch, @Req() request: FastifyRequest): Promise<SessionStarted> {
    return toSessionStarted(await this.logins.switch(principal, organization, originOf(request)));
  }

  @Post('logout')
  @HttpCode(204)
  @RequirePermission('profile:read', { credential: 'session' })
  @ApiOperation({ summary: 'End this session at once' })
  @ApiNoContentResponse({ description: 'The session has ended.' })
  @ApiProblems(401, 403)
  async logout(@CurrentPrincipal() principal: Principal): Promise<void> {
    if (principal.sessionId) await this.sessions.end(principal.organizationId, principal.sessionId, principal.actor, 'logout');
  }

  @Get('me')
  @RequirePermission('profile:read', { limitedCallers: true })
  @ApiOperation({ summary: 'Who this credential is and what it may do now' })
  @ApiOkResponse({ description: 'The caller.', type: Me })
  @ApiProblems(401)
  me(@CurrentPrincipal() { user, organization, permissions, token }: Principal): Me {
    return {
      user: user && { id: user.id, email: user.email, name: user.name },
      organization: { id: organization.id, slug: organization.slug, name: organization.name },
      permissions: [...permissions].sort(),
      token: token && { id: token.id, kind: token.kind, name: token.name, expires_at: token.expiresAt?.toRfc3339() ?? null },
    };
  }
}

function toSessionStarted({ accessToken, expiresInSeconds, refreshToken, session }: SessionTokens): SessionStarted {
  return {
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: expiresInSeconds,
    refresh_token: refreshToken,
    organization: { id: session.organization_id, slug: session.organization_slug, name: session.organization_name },
    user: { id: session.user_id, email: session.user_email, name: session.user_name },
  };
}
