import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { SessionDirectory, type SessionView } from '../access/session-directory.js';
import { ApiProblems } from '../kernel/http/document.js';
import { limitOf } from '../kernel/http/page-query.js';
import { requireCursor } from '../kernel/page.js';
import { EndSessionsQuery, SessionPage, SessionsEnded, SessionsQuery, type SessionResource } from './sessions.dto.js';

/** What the routes ask for here is the least; the directory asks for more where the sessions are not the caller's own. */
@ApiTags('Sessions')
@Controller('v1/sessions')
export class SessionsController {
  constructor(private readonly sessions: SessionDirectory) {}

  @Get()
  @RequirePermission('profile:read')
  @ApiOperation({ summary: 'Live sessions in the organization, newest first', description: 'Your own where no user is named. Those of others, and with a token also your own, take session:read.' })
  @ApiOkResponse({ description: 'A page of sessions.', type: SessionPage })
  @ApiProblems(400, 401, 403)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: SessionsQuery): Promise<SessionPage> {
    const { entries, nextCursor } = await this.sessions.list(principal, query.user ?? 'me', limitOf(query), requireCursor(query.cursor));
    return { data: entries.map((session) => toSession(session, principal)), next_cursor: nextCursor };
  }

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('profile:read')
  @ApiOperation({ summary: 'End a session', description: 'At once, with every credential it gave out. Those of others, and with a token also your own, take session:write.' })
  @ApiNoContentResponse({ description: 'The session has ended.' })
  @ApiProblems(401, 403, 404)
  async end(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.sessions.end(principal, id);
  }

  @Delete()
  @RequirePermission('profile:read')
  @ApiOperation({ summary: 'End all sessions but this one', description: 'Your own where no user is named; those of others, and with a token also your own, take session:write.' })
  @ApiOkResponse({ description: 'How many have ended.', type: SessionsEnded })
  @ApiProblems(400, 401, 403)
  async endOthers(@CurrentPrincipal() principal: Principal, @Query() { user }: EndSessionsQuery): Promise<SessionsEnded> {
    return { ended: await this.sessions.endOthers(principal, user ?? 'me') };
  }
}

function toSession({ id, userId, email, createdAt, refreshedAt, idleUntil, expiresAt, ip, userAgent }: SessionView, { sessionId }: Principal): SessionResource {
  return {
    id,
    user_id: userId,
    email,
    current: id === sessionId,
    created_at: createdAt.toRfc3339(),
    refreshed_at: refreshedAt.toRfc3339(),
    idle_until: idleUntil.toRfc3339(),
    expires_at: expiresAt.toRfc3339(),
    ip,
    user_agent: userAgent,
  };
}
