import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { SYSTEM } from '../audit/actor.js';
import { AuditLog, difference, type Happening } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict, NotFound } from '../kernel/failure.js';
import { isUuid } from '../kernel/ids.js';
import type { Caller } from '../tokens/token.js';
import { findOrganization, type OrganizationDetail } from './organization-detail.js';
import { Organization } from './organization.entity.js';

/** Who rules over other organizations: the operator over all, an organization over those within it. */
export interface Governor {
  readonly kind: 'platform' | 'parent';
  readonly caller: Caller;
  /** The organization of the caller, in a transaction that has begun. */
  readonly home: Tenant;
}

/**
 * What is done to an organization from outside it. It stands in two records: in the governor's with whoever did it, and
 * in the organization's own without, for the governor's people are none of its business.
 */
@Injectable()
export class OrganizationChanges {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  rename(governor: Governor, id: string, name: string): Promise<OrganizationDetail> {
    return this.changing(governor, id, async (own, current) => {
      if (current.name === name) return;
      await this.write(own, { name });
      await this.record(governor, own, { action: 'organization.updated', ...difference<Pick<Organization, 'name'>>(current, { name }) });
    });
  }

  /** Suspending what is suspended changes nothing, except that what the operator suspends, only the operator resumes. */
  suspend(governor: Governor, id: string): Promise<OrganizationDetail> {
    return this.changing(governor, id, async (own, { platform, suspendedAt, suspendedByParent }) => {
      refusePlatform(platform);
      const byParent = governor.kind === 'parent';
      if (suspendedAt !== null && (byParent || !suspendedByParent)) return;
      await this.write(own, { suspendedAt: suspendedAt ?? this.clock.now(), suspendedByParent: byParent });
      await this.record(governor, own, { action: 'organization.suspended' });
    });
  }

  /** Resuming what runs changes nothing. */
  resume(governor: Governor, id: string): Promise<OrganizationDetail> {
    return this.changing(governor, id, async (own, { suspendedAt, suspendedByParent }) => {
      if (suspendedAt === null) return;
      if (governor.kind === 'parent' && !suspendedByParent) {
        throw new Conflict('organization', 'suspended-by-operator', 'The operator has suspended the organization; only the operator resumes it.');
      }
      await this.write(own, { suspendedAt: null, suspendedByParent: false });
      await this.record(governor, own, { action: 'organization.resumed' });
    });
  }

  /** With the organizations within it. */
  async delete(governor: Governor, id: string): Promise<void> {
    await this.inside(governor, id, async (own, { platform, slug }) => {
      refusePlatform(platform);
      await this.endIn(governor, own, slug);
      const children = await own.manager.findBy(Organization, { parentId: id, deletedAt: IsNull() });
      for (const child of children) await this.database.elsewhere(own, child.id, (within) => this.endIn(governor, within, child.slug));
    });
  }

  /** Writes what happened into both records. */
  async record({ kind, caller, home }: Governor, own: Tenant, { details, ...happening }: Omit<Happening, 'target'>): Promise<void> {
    const target = { kind: 'organization', id: own.organizationId };
    await this.audit.append(own, SYSTEM, { ...happening, target, details: { ...details, by: kind } });
    await this.database.elsewhere(own, home.organizationId, (governing) => this.audit.append(governing, caller.actor, { ...happening, target, details }));
  }

  private async endIn(governor: Governor, own: Tenant, slug: string): Promise<void> {
    await this.write(own, { deletedAt: this.clock.now() });
    await this.record(governor, own, { action: 'organization.deleted', details: { slug } });
  }

  private async write({ organizationId, manager }: Tenant, change: Partial<Organization>): Promise<void> {
    await manager.update(Organization, { id: organizationId }, { ...change, updatedAt: this.clock.now() });
  }

  private async changing(governor: Governor, id: string, change: (own: Tenant, current: Organization) => Promise<void>): Promise<OrganizationDetail> {
    await this.inside(governor, id, change);
    return findOrganization(governor.home, id);
  }

  /**
   * In the organization, which nobody else changes until the transaction ends. Throws `NotFound` where there is none
   * such, or none that is the governor's to change.
   */
  private async inside(governor: Governor, id: string, work: (own: Tenant, current: Organization) => Promise<void>): Promise<void> {
    if (!isUuid(id)) throw new NotFound('organization', id);
    await this.database.elsewhere(governor.home, id, async (own) => {
      const current = await own.manager.findOne(Organization, { where: { id, deletedAt: IsNull() }, lock: { mode: 'for_no_key_update' } });
      if (!current || (governor.kind === 'parent' && current.parentId !== governor.home.organizationId)) throw new NotFound('organization', id);
      await work(own, current);
    });
  }
}

function refusePlatform(platform: boolean): void {
  if (platform) throw new Conflict('organization', 'platform', 'The platform\'s own organization can be neither suspended nor deleted.');
}
