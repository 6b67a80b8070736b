import { decodeProtectedHeader } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SYSTEM } from '../../src/audit/actor.js';
import { Sessions } from '../../src/access/sessions.js';
import { SigningKeys } from '../../src/access/signing-keys.js';
import { Database } from '../../src/kernel/database/database.js';
import type { Instant } from '../../src/kernel/instant.js';
import { replaceApp, theApp } from '../support/app.js';
import { aMember, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, type Answer } from '../support/call.js';
import { anEmptyDatabase } from '../support/instance.js';
import { SESSION_NARROWINGS } from '../support/session-narrowings.js';
import type { SettableClock } from '../support/settable-clock.js';
import { watchFacts, type FactsWatch } from '../support/watched-facts.js';

let database: Database;
let clock: SettableClock;
let platform: TestTenant;
let tenant: TestTenant;
let facts: FactsWatch;
beforeAll(async () => {
  // Of its own: what others change would be read again here too.
  const opened = await anEmptyDatabase();
  const putBack = await replaceApp(opened);
  platform = await aTenant({ slug: 'operator', platform: true });
  tenant = await aTenant();
  const { app, clock: settable } = await theApp();
  [database, clock] = [app.get(Database), settable];
  return async () => {
    await putBack();
    await opened.close();
  };
});
beforeEach(() => {
  facts = watchFacts(database, 'session_facts');
  return () => facts.stop();
});
afterEach(() => clock.reset());

const me = (session: string): Promise<Answer> => call('GET', '/auth/me', { as: session });
const enters = async (session: string): Promise<number> => (await me(session)).status;
const idOf = (session: string): string => (JSON.parse(Buffer.from(session.split('.')[1] ?? '', 'base64url').toString()) as { sid: string }).sid;

describe('what is known of a session', () => {
  it('is read once, however many ask at the same time, and costs no query afterwards', async () => {
    const { session } = await aMember(tenant);
    const before = facts.reads;
    const statuses = await Promise.all(Array.from({ length: 100 }, () => enters(session)));
    expect([new Set(statuses), facts.reads - before]).toEqual([new Set([200]), 1]);
    expect([await enters(session), facts.reads - before]).toEqual([200, 1]);
  });

  it('is read again after 30 seconds, whatever happens', async () => {
    const { session } = await aMember(tenant);
    await enters(session);
    const before = facts.reads;
    clock.pass(29_000);
    expect([await enters(session), facts.reads - before]).toEqual([200, 0]);
    clock.pass(1_100);
    expect([await enters(session), facts.reads - before]).toEqual([200, 1]);
  });

  it('does not let its access token live on: it is refused from the second that it expires', async () => {
    clock.set('2030-01-01T00:00:00.5Z');
    const { session } = await aMember(tenant);
    clock.advance(899);
    expect(await enters(session)).toBe(200);
    const before = facts.reads;
    clock.advance(1);
    expect([await enters(session), facts.reads - before]).toEqual([401, 0]);
  });

  it('does not let it live on beyond its own end, though the access token would', async () => {
    clock.set('2030-01-01T00:00:00Z');
    let { refreshToken, session } = await aMember(tenant);
    for (const seconds of [6, 6, 6, 6, 6].map((days) => days * 24 * 3600 - 12)) {
      clock.advance(seconds);
      const { body } = await call('POST', '/auth/refresh', { body: { refresh_token: refreshToken } });
      [refreshToken, session] = [body.refresh_token, body.access_token];
    }
    expect(await enters(session)).toBe(200);
    const before = facts.reads;
    clock.advance(59);
    expect(await enters(session)).toBe(200);
    clock.advance(1);
    expect([await enters(session), facts.reads - before]).toEqual([401, 0]);
  });

  it('does not outlive the key that signed its access token: neither one that is retired, nor one whose time comes', async () => {
    const { app } = await theApp();
    const { session } = await aMember(tenant);
    const { kid } = decodeProtectedHeader(session);
    const retire = async (at: Instant | null): Promise<void> => {
      await sql(platform, 'UPDATE signing_keys SET retired_at = $2 WHERE id = $1', [kid, at?.toPostgres() ?? null]);
      await app.get(SigningKeys).reload();
    };
    await retire(clock.now().plusSeconds(600));
    expect(await enters(session)).toBe(200);
    const before = facts.reads;
    clock.advance(599);
    expect([await enters(session), facts.reads - before]).toEqual([200, 0]);
    clock.advance(1);
    expect([await enters(session), facts.reads - before]).toEqual([401, 0]);
    clock.reset();
    expect(await enters(session)).toBe(200);
    await retire(clock.now());
    expect(await enters(session)).toBe(401);
    await retire(null);
  });

  it('is of that access token alone: one with any other signature, or of another session, is not known by it', async () => {
    const { session } = await aMember(tenant);
    expect(await enters(session)).toBe(200);
    const [header, payload, signature = ''] = session.split('.');
    const { session: other } = await aMember(tenant);
    const forged = [[header, payload, signature.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))], [header, payload, ''], [header, other.split('.')[1], signature]];
    for (const parts of forged) expect(await enters(parts.join('.'))).toBe(401);
  });

  it('is not kept where the session has ended: each such request asks', async () => {
    const { session } = await aMember(tenant);
    await call('POST', '/auth/logout', { as: session });
    const before = facts.reads;
    expect([await enters(session), await enters(session), facts.reads - before]).toEqual([401, 401, 2]);
  });
});

