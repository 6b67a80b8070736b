import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { TokenEngine } from '../../src/tokens/token-engine.js';
import { drawSecret } from '../../src/tokens/token-secret.js';
import { TokenVerifier } from '../../src/tokens/token-verifier.js';
import { TOKEN_KINDS, type MintRequest } from '../../src/tokens/token.js';
import { replaceApp, theApp } from '../support/app.js';
import { administratorOf, aProject, aTenant, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { DOORS_UNDER_TEST, mint as mintAt } from '../support/doors.js';
import { anEmptyDatabase } from '../support/instance.js';
import { admit, aSubOrganization, aTokenAuthMachine, mintFor } from '../support/machines.js';
import { watchFacts, type FactsWatch } from '../support/watched-facts.js';

const BATCH = '/v1/introspect/batch';

let a: TestTenant;
let b: TestTenant;
let engine: TokenEngine;
let verifier: TokenVerifier;
let facts: FactsWatch;
beforeAll(async () => {
  // Of its own: what others change would be read again here too.
  const database = await anEmptyDatabase();
  const putBack = await replaceApp(database);
  [a, b] = [await aTenant(), await aTenant()];
  const { app } = await theApp();
  [engine, verifier] = [app.get(TokenEngine), app.get(TokenVerifier)];
  return async () => {
    await putBack();
    await database.close();
  };
});
beforeEach(async () => {
  facts = watchFacts((await theApp()).app.get(Database));
  return () => facts.stop();
});

const mint = (tenant = a, wishes: Partial<MintRequest> = {}) =>
  engine.mint(administratorOf(tenant), { kind: 'organization', owner: { organization: true }, secretPrefix: 'api_', permissions: ['token:read'], ...wishes });
const someSecrets = (count: number, tenant = a): Promise<string[]> => Promise.all(Array.from({ length: count }, async () => (await mint(tenant)).secret));
const verify = async (secret: string, anew = false) => verifier.verify(secret, { ip: null, userAgent: null }, anew);
const isActive = async (secret: string): Promise<boolean> => (await verify(secret)).active;
const batch = (tokens: readonly string[], { admin }: TestTenant = a) => call('POST', BATCH, { as: admin.session, body: { tokens } });
/** Nothing is known of any token any more, but of whoever asks. */
async function forgetAll(): Promise<void> {
  (await theApp()).clock.pass(30_100);
  for (const { admin } of [a, b]) await call('GET', '/auth/me', { as: admin.session });
}

async function tokensOfEverySort(tenant: TestTenant): Promise<string[]> {
  const secrets = await Promise.all(DOORS_UNDER_TEST.map(async (door) => (await mintAt(door, tenant)).secret));
  const [key, { token: revoked, secret: revokedSecret }] = [await aProject(tenant), await mint(tenant)];
  const { body } = await call('GET', '/v1/projects', { as: tenant.admin.session });
  const id: string = body.data.find((project: { key: string }) => project.key === key).id;
  await engine.revoke(administratorOf(tenant), revoked.id);
  const { secret: limited } = await mint(tenant, { usesLimit: 100 });
  const { secret: bounded } = await mint(tenant, { projects: [{ id, key }], attributes: { own: tenant.slug }, allowedAddresses: ['192.0.2.0/24'] });
  const [sub, identityId] = [await aSubOrganization(tenant), await aTokenAuthMachine(tenant, {}, { role: 'no-access' })];
  await admit(sub, identityId);
  const { secret: scoped } = await mintFor(tenant, identityId, { organizationSlug: sub.slug });
  const { secret: machine } = await mintFor(tenant, await aTokenAuthMachine(tenant));
  return [...secrets, revokedSecret, limited, bounded, scoped, machine, drawSecret('api_')];
}

describe('tokens that nobody knows yet', () => {
  it('are each answered as it is alone, however many are asked for at once, of whichever organizations', async () => {
    const tokens = [...(await tokensOfEverySort(a)), ...(await tokensOfEverySort(b))].sort();
    // Some tokens of one are blocked by it, and none of the other.
    expect((await call('PUT', '/v1/policy', { as: b.admin.session, body: { allowed_kinds: TOKEN_KINDS.filter((kind) => kind !== 'organization') } })).status).toBe(200);
    const alone = [];
    for (const token of tokens) alone.push(await verify(token, true));
    expect([...new Set(alone.map((verdict) => (verdict.active ? 'active' : verdict.reason)))].sort()).toEqual(['active', 'kind-not-allowed', 'revoked', 'unknown']);
    const before = facts.reads;
    expect(await Promise.all(tokens.map((token) => verify(token, true)))).toEqual(alone);
    expect(facts.reads - before).toBe(1);

    for (const tenant of [a, b]) {
      const told = [];
      for (const token of tokens) told.push(await introspect(tenant.admin.session, token));
      expect(told.filter(({ active }) => active).length).toBeGreaterThan(4);
      await forgetAll();
      expect((await batch(tokens, tenant)).body).toEqual({ results: told });
      await forgetAll();
      expect(await Promise.all(tokens.map((token) => introspect(tenant.admin.session, token)))).toEqual(told);
    }
  });

  it('are read by one query where they are asked for together, by two at a time and at most a hundred each otherwise', async () => {
    const secrets = await someSecrets(250);
    const before = facts.reads;
    const { body } = await batch(secrets.slice(0, 50));
    expect([body.results.every(({ active }: { active: boolean }) => active), facts.reads - before]).toEqual([true, 1]);
    await Promise.all(secrets.map((secret) => isActive(secret)));
    expect(facts.reads - before).toBe(3);
    await forgetAll();
    const atFirst = facts.reads;
    const held = facts.hold();
    const asked = [isActive(secrets[0] ?? '')];
    await held.read;
    asked.push(isActive(secrets[1] ?? ''));
    while (facts.reads < atFirst + 2) await new Promise(setImmediate);
    asked.push(...secrets.slice(2, 40).map((secret) => isActive(secret)));
    held.release();
    expect([(await Promise.all(asked)).every(Boolean), facts.reads - atFirst]).toEqual([true, 3]);
  });

  it('wait for nobody where nobody else asks', async () => {
    const [secret = ''] = await someSecrets(1);
    const reads = facts.reads;
    const answer = isActive(secret);
    await new Promise(setImmediate);
    expect([facts.reads - reads, await answer]).toEqual([1, true]);
  });

  it('are an outage only for those in whose query it was, and the next are answered', async () => {
    const [first = '', second = '', third = '', ...others] = await someSecrets(40);
    const before = facts.reads;
    const held = facts.hold();
    const wellAsked = introspect(a.admin.session, first);
    await held.read;
    const mend = facts.fail();
    const { status, headers, text } = await batch([second, third]);
    mend();
    const next = others.map((secret) => introspect(a.admin.session, secret));
    held.release();
    expect([status, headers['retry-after'], text.includes('"active"')]).toEqual([503, '1', false]);
    expect([await wellAsked, ...(await Promise.all(next))].every(({ active }) => active)).toBe(true);
    expect(facts.reads - before).toBeLessThan(others.length);
    expect((await batch([second, third])).body.results).toMatchObject([{ active: true }, { active: true }]);
  });

  it('are never answered by what was asked of the database before', async () => {
    const { token, secret } = await mint();
    const held = facts.hold();
    const before = verify(secret, true);
    await held.read;
    await engine.revoke(administratorOf(a), token.id);
    const after = verify(secret, true);
    held.release();
    await before;
    expect([await after, facts.reads]).toEqual([{ active: false, reason: 'revoked' }, 2]);
  });

  it('may be asked for twice in one query', async () => {
    const [secret = '', other = ''] = await someSecrets(2);
    const verdicts = await Promise.all([secret, other, secret, secret].map((each) => verify(each, true)));
    expect([new Set(verdicts.map((verdict) => verdict.active && verdict.token.id)).size, facts.reads]).toEqual([2, 1]);
  });
});
