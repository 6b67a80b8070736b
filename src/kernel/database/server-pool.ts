import pg from 'pg';
import { Unavailable } from '../failure.js';

export type Connected = Parameters<Parameters<pg.Pool['connect']>[0]>;

/** A pool of connections to a server that may fall silent. Times are milliseconds of `performance.now`. */
export class ServerPool extends pg.Pool {
  private readonly connectedAt = new WeakMap<pg.PoolClient, number>();
  private readonly inUseSince = new Map<pg.PoolClient, number>();
  /** Connections of before are lost, it may be without anybody having been told. */
  private lostAt = -Infinity;
  /** Whoever asked before gets no connection any more. */
  private gaveUpBefore = -Infinity;

  constructor(config: pg.PoolConfig = {}) {
    super(config);
    this.on('connect', (client) => this.connectedAt.set(client, performance.now()));
    this.on('acquire', (client) => this.inUseSince.set(client, performance.now()));
    this.on('release', (_, client) => this.inUseSince.delete(client));
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(done: (...result: Connected) => void): void;
  override connect(done?: (...result: Connected) => void): Promise<pg.PoolClient> | void {
    if (!done) return new Promise((resolve, reject) => this.connect((error, client) => (client ? resolve(client) : reject(error ?? new Unavailable()))));
    this.connectAsOf(performance.now(), done);
  }

  /**
   * To be called while the server is silent: what has waited for it for so long (milliseconds) fails as at a lost
   * connection, be it under way, so that the server takes back what was not committed, or not begun. What is asked for
   * later goes over new connections.
   */
  giveUp(afterMs: number): void {
    this.lostAt = performance.now();
    this.gaveUpBefore = this.lostAt - afterMs;
    for (const [client, since] of this.inUseSince) {
      if (since > this.gaveUpBefore) continue;
      this.inUseSince.delete(client);
      client.end().catch(() => undefined);
    }
  }

  private connectAsOf(asked: number, done: (...result: Connected) => void): void {
    super.connect((error, client, release) => {
      if (!client) return done(error, client, release);
      if (asked <= this.gaveUpBefore) {
        release();
        return done(new Unavailable(), undefined, () => undefined);
      }
      if ((this.connectedAt.get(client) ?? -Infinity) > this.lostAt) return done(error, client, release);
      release(true);
      this.connectAsOf(asked, done);
    });
  }
}

/** `pg` for TypeORM, with pools of this class. */
export function pgWith(Pool: typeof ServerPool): typeof pg {
  return { ...pg, Pool, native: null };
}
