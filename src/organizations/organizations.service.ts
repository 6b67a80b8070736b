import { Injectable } from '@nestjs/common';
import { AuditLog } from '../audit/audit-log.js';
import { SYSTEM, type Actor } from '../audit/actor.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Conflict } from '../kernel/failure.js';
import { newId } from '../kernel/ids.js';
import { ProjectsService } from '../projects/projects.service.js';
import { UsersService, type NewPerson, type Person } from '../users/users.service.js';
import { MembershipsService } from './memberships.service.js';
import { Organization } from './organization.entity.js';
import { RolesService } from './roles.service.js';

export interface NewOrganization {
  readonly slug: string;
  readonly name: string;
  readonly platform?: boolean;
  readonly admin: NewPerson;
}

export interface OrganizationView {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
}

/** What a new organization is. */
export interface Founding {
  readonly slug: string;
  readonly name: string;
  readonly parentId?: string;
  readonly platform?: boolean;
}

/** Tenants and who belongs to them. */
@Injectable()
export class OrganizationsService {
  constructor(
    private readonly database: Database,
    private readonly users: UsersService,
    private readonly roles: RolesService,
    private readonly memberships: MembershipsService,
    private readonly projects: ProjectsService,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** An organization with its first administrator, a new person; whole or not at all. */
  async create({ slug, name, platform = false, admin }: NewOrganization, actor: Actor = SYSTEM): Promise<{ organization: OrganizationView; admin: Person }> {
    const organization = { id: newId(), slug, name };
    const createAdmin = await this.users.prepare(admin);
    try {
      return await this.database.inOrganization(organization.id, async (tenant) => {
        const person = await createAdmin(tenant.manager);
        await this.foundIn(tenant, { slug, name, platform }, person.id, actor);
        await this.audit.append(tenant, actor, {
          action: 'organization.created',
          target: { kind: 'organization', id: organization.id },
          details: { slug, name, admin: person.id },
        });
        return { organization, admin: person };
      });
    } catch (error) {
      if (isUniqueViolation(error)) throw new Conflict('organization', 'taken', 'The slug or the e-mail address is taken.');
      throw error;
    }
  }

  /** The organization of this transaction, with its roles, its first project and, where there is one, its administrator. Records nothing. */
  async foundIn(tenant: Tenant, { slug, name, parentId, platform = false }: Founding, administratorId: string | null, actor: Actor = SYSTEM): Promise<void> {
    const now = this.clock.now();
    await tenant.manager.insert(Organization, { id: tenant.organizationId, slug, name, parentId, platform, createdAt: now, updatedAt: now });
    await this.roles.createBuiltIn(tenant);
    if (administratorId !== null) await this.addMember(tenant, administratorId, 'ADMIN', actor);
    await this.projects.createIn(tenant, { key: 'default', name: 'Default' });
  }

  /** Throws `Conflict` for a person who is a member already. */
  async addMember(tenant: Tenant, userId: string, roleKey: string, actor: Actor = SYSTEM): Promise<string> {
    const { id } = await this.roles.hold(tenant, roleKey);
    return this.memberships.admit(tenant, userId, id, actor);
  }
}
