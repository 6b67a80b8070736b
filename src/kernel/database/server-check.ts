import type { DataSource } from 'typeorm';
import type { Clock } from '../clock.js';
import type { Instant } from '../instant.js';

const SKEW_SECONDS_MAX = 2;

/** Faults in how the server runs that would make an answer of the service untrue; empty for one that can be relied on. */
export async function serverFaults(dataSource: DataSource, clock: Clock): Promise<readonly string[]> {
  const before = clock.now();
  const [server] = await dataSource.query<{ fsync: string; commit: string; now: Instant }[]>(
    `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS "commit", clock_timestamp() AS now`,
  );
  const after = clock.now();
  if (!server) throw new Error('the server does not say how it runs');
  const { fsync, commit, now } = server;
  const faults: string[] = [];
  if (fsync === 'off') faults.push('fsync is off: a crash could lose or corrupt what the service has answered for');
  if (commit === 'off') faults.push('synchronous_commit is off: a crash could lose a token or a revocation that the service has answered for');
  const isBehind = now.plusSeconds(SKEW_SECONDS_MAX).isBefore(before);
  const isAhead = after.plusSeconds(SKEW_SECONDS_MAX).isBefore(now);
  if (isBehind || isAhead) {
    const seconds = isBehind ? before.secondsSince(now) : now.secondsSince(after);
    faults.push(`its clock is ${seconds} seconds ${isBehind ? 'behind' : 'ahead of'} this machine's: tokens would live too long on one of the two`);
  }
  return faults;
}
