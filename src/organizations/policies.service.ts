import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { DomainError } from '../kernel/failure.js';
import type { Instant } from '../kernel/instant.js';
import type { Permission } from '../tokens/permissions.js';
import { mergePolicies } from '../tokens/policy-merge.js';
import type { Policy } from '../tokens/policy.js';
import { TokenPolicies } from '../tokens/token-policies.js';
import { lockOrganization } from './organization-lock.js';
import { PolicyRecord } from './policy.entity.js';
import { PreconditionFailed } from './precondition-failed.js';

export interface PolicyView {
  readonly own: Policy;
  /** What binds the organization's tokens: its own policy, its parent's and the platform's together. */
  readonly effective: Policy;
  /** Null where nobody has set one yet. */
  readonly updatedAt: Instant | null;
}

const TO_CHANGE_CEILING: Permission = 'platform:policy:write';

/**
 * What an organization lets its tokens be. A change is in force with its commit, for tokens that exist too: those it
 * forbids are blocked until it is loosened. The platform's own policy is a ceiling for every organization.
 */
@Injectable()
export class PoliciesService {
  constructor(
    private readonly database: Database,
    private readonly policies: TokenPolicies,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  get({ organizationId }: Principal): Promise<PolicyView> {
    return this.database.inOrganization(organizationId, (tenant) => this.viewIn(tenant));
  }

  /**
   * Puts `change` of the present policy in its place, where that is as the caller has seen it (`PreconditionFailed`).
   * The platform's takes `platform:policy:write` as well.
   */
  change(caller: Principal, change: (current: Policy) => Policy, isCurrent: (view: PolicyView) => boolean): Promise<PolicyView> {
    const { platform } = caller.organization;
    if (platform && !caller.permissions.has(TO_CHANGE_CEILING)) {
      throw new DomainError('permission-missing', `This needs the permission ${TO_CHANGE_CEILING}.`, { permissions: [TO_CHANGE_CEILING] });
    }
    const changeIn = async (tenant: Tenant): Promise<PolicyView> => {
      await lockOrganization(tenant);
      const before = await this.viewIn(tenant);
      if (!isCurrent(before)) throw new PreconditionFailed('policy');
      const rules = change(before.own);
      const { before: replaced, after } = difference<Policy>(before.own, rules);
      if (Object.keys(after).length === 0) return before;
      const { organizationId, manager } = tenant;
      const updatedBy = caller.actor.id ?? organizationId;
      await manager.upsert(PolicyRecord, { organizationId, platform, rules, updatedAt: this.clock.now(), updatedBy }, ['organizationId']);
      await this.audit.append(tenant, caller.actor, { action: 'policy.updated', target: { kind: 'policy', id: organizationId }, before: replaced, after });
      return this.viewIn(tenant);
    };
    return platform ? this.database.asPlatform(caller.organizationId, changeIn) : this.database.inOrganization(caller.organizationId, changeIn);
  }

  private async viewIn(tenant: Tenant): Promise<PolicyView> {
    const { organizationId, manager } = tenant;
    const own = await manager.findOneBy(PolicyRecord, { organizationId });
    return {
      own: mergePolicies(own ? [own.rules] : []),
      effective: mergePolicies(await this.policies.bindingIn(tenant, null)),
      updatedAt: own?.updatedAt ?? null,
    };
  }
}
