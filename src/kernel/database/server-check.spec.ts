import type { DataSource } from 'typeorm';
import { describe, expect, it } from 'vitest';
import { Clock } from '../clock.js';
import { Instant } from '../instant.js';
import { serverFaults } from './server-check.js';

const NOON = Instant.parse('2026-11-28T12:00:00Z') as Instant;

/** A clock that shows these times, one after the other. */
class Showing extends Clock {
  constructor(private readonly times: Instant[]) {
    super();
  }

  override now(): Instant {
    return this.times.shift() ?? NOON;
  }
}

const faultsOf = (server: { fsync?: string; commit?: string; skew?: number }, tookSeconds = 0): Promise<readonly string[]> => {
  const row = { fsync: server.fsync ?? 'on', commit: server.commit ?? 'on', now: NOON.plusSeconds(server.skew ?? 0) };
  return serverFaults({ query: () => Promise.resolve([row]) } as unknown as DataSource, new Showing([NOON, NOON.plusSeconds(tookSeconds)]));
};

describe('a database server', () => {
  it('that keeps what it confirms, and has the right time, is without fault', async () => {
    for (const commit of ['on', 'local', 'remote_write', 'remote_apply']) expect(await faultsOf({ commit })).toEqual([]);
  });

  it('that may lose what it has confirmed is not to be relied on', async () => {
    expect(await faultsOf({ fsync: 'off', commit: 'off' })).toEqual([expect.stringContaining('fsync is off'), expect.stringContaining('synchronous_commit is off')]);
  });

  it.each([[2, 0], [-2, 0], [5, 3], [-2, 10]])('may be %i seconds off where the answer took %i', async (skew, took) => {
    expect(await faultsOf({ skew }, took)).toEqual([]);
  });

  it.each([[2.5, 0, '2 seconds ahead of'], [-3, 0, '3 seconds behind'], [3600, 0, '3600 seconds ahead of'], [6, 3, '3 seconds ahead of']])('is not %d seconds off where the answer took %i', async (skew, took, fault) => {
    expect(await faultsOf({ skew }, took)).toEqual([expect.stringContaining(fault)]);
  });
});
