import { Injectable } from '@nestjs/common';
import { IsNull, Not } from 'typeorm';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict, NotFound } from '../kernel/failure.js';
import { newId } from '../kernel/ids.js';
import { ProjectsService } from '../projects/projects.service.js';
import type { Caller } from '../tokens/token.js';
import { Organization } from './organization.entity.js';
import { OrganizationsService, type OrganizationView } from './organizations.service.js';
import { RolesService } from './roles.service.js';

/** Organizations that belong to another one: tenants of their own, in which the parent's machines may be admitted. */
@Injectable()
export class SubOrganizations {
  constructor(
    private readonly database: Database,
    private readonly organizations: OrganizationsService,
    private readonly roles: RolesService,
    private readonly projects: ProjectsService,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Founds one in the caller's organization, whole or not at all; a person who founds it administers it. */
  async create({ organizationId: parentId, actor }: Caller, { slug, name }: { slug: string; name: string }): Promise<OrganizationView> {
    if (await this.database.inOrganization(parentId, (tenant) => this.isOne(tenant))) {
      throw new Conflict('organization', 'nested', 'A sub-organization has no sub-organizations of its own.');
    }
    const organization = { id: newId(), slug, name };
    try {
      return await this.database.inOrganization(organization.id, async (tenant) => {
        const now = this.clock.now();
        await tenant.manager.insert(Organization, { ...organization, parentId, platform: false, createdAt: now, updatedAt: now });
        await this.roles.createBuiltIn(tenant);
        if (actor.kind === 'user' && actor.id) await this.organizations.addMember(tenant, actor.id, 'ADMIN', actor);
        await this.projects.createIn(tenant, { key: 'default', name: 'Default' });
        await this.audit.append(tenant, actor, {
          action: 'organization.created',
          target: { kind: 'organization', id: organization.id },
          details: { slug, name, parent: parentId },
        });
        return organization;
      });
    } catch (error) {
      if (isUniqueViolation(error)) throw new Conflict('organization', 'taken', 'The slug is taken.');
      throw error;
    }
  }

  /** Among those of the tenant. Throws `NotFound` for absent and foreign alike. */
  async getBySlug({ organizationId, manager }: Tenant, slug: string): Promise<OrganizationView> {
    const found = await manager.findOneBy(Organization, { parentId: organizationId, slug });
    if (!found) throw new NotFound('sub-organization', slug);
    return { id: found.id, slug: found.slug, name: found.name };
  }

  /** True where the tenant itself is a sub-organization. */
  async isOne({ organizationId, manager }: Tenant): Promise<boolean> {
    return manager.existsBy(Organization, { id: organizationId, parentId: Not(IsNull()) });
  }
}
