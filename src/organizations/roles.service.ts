import { Injectable } from '@nestjs/common';
import { In, IsNull } from 'typeorm';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { NotFound } from '../kernel/failure.js';
import { isUuid, newId } from '../kernel/ids.js';
import { foldName } from '../kernel/names.js';
import { BUILT_IN_ROLES, patternsOfRole, permissionsOfRole, requireGrantable, type Held, type Role } from '../tokens/permissions.js';
import type { Caller } from '../tokens/token.js';
import { PermissionRegistry } from './permission-registry.service.js';
import { RoleRecord } from './role.entity.js';

/** Who gives a role to somebody: what they hold, and where. */
export interface Giver extends Held {
  readonly organization: { readonly platform: boolean };
}

/** A role and what it allows now. */
export interface RoleView {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly builtIn: boolean;
  readonly permissions: ReadonlySet<string>;
}

const NAMES: Record<(typeof BUILT_IN_ROLES)[number], string> = { ADMIN: 'Admin', MEMBER: 'Member', EXTERNAL: 'External' };

/** Roles of an organization; built-in ones are rows too, so that memberships and tokens refer to all alike. */
@Injectable()
export class RolesService {
  constructor(
    private readonly database: Database,
    private readonly registry: PermissionRegistry,
    private readonly clock: Clock,
  ) {}

  async createBuiltIn({ organizationId, manager }: Tenant): Promise<void> {
    const now = this.clock.now();
    const rows = BUILT_IN_ROLES.map((key) => ({
      organizationId,
      id: newId(),
      key,
      name: NAMES[key],
      nameFolded: foldName(NAMES[key]),
      builtIn: true,
      permissions: [],
      createdAt: now,
      updatedAt: now,
    }));
    await manager.insert(RoleRecord, rows);
  }

  /** By id or key; it stays until the transaction ends. Throws `NotFound` where the organization has none such. */
  async get(tenant: Tenant, idOrKey: string): Promise<RoleView> {
    return toView(await this.hold(tenant, idOrKey), await this.registry.registeredIn(tenant));
  }

  /** The same, to be given to somebody. Throws `PermissionExceeded` where it allows, or may come to allow, what the giver does not hold. */
  async getGrantable(tenant: Tenant, giver: Giver, idOrKey: string): Promise<RoleRecord> {
    const role = await this.hold(tenant, idOrKey);
    await this.requireCovered(tenant, giver, role);
    return role;
  }

  /** What whoever has the role holds now, to give it on. */
  async heldBy(tenant: Tenant, role: Role, platform: boolean): Promise<Giver> {
    const permissions = permissionsOfRole(role, platform, await this.registry.registeredIn(tenant));
    return { permissions, bounds: [patternsOfRole(role, platform)], organization: { platform } };
  }

  /** Refuses whoever holds less than the role allows, or may come to allow. */
  async requireCovered(tenant: Tenant, giver: Giver, role: Role): Promise<void> {
    const { platform } = giver.organization;
    requireGrantable(giver, patternsOfRole(role, platform), permissionsOfRole(role, platform, await this.registry.registeredIn(tenant)));
  }

  /** As it stands in the database. */
  async hold({ organizationId, manager }: Tenant, idOrKey: string): Promise<RoleRecord> {
    const where = { organizationId, deletedAt: IsNull(), ...(isUuid(idOrKey) ? { id: idOrKey } : { key: idOrKey }) };
    // Whoever is about to give the role to somebody and whoever deletes it wait for each other.
    const role = await manager.findOne(RoleRecord, { where, lock: { mode: 'for_key_share' } });
    if (!role) throw new NotFound('role', idOrKey);
    return role;
  }

  /** What a role of the organization allows now, with platform permissions where it is the platform's own. */
  async permissionsOf(tenant: Tenant, id: string, platform: boolean): Promise<ReadonlySet<string>> {
    const { organizationId, manager } = tenant;
    const role = await manager.findOneBy(RoleRecord, { organizationId, id, deletedAt: IsNull() });
    if (!role) throw new NotFound('role', id);
    return permissionsOfRole(role, platform, await this.registry.registeredIn(tenant));
  }

  async list(tenant: Tenant): Promise<RoleView[]> {
    const { organizationId, manager } = tenant;
    const roles = await manager.find(RoleRecord, { where: { organizationId, deletedAt: IsNull() }, order: { createdAt: 'ASC', key: 'ASC' } });
    const registered = await this.registry.registeredIn(tenant);
    return roles.map((role) => toView(role, registered));
  }

  /** All roles of the caller's organization. */
  listOf(caller: Caller): Promise<RoleView[]> {
    return this.database.inOrganization(caller.organizationId, (tenant) => this.list(tenant));
  }

  /** Those that are gone, too: tokens still name them. */
  async byIds(tenant: Tenant, ids: readonly string[]): Promise<ReadonlyMap<string, RoleView>> {
    const { organizationId, manager } = tenant;
    const roles = ids.length === 0 ? [] : await manager.findBy(RoleRecord, { organizationId, id: In([...ids]) });
    const registered = await this.registry.registeredIn(tenant);
    return new Map(roles.map((role) => [role.id, toView(role, registered)]));
  }
}

/** Without platform permissions, which a role has in one organization only: `permissionsOf` tells them. */
function toView({ id, key, name, builtIn, permissions }: RoleRecord, registered: readonly string[]): RoleView {
  return { id, key, name, builtIn, permissions: permissionsOfRole({ key, permissions }, false, registered) };
}
