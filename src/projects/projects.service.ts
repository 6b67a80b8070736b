import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { NotFound } from '../kernel/failure.js';
import { newId } from '../kernel/ids.js';
import type { Caller, ProjectRef } from '../tokens/token.js';
import { Environment, Project } from './project.entity.js';

const FIRST_ENVIRONMENTS = [
  { key: 'default', name: 'Default' },
  { key: 'development', name: 'Development' },
  { key: 'production', name: 'Production' },
];

export interface ProjectView extends ProjectRef {
  readonly name: string;
}

/** Projects of an organization and their environments. */
@Injectable()
export class ProjectsService {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** A project with its first environments. */
  async createIn({ organizationId, manager }: Tenant, { key, name }: { key: string; name: string }): Promise<void> {
    const now = this.clock.now();
    const projectId = newId();
    await manager.insert(Project, { organizationId, id: projectId, key, name, createdAt: now, updatedAt: now });
    const rows = FIRST_ENVIRONMENTS.map((environment) => ({ organizationId, id: newId(), projectId, ...environment, createdAt: now, updatedAt: now }));
    await manager.insert(Environment, rows);
  }

  /** By key, among the caller's projects. Throws `NotFound` for absent, foreign and out-of-reach alike. */
  async getByKey(caller: Caller, key: string): Promise<ProjectView> {
    const project = await this.database.inOrganization(caller.organizationId, ({ organizationId, manager }) =>
      manager.findOneBy(Project, { organizationId, key }));
    if (!project || !isWithin(caller, project.id)) throw new NotFound('project', key);
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
      const projects = await manager.find(Project, { where: { organizationId, ...within }, order: { key: 'ASC' } });
      return projects.map(toView);
    });
  }

  /**
   * The environment's id in each of the projects; it stays there until the transaction ends. Throws `NotFound` where
   * one of them lacks it.
   */
  async environmentIdsIn({ organizationId, manager }: Tenant, projectIds: readonly string[], key: string): Promise<ReadonlyMap<string, string>> {
    const where = { organizationId, projectId: In([...projectIds]), key };
    const found = await manager.find(Environment, { where, lock: { mode: 'for_key_share' } });
    if (found.length < projectIds.length) throw new NotFound('environment', key);
    return new Map(found.map(({ projectId, id }) => [projectId, id]));
  }

  /** Throws `NotFound` where no project of the organization has such an environment. */
  async requireEnvironmentIn({ organizationId, manager }: Tenant, key: string): Promise<void> {
    if (!(await manager.existsBy(Environment, { organizationId, key }))) throw new NotFound('environment', key);
  }
}

function isWithin(caller: Caller, projectId: string): boolean {
  return caller.projects === 'all' || caller.projects.some(({ id }) => id === projectId);
}

function toView({ id, key, name }: Project): ProjectView {
  return { id, key, name };
}
