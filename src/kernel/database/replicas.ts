import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { within } from '../deadline.js';
import { Unavailable } from '../failure.js';
import { toDatabaseFailure } from './database-failure.js';
import { pgWith, ServerPool, type Connected } from './server-pool.js';
import { SERVICE_ROLE } from './session-settings.js';

/** No answer for so long: then the primary is asked. */
const ANSWER_MS_MAX = 500;
/** How long a read waits for what was just committed to arrive at a replica. */
const BEHIND_MS_MAX = 50;
const LOOK_EVERY_MS = 5;
/** How long a replica that was not there is left alone. */
const REST_MS = 5_000;

/** What a replica must have, to answer as the primary would. */
interface Position {
  readonly position: string;
  readonly cluster: string;
  readonly database: string;
}

const POSITION = `SELECT pg_current_wal_flush_lsn()::text AS position, system_identifier::text AS cluster, current_database() AS database FROM pg_control_system()`;

/** Whoever it is asked as must be bound by row-level security there as well. */
const IS_FIT = `
  SELECT pg_is_in_recovery() AND system_identifier::text = $2 AND current_database() = $3 AND NOT rolsuper AND NOT rolbypassrls
           AND pg_has_role(oid, '${SERVICE_ROLE}', 'USAGE') AND current_setting('statement_timeout') <> '0' AS fit,
         coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false) AS fresh
  FROM pg_control_system(), pg_roles WHERE rolname = current_user`;

/**
 * `pg` for TypeORM, which opens every pool by trying it: here a replica that is down keeps nobody from starting, and one
 * that was found so is left alone for a while.
 */
export function pgWithReplicas(replicaUrls: readonly string[]): typeof pg {
  class Pool extends ServerPool {
    private readonly isReplica: boolean;
    private isOpen = false;
    private restsUntil = -Infinity;

    constructor(config: pg.PoolConfig = {}) {
      const isReplica = replicaUrls.includes(config.connectionString ?? '');
      super({ ...config, ...(isReplica && { connectionTimeoutMillis: ANSWER_MS_MAX }) });
      this.isReplica = isReplica;
    }

    override connect(): Promise<pg.PoolClient>;
    override connect(done: (...result: Connected) => void): void;
    override connect(done?: (...result: Connected) => void): Promise<pg.PoolClient> | void {
      if (!done) return super.connect();
      if (!this.isReplica) return super.connect(done);
      if (!this.isOpen) {
        this.isOpen = true;
        return done(undefined, undefined, () => undefined);
      }
      if (performance.now() < this.restsUntil) return done(new Error('the replica was not there a moment ago'), undefined, () => undefined);
      super.connect((...result) => {
        // All connections in use is no sign that it is gone.
        if (result[0] && this.totalCount < this.options.max) this.restsUntil = performance.now() + REST_MS;
        done(...result);
      });
    }
  }
  return pgWith(Pool);
}

/**
 * Read replicas, for what reads much and changes nothing. A replica is asked only where it has all that was committed on
 * the primary before the question, so that nobody ever reads what was before their own change, or anybody's.
 */
export class Replicas {
  constructor(private readonly dataSource: DataSource) {}

  /** The result of the work in a transaction on a replica; null where none can answer as the primary would. */
  async read<T>(work: (manager: EntityManager) => Promise<T>): Promise<{ readonly result: T } | null> {
    // Where it cannot be told, the primary says so itself when it is asked, or answers.
    const [position] = await this.dataSource.query<Position[]>(POSITION).catch(() => []);
    if (!position) return null;
    const runner = this.dataSource.createQueryRunner('slave');
    try {
      if (!(await this.isFresh(runner, position))) return null;
      await runner.startTransaction();
      const result = await work(runner.manager);
      await runner.commitTransaction();
      return { result };
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      if (isOutage(error)) return null;
      throw error;
    } finally {
      await runner.release();
    }
  }

  /** False as well for one that does not answer; what hangs is cut off. */
  private async isFresh(runner: QueryRunner, { position, cluster, database }: Position): Promise<boolean> {
    const connection = (await runner.connect().catch(() => null)) as pg.Client | null;
    if (!connection) return false;
    const ask = async (): Promise<boolean> => {
      const until = performance.now() + BEHIND_MS_MAX;
      for (;;) {
        const { rows } = await connection.query<{ fit: boolean; fresh: boolean }>(IS_FIT, [position, cluster, database]);
        if (!rows[0]?.fit) return false;
        if (rows[0].fresh || performance.now() > until) return rows[0].fresh;
        await pause(LOOK_EVERY_MS);
      }
    };
    const asked = ask();
    try {
      return await within(ANSWER_MS_MAX, asked);
    } catch {
      asked.catch(() => undefined);
      await connection.end();
      return false;
    }
  }
}

/** Also a read that the replica ended because what it reads was changed meanwhile. */
function isOutage(error: unknown): boolean {
  return error instanceof Unavailable || toDatabaseFailure(error) instanceof Unavailable;
}
