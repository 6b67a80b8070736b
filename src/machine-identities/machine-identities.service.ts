import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import type { Principal } from '../access/principal.js';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict, DomainError, NotFound } from '../kernel/failure.js';
import { isUuid, newId } from '../kernel/ids.js';
import { toPage, type Cursor, type Page } from '../kernel/page.js';
import { RolesService, type RoleView } from '../organizations/roles.service.js';
import { TokenEngine } from '../tokens/token-engine.js';
import type { Caller } from '../tokens/token.js';
import { IdentityQueries, type IdentityRow, type IdentitySearch } from './identity-queries.js';
import { TokenAuthSettings, UniversalAuthSettings } from './login-settings.entity.js';
import { IdentityAdmission, MachineIdentity, MachineIdentityMetadata } from './machine-identity.entity.js';

export interface MetadataEntry {
  readonly key: string;
  readonly value: string;
}

export interface NewIdentity {
  readonly name: string;
  /** Key of a role; null: no access. */
  readonly roleKey: string | null;
  readonly deleteProtected: boolean;
  readonly metadata: readonly MetadataEntry[];
}

export interface IdentityView extends IdentityRow {
  /** Null: no access. */
  readonly role: RoleView | null;
  readonly metadata: readonly (MetadataEntry & { readonly id: string })[];
}

