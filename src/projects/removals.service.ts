import { Injectable } from '@nestjs/common';
import { In, IsNull } from 'typeorm';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { TokenEngine } from '../tokens/token-engine.js';
import type { Caller } from '../tokens/token.js';
import { EnvironmentsService } from './environments.service.js';
import { awaitTurn } from './project-turns.js';
import { Environment, Project } from './project.entity.js';
import { ProjectsService } from './projects.service.js';

/**
 * Deletes projects and environments, whole or not at all. Every token that is left without a project or an environment
 * ends with them and stays listed; one that has others keeps those. Whoever gets the same key later inherits nothing.
 */
@Injectable()
export class RemovalsService {
  constructor(
    private readonly database: Database,
    private readonly projects: ProjectsService,
    private readonly environments: EnvironmentsService,
    private readonly tokens: TokenEngine,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** With its environments. */
  deleteProject(caller: Caller, key: string): Promise<void> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { organizationId, manager } = tenant;
      await awaitTurn(tenant);
      const { id, name } = await this.projects.getIn(tenant, caller, key);
      const environments = await this.holdEnvironments(tenant, { projectId: id });
      await manager.findOne(Project, { where: { organizationId, id }, lock: { mode: 'pessimistic_write' } });
      const revoked = await this.tokens.revokeAllIn(tenant, caller.actor, { confinedTo: { projectId: id } }, 'project-deleted');
      await manager.update(Project, { organizationId, id }, { deletedAt: this.clock.now() });
      const revokedToo = await this.endEnvironments(tenant, caller, environments);
      const details = { key, name, environments: environments.map((environment) => environment.key).sort(), tokensRevoked: revoked + revokedToo };
      await this.audit.append(tenant, caller.actor, { action: 'project.deleted', target: { kind: 'project', id }, details });
    });
  }

  deleteEnvironment(caller: Caller, projectKey: string, key: string): Promise<void> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      await awaitTurn(tenant);
      const project = await this.projects.getIn(tenant, caller, projectKey);
      const { id, name } = await this.environments.getIn(tenant, project, key);
      const held = await this.holdEnvironments(tenant, { projectId: project.id, id });
      const confinedTo = { projectId: project.id, environmentId: id };
      const revoked = await this.tokens.revokeAllIn(tenant, caller.actor, { confinedTo }, 'environment-deleted');
      const revokedToo = await this.endEnvironments(tenant, caller, held);
      const details = { project: projectKey, key, name, tokensRevoked: revoked + revokedToo };
      await this.audit.append(tenant, caller.actor, { action: 'environment.deleted', target: { kind: 'environment', id }, details });
    });
  }

  /** Waits for whoever mints a token for one of these, and makes all others wait. In the order of minting: environments, then project. */
  private holdEnvironments({ organizationId, manager }: Tenant, which: { projectId: string; id?: string }): Promise<Environment[]> {
    const where = { organizationId, ...which, deletedAt: IsNull() };
    return manager.find(Environment, { where, order: { id: 'ASC' }, lock: { mode: 'pessimistic_write' } });
  }

  /** Tokens of all projects end too where no project has their environment any more. Tells how many. */
  private async endEnvironments(tenant: Tenant, { actor }: Caller, environments: readonly Environment[]): Promise<number> {
    const { organizationId, manager } = tenant;
    await manager.update(Environment, { organizationId, id: In(environments.map(({ id }) => id)) }, { deletedAt: this.clock.now() });
    const keys = environments.map(({ key }) => key);
    const left = await manager.query<{ key: string }[]>(
      'SELECT DISTINCT key FROM environments WHERE organization_id = $1 AND key = ANY ($2::text[]) AND deleted_at IS NULL',
      [organizationId, keys],
    );
    const gone = keys.filter((key) => left.every((other) => other.key !== key));
    return this.tokens.revokeAllIn(tenant, actor, { everywhereIn: gone }, 'environment-deleted');
  }
}
