import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import type { Principal } from '../access/principal.js';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict, InputInvalid, NotFound } from '../kernel/failure.js';
import { isUuid, newId } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import { foldName } from '../kernel/names.js';
import { toPage, type Cursor, type Page } from '../kernel/page.js';
import { expand } from '../tokens/permission-pattern.js';
import { knownPermissions, permissionsOfRole } from '../tokens/permissions.js';
import { lockOrganization, TooMany } from './organization-lock.js';
import { PermissionRegistry } from './permission-registry.service.js';
import { PreconditionFailed } from './precondition-failed.js';
import { RoleRecord } from './role.entity.js';
import { RolesService } from './roles.service.js';

const CUSTOM_ROLES_MAX = 200;

export interface RoleContent {
  readonly key: string;
  readonly name: string;
  /** `*` stands for any one segment. */
  readonly permissions: readonly string[];
}

export interface RoleDetail extends RoleContent {
  readonly id: string;
  readonly builtIn: boolean;
  /** What it allows at this moment. */
  readonly effective: ReadonlySet<string>;
  readonly createdAt: Instant;
  /** Differs after every change. */
  readonly updatedAt: Instant;
}

/** Whether the role is still as the caller has seen it, by when it was updated. */
export type Precondition = (updatedAt: Instant) => boolean;

/**
 * The custom roles of an organization. Nobody writes into a role, nor takes away, what they do not hold themselves; a
 * change is in force for everyone who has the role as soon as it is committed.
 */
