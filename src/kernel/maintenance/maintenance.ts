import { Injectable } from '@nestjs/common';
import type { Tenant } from '../database/database.js';

/**
 * One batch of at most `limit` things, in the transaction that it is given or in one short one of its own; tells how
 * many it dealt with. As many as the limit means that there may be more.
 */
export type OrganizationBatch = (tenant: Tenant, limit: number) => Promise<number | Done>;
export type InstallationBatch = (limit: number) => Promise<number>;

/** What was dealt with, and what has to wait until that is committed, such as mail. */
export interface Done {
  readonly count: number;
  readonly onceCommitted: () => void;
}

interface Schedule {
  /** Unique, as in `sessions.purge`. */
  readonly name: string;
  readonly everySeconds: number;
}

/** Upkeep that nobody asks for: clean-up, reminders. It may run at any time, again at once, and in any number of parts. */
export type MaintenanceTask =
  | (Schedule & {
      readonly inOrganization: OrganizationBatch;
      /** Where there may be something to do; every organization where left out. */
      readonly organizations?: () => Promise<readonly string[]>;
    })
  | (Schedule & { readonly inInstallation: InstallationBatch });

/** What upkeep there is: each module adds its own as it is made. */
@Injectable()
export class Maintenance {
  private readonly known = new Map<string, MaintenanceTask>();

  add(task: MaintenanceTask): void {
    if (this.known.has(task.name)) throw new Error(`two maintenance tasks are called ${task.name}`);
    this.known.set(task.name, task);
  }

  get tasks(): readonly MaintenanceTask[] {
    return [...this.known.values()];
  }

  get(name: string): MaintenanceTask {
    const task = this.known.get(name);
    if (!task) throw new Error(`no maintenance task is called ${name}`);
    return task;
  }
}
