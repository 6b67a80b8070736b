import { Injectable } from '@nestjs/common';
import { IsNull, Not } from 'typeorm';
import { AuditLog } from '../audit/audit-log.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict, NotFound } from '../kernel/failure.js';
import { newId } from '../kernel/ids.js';
import { toPage, type Cursor, type Page } from '../kernel/page.js';
import type { Caller } from '../tokens/token.js';
import { OrganizationChanges, type Governor } from './organization-changes.service.js';
import { findOrganization, listOrganizations, type OrganizationDetail } from './organization-detail.js';
import { lockOrganization, TooMany } from './organization-lock.js';
import { Organization } from './organization.entity.js';
import { OrganizationsService, type OrganizationView } from './organizations.service.js';

const SUB_ORGANIZATIONS_MAX = 200;

/** Organizations that belong to another one: tenants of their own, in which the parent's machines may be admitted. */
@Injectable()
export class SubOrganizations {
  constructor(
    private readonly database: Database,
    private readonly organizations: OrganizationsService,
    private readonly changes: OrganizationChanges,
    private readonly audit: AuditLog,
  ) {}

  /** Founds one in the caller's organization, whole or not at all; a person who founds it administers it. */
  async create({ organizationId: parentId, actor }: Caller, { slug, name }: { slug: string; name: string }): Promise<OrganizationDetail> {
    const id = newId();
    const event = { action: 'organization.created', target: { kind: 'organization', id }, details: { slug, name, parent: parentId } };
    try {
      return await this.database.inOrganization(parentId, async (parent) => {
        await lockOrganization(parent);
        await findOrganization(parent, parentId);
        if (await this.isOne(parent)) throw new Conflict('organization', 'nested', 'A sub-organization has no sub-organizations of its own.');
        const present = await parent.manager.countBy(Organization, { parentId, deletedAt: IsNull() });
        if (present >= SUB_ORGANIZATIONS_MAX) throw new TooMany('sub-organization', SUB_ORGANIZATIONS_MAX);
        await this.database.elsewhere(parent, id, async (own) => {
          await this.organizations.foundIn(own, { slug, name, parentId }, actor.kind === 'user' ? actor.id : null, actor);
          await this.audit.append(own, actor, event);
        });
        await this.audit.append(parent, actor, event);
        return findOrganization(parent, id);
      });
    } catch (error) {
      if (isUniqueViolation(error)) throw new Conflict('organization', 'taken', 'The slug is taken, if only by an organization that was deleted.');
      throw error;
    }
  }

  /** Newest first. */
  list(caller: Caller, limit: number, after: Cursor | null): Promise<Page<OrganizationDetail>> {
    return this.governing(caller, async ({ home }) => toPage(await listOrganizations(home, { parentId: home.organizationId, after, limit: limit + 1 }), limit));
  }

  suspend(caller: Caller, id: string): Promise<OrganizationDetail> {
    return this.governing(caller, (governor) => this.changes.suspend(governor, id));
  }

  resume(caller: Caller, id: string): Promise<OrganizationDetail> {
    return this.governing(caller, (governor) => this.changes.resume(governor, id));
  }

  delete(caller: Caller, id: string): Promise<void> {
    return this.governing(caller, (governor) => this.changes.delete(governor, id));
  }

  /** Among those of the tenant. Throws `NotFound` for absent and foreign alike. */
  async getBySlug({ organizationId, manager }: Tenant, slug: string): Promise<OrganizationView> {
    const found = await manager.findOneBy(Organization, { parentId: organizationId, slug, deletedAt: IsNull() });
    if (!found) throw new NotFound('sub-organization', slug);
    return { id: found.id, slug: found.slug, name: found.name };
  }

  /** True where the tenant itself is a sub-organization. */
  async isOne({ organizationId, manager }: Tenant): Promise<boolean> {
    return manager.existsBy(Organization, { id: organizationId, parentId: Not(IsNull()) });
  }

  private governing<T>(caller: Caller, work: (governor: Governor) => Promise<T>): Promise<T> {
    return this.database.inOrganization(caller.organizationId, (home) => work({ kind: 'parent', caller, home }));
  }
}