describe('a change', () => {
  it.each(Object.entries(SESSION_NARROWINGS))('holds from the next request on, and other organizations\' sessions stay known: %s', async (_, prepare) => {
    const [own, bystander] = [await aTenant(), (await aTenant()).admin.session];
    const { session, narrow, afterwards } = await prepare(own, platform);
    const ask = async (as: string): Promise<number> => (await call('GET', '/v1/members', { as })).status;
    expect([await ask(session), await ask(session), await ask(bystander)]).toEqual([200, 200, 200]);
    expect(Math.floor((await narrow()).status / 100)).not.toBe(5);
    expect([await ask(session), await ask(session)]).toEqual([afterwards, afterwards]);
    const before = facts.reads;
    expect([await ask(bystander), facts.reads - before]).toEqual([200, 0]);
  });

  it.each([
    ['its end', 'UPDATE sessions SET ended_at = now() WHERE id = $1', 401],
    ['an earlier end', `UPDATE sessions SET expires_at = now() - interval '1 second' WHERE id = $1`, 401],
    ['its deletion', 'DELETE FROM sessions WHERE id = $1', 401],
    ['the name of its person', `UPDATE users SET name = 'Somebody Else' WHERE id = (SELECT user_id FROM sessions WHERE id = $1)`, 200],
  ])('that is made with SQL holds as well: %s', async (what, statement, status) => {
    const { session } = await aMember(tenant);
    expect(await enters(session)).toBe(200);
    await sql(tenant, 'DELETE FROM refresh_tokens WHERE session_id = $1', [idOf(session)]);
    await sql(tenant, statement, [idOf(session)]);
    const { status: now, body } = await me(session);
    expect([now, what.startsWith('the name') ? body.user.name : '']).toEqual([status, what.startsWith('the name') ? 'Somebody Else' : '']);
  });

  it('that comes while what was read before it is on its way is not missed: it is neither kept nor handed to whoever asks later', async () => {
    const { session } = await aMember(tenant);
    await enters(tenant.admin.session);
    const before = facts.reads;
    const held = facts.hold();
    const first = enters(session);
    await held.read;
    expect((await call('DELETE', `/v1/sessions/${idOf(session)}`, { as: tenant.admin.session })).status).toBe(204);
    const after = enters(session);
    held.release();
    // Asked before it ended, the first may be answered either way.
    await first;
    expect([await after, await enters(session)]).toEqual([401, 401]);
    expect(facts.reads - before).toBeGreaterThanOrEqual(2);
  });

  it('that is not committed yet counts within its transaction, and if it is taken back was never known to anyone', async () => {
    const { session } = await aMember(tenant);
    expect(await enters(session)).toBe(200);
    const { app } = await theApp();
    const undone = database.together(async () => {
      await app.get(Sessions).end(tenant.id, idOf(session), SYSTEM, 'logout');
      expect(await enters(session)).toBe(401);
      throw new Error('taken back');
    });
    await expect(undone).rejects.toThrow('taken back');
    expect(await enters(session)).toBe(200);
  });

  it('of a great many sessions at once becomes a change of their organization', async () => {
    const own = await aTenant();
    const { session } = await aMember(own);
    const bystander = tenant.admin.session;
    for (const known of [session, bystander, own.admin.session]) expect(await enters(known)).toBe(200);
    await sql(own, `INSERT INTO sessions (organization_id, id, user_id, created_at, expires_at)
      SELECT $1, gen_random_uuid(), $2, now(), now() + interval '1 day' FROM generate_series(1, 1500)`, [own.id, own.admin.id]);
    const before = facts.reads;
    expect((await call('DELETE', '/v1/sessions?user=all', { as: own.admin.session })).body).toEqual({ ended: 1501 });
    expect(await enters(session)).toBe(401);
    const announced = await sql(own, 'SELECT 1 FROM invalidations WHERE xid = (SELECT xid FROM invalidations WHERE subject = $1 ORDER BY number DESC LIMIT 1)', [own.id]);
    expect(announced).toHaveLength(1001);
    expect([await enters(bystander), facts.reads - before]).toEqual([200, 1]);
  });

  it('that no verdict depends on is not announced: a login, a refresh, the clean-up of sessions that have run out', async () => {
    const count = async (): Promise<number> => (await sql(tenant, 'SELECT count(*)::int AS count FROM invalidations'))[0]?.['count'];
    const before = await count();
    const { refreshToken } = await aMember(tenant);
    await call('POST', '/auth/refresh', { body: { refresh_token: refreshToken } });
    await sql(tenant, `INSERT INTO sessions (organization_id, id, user_id, created_at, expires_at) VALUES ($1, gen_random_uuid(), $2, now(), now() - interval '1 hour')`, [tenant.id, tenant.admin.id]);
    await sql(tenant, 'DELETE FROM sessions WHERE expires_at < now()');
    expect(await count()).toBe(before);
  });
});