@Injectable()
export class RoleAdministration {
  constructor(
    private readonly database: Database,
    private readonly roles: RolesService,
    private readonly registry: PermissionRegistry,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Oldest first. */
  list(caller: Principal, limit: number, after: Cursor | null): Promise<Page<RoleDetail>> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { organizationId, manager } = tenant;
      const query = manager.createQueryBuilder(RoleRecord, 'role').where('role.organization_id = :organizationId AND role.deleted_at IS NULL', { organizationId });
      if (after) query.andWhere('(role.created_at, role.id) > (:at, :id)', { at: after.at.toPostgres(), id: after.id });
      const rows = await query.orderBy('role.createdAt').addOrderBy('role.id').limit(limit + 1).getMany();
      const registered = await this.registry.registeredIn(tenant);
      return toPage(rows.map((row) => toDetail(row, caller, registered)), limit);
    });
  }

  /** By id or key. */
  get(caller: Principal, idOrKey: string): Promise<RoleDetail> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => this.describe(tenant, caller, await this.roles.hold(tenant, idOrKey)));
  }

  create(caller: Principal, content: RoleContent): Promise<RoleDetail> {
    return this.changing(caller, async (tenant) => {
      const { organizationId, manager } = tenant;
      await lockOrganization(tenant);
      const custom = await manager.countBy(RoleRecord, { organizationId, builtIn: false, deletedAt: IsNull() });
      if (custom >= CUSTOM_ROLES_MAX) throw new TooMany('role', CUSTOM_ROLES_MAX);
      const permissions = distinct(content.permissions);
      await this.requireKnown(tenant, caller, permissions, []);
      await this.roles.requireCovered(tenant, caller, { key: content.key, permissions });
      const now = this.clock.now();
      const { key, name } = content;
      const id = newId();
      await manager.insert(RoleRecord, { organizationId, id, key, name, nameFolded: foldName(name), builtIn: false, permissions, createdAt: now, updatedAt: now });
      await this.audit.append(tenant, caller.actor, { action: 'role.created', target: { kind: 'role', id }, details: { key, name, permissions } });
      return this.describe(tenant, caller, await this.roles.hold(tenant, id));
    });
  }

  /** What is left out stays. */
  update(caller: Principal, idOrKey: string, change: Partial<RoleContent>, isCurrent: Precondition): Promise<RoleDetail> {
    return this.changing(caller, async (tenant) => {
      const role = await this.lockChangeable(tenant, caller, idOrKey, isCurrent);
      if (Object.values(change).every((value) => value === undefined)) return this.describe(tenant, caller, role);
      const after = { key: change.key ?? role.key, name: change.name ?? role.name, permissions: distinct(change.permissions ?? role.permissions) };
      await this.requireKnown(tenant, caller, after.permissions, role.permissions);
      await this.roles.requireCovered(tenant, caller, after);
      const { organizationId, manager } = tenant;
      await manager
        .createQueryBuilder()
        .update(RoleRecord)
        // Two changes within one tick of the clock are two.
        .set({ ...after, nameFolded: foldName(after.name), updatedAt: () => `greatest(:now::timestamptz, updated_at + interval '1 microsecond')` })
        .where('organization_id = :organizationId AND id = :id', { organizationId, id: role.id })
        .setParameter('now', this.clock.now().toPostgres())
        .execute();
      await this.audit.append(tenant, caller.actor, { action: 'role.updated', target: { kind: 'role', id: role.id }, ...difference<RoleContent>(role, after) });
      return this.describe(tenant, caller, await this.roles.hold(tenant, role.id));
    });
  }

  /** Its key is free afterwards; a new role of the same key has nothing of this one. Throws `Conflict` while somebody has it. */
  delete(caller: Principal, idOrKey: string, isCurrent: Precondition): Promise<void> {
    return this.changing(caller, async (tenant) => {
      const { organizationId, manager } = tenant;
      const { id, key, name, permissions } = await this.lockChangeable(tenant, caller, idOrKey, isCurrent);
      const now = this.clock.now();
      const [holders] = await manager.query<RoleHolders[]>('SELECT * FROM role_holders($1, $2)', [id, now.toPostgres()]);
      const inUse = holders ? describeHolders(holders) : null;
      if (inUse) throw new Conflict('role', 'in-use', `The role is in use: ${inUse}.`);
      await manager.update(RoleRecord, { organizationId, id }, { deletedAt: now });
      await this.audit.append(tenant, caller.actor, { action: 'role.deleted', target: { kind: 'role', id }, details: { key, name, permissions } });
    });
  }

  private async changing<T>(caller: Principal, work: (tenant: Tenant) => Promise<T>): Promise<T> {
    try {
      return await this.database.inOrganization(caller.organizationId, work);
    } catch (error) {
      if (isUniqueViolation(error)) throw new Conflict('role', 'taken', 'A role of this key or name exists already.');
      throw error;
    }
  }

  /** The role, ours alone until the transaction ends; where the caller may change it, and has seen it as it is. */
  private async lockChangeable(tenant: Tenant, caller: Principal, idOrKey: string, isCurrent: Precondition): Promise<RoleRecord> {
    const where = { organizationId: tenant.organizationId, deletedAt: IsNull(), ...(isUuid(idOrKey) ? { id: idOrKey } : { key: idOrKey }) };
    const role = await tenant.manager.findOne(RoleRecord, { where, lock: { mode: 'pessimistic_write' } });
    if (!role) throw new NotFound('role', idOrKey);
    if (role.builtIn) throw new Conflict('role', 'built-in', 'A built-in role cannot be changed.');
    if (!isCurrent(role.updatedAt)) throw new PreconditionFailed('role');
    await this.roles.requireCovered(tenant, caller, role);
    return role;
  }

  /** Refuses what stands for no permission, except where it stands in the role already. */
  private async requireKnown(tenant: Tenant, { organization }: Principal, permissions: readonly string[], present: readonly string[]): Promise<void> {
    const known = knownPermissions(await this.registry.registeredIn(tenant), organization.platform);
    const violations = permissions.flatMap((permission, place) =>
      present.includes(permission) || expand([permission], known).size > 0
        ? []
        : [{ at: ['permissions', place], rule: 'known', message: `${permission} stands for no permission`, value: permission }]);
    if (violations.length > 0) throw new InputInvalid(violations);
  }

  private async describe(tenant: Tenant, caller: Principal, role: RoleRecord): Promise<RoleDetail> {
    return toDetail(role, caller, await this.registry.registeredIn(tenant));
  }
}

/** A row of the SQL function `role_holders`; bigint arrives as text. */
interface RoleHolders {
  readonly members: string;
  readonly machine_identities: string;
  readonly tokens: string;
  readonly invitations: string;
}

/** Null where nobody has it. */
function describeHolders({ members, machine_identities: machines, tokens, invitations }: RoleHolders): string | null {
  const counts = [[members, 'member'], [machines, 'machine identity', 'machine identities'], [tokens, 'token'], [invitations, 'invitation']] as const;
  const parts = counts.filter(([count]) => count !== '0').map(([count, one, many = `${one}s`]) => `${count} ${count === '1' ? one : many}`);
  return parts.length === 0 ? null : parts.join(', ');
}

function toDetail({ id, key, name, builtIn, permissions, createdAt, updatedAt }: RoleRecord, { organization }: Principal, registered: readonly string[]): RoleDetail {
  const effective = permissionsOfRole({ key, permissions }, organization.platform, registered);
  return { id, key, name, builtIn, permissions: builtIn ? [...effective].sort() : permissions, effective, createdAt, updatedAt };
}

function distinct(permissions: readonly string[]): string[] {
  return [...new Set(permissions)];
}
