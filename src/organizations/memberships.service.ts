import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { requireUser, type Principal } from '../access/principal.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { NotFound } from '../kernel/failure.js';
import type { Person } from '../users/users.service.js';
import { Membership } from './membership.entity.js';
import { RolesService, type RoleView } from './roles.service.js';

/** Who belongs to an organization, and with which role. */
@Injectable()
export class MembershipsService {
  constructor(
    private readonly database: Database,
    private readonly roles: RolesService,
  ) {}

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
