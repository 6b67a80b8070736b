import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { sqlState } from '../kernel/database/database-failure.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { NotFound } from '../kernel/failure.js';
import { isUuid } from '../kernel/ids.js';
import { RolesService } from '../organizations/roles.service.js';
import { SubOrganizations } from '../organizations/sub-organizations.service.js';
import { permissionsWithin, patternsOfRole } from '../tokens/permissions.js';
import { IdentityAdmission } from './machine-identity.entity.js';

const FOREIGN_KEY_VIOLATION = '23503';

/** Where a token is to act, and what its owner may do there. */
export interface Whereabouts {
  /** Null: the organization itself. */
  readonly subOrganizationId: string | null;
  /** What its role there says, wildcards as they are written. */
  readonly patterns: readonly string[];
  /** What that allows now. */
  readonly granted: ReadonlySet<string>;
}

interface AdmissionFacts {
  readonly admitted: boolean;
  readonly role_key: string | null;
  readonly role_permissions: readonly string[] | null;
  readonly registered_permissions: readonly string[];
}

/** Which machine identities of its parent a sub-organization admits, and with which of its own roles. */
@Injectable()
export class AdmissionsService {
  constructor(
    private readonly database: Database,
    private readonly subOrganizations: SubOrganizations,
    private readonly roles: RolesService,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Admits an identity of the parent organization to the caller's, or gives it another role; neither the new one nor the one it has may allow more than the caller holds. */
  async admit(caller: Principal, identityId: string, roleKey: string | null): Promise<void> {
    if (!isUuid(identityId)) throw new NotFound('identity', identityId);
    try {
      await this.database.inOrganization(caller.organizationId, async (tenant) => {
        const before = await this.holdChangeable(tenant, caller, identityId);
        const role = roleKey === null ? null : await this.roles.getGrantable(tenant, caller, roleKey);
        await tenant.manager.query(
          `INSERT INTO identity_admissions (organization_id, identity_organization_id, identity_id, role_id, created_at)
           SELECT id, coalesce(parent_id, id), $2, $3, $4 FROM organizations WHERE id = $1
           ON CONFLICT (organization_id, identity_id) DO UPDATE SET role_id = excluded.role_id`,
          [tenant.organizationId, identityId, role?.id ?? null, this.clock.now().toPostgres()],
        );
        const sides = before && difference(before, { role: role?.key ?? null });
        await this.audit.append(tenant, caller.actor, { action: 'identity.admitted', target: { kind: 'identity', id: identityId }, details: { role: roleKey }, ...sides });
      });
    } catch (error) {
      // Not the parent's, or the caller's organization has no parent.
      if (sqlState(error) === FOREIGN_KEY_VIOLATION) throw new NotFound('identity', identityId);
      throw error;
    }
  }

  /** Its tokens for the caller's organization stop at once. Refused to whoever holds less than it does here. */
  dismiss(caller: Principal, identityId: string): Promise<void> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { organizationId, manager } = tenant;
      if (!(await this.holdChangeable(tenant, caller, identityId))) throw new NotFound('admission', identityId);
      await manager.delete(IdentityAdmission, { organizationId, identityId });
      await this.audit.append(tenant, caller.actor, { action: 'identity.dismissed', target: { kind: 'identity', id: identityId } });
    });
  }

  /** The role it has now, which nobody else changes until the transaction ends; null for one that is not admitted. */
  private async holdChangeable(tenant: Tenant, caller: Principal, identityId: string): Promise<{ readonly role: string | null } | null> {
    const where = { organizationId: tenant.organizationId, identityId };
    const admission = isUuid(identityId) ? await tenant.manager.findOne(IdentityAdmission, { where, lock: { mode: 'pessimistic_write' } }) : null;
    if (!admission) return null;
    return { role: admission.roleId === null ? null : (await this.roles.getGrantable(tenant, caller, admission.roleId)).key };
  }

  /**
   * Where a token of the tenant's identity acts if this sub-organization is asked for. A tenant that is a sub-organization
   * itself has none, and its tokens stay in it. Throws `NotFound` for an unknown slug, and for one where the identity is
   * not admitted.
   */
  async resolve(tenant: Tenant, identityId: string, slug: string): Promise<Whereabouts | null> {
    if (await this.subOrganizations.isOne(tenant)) return null;
    const { id } = await this.subOrganizations.getBySlug(tenant, slug);
    const [facts] = await tenant.manager.query<AdmissionFacts[]>('SELECT * FROM admission_facts($1, $2)', [id, identityId]);
    if (!facts?.admitted) throw new NotFound('admission', slug);
    const { role_key: key, role_permissions: permissions, registered_permissions: registered } = facts;
    const patterns = key === null ? [] : patternsOfRole({ key, permissions: permissions ?? [] }, false);
    return { subOrganizationId: id, patterns, granted: permissionsWithin([patterns], registered, false) };
  }
}
