import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict, NotFound } from '../kernel/failure.js';
import { isUuid } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import { toPage, type Cursor, type Page } from '../kernel/page.js';
import { Membership } from './membership.entity.js';
import { MembershipsService } from './memberships.service.js';
import { lockOrganization } from './organization-lock.js';
import type { RoleRecord } from './role.entity.js';
import { RolesService } from './roles.service.js';

export const MEMBER_STATUSES = ['active', 'disabled'] as const;
export type MemberStatus = (typeof MEMBER_STATUSES)[number];

export interface MemberView {
  readonly id: string;
  readonly userId: string;
  readonly email: string;
  readonly name: string;
  /** Key of the role. */
  readonly role: string;
  readonly status: MemberStatus;
  readonly createdAt: Instant;
}

export interface MemberChange {
  /** Key or id. */
  readonly role?: string;
  readonly status?: MemberStatus;
}

/**
 * The members of an organization. Nobody changes or removes a member who may do more than they may, nor lifts anybody,
 * be it themselves, above what they hold; and one who administers the organization is always left.
 */
@Injectable()
export class MembersService {
  constructor(
    private readonly database: Database,
    private readonly roles: RolesService,
    private readonly memberships: MembershipsService,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** In the order they joined. */
  list(caller: Principal, limit: number, after: Cursor | null): Promise<Page<MemberView>> {
    return this.database.inOrganization(caller.organizationId, async ({ organizationId, manager }) => {
      const rest = `AND ($2::timestamptz IS NULL OR (m.created_at, m.id) > ($2, $3::uuid)) ORDER BY m.created_at, m.id LIMIT $4`;
      const rows = await manager.query<MemberView[]>(`${MEMBERS} ${rest}`, [organizationId, after?.at.toPostgres() ?? null, after?.id ?? null, limit + 1]);
      return toPage(rows, limit);
    });
  }

  get(caller: Principal, id: string): Promise<MemberView> {
    return this.database.inOrganization(caller.organizationId, (tenant) => this.getIn(tenant, id));
  }

  /** Throws `NotFound` where the organization has no such member. */
  async getIn({ organizationId, manager }: Tenant, id: string): Promise<MemberView> {
    const [member] = isUuid(id) ? await manager.query<MemberView[]>(`${MEMBERS} AND m.id = $2`, [organizationId, id]) : [];
    if (!member) throw new NotFound('member', id);
    return member;
  }

  /** The member, whom nobody else changes until the transaction ends; where the caller may change them. */
  async holdChangeable(tenant: Tenant, caller: Principal, id: string): Promise<{ before: MemberView; role: RoleRecord }> {
    await lockOrganization(tenant);
    const before = await this.getIn(tenant, id);
    const role = await this.roles.hold(tenant, before.role);
    await this.roles.requireCovered(tenant, caller, role);
    return { before, role };
  }

  /**
   * What is left out stays. Who is disabled is kept out until they are active again: their tokens work again then, their
   * sessions are over.
   */
  update(caller: Principal, id: string, change: MemberChange): Promise<MemberView> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { before, role: current } = await this.holdChangeable(tenant, caller, id);
      const role = change.role === undefined ? current : await this.roles.getGrantable(tenant, caller, change.role);
      const after = { role: role.key, status: change.status ?? before.status };
      const changed = difference<Pick<MemberView, 'role' | 'status'>>(before, after);
      if (Object.keys(changed.after).length === 0) return before;
      if (!administers(after)) await this.requireOtherAdministrator(tenant, before);
      const { organizationId, manager } = tenant;
      const now = this.clock.now();
      const disabledAt = after.status === before.status ? {} : { disabledAt: after.status === 'disabled' ? now : null };
      await manager.update(Membership, { organizationId, id }, { roleId: role.id, ...disabledAt, updatedAt: now });
      // Also of whoever is let in again: a login that was under way may have begun one.
      if (after.status !== before.status) await this.memberships.endSessionsOf(tenant, before.userId, caller.actor, after.status === 'disabled' ? 'member-disabled' : 'member-enabled');
      await this.audit.append(tenant, caller.actor, { action: 'member.updated', target: { kind: 'member', id }, details: { user: before.userId }, ...changed });
      return { ...before, ...after };
    });
  }

  /** Ends the person's tokens and sessions in the organization for good: whoever comes back begins afresh. */
  remove(caller: Principal, id: string): Promise<void> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { before } = await this.holdChangeable(tenant, caller, id);
      await this.requireOtherAdministrator(tenant, before);
      const { organizationId, manager } = tenant;
      const now = this.clock.now();
      // Whoever mints a token for the person holds the membership, and has then written a token that is ended below.
      await manager.findOne(Membership, { where: { organizationId, id }, lock: { mode: 'pessimistic_write' } });
      await manager.update(Membership, { organizationId, id }, { removedAt: now, updatedAt: now });
      const ended = await this.memberships.endAllOf(tenant, before.userId, caller.actor, 'member-removed');
      await this.audit.append(tenant, caller.actor, {
        action: 'member.removed',
        target: { kind: 'member', id },
        details: { user: before.userId, role: before.role, tokensRevoked: ended.tokens, sessionsEnded: ended.sessions },
      });
    });
  }

  /** Refuses to let go of the one member who still administers the organization. */
  private async requireOtherAdministrator({ organizationId, manager }: Tenant, member: MemberView): Promise<void> {
    if (!administers(member)) return;
    const [other] = await manager.query<object[]>(`${MEMBERS} AND m.id <> $2 AND r.key = 'ADMIN' AND m.disabled_at IS NULL AND u.disabled_at IS NULL LIMIT 1`, [organizationId, member.id]);
    if (!other) throw new Conflict('member', 'last-administrator', 'The organization would have no administrator any more.');
  }
}

const MEMBERS = `SELECT m.id, m.user_id AS "userId", u.email, u.name, r.key AS role, m.created_at AS "createdAt",
    CASE WHEN m.disabled_at IS NULL THEN 'active' ELSE 'disabled' END AS status
  FROM memberships m
  JOIN users u ON u.id = m.user_id
  JOIN roles r ON r.organization_id = m.organization_id AND r.id = m.role_id
  WHERE m.organization_id = $1 AND m.removed_at IS NULL`;

function administers({ role, status }: Pick<MemberView, 'role' | 'status'>): boolean {
  return role === 'ADMIN' && status === 'active';
}
