import type { Socket } from 'node:net';
import pg from 'pg';
import { Unavailable } from '../failure.js';

export type Connected = Parameters<Parameters<pg.Pool['connect']>[0]>;

/** What was under way when the server was last found silent, on a connection of before, has that long to be answered. */
const STRAGGLER_MS_MAX = 2_000;

/** A pool of connections to a server that may fall silent. Times are milliseconds of `performance.now`. */
export class ServerPool extends pg.Pool {
  private readonly connectedAt = new WeakMap<pg.PoolClient, number>();
  private readonly inUseSince = new Map<pg.PoolClient, number>();
  /** Connections of before may be lost without anybody having been told. */
  private silentSince = -Infinity;
  /** Whoever asked before gets no connection any more. */
  private gaveUpBefore = -Infinity;
  private stragglers: NodeJS.Timeout | undefined;

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
   * To be called again and again while the server is silent: what has waited for it for so long (milliseconds) fails as at
   * a lost connection, be it under way, so that the server takes back what was not committed, or not begun. What is
   * asked for later goes over connections that were made since.
   */
  giveUp(silentSince: number, afterMs: number): void {
    const now = performance.now();
    this.silentSince = silentSince;
    this.gaveUpBefore = now - afterMs;
    for (const [client, since] of this.inUseSince) if (since <= this.gaveUpBefore) cut(client);
    clearTimeout(this.stragglers);
    this.stragglers = setTimeout(() => {
      for (const [client, since] of this.inUseSince) if (since <= now && this.mayBeLost(client)) cut(client);
    }, STRAGGLER_MS_MAX).unref();
  }

  private connectAsOf(asked: number, done: (...result: Connected) => void): void {
    super.connect((error, client, release) => {
      if (!client) return done(error, client, release);
      if (asked <= this.gaveUpBefore) {
        // In a turn of its own: at once the next one would get it, and be refused, within this call, and so on.
        setImmediate(release);
        return done(new Unavailable(), undefined, () => undefined);
      }
      if (!this.mayBeLost(client)) return done(error, client, release);
      release(true);
      destroy(client);
      this.connectAsOf(asked, done);
    });
  }

  private mayBeLost(client: pg.PoolClient): boolean {
    return (this.connectedAt.get(client) ?? -Infinity) <= this.silentSince;
  }
}

/** Fails whatever waits on it; whoever uses it gives it back as ever. */
function cut(client: pg.PoolClient): void {
  client.end().catch(() => undefined);
  destroy(client);
}

/** It says no goodbye: nobody would hear it. */
function destroy(client: pg.PoolClient): void {
  (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
}

/** `pg` for TypeORM, with pools of this class. */
export function pgWith(Pool: typeof ServerPool): typeof pg {
  return { ...pg, Pool, native: null };
}
