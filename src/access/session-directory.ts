import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { DomainError, NotFound } from '../kernel/failure.js';
import { isUuid } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import { toPage, type Cursor, type Page } from '../kernel/page.js';
import type { Permission } from '../tokens/permissions.js';
import { requireUser, type Principal } from './principal.js';
import { Sessions } from './sessions.js';

/** Whose sessions: the caller's own, everybody's in the organization, or those of the person with this id. */
export type Whose = 'me' | 'all' | (string & {});

export interface SessionView {
  readonly id: string;
  readonly userId: string;
  readonly email: string;
  readonly createdAt: Instant;
  /** When it was begun or last refreshed. */
  readonly refreshedAt: Instant;
  /** When it ends unless it is refreshed. */
  readonly idleUntil: Instant;
  /** When it ends at the latest. */
  readonly expiresAt: Instant;
  readonly ip: string | null;
  readonly userAgent: string | null;
}

/**
 * The live sessions in the caller's organization. A session sees and ends those of its own person; for more, and with a
 * token, it takes a permission.
 */
@Injectable()
export class SessionDirectory {
  constructor(
    private readonly database: Database,
    private readonly sessions: Sessions,
    private readonly clock: Clock,
  ) {}

  /** Newest first. */
  list(caller: Principal, whose: Whose, limit: number, after: Cursor | null): Promise<Page<SessionView>> {
    const userId = this.userOf(caller, whose, 'session:read');
    return this.database.inOrganization(caller.organizationId, async ({ organizationId, manager }) => {
      const found = await manager.query<SessionView[]>(
        `SELECT s.id, s.user_id AS "userId", u.email, s.created_at AS "createdAt", r.created_at AS "refreshedAt",
            least(r.expires_at, s.expires_at) AS "idleUntil", s.expires_at AS "expiresAt", s.ip, s.user_agent AS "userAgent"
           FROM sessions s
           JOIN memberships m ON m.organization_id = s.organization_id AND m.user_id = s.user_id AND m.removed_at IS NULL
           JOIN users u ON u.id = s.user_id
           CROSS JOIN LATERAL (
             SELECT t.created_at, t.expires_at FROM refresh_tokens t
              WHERE t.organization_id = s.organization_id AND t.session_id = s.id ORDER BY t.created_at DESC LIMIT 1) r
          WHERE s.organization_id = $1 AND s.ended_at IS NULL AND least(r.expires_at, s.expires_at) > $2
            AND ($3::uuid IS NULL OR s.user_id = $3) AND ($4::timestamptz IS NULL OR (s.created_at, s.id) < ($4, $5::uuid))
          ORDER BY s.created_at DESC, s.id DESC LIMIT $6`,
        [organizationId, this.clock.now().toPostgres(), userId, after?.at.toPostgres() ?? null, after?.id ?? null, limit + 1],
      );
      return toPage(found, limit);
    });
  }

  /** Throws `NotFound` for one that is not there, has ended, or is not the caller's to end: all one answer. */
  async end(caller: Principal, id: string): Promise<void> {
    const userId = caller.permissions.has('session:write') ? null : this.userOf(caller, 'me', 'session:write');
    const ended = isUuid(id) && (await this.database.inOrganization(caller.organizationId, (tenant) => this.sessions.endOpen(tenant, { id, userId }, caller.actor, 'ended')));
    if (!ended) throw new NotFound('session', id);
  }

  /** Ends all but the one that asks; tells how many. */
  endOthers(caller: Principal, whose: Whose): Promise<number> {
    const userId = this.userOf(caller, whose, 'session:write');
    return this.database.inOrganization(caller.organizationId, (tenant) => this.sessions.endAllIn(tenant, userId, caller.actor, 'ended', caller.sessionId));
  }

  /** The person whose sessions are meant; null for everybody. */
  private userOf(caller: Principal, whose: Whose, permission: Permission): string | null {
    const userId = whose === 'me' ? requireUser(caller).id : whose === 'all' ? null : whose;
    const isOwn = caller.sessionId !== null && userId === caller.user?.id;
    if (!isOwn && !caller.permissions.has(permission)) throw new DomainError('permission-missing', `This needs the permission ${permission}.`, { permissions: [permission] });
    return userId;
  }
}