describe('while the database does not answer', () => {
  it('a known session goes on until what is known of it is 30 seconds old; one that is not known is no "no" but an outage that is not remembered', async () => {
    const [{ session: known }, { session: unknown }] = [await aMember(tenant), await aMember(tenant)];
    await enters(known);
    const resume = facts.fail();
    const { status, headers } = await me(unknown);
    expect([await enters(known), status, headers['retry-after']]).toEqual([200, 503, '1']);
    clock.pass(30_100);
    expect(await enters(known)).toBe(503);
    resume();
    expect([await enters(known), await enters(unknown)]).toEqual([200, 200]);
  });

  it('known sessions do not ask it for the signing keys at every request, nor write a line each into the log', async () => {
    const { log } = await theApp();
    const { session } = await aMember(tenant);
    await enters(session);
    clock.advance(31);
    const away = vi.spyOn(database, 'shared', 'get').mockImplementation(() => {
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    });
    try {
      for (let time = 0; time < 50; time += 1) expect(await enters(session)).toBe(200);
      clock.pass(1_000);
      for (let time = 0; time < 50; time += 1) expect(await enters(session)).toBe(200);
    } finally {
      away.mockRestore();
    }
    expect(log.filter((line) => line.includes('Signing keys could not be looked up'))).toHaveLength(2);
  });
});
