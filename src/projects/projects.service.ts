import { Injectable } from '@nestjs/common';
import { In, IsNull } from 'typeorm';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { NotFound } from '../kernel/failure.js';
import { newId } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import { foldName } from '../kernel/names.js';
import { toPage, type Cursor, type Page } from '../kernel/page.js';
import type { Caller, ProjectRef } from '../tokens/token.js';
import { isProjectKey } from './project-key.js';
import { awaitTurn } from './project-turns.js';
import { Environment, Project } from './project.entity.js';
import { Taken, TooManyProjects } from './project.errors.js';

const PROJECTS_MAX = 1_000;

const FIRST_ENVIRONMENTS = [
  { key: 'default', name: 'Default' },
  { key: 'development', name: 'Development' },
  { key: 'production', name: 'Production' },
];

/** What names a project, or an environment. */
export interface Naming {
  readonly key: string;
  readonly name: string;
}

export interface ProjectView extends ProjectRef {
  readonly name: string;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

/** Projects of an organization. One that is deleted is as absent as one that never was. */
@Injectable()
export class ProjectsService {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** A project with its first environments. */
  async createIn({ organizationId, manager }: Tenant, { key, name }: Naming): Promise<ProjectView> {
    const now = this.clock.now();
    const project = { id: newId(), key, name, createdAt: now, updatedAt: now };
    await manager.insert(Project, { organizationId, ...project, nameFolded: foldName(name) });
    const environments = FIRST_ENVIRONMENTS.map((environment, place) => ({
      organizationId,
      id: newId(),
      projectId: project.id,
      ...environment,
      nameFolded: foldName(environment.name),
      // A microsecond apart, so that lists keep this order.
      createdAt: now.plusSeconds(place / 1_000_000),
      updatedAt: now,
    }));
    await manager.insert(Environment, environments);
    return project;
  }

  /** The same, recorded; throws `Taken` where its key or name is in use, and `TooManyProjects` where there is no room. */
  create(caller: Caller, naming: Naming): Promise<ProjectView> {
    return this.changing(caller, async (tenant) => {
      const { organizationId, manager } = tenant;
      if ((await manager.countBy(Project, { organizationId, deletedAt: IsNull() })) >= PROJECTS_MAX) throw new TooManyProjects(PROJECTS_MAX);
      const project = await this.createIn(tenant, naming);
      const details = { key: naming.key, name: naming.name, environments: FIRST_ENVIRONMENTS.map(({ key }) => key) };
      await this.audit.append(tenant, caller.actor, { action: 'project.created', target: { kind: 'project', id: project.id }, details });
      return project;
    });
  }

  /** What is left out stays. */
  update(caller: Caller, key: string, { name }: Partial<Pick<Naming, 'name'>>): Promise<ProjectView> {
    return this.changing(caller, async (tenant) => {
      const project = await this.getIn(tenant, caller, key);
      if (name === undefined || name === project.name) return project;
      const updatedAt = this.clock.now();
      const { organizationId, manager } = tenant;
      await manager.update(Project, { organizationId, id: project.id }, { name, nameFolded: foldName(name), updatedAt });
      const sides = difference({ name: project.name }, { name });
      await this.audit.append(tenant, caller.actor, { action: 'project.updated', target: { kind: 'project', id: project.id }, details: { key }, ...sides });
      return { ...project, name, updatedAt };
    });
  }

  /** By key, among the caller's projects. Throws `NotFound` for absent, foreign and out-of-reach alike. */
  getByKey(caller: Caller, key: string): Promise<ProjectView> {
    return this.database.inOrganization(caller.organizationId, (tenant) => this.getIn(tenant, caller, key));
  }

  /** The same within a transaction of the caller's organization that has begun. */
  async getIn({ organizationId, manager }: Tenant, caller: Caller, key: string): Promise<ProjectView> {
    const project = isProjectKey(key) ? await manager.findOneBy(Project, { organizationId, key, deletedAt: IsNull() }) : null;
    if (!project || !isWithin(caller, project.id)) throw new NotFound('project', key);
    return toView(project);
  }

  /** The same by id. */
  async getByIdIn({ organizationId, manager }: Tenant, caller: Caller, id: string): Promise<ProjectView> {
    const project = await manager.findOneBy(Project, { organizationId, id, deletedAt: IsNull() });
    if (!project || !isWithin(caller, project.id)) throw new NotFound('project', id);
    return toView(project);
  }

  /** Each by key or id, in the order asked for. Throws `NotFound` for the first that the caller does not have. */
  async getEach(caller: Caller, keysOrIds: readonly string[]): Promise<ProjectView[]> {
    const projects = await this.list(caller);
    return keysOrIds.map((wanted) => {
      const project = projects.find(({ id, key }) => key === wanted || id === wanted);
      if (!project) throw new NotFound('project', wanted);
      return project;
    });
  }

  /** Each by its key, in the order asked for. Throws `NotFound` for the first that the caller does not have. */
  async getByKeys(caller: Caller, keys: readonly string[]): Promise<ProjectView[]> {
    const projects = new Map((await this.list(caller)).map((project) => [project.key, project]));
    return keys.map((key) => {
      const project = projects.get(key);
      if (!project) throw new NotFound('project', key);
      return project;
    });
  }

  /** The caller's projects by key. */
  async list(caller: Caller): Promise<ProjectView[]> {
    return this.database.inOrganization(caller.organizationId, async ({ organizationId, manager }) => {
      const within = caller.projects === 'all' ? {} : { id: In(caller.projects.map(({ id }) => id)) };
      const projects = await manager.find(Project, { where: { organizationId, ...within, deletedAt: IsNull() }, order: { key: 'ASC' } });
      return projects.map(toView);
    });
  }

  /** The caller's projects, oldest first. */
  page(caller: Caller, limit: number, after: Cursor | null): Promise<Page<ProjectView>> {
    return this.database.inOrganization(caller.organizationId, async ({ organizationId, manager }) => {
      const query = manager.createQueryBuilder(Project, 'project').where('project.organization_id = :organizationId AND project.deleted_at IS NULL', { organizationId });
      if (caller.projects !== 'all') query.andWhere('project.id = ANY (:within::uuid[])', { within: caller.projects.map(({ id }) => id) });
      if (after) query.andWhere('(project.created_at, project.id) > (:at, :id)', { at: after.at.toPostgres(), id: after.id });
      const rows = await query.orderBy('project.createdAt').addOrderBy('project.id').limit(limit + 1).getMany();
      return toPage(rows.map(toView), limit);
    });
  }

  private async changing<T>(caller: Caller, work: (tenant: Tenant) => Promise<T>): Promise<T> {
    try {
      return await this.database.inOrganization(caller.organizationId, async (tenant) => {
        await awaitTurn(tenant);
        return work(tenant);
      });
    } catch (error) {
      if (isUniqueViolation(error)) throw new Taken('project');
      throw error;
    }
  }
}

function isWithin(caller: Caller, projectId: string): boolean {
  return caller.projects === 'all' || caller.projects.some(({ id }) => id === projectId);
}

function toView({ id, key, name, createdAt, updatedAt }: Project): ProjectView {
  return { id, key, name, createdAt, updatedAt };
}