/** Machines that hold tokens. Nobody gives one more than they hold, nor changes one that holds more. */
@Injectable()
export class MachineIdentitiesService {
  constructor(
    private readonly database: Database,
    private readonly queries: IdentityQueries,
    private readonly roles: RolesService,
    private readonly tokens: TokenEngine,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  create(caller: Principal, { name, roleKey, deleteProtected, metadata }: NewIdentity): Promise<IdentityView> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const roleId = await this.roleToGive(tenant, caller, roleKey);
      const now = this.clock.now();
      const id = newId();
      await tenant.manager.insert(MachineIdentity, { organizationId: tenant.organizationId, id, name, roleId, deleteProtected, createdAt: now, updatedAt: now });
      await this.writeMetadata(tenant, id, metadata);
      await this.audit.append(tenant, caller.actor, { action: 'identity.created', target: { kind: 'identity', id }, details: { name, role: roleKey, deleteProtected } });
      return this.viewIn(tenant, id);
    });
  }

  /** What is left out stays; metadata is replaced as a whole. */
  update(caller: Principal, id: string, change: Partial<NewIdentity>): Promise<IdentityView> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const current = await this.lockIn(tenant, id);
      await this.requireCovered(tenant, caller, current);
      if (Object.values(change).every((value) => value === undefined)) return current;
      const { name, deleteProtected, roleKey, metadata } = change;
      const set = {
        ...(name !== undefined && { name }),
        ...(deleteProtected !== undefined && { deleteProtected }),
        ...(roleKey !== undefined && { roleId: await this.roleToGive(tenant, caller, roleKey) }),
      };
      const { organizationId, manager } = tenant;
      await manager.update(MachineIdentity, { organizationId, id }, { ...set, updatedAt: this.clock.now() });
      if (metadata) await this.writeMetadata(tenant, id, metadata);
      const before = { name: current.name, role: current.role?.key ?? null, deleteProtected: current.deleteProtected, metadata: entriesOf(current.metadata) };
      const sides = difference(before, { name, role: roleKey, deleteProtected, metadata: metadata && entriesOf(metadata) });
      await this.audit.append(tenant, caller.actor, { action: 'identity.updated', target: { kind: 'identity', id }, ...sides });
      return this.viewIn(tenant, id);
    });
  }

  get(caller: Principal, id: string): Promise<IdentityView> {
    return this.database.inOrganization(caller.organizationId, (tenant) => this.viewIn(tenant, id));
  }

  /** Identities that fit, and how many there are in all. */
  search(caller: Caller, search: IdentitySearch): Promise<{ identities: IdentityView[]; total: number }> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { rows, total } = await this.queries.search(tenant, search, this.clock.now());
      return { identities: await this.toViews(tenant, rows), total };
    });
  }

  /** All, oldest first. */
  async page(caller: Caller, limit: number, after: Cursor | null): Promise<Page<IdentityView>> {
    const { identities } = await this.search(caller, { order: 'creation', limit: limit + 1, after });
    return toPage(identities, limit);
  }

  /** Ends its tokens, its ways to log in and its admissions at once. Throws `Conflict` while it is protected. */
  delete(caller: Principal, id: string): Promise<IdentityView> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const view = await this.viewIn(tenant, id);
      const { organizationId, manager } = tenant;
      // Settings first: whoever mints a token holds them, and has then written a token that is ended below.
      await manager.delete(TokenAuthSettings, { organizationId, identityId: id });
      await manager.delete(UniversalAuthSettings, { organizationId, identityId: id });
      const current = await this.lockIn(tenant, id);
      await this.requireCovered(tenant, caller, current);
      if (current.deleteProtected) throw new Conflict('identity', 'delete-protected', 'The machine identity is protected from being deleted.');
      await manager.update(MachineIdentity, { organizationId, id }, { deletedAt: this.clock.now() });
      await manager.delete(MachineIdentityMetadata, { organizationId, identityId: id });
      await manager.delete(IdentityAdmission, { identityOrganizationId: organizationId, identityId: id });
      const revoked = await this.tokens.revokeAllIn(tenant, caller.actor, { identityId: id }, 'identity-deleted');
      await this.audit.append(tenant, caller.actor, { action: 'identity.deleted', target: { kind: 'identity', id }, details: { name: view.name, tokensRevoked: revoked } });
      return view;
    });
  }

  /** Throws `NotFound` for absent, deleted and foreign alike; an admitted one is known, and its parent organization's to change. */
  async requireIn({ organizationId, manager }: Tenant, id: string): Promise<MachineIdentity> {
    const identity = isUuid(id) ? await manager.findOneBy(MachineIdentity, { organizationId, id, deletedAt: IsNull() }) : null;
    if (identity) return identity;
    if (isUuid(id) && (await manager.existsBy(IdentityAdmission, { organizationId, identityId: id }))) {
      throw new DomainError('caller-refused', 'The machine identity belongs to the parent organization.', { reason: 'parent-organization' });
    }
    throw new NotFound('identity', id);
  }

  /** Refuses a caller who holds less than the machine identity (`PermissionExceeded` names what is missing). */
  async requireCovered(tenant: Tenant, caller: Principal, { roleId }: Pick<MachineIdentity, 'roleId'>): Promise<void> {
    if (roleId !== null) await this.roles.getGrantable(tenant, caller, roleId);
  }

  /** What the identity may do: where it is asked to act, or at home. */
  async permissionsAt(tenant: Tenant, id: string, where: { readonly granted: ReadonlySet<string> } | null): Promise<ReadonlySet<string>> {
    if (where) return where.granted;
    const { roleId } = await this.requireIn(tenant, id);
    if (roleId === null) return new Set();
    const { organizationId, manager } = tenant;
    const [organization] = await manager.query<{ platform: boolean }[]>('SELECT platform FROM organizations WHERE id = $1', [organizationId]);
    return this.roles.permissionsOf(tenant, roleId, organization?.platform === true);
  }

  private async roleToGive(tenant: Tenant, caller: Principal, roleKey: string | null): Promise<string | null> {
    if (roleKey === null) return null;
    if (isUuid(roleKey)) throw new NotFound('role', roleKey);
    return (await this.roles.getGrantable(tenant, caller, roleKey)).id;
  }

  private async writeMetadata({ organizationId, manager }: Tenant, identityId: string, metadata: readonly MetadataEntry[]): Promise<void> {
    await manager.delete(MachineIdentityMetadata, { organizationId, identityId });
    const rows = metadata.map(({ key, value }, position) => ({ organizationId, id: newId(), identityId, position, key, value }));
    if (rows.length > 0) await manager.insert(MachineIdentityMetadata, rows);
  }

  /** The identity, which nobody else changes until the transaction ends. */
  private async lockIn(tenant: Tenant, id: string): Promise<IdentityView> {
    await this.requireIn(tenant, id);
    const { organizationId, manager } = tenant;
    await manager.findOne(MachineIdentity, { where: { organizationId, id, deletedAt: IsNull() }, lock: { mode: 'for_no_key_update' } });
    return this.viewIn(tenant, id);
  }

  private async viewIn(tenant: Tenant, id: string): Promise<IdentityView> {
    await this.requireIn(tenant, id);
    const { rows } = await this.queries.search(tenant, { id }, this.clock.now());
    const [view] = await this.toViews(tenant, rows);
    if (!view) throw new NotFound('identity', id);
    return view;
  }

  private async toViews(tenant: Tenant, rows: readonly IdentityRow[]): Promise<IdentityView[]> {
    const roles = await this.roles.byIds(tenant, rows.flatMap(({ roleId }) => roleId ?? []));
    const metadata = await this.queries.metadataOf(tenant, rows.map(({ id }) => id));
    return rows.map((row) => ({
      ...row,
      role: (row.roleId && roles.get(row.roleId)) || null,
      metadata: metadata.filter(({ identityId }) => identityId === row.id).map(({ id, key, value }) => ({ id, key, value })),
    }));
  }
}

function entriesOf(metadata: readonly MetadataEntry[]): readonly MetadataEntry[] {
  return metadata.map(({ key, value }) => ({ key, value }));
}
