import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { TokenEngine } from '../../src/tokens/token-engine.js';
import { drawSecret, SecretHasher } from '../../src/tokens/token-secret.js';
import { TokenVerifier } from '../../src/tokens/token-verifier.js';
import type { Caller, MintRequest } from '../../src/tokens/token.js';
import { replaceApp, theApp } from '../support/app.js';
import { administratorOf, aMember, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { anEmptyDatabase } from '../support/instance.js';
import type { SettableClock } from '../support/settable-clock.js';
import { watchFacts, type FactsWatch } from '../support/watched-facts.js';

let tenant: TestTenant;
let engine: TokenEngine;
let verifier: TokenVerifier;
let clock: SettableClock;
let facts: FactsWatch;
beforeAll(async () => {
  // Of its own: what others change would be read again here too.
  const database = await anEmptyDatabase();
  const putBack = await replaceApp(database);
  tenant = await aTenant();
  const { app, clock: settable } = await theApp();
  [engine, verifier, clock] = [app.get(TokenEngine), app.get(TokenVerifier), settable];
  return async () => {
    await putBack();
    await database.close();
  };
});
beforeEach(async () => {
  facts = watchFacts((await theApp()).app.get(Database));
  return () => facts.stop();
});

const caller = (): Caller => administratorOf(tenant);
const mint = (wishes: Partial<MintRequest> = {}) =>
  engine.mint(caller(), { kind: 'organization', owner: { organization: true }, secretPrefix: 'api_', permissions: ['token:read'], ...wishes });
const verify = async (secret: string, anew?: boolean) => verifier.verify(secret, { ip: null, userAgent: null }, anew);
const isActive = async (secret: string): Promise<boolean> => (await verify(secret)).active;

describe('what is known of a token', () => {
  it('is read once, however many ask at the same time, and costs no query afterwards', async () => {
    const { secret } = await mint();
    const verdicts = await Promise.all(Array.from({ length: 1000 }, () => isActive(secret)));
    expect([verdicts.every(Boolean), facts.reads]).toEqual([true, 1]);
    expect([await isActive(secret), (await verifier.inspect(secret)).active, facts.reads]).toEqual([true, true, 1]);
  });

  it('is read again after 30 seconds, whatever happens, and at once by whoever asks for it', async () => {
    const { secret } = await mint();
    await isActive(secret);
    clock.pass(29_000);
    expect([await isActive(secret), facts.reads]).toEqual([true, 1]);
    clock.pass(1_100);
    expect([await isActive(secret), facts.reads]).toEqual([true, 2]);
    expect([(await verify(secret, true)).active, facts.reads]).toEqual([true, 3]);
  });

  it('is judged at the instant of each use: an end that comes meanwhile ends it', async () => {
    clock.set('2030-01-01T00:00:00Z');
    const { secret } = await mint({ ttlSeconds: 10 });
    expect(await isActive(secret)).toBe(true);
    clock.advance(10);
    expect([await verify(secret), facts.reads]).toEqual([{ active: false, reason: 'expired' }, 1]);
  });

  it('never lets a use-limited token be used, or be called live, without the database', async () => {
    const { secret } = await mint({ usesLimit: 2 });
    const { secret: spent } = await mint({ usesLimit: 1 });
    expect([await isActive(secret), await isActive(secret), await verify(secret)]).toEqual([true, true, { active: false, reason: 'uses-spent' }]);
    expect([await isActive(spent), (await verifier.inspect(spent)).active]).toEqual([true, false]);
  });

  it('costs no query where the checksum is wrong, at any rate', async () => {
    const { secret } = await mint();
    const garbage = ['', 'api_', 'x'.repeat(10_000), secret.slice(0, -1), `${secret.slice(0, -1)}${secret.endsWith('0') ? '1' : '0'}`, `x${secret}`];
    for (let count = 0; count < 20_000; count += 1) garbage.push(`api_${randomUUID()}${randomUUID()}`);
    for (const [index, each] of garbage.entries()) {
      if (index % 500 === 0) await nextTurn();
      expect(await verify(each)).toEqual({ active: false, reason: 'unknown' });
    }
    expect(facts.reads).toBe(0);
  });
});

describe('a secret that nobody has', () => {
  const implant = async (secret: string): Promise<void> => {
    const { token } = await mint();
    const { hash, pepperId } = (await theApp()).app.get(SecretHasher).hash(secret);
    await sql(tenant, 'INSERT INTO token_secrets (secret_hash, pepper_id, organization_id, token_id, created_at) VALUES ($1, $2, $3, $4, now())', [hash, pepperId, tenant.id, token.id]);
  };

  it('is asked about once a second, and found as soon as a second after somebody has it', async () => {
    const secret = drawSecret('api_');
    expect([await isActive(secret), await isActive(secret), facts.reads]).toEqual([false, false, 1]);
    await implant(secret);
    clock.pass(1_000);
    expect([await isActive(secret), facts.reads]).toEqual([true, 2]);
  });

  it('is found at once where the change is announced', async () => {
    const secret = drawSecret('api_');
    expect(await isActive(secret)).toBe(false);
    await implant(secret);
    await sql(tenant, 'SELECT invalidate($1, $1)', [tenant.id]);
    expect(await isActive(secret)).toBe(true);
  });
});

describe('a change', () => {
  it('that comes while the facts from before it are on their way is not missed: they are neither kept nor handed to whoever asks later', async () => {
    const { token, secret } = await mint();
    const held = facts.hold();
    const before = isActive(secret);
    await held.read;
    await engine.revoke(caller(), token.id);
    const after = isActive(secret);
    held.release();
    // Asked before it was revoked, the first may be answered either way.
    await before;
    expect([await after, await isActive(secret), facts.reads]).toEqual([false, false, 2]);
  });

  it('of something else leaves what is known alone', async () => {
    const [{ token }, { secret }] = [await mint(), await mint()];
    await isActive(secret);
    await engine.revoke(caller(), token.id);
    expect([await isActive(secret), facts.reads]).toEqual([true, 1]);
  });

  it('is known before it is acknowledged: of the token, its owner, its organization and all organizations', async () => {
    const person = await aMember(tenant, 'ADMIN');
    const { body } = await call('POST', '/user/api-tokens', { as: person.session, body: {} });
    const changes: readonly [statement: string, parameters: unknown[]][] = [
      [`UPDATE api_tokens SET allowed_addresses = '{192.0.2.1}' WHERE user_id = $1`, [person.id]],
      [`UPDATE token_secrets s SET expires_at = '2100-01-01' FROM api_tokens t WHERE t.id = s.token_id AND t.user_id = $1`, [person.id]],
      [`UPDATE memberships SET role_id = (SELECT id FROM roles WHERE key = 'MEMBER') WHERE user_id = $1`, [person.id]],
      [`UPDATE users SET name = 'Somebody Else' WHERE id = $1`, [person.id]],
      [`UPDATE roles SET permissions = '{token:read}' WHERE key = 'MEMBER'`, []],
      [`UPDATE organizations SET suspended_at = now() WHERE id = $1`, [tenant.id]],
      [`UPDATE organizations SET suspended_at = NULL WHERE id = $1`, [tenant.id]],
    ];
    for (const [statement, parameters] of changes) {
      await isActive(body.token);
      const reads = facts.reads;
      await sql(tenant, statement, parameters);
      await isActive(body.token);
      expect([statement, facts.reads]).toEqual([statement, reads + 1]);
    }
  });

  it('that is taken back was never known to anyone', async () => {
    const { secret, token } = await mint();
    const database = (await theApp()).app.get(Database);
    const undone = database.together(async () => {
      await engine.revoke(caller(), token.id);
      expect(await isActive(secret)).toBe(false);
      throw new Error('taken back');
    });
    await expect(undone).rejects.toThrow('taken back');
    expect(await isActive(secret)).toBe(true);
  });

  it('of a thousand tokens of an organization at once becomes a change of the organization', async () => {
    const other = await aTenant();
    const [{ body }, { secret }] = [await call('POST', '/user/api-tokens', { as: other.admin.session, body: {} }), await mint()];
    await sql(other, `INSERT INTO api_tokens (organization_id, id, kind, all_projects, hint, created_at, created_by, updated_at)
      SELECT $1, gen_random_uuid(), 'organization', true, 'x', now(), $1, now() FROM generate_series(1, 1500)`, [other.id]);
    expect([await isActive(body.token), await isActive(secret), facts.reads]).toEqual([true, true, 2]);
    await sql(other, `UPDATE api_tokens SET revoked_at = now() WHERE organization_id = $1`, [other.id]);
    expect([await isActive(body.token), await isActive(secret), facts.reads]).toEqual([false, true, 3]);
    const announced = await sql(other, 'SELECT 1 FROM invalidations WHERE xid = (SELECT xid FROM invalidations WHERE subject = $1 ORDER BY number DESC LIMIT 1)', [other.id]);
    expect(announced).toHaveLength(1001);
  });

  it('that no verdict depends on is not announced: a new token, a use, the traces of uses', async () => {
    const count = async (): Promise<string> => (await sql(tenant, 'SELECT count(*) FROM invalidations'))[0]?.['count'];
    const before = await count();
    const { secret, token } = await mint({ usesLimit: 3 });
    await isActive(secret);
    await sql(tenant, `UPDATE api_tokens SET last_used_at = now(), last_used_ip = '192.0.2.1', use_count = use_count + 1 WHERE id = $1`, [token.id]);
    expect(await count()).toBe(before);
  });
});

describe('while the database does not answer', () => {
  it('a known token is still live, and an unknown one is no "no" but an outage that is not remembered', async () => {
    const [known, unknown] = [(await mint()).secret, (await mint()).secret];
    await introspect(tenant.admin.session, known);
    const resume = facts.fail();
    expect(await isActive(known)).toBe(true);
    await expect(verify(unknown)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    clock.pass(30_100);
    await expect(verify(known)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    resume();
    expect([await isActive(known), await isActive(unknown)]).toEqual([true, true]);
  });
});

it.each([
  ['token_facts_of', ['api_tokens', 'environments', 'identity_admissions', 'memberships', 'organizations', 'policies', 'registered_permissions', 'roles', 'token_secrets', 'users']],
  ['session_facts', ['memberships', 'organizations', 'registered_permissions', 'roles', 'sessions', 'users']],
])('every column that %s reads is watched by a trigger, or cannot change', async (facts, tables) => {
  const functions = await sql<{ name: string; source: string }>(tenant, `SELECT proname AS name, prosrc AS source FROM pg_proc WHERE pronamespace = 'public'::regnamespace`);
  const triggers = await sql<{ table: string; definition: string }>(
    tenant,
    `SELECT tgrelid::regclass::text AS "table", pg_get_triggerdef(oid) AS definition FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'invalidate%'`,
  );
  const sources = new Map(functions.map(({ name, source }) => [name, source]));
  const read = new Set<string>();
  const visited = new Set<string>();
  const visit = (name: string): void => {
    visited.add(name);
    const source = sources.get(name) ?? '';
    const records = [...source.matchAll(/\bINTO\s+(\w+)\s+FROM\s+(\w+)\b/g)].map(([all, record, table]) => [all, table, record] as const);
    const aliases = [...records, ...source.matchAll(/\b(?:FROM|JOIN)\s+(\w+)\s+(\w+)\b/g)].filter(([, table = '']) => !sources.has(table) && table !== 'LATERAL');
    for (const [, table, alias] of aliases) {
      for (const [, column] of source.matchAll(new RegExp(`\\b${alias}\\.(\\w+)`, 'g'))) read.add(`${table}.${column}`);
    }
    for (const other of sources.keys()) if (!visited.has(other) && new RegExp(`\\b${other}\\(`).test(source)) visit(other);
  };
  visit(facts);
  // An id is never given to another thing, and nothing moves to another organization; uses are counted where they are taken,
  // and the last of them is known where it is made.
  const fixed = /\.(id|organization_id|token_id|project_id|identity_organization_id|secret_hash|pepper_id|use_count|last_used_at)$/;
  const unwatched = [...read].filter((each) => {
    const [table = '', column = ''] = each.split('.');
    const own = triggers.filter((trigger) => trigger.table === table).map(({ definition }) => definition);
    const isGone = own.some((definition) => /\bDELETE\b/.test(definition));
    const isWatched = own.some((definition) => {
      const columns = /UPDATE OF ([\w, ]+?)(?: OR | ON )/.exec(definition)?.[1];
      return columns ? columns.split(', ').includes(column) : /\bUPDATE\b/.test(definition);
    });
    return !isGone || !(isWatched || fixed.test(each));
  });
  expect(unwatched).toEqual([]);
  expect([...new Set([...read].map((each) => each.split('.')[0]))].sort()).toEqual(expect.arrayContaining(tables));
});
