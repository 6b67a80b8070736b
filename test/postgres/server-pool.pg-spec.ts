import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PoolClient } from 'pg';
import { toDatabaseFailure } from '../../src/kernel/database/database-failure.js';
import { ServerPool } from '../../src/kernel/database/server-pool.js';
import { Unavailable } from '../../src/kernel/failure.js';
import { TEST_SERVER_URL } from '../support/database.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const MAX = 3;
let proxy: TcpProxy;
let pool: ServerPool;
let connections: number;
beforeEach(async () => {
  const target = new URL(TEST_SERVER_URL ?? '');
  proxy = await TcpProxy.to(target);
  connections = 0;
  pool = new ServerPool({ connectionString: proxy.urlOf(target), max: MAX, connectionTimeoutMillis: 60_000 });
  pool.on('connect', () => (connections += 1));
  pool.on('error', () => undefined);
});
afterEach(async () => {
  proxy.mend();
  await pool.end();
  await proxy.close();
});

const all = <T>(count: number, work: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: count }, work));
const openAll = async (): Promise<void> => {
  for (const client of await all(MAX, () => pool.connect())) client.release();
};
/** What became of it: a value, or the failure that a caller is told. */
const outcomeOf = <T>(work: Promise<T>): Promise<T | string> => work.catch((error: unknown) => (error instanceof Unavailable || toDatabaseFailure(error) instanceof Unavailable ? 'unavailable' : String(error)));
const now = (): number => performance.now();

describe('a pool that is given up', () => {
  it('refuses whoever waits for a connection, however many they are, and serves who asks later', async () => {
    const held = await all(MAX, () => pool.connect());
    const waiting = all(10_000, () => outcomeOf(pool.query('SELECT 1')));
    await pause(5);
    pool.giveUp(now(), 0);
    const later = pool.query<{ one: number }>('SELECT 1 AS one');
    for (const client of held) client.release();
    expect(new Set(await waiting)).toEqual(new Set(['unavailable']));
    expect((await later).rows).toEqual([{ one: 1 }]);
  });

  it('fails what is under way for so long, and nothing younger', async () => {
    const old = outcomeOf(pool.query('SELECT pg_sleep(30)'));
    await pause(1_000);
    const young = pool.query('SELECT pg_sleep(0.5)');
    await pause(50);
    pool.giveUp(-Infinity, 800);
    expect(await old).toBe('unavailable');
    expect((await young).rowCount).toBe(1);
  });

  it('tells a transaction that was between two statements of an outage, and commits nothing of it', async () => {
    const client = await pool.connect();
    client.on('error', () => undefined);
    await client.query('BEGIN');
    await client.query('CREATE TABLE given_up ()');
    pool.giveUp(now(), 0);
    const outcome = await outcomeOf(client.query('COMMIT'));
    client.release();
    expect(outcome).toBe('unavailable');
    expect((await pool.query(`SELECT to_regclass('given_up') AS there`)).rows).toEqual([{ there: null }]);
  });

  it('hands out no connection of before the silence, and goes on with those made since', async () => {
    await openAll();
    proxy.silence();
    const silentSince = now();
    proxy.takeOver();
    pool.giveUp(silentSince, 0);
    await pause(5);
    await openAll();
    expect(connections).toBe(2 * MAX);
    for (let tick = 0; tick < 5; tick += 1) {
      pool.giveUp(silentSince, 700);
      await openAll();
    }
    expect(connections).toBe(2 * MAX);
  });

  it('fails within seconds what hangs on a connection that was lost, though the silence ended before it was given up', async () => {
    await openAll();
    proxy.silence();
    const hanging = outcomeOf(pool.query('SELECT 1'));
    await pause(5);
    pool.giveUp(now(), 700);
    const began = now();
    expect(await hanging).toBe('unavailable');
    expect(now() - began).toBeLessThan(4_000);
  });

  it('takes back a connection that was given up while it was used', async () => {
    const clients: PoolClient[] = await all(MAX, () => pool.connect());
    for (const client of clients) client.on('error', () => undefined);
    pool.giveUp(now(), 0);
    for (const client of clients) client.release();
    await pause(5);
    await openAll();
    expect([connections, pool.totalCount]).toEqual([2 * MAX, MAX]);
  });
});
