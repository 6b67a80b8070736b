import { Injectable, Logger } from '@nestjs/common';
import type { Actor } from '../audit/actor.js';
import { AuditLog, type Happening } from '../audit/audit-log.js';
import { Database } from '../kernel/database/database.js';
import { Invalidations } from '../kernel/database/invalidations.js';

/**
 * Records what was refused, each in a transaction of its own, for nothing was changed. It never rejects: a refusal stays
 * a refusal whether it can be recorded or not.
 */
@Injectable()
export class RefusalLog {
  private readonly logger = new Logger('RefusalLog');

  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly invalidations: Invalidations,
  ) {}

  async record(organizationId: string, actor: Actor, happening: Happening): Promise<void> {
    try {
      const append = (): Promise<void> => this.database.inOrganization(organizationId, (tenant) => this.audit.append(tenant, actor, happening));
      await this.invalidations.whileReachable(this.database.lasting(append));
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown error';
      const { action, details } = happening;
      this.logger.error({ msg: `a refusal could not be recorded: ${reason}`, organizationId, action, ...details, requestId: actor.origin?.requestId });
    }
  }
}
