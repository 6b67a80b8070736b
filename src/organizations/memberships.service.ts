import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { requireUser, type Principal } from '../access/principal.js';
import { Sessions } from '../access/sessions.js';
import type { Actor } from '../audit/actor.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict, DomainError, NotFound } from '../kernel/failure.js';
import { newId } from '../kernel/ids.js';
import type { Permission, Role } from '../tokens/permissions.js';
import { TokenEngine } from '../tokens/token-engine.js';
import type { Person } from '../users/users.service.js';
import { Membership } from './membership.entity.js';
import { RolesService, type RoleView } from './roles.service.js';

/** Who belongs to an organization, and with which role. */
@Injectable()
export class MembershipsService {
  constructor(
    private readonly database: Database,
    private readonly roles: RolesService,
    private readonly tokens: TokenEngine,
    private readonly sessions: Sessions,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes the person a member, and returns the membership's id. Whoever was one before begins afresh: nothing of theirs
   * comes back. Throws `Conflict` for a person who is a member.
   */
  async admit(tenant: Tenant, userId: string, roleId: string, actor: Actor): Promise<string> {
    const { organizationId, manager } = tenant;
    const [entered] = await manager.query<{ id: string }[]>(
      `INSERT INTO memberships (organization_id, id, user_id, role_id, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)
       ON CONFLICT (organization_id, user_id) DO UPDATE SET id = excluded.id, role_id = excluded.role_id, created_at = excluded.created_at,
         updated_at = excluded.updated_at, disabled_at = NULL, removed_at = NULL
       WHERE memberships.removed_at IS NOT NULL RETURNING id`,
      [organizationId, newId(), userId, roleId, this.clock.now().toPostgres()],
    );
    if (!entered) throw new Conflict('member', 'taken', 'The person is a member already.');
    await this.endAllOf(tenant, userId, actor, 'member-readmitted');
    return entered.id;
  }

  /** Ends every token and session that the person has in the organization. Tokens that belong to no person outlive them. */
  async endAllOf(tenant: Tenant, userId: string, actor: Actor, reason: string): Promise<{ tokens: number; sessions: number }> {
    const tokens = await this.tokens.revokeAllIn(tenant, actor, { userId }, reason, { descendants: 'live-on' });
    return { tokens, sessions: await this.endSessionsOf(tenant, userId, actor, reason) };
  }

  /** Ends every session that the person has in the organization, and tells how many. */
  endSessionsOf(tenant: Tenant, userId: string, actor: Actor, reason: string): Promise<number> {
    return this.sessions.endAllIn(tenant, userId, actor, reason);
  }

  /** The role that the person behind the caller has now. */
  ownRole(principal: Principal): Promise<RoleView> {
    const { id } = requireUser(principal);
    return this.database.inOrganization(principal.organizationId, (tenant) => this.roleOf(tenant, id));
  }

  /** The role that a member has now. Throws `NotFound` for a person who is none. */
  async roleOf(tenant: Tenant, userId: string): Promise<RoleView> {
    const membership = await tenant.manager.findOneBy(Membership, { organizationId: tenant.organizationId, userId, removedAt: IsNull() });
    if (!membership) throw new NotFound('member', userId);
    return this.roles.get(tenant, membership.roleId);
  }

  /** The role of a person who is a member and not kept out; null for everybody else. */
  async activeRoleOf({ organizationId, manager }: Tenant, userId: string): Promise<Role | null> {
    const [role] = await manager.query<Role[]>(
      `SELECT r.key, r.permissions FROM memberships m
         JOIN users u ON u.id = m.user_id
         JOIN roles r ON r.organization_id = m.organization_id AND r.id = m.role_id
        WHERE m.organization_id = $1 AND m.user_id = $2 AND coalesce(m.removed_at, m.disabled_at, u.disabled_at) IS NULL`,
      [organizationId, userId],
    );
    return role ?? null;
  }

  /** False where the person is not active any more, lacks the permission, or holds less than the role (its id) allows. */
  async couldGive(tenant: Tenant, userId: string, permission: Permission, roleId: string): Promise<boolean> {
    const { organizationId, manager } = tenant;
    const role = await this.activeRoleOf(tenant, userId);
    const [organization] = await manager.query<{ platform: boolean }[]>('SELECT platform FROM organizations WHERE id = $1 AND organization_stopped_at(id) IS NULL', [organizationId]);
    if (!role || !organization) return false;
    const giver = await this.roles.heldBy(tenant, role, organization.platform);
    if (!giver.permissions.has(permission)) return false;
    try {
      await this.roles.getGrantable(tenant, giver, roleId);
      return true;
    } catch (error) {
      if (error instanceof DomainError) return false;
      throw error;
    }
  }

  /** False where the first person could not change the second one's membership, or there is none. */
  async couldChange(tenant: Tenant, userId: string, otherUserId: string): Promise<boolean> {
    const { organizationId, manager } = tenant;
    const membership = await manager.findOneBy(Membership, { organizationId, userId: otherUserId, removedAt: IsNull() });
    return membership !== null && this.couldGive(tenant, userId, 'member:write', membership.roleId);
  }

  /** Those of these people who are or were members, by their id. */
  async peopleIn({ organizationId, manager }: Tenant, userIds: readonly string[]): Promise<ReadonlyMap<string, Person>> {
    const people = await manager.query<Person[]>(
      `SELECT u.id, u.email, u.name FROM memberships m JOIN users u ON u.id = m.user_id
        WHERE m.organization_id = $1 AND m.user_id = ANY ($2::uuid[])`,
      [organizationId, userIds],
    );
    return new Map(people.map((person) => [person.id, person]));
  }
}
