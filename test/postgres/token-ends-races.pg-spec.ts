import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { theApp } from '../support/app.js';
import { aTenant, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import type { SettableClock } from '../support/settable-clock.js';

interface Made {
  readonly id: string;
  readonly secret: string;
}

/** A connection of our own, which holds what others then wait for. */
let holder: Client;
let tenant: TestTenant;
let as: string;
let clock: SettableClock;
beforeAll(async () => {
  ({ clock } = await theApp());
  holder = new Client({ connectionString: process.env['GATEHOUSE_TEST_DATABASE'] });
  await holder.connect();
});
afterAll(() => holder.end());
beforeEach(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});

async function aToken(by = as): Promise<Made> {
  const { body } = await call('POST', '/user/api-tokens', { as: by, body: { description: 'one of a family' } });
  return { secret: body.token, id: (await introspect(as, body.token))['jti'] };
}
const stateOf = async (id: string): Promise<string> => (await call('GET', `/v1/tokens/${id}`, { as })).body.state;

/** Of all who wait for a lock, how many wait for us, be it through others. */
async function waiting(): Promise<number> {
  // Who is connected is read once in a transaction, unless it is forgotten.
  await holder.query('SELECT pg_stat_clear_snapshot()');
  const { rows } = await holder.query<{ count: string }>(
    `WITH RECURSIVE behind (pid) AS (
       SELECT pg_backend_pid() UNION SELECT a.pid FROM pg_stat_activity a JOIN behind b ON b.pid = ANY (pg_blocking_pids(a.pid)) WHERE a.datname = current_database()
     ) SELECT count(*) - 1 AS count FROM behind`,
  );
  return Number(rows[0]?.count);
}
async function untilWaiting(count: number, orDone: Promise<unknown>): Promise<void> {
  let isDone = false;
  void orDone.then(() => (isDone = true));
  while (!isDone && (await waiting()) < count) await pause(5);
}

describe('what ends several tokens', () => {
  it.each([
    ['a replaced secret, where a policy wants that', async ({ id, secret }: Made): Promise<() => Promise<Answer>> => {
      await call('PUT', '/v1/policy', { as, body: { on_reuse: 'revoke' } });
      const next = (await call('POST', `/v1/tokens/${id}/rotate`, { as, body: { overlap_seconds: 0 } })).body.secret;
      await call('GET', '/auth/me', { as: next });
      return () => call('GET', '/auth/me', { as: secret });
    }],
    ['the report of a leak', ({ secret }: Made): Promise<() => Promise<Answer>> =>
      Promise.resolve(() => call('POST', '/v1/tokens/report-leak', { body: { tokens: [{ token: secret }] } }))],
  ])('locks them in one order, so that no two wait for each other: %s', async (_, prepared) => {
    // Ids go by the time: the child's is to be the first of the two.
    clock.advance(1);
    const parent = await aToken();
    clock.reset();
    const child = await aToken(parent.secret);
    expect(child.id < parent.id).toBe(true);
    const end = await prepared(parent);
    await holder.query('BEGIN');
    try {
      await holder.query('SELECT FROM api_tokens WHERE id = $1 FOR UPDATE', [child.id]);
      const ending = end();
      await untilWaiting(1, ending);
      await holder.query('SELECT FROM api_tokens WHERE id = $1 FOR UPDATE NOWAIT', [parent.id]);
      await holder.query('COMMIT');
      await ending;
    } finally {
      await holder.query('ROLLBACK');
    }
    expect([await stateOf(parent.id), await stateOf(child.id)]).toEqual(['revoked', 'revoked']);
  });

  it('also ends one that is restored at the same moment', async () => {
    await call('PUT', '/v1/policy', { as, body: { active_tokens_max: 100 } });
    const parent = await aToken();
    const child = await aToken(parent.secret);
    await call('DELETE', `/v1/tokens/${child.id}`, { as });
    await holder.query('BEGIN');
    try {
      await holder.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`active-tokens:${tenant.id}`]);
      const restoring = call('POST', `/v1/tokens/${child.id}/restore`, { as });
      await untilWaiting(1, restoring);
      const revoking = call('DELETE', `/v1/tokens/${parent.id}`, { as });
      await untilWaiting(2, revoking);
      await holder.query('COMMIT');
      expect([(await restoring).status, (await revoking).status]).toEqual([200, 204]);
    } finally {
      await holder.query('ROLLBACK');
    }
    expect([await stateOf(parent.id), await stateOf(child.id)]).toEqual(['revoked', 'revoked']);
    expect(await introspect(as, child.secret)).toEqual({ active: false });
  });
});
