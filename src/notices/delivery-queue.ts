import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import PgBoss from 'pg-boss';
import { DataSource, type EntityManager } from 'typeorm';
import type { Tenant } from '../kernel/database/database.js';
import { Maintenance } from '../kernel/maintenance/maintenance.js';

const QUEUE = 'webhook-deliveries';
const LOOK_FOR_LOST_EVERY_SECONDS = 60;

/** An attempt at a delivery that is due, in the hands of whoever took it. */
export interface DeliveryJob {
  readonly id: string;
  readonly organizationId: string;
  readonly deliveryId: string;
}

interface JobData {
  readonly organization_id: string;
  readonly delivery_id: string;
}

/**
 * Which deliveries are to be attempted, and when (pg-boss). Each job is in one pair of hands at a time, of all replicas;
 * one that is neither done nor put back within a minute is handed out again. Jobs hold ids alone, for their tables are
 * outside the tenants' walls.
 */
@Injectable()
export class DeliveryQueue implements OnApplicationBootstrap {
  private readonly logger = new Logger('DeliveryQueue');
  private readonly boss: PgBoss;

  constructor(dataSource: DataSource, maintenance: Maintenance) {
    const db = { executeSql: (text: string, values?: unknown[]) => withinNone(dataSource, text, values) };
    this.boss = new PgBoss({ db, schema: 'queue', migrate: false, supervise: false, schedule: false });
    this.boss.on('error', (error: Error) => this.logger.warn(error.message));
    maintenance.add({ name: 'queue.lost-jobs', everySeconds: LOOK_FOR_LOST_EVERY_SECONDS, inInstallation: () => this.recoverLost() });
  }

  /** Throws where the tables are not those of this version of the library. */
  async onApplicationBootstrap(): Promise<void> {
    await this.boss.start();
  }

  /** Due in so many seconds; in the tenant's transaction, like the deliveries themselves. */
  async add({ organizationId, manager }: Tenant, deliveryIds: readonly string[], inSeconds = 0): Promise<void> {
    if (deliveryIds.length === 0) return;
    const jobs = deliveryIds.map((id) => {
      const data: JobData = { organization_id: organizationId, delivery_id: id };
      return { name: QUEUE, data, ...(inSeconds > 0 && { startAfter: String(inSeconds) }) };
    });
    await this.boss.insert(jobs, { db: within(manager) });
  }

  async take(limit: number): Promise<DeliveryJob[]> {
    const jobs = await this.boss.fetch<JobData>(QUEUE, { batchSize: limit });
    return jobs.map(({ id, data }) => ({ id, organizationId: data.organization_id, deliveryId: data.delivery_id }));
  }

  /** Forgets the job, in the transaction that records what came of it. */
  async done({ manager }: Tenant, job: DeliveryJob): Promise<void> {
    await this.boss.deleteJob(QUEUE, job.id, { db: within(manager) });
  }

  /** Due again at once. */
  async putBack(job: DeliveryJob): Promise<void> {
    await this.boss.fail(QUEUE, job.id);
  }

  /** Hands out again what a replica took and died over. */
  private async recoverLost(): Promise<number> {
    await this.boss.expire();
    return 0;
  }
}

function within(manager: EntityManager): PgBoss.Db {
  const runner = manager.queryRunner;
  if (!runner) throw new Error('a job was to be queued outside a transaction');
  return { executeSql: async (text, values) => ({ rows: (await runner.query(text, values, true)).records as unknown[] }) };
}

async function withinNone(dataSource: DataSource, text: string, values?: unknown[]): Promise<{ rows: unknown[] }> {
  const runner = dataSource.createQueryRunner();
  try {
    return { rows: (await runner.query(text, values, true)).records as unknown[] };
  } catch (error) {
    // Some of the library's statements begin a transaction; none may stay behind on the connection.
    await runner.query('ROLLBACK').catch(() => undefined);
    throw error;
  } finally {
    await runner.release();
  }
}
