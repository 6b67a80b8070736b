import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Background } from '../background.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.js';
import { sqlState } from '../database/database-failure.js';
import { Maintenance, type MaintenanceTask, type OrganizationBatch } from './maintenance.js';

const LOOK_EVERY_MS = 5_000;
const BATCH_MAX = 500;
/** A batch holds its locks no longer than this: on a server it is ended then, and tried again in smaller parts. */
const BATCH_MS_MAX = 900;
const BATCH_MS_COMFORTABLE = 200;
const QUERY_CANCELED = '57014';

/** Runs each task when it is due, on one replica at a time, in batches that hold no lock for longer than a second. */
@Injectable()
export class MaintenanceRunner implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('Maintenance');
  /** As far as this replica knows when each task is due (epoch microseconds); the table has the last word. */
  private readonly dueAt = new Map<string, bigint>();
  private readonly batchSizes = new Map<string, number>();
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<void> = Promise.resolve();
  private stopping = false;

  constructor(
    private readonly maintenance: Maintenance,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly background: Background,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.background.runsByItself) return;
    const next = (): void => {
      void this.runDue().then(() => {
        if (!this.stopping) this.timer = setTimeout(next, LOOK_EVERY_MS).unref();
      });
    };
    this.timer = setTimeout(next, LOOK_EVERY_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping = true;
    if (this.timer) clearTimeout(this.timer);
    await this.round;
  }

  /** Runs whatever is due and no other replica has taken. Never rejects: what fails is logged, and due again in its time. */
  runDue(): Promise<void> {
    this.round = this.round.then(async () => {
      for (const task of this.maintenance.tasks) {
        if (this.stopping) return;
        try {
          if (await this.takeTurn(task)) await this.runLogging(task);
        } catch (error) {
          this.logger.warn(`whether ${task.name} is due could not be found out: ${reasonOf(error)}`);
        }
      }
    });
    return this.round;
  }

  /**
   * Runs one task now to its end, in these organizations alone where they are named; tells how many things it dealt with.
   * What fails in one organization keeps no other from its turn; it is thrown at the end.
   */
  async run(name: string, organizations?: readonly string[]): Promise<number> {
    const task = this.maintenance.get(name);
    if ('inInstallation' in task) return this.runBatches(task, (limit) => task.inInstallation(limit));
    let count = 0;
    const failures: unknown[] = [];
    for (const id of organizations ?? (await this.organizationsOf(task))) {
      if (this.stopping) break;
      try {
        count += await this.runBatches(task, (limit) => this.inBatch(id, task.inOrganization, limit));
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new Error(`in ${failures.length} organization(s), such as: ${reasonOf(failures[0])}`, { cause: failures[0] });
    return count;
  }

  private async runLogging(task: MaintenanceTask): Promise<void> {
    try {
      const count = await this.run(task.name);
      if (count > 0) this.logger.log(`${task.name}: ${count}`);
    } catch (error) {
      this.logger.warn(`${task.name} failed: ${reasonOf(error)}`);
    }
  }

  /** True for the one replica that moves the task's time on. */
  private async takeTurn({ name, everySeconds }: MaintenanceTask): Promise<boolean> {
    const now = this.clock.now();
    if (now.epochMicros < (this.dueAt.get(name) ?? 0n)) return false;
    const next = now.plusSeconds(everySeconds);
    const taken = await this.database.query<object>(
      `INSERT INTO maintenance_turns (task, next_at) VALUES ($1, $2)
       ON CONFLICT (task) DO UPDATE SET next_at = excluded.next_at WHERE maintenance_turns.next_at <= $3
       RETURNING task`,
      [name, next.toPostgres(), now.toPostgres()],
    );
    this.dueAt.set(name, next.epochMicros);
    return taken.length > 0;
  }

  private async organizationsOf(task: Extract<MaintenanceTask, { inOrganization: unknown }>): Promise<readonly string[]> {
    if (task.organizations) return task.organizations();
    return (await this.database.query<{ id: string }>('SELECT id FROM organizations_to_keep()')).map(({ id }) => id);
  }

  private async inBatch(organizationId: string, batch: OrganizationBatch, limit: number): Promise<number> {
    const done = await this.database.inOrganization(organizationId, async (tenant) => {
      await tenant.manager.query(`SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $1, true)`, [String(BATCH_MS_MAX)]);
      return batch(tenant, limit);
    });
    if (typeof done === 'number') return done;
    done.onceCommitted();
    return done.count;
  }

  /** Batch after batch until one is not full; their size follows how long they take. */
  private async runBatches({ name }: MaintenanceTask, batch: (limit: number) => Promise<number>): Promise<number> {
    let count = 0;
    while (!this.stopping) {
      const limit = this.batchSizes.get(name) ?? BATCH_MAX;
      const began = performance.now();
      let done: number;
      try {
        done = await batch(limit);
      } catch (error) {
        if (sqlState(error) !== QUERY_CANCELED || limit === 1) throw error;
        this.batchSizes.set(name, Math.ceil(limit / 4));
        continue;
      }
      const took = performance.now() - began;
      if (took > BATCH_MS_COMFORTABLE) this.batchSizes.set(name, Math.ceil(limit / 2));
      else this.batchSizes.set(name, Math.min(limit * 2, BATCH_MAX));
      count += done;
      if (done < limit) break;
    }
    return count;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error';
}
