import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { NotFound } from '../kernel/failure.js';
import { newId } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import { foldName } from '../kernel/names.js';
import { toPage, type Cursor, type Page } from '../kernel/page.js';
import type { Caller } from '../tokens/token.js';
import { isProjectKey } from './project-key.js';
import { awaitTurn } from './project-turns.js';
import { Environment } from './project.entity.js';
import { Taken, TooManyEnvironments } from './project.errors.js';
import { ProjectsService, type Naming, type ProjectView } from './projects.service.js';

const ENVIRONMENTS_MAX = 100;

export interface EnvironmentView extends Naming {
  readonly id: string;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

/** Environments of projects. One that is deleted is as absent as one that never was. */
@Injectable()
export class EnvironmentsService {
  constructor(
    private readonly database: Database,
    private readonly projects: ProjectsService,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Throws `Taken` where its key or name is in use in the project, and `TooManyEnvironments` where there is no room. */
  create(caller: Caller, projectKey: string, { key, name }: Naming): Promise<EnvironmentView> {
    return this.changing(caller, projectKey, async ({ organizationId, manager }, project) => {
      const count = await manager.countBy(Environment, { organizationId, projectId: project.id, deletedAt: IsNull() });
      if (count >= ENVIRONMENTS_MAX) throw new TooManyEnvironments(ENVIRONMENTS_MAX);
      const now = this.clock.now();
      const environment = { id: newId(), key, name, createdAt: now, updatedAt: now };
      await manager.insert(Environment, { organizationId, projectId: project.id, ...environment, nameFolded: foldName(name) });
      const details = { project: projectKey, key, name };
      await this.audit.append({ organizationId, manager }, caller.actor, { action: 'environment.created', target: { kind: 'environment', id: environment.id }, details });
      return environment;
    });
  }

  /** What is left out stays. */
  update(caller: Caller, projectKey: string, key: string, { name }: Partial<Pick<Naming, 'name'>>): Promise<EnvironmentView> {
    return this.changing(caller, projectKey, async (tenant, project) => {
      const environment = await this.getIn(tenant, project, key);
      if (name === undefined || name === environment.name) return environment;
      const updatedAt = this.clock.now();
      const { organizationId, manager } = tenant;
      await manager.update(Environment, { organizationId, id: environment.id }, { name, nameFolded: foldName(name), updatedAt });
      const sides = difference({ name: environment.name }, { name });
      const target = { kind: 'environment', id: environment.id };
      await this.audit.append(tenant, caller.actor, { action: 'environment.updated', target, details: { project: projectKey, key }, ...sides });
      return { ...environment, name, updatedAt };
    });
  }

  /** Throws `NotFound` for a project that is not the caller's, and for an environment that it does not have. */
  get(caller: Caller, projectKey: string, key: string): Promise<EnvironmentView> {
    return this.database.inOrganization(caller.organizationId, async (tenant) =>
      this.getIn(tenant, await this.projects.getIn(tenant, caller, projectKey), key));
  }

  async getIn({ organizationId, manager }: Tenant, { id: projectId }: ProjectView, key: string): Promise<EnvironmentView> {
    const environment = isProjectKey(key) ? await manager.findOneBy(Environment, { organizationId, projectId, key, deletedAt: IsNull() }) : null;
    if (!environment) throw new NotFound('environment', key);
    return toView(environment);
  }

  /** Those of the project, oldest first. */
  page(caller: Caller, projectKey: string, limit: number, after: Cursor | null): Promise<Page<EnvironmentView>> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { organizationId, manager } = tenant;
      const { id: projectId } = await this.projects.getIn(tenant, caller, projectKey);
      const query = manager
        .createQueryBuilder(Environment, 'environment')
        .where('environment.organization_id = :organizationId AND environment.project_id = :projectId', { organizationId, projectId })
        .andWhere('environment.deleted_at IS NULL');
      if (after) query.andWhere('(environment.created_at, environment.id) > (:at, :id)', { at: after.at.toPostgres(), id: after.id });
      const rows = await query.orderBy('environment.createdAt').addOrderBy('environment.id').limit(limit + 1).getMany();
      return toPage(rows.map(toView), limit);
    });
  }

  private async changing<T>(caller: Caller, projectKey: string, work: (tenant: Tenant, project: ProjectView) => Promise<T>): Promise<T> {
    try {
      return await this.database.inOrganization(caller.organizationId, async (tenant) => {
        await awaitTurn(tenant);
        return work(tenant, await this.projects.getIn(tenant, caller, projectKey));
      });
    } catch (error) {
      if (isUniqueViolation(error)) throw new Taken('environment');
      throw error;
    }
  }
}

function toView({ id, key, name, createdAt, updatedAt }: Environment): EnvironmentView {
  return { id, key, name, createdAt, updatedAt };
}
