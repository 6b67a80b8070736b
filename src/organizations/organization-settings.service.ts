import { Injectable } from '@nestjs/common';
import type { Caller } from '../tokens/token.js';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { findOrganization, type OrganizationDetail } from './organization-detail.js';
import { lockOrganization } from './organization-lock.js';
import { Organization } from './organization.entity.js';

/** What an organization says of itself. */
@Injectable()
export class OrganizationSettings {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  get({ organizationId: id }: Caller): Promise<OrganizationDetail> {
    return this.database.inOrganization(id, (tenant) => findOrganization(tenant, id));
  }

  rename({ organizationId: id, actor }: Caller, name: string): Promise<OrganizationDetail> {
    return this.database.inOrganization(id, async (tenant) => {
      await lockOrganization(tenant);
      const current = await findOrganization(tenant, id);
      if (current.name === name) return current;
      await tenant.manager.update(Organization, { id }, { name, updatedAt: this.clock.now() });
      await this.audit.append(tenant, actor, { action: 'organization.updated', target: { kind: 'organization', id }, ...difference<Pick<Organization, 'name'>>(current, { name }) });
      return findOrganization(tenant, id);
    });
  }
}
