import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { byteaArray, Database } from '../../src/kernel/database/database.js';
import { MaintenanceRunner } from '../../src/kernel/maintenance/maintenance-runner.js';
import { LastUse } from '../../src/tokens/last-use.js';
import { IdleTokens } from '../../src/tokens/idle-tokens.js';
import { covers } from '../../src/tokens/permission-pattern.js';
import { NO_POLICY, type Policy } from '../../src/tokens/policy.js';
import { TokenEngine } from '../../src/tokens/token-engine.js';
import type { TokenFacts } from '../../src/tokens/token-facts.js';
import { SecretHasher } from '../../src/tokens/token-secret.js';
import { TokenVerifier } from '../../src/tokens/token-verifier.js';
import { TOKEN_KINDS, type Caller, type MintedToken, type MintRequest, type TokenKind, type TokenOwner } from '../../src/tokens/token.js';
import { judge, know, type Verdict } from '../../src/tokens/verdict.js';
import { theApp } from '../support/app.js';
import { administratorOf, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { DOORS_UNDER_TEST, mint as mintAt } from '../support/doors.js';
import { aClient, aMachineToken, aTokenAuthMachine, login, mintFor, probe, TOKEN_AUTH } from '../support/machines.js';

const DAY = 24 * 3600;

let tenant: TestTenant;
let engine: TokenEngine;
let verifier: TokenVerifier;
let lastUse: LastUse;
beforeAll(async () => {
  const { app } = await theApp();
  [engine, verifier, lastUse] = [app.get(TokenEngine), app.get(TokenVerifier), app.get(LastUse)];
});
beforeEach(async () => {
  tenant = await aTenant();
});

async function setPolicy(body: object, of = tenant): Promise<void> {
  const { status, text } = await call('PUT', '/v1/policy', { as: of.admin.session, body });
  if (status !== 200) throw new Error(`setting the policy answered ${status}: ${text}`);
}

const aCaller = (): Caller => administratorOf(tenant);
const mint = (wishes: Partial<MintRequest> = {}): Promise<MintedToken> =>
  engine.mint(aCaller(), { kind: 'organization', owner: { organization: true }, secretPrefix: 'api_', permissions: [], ...wishes });
const verdictOf = async (secret: string, ip: string | null = null): Promise<Verdict> => verifier.verify(secret, { ip, userAgent: null });
const factsOf = async (secret: string): Promise<TokenFacts | undefined> => {
  const { app } = await theApp();
  const hashes = app.get(SecretHasher).hashes(secret);
  return (await app.get(Database).query<TokenFacts>('SELECT * FROM token_facts_of($1)', [byteaArray(hashes)]))[0];
};
const revokeIdle = async (limit: number): Promise<number> => {
  const { app } = await theApp();
  return app.get(Database).inOrganization(tenant.id, (scope) => app.get(IdleTokens).revokeIn(scope, limit));
};
const upkeep = async (): Promise<number> => (await theApp()).app.get(MaintenanceRunner).run('tokens.revoke-idle', [tenant.id]);
const reasonOf = async (secret: string, ip: string | null = null): Promise<string> => {
  const verdict = await verdictOf(secret, ip);
  return verdict.active ? 'active' : verdict.reason;
};
const violating = (...rules: string[]) => ({ code: 'policy-violated', details: { rules } });

describe('minting under a policy', () => {
  it('succeeds exactly when the token keeps every rule, and names exactly those that it breaks', async () => {
    const { clock } = await theApp();
    const owners: Partial<Record<TokenKind, TokenOwner>> = { user: { userId: tenant.admin.id }, 'machine-identity': { identityId: await aTokenAuthMachine(tenant) } };
    const wish = fc.record({
      kind: fc.constantFrom(...TOKEN_KINDS),
      permissions: fc.subarray(['token:read', 'role:read', 'user:api-token:read'] as const),
      seconds: fc.option(fc.constantFrom(59, 60, 61, 3600), { nil: null }),
      addresses: fc.option(fc.constantFrom(['192.0.2.1'], ['0.0.0.0/0']), { nil: null }),
    });
    const policy = fc.record({
      longest_lifetime_seconds: fc.dictionary(fc.constantFrom(...TOKEN_KINDS), fc.constant(60)),
      expiry_required: fc.boolean(),
      allowed_kinds: fc.option(fc.uniqueArray(fc.constantFrom(...TOKEN_KINDS)), { nil: null, freq: 2 }),
      addresses_required: fc.boolean(),
      allowed_permissions: fc.option(fc.subarray(['token:*', 'role:read', 'user:*:*']), { nil: null }),
    });
    await fc.assert(
      fc.asyncProperty(policy, wish, async (rules, { kind, permissions, seconds, addresses }) => {
        await setPolicy(rules);
        const longest = rules.longest_lifetime_seconds[kind];
        const given = seconds ?? (rules.expiry_required ? null : (longest ?? null));
        const broken = [
          ...(rules.allowed_kinds?.includes(kind) === false ? ['kind-not-allowed'] : []),
          ...(rules.expiry_required && seconds === null ? ['expiry-required'] : []),
          ...(longest !== undefined && (given === null || given > longest) ? ['lifetime-too-long'] : []),
          ...(rules.addresses_required && addresses?.[0] !== '192.0.2.1' ? ['addresses-required'] : []),
          ...(permissions.some((each) => rules.allowed_permissions?.some((pattern) => covers(pattern, each)) === false) ? ['permissions-not-allowed'] : []),
        ];
        const now = clock.now();
        clock.set(now);
        const minting = mint({ kind, owner: owners[kind] ?? { organization: true }, permissions, allowedAddresses: addresses, expiresAt: seconds === null ? null : now.plusSeconds(seconds) });
        if (broken.length > 0) await expect(minting).rejects.toMatchObject(violating(...broken));
        else {
          const { token, secret } = await minting;
          expect(token.expiresAt).toEqual(given === null ? null : now.plusSeconds(given));
          expect(await reasonOf(secret)).toBe('active');
        }
        clock.reset();
      }),
      { numRuns: 30 },
    );
  }, 120_000);

  it('leaves nothing behind where it is refused but the record of the refusal', async () => {
    await setPolicy({ allowed_kinds: [] });
    const { status, body } = await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: { description: 'none' } });
    expect([status, body.rules]).toEqual([403, ['kind-not-allowed']]);
    expect(await sql(tenant, 'SELECT id FROM api_tokens')).toEqual([]);
    const events = await sql(tenant, `SELECT action, details FROM audit_events WHERE action IN ('token.minted', 'access.refused')`);
    expect(events).toEqual([{ action: 'access.refused', details: expect.objectContaining({ code: 'policy-violated', rules: ['kind-not-allowed'] }) }]);
  });

  it('keeps the active tokens exactly at their greatest number, however many are asked for at once', async () => {
    await setPolicy({ active_tokens_max: 3 });
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => mint()));
    const minted = outcomes.filter((outcome) => outcome.status === 'fulfilled').map(({ value }) => value);
    expect(minted).toHaveLength(3);
    for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject(violating('too-many-tokens'));
    await engine.revoke(aCaller(), minted[0]?.token.id ?? '');
    const { clock } = await theApp();
    const { token } = await mint({ expiresAt: clock.now().plusSeconds(60) });
    await expect(mint()).rejects.toMatchObject(violating('too-many-tokens'));
    clock.advance(60);
    await mint();
    await expect(engine.update(aCaller(), token.id, { expiresAt: clock.now().plusSeconds(60) })).rejects.toMatchObject(violating('too-many-tokens'));
  });

  it.each(DOORS_UNDER_TEST)('at the door of $name is refused in its own words, with the reason', async (door) => {
    const path = await door.creationPath(tenant);
    await setPolicy({ allowed_kinds: TOKEN_KINDS.filter((kind) => kind !== door.kind) });
    const { status, text, body } = await call('POST', path, { as: tenant.admin.session, body: door.body() });
    expect([status, Object.keys(body)]).toEqual([403, expect.arrayContaining([expect.stringMatching(/^(message|detail)$/)])]);
    expect(text).toContain(`tokens of the kind ${door.kind} are not allowed`);
    await setPolicy({ allowed_kinds: [door.kind] });
    expect((await mintAt(door, tenant)).answer.status).toBe(door.created);
  });

  it.each(DOORS_UNDER_TEST.filter(({ kind }) => kind !== 'machine-identity'))('at the door of $name gives the longest life to a token without an end, and refuses one that asks for more', async (door) => {
    const { clock } = await theApp();
    const as = tenant.admin.session;
    await setPolicy({ longest_lifetime_seconds: { [door.kind]: 3600 } });
    const { secret } = await mintAt(door, tenant);
    const { iat, exp } = await introspect(as, secret);
    expect(exp - iat).toBe(3600);
    const refused = await call('POST', await door.creationPath(tenant), { as, body: door.body({ expiresAt: clock.now().plusSeconds(7200).toRfc3339(0) }) });
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('3600 seconds at most')]);
    expect((await introspect(as, (await mintAt(door, tenant, { expiresAt: clock.now().plusSeconds(1800).toRfc3339(0) })).secret))['active']).toBe(true);
    await setPolicy({ expiry_required: true });
    const timeless = await call('POST', await door.creationPath(tenant), { as, body: door.body() });
    // This dialect has an end for whoever names none.
    if (door.name === 'deepset') expect(timeless.status).toBe(200);
    else expect([timeless.status, timeless.text]).toEqual([403, expect.stringContaining('must have an end')]);
  });
});

describe('a machine\'s token under a policy', () => {
  it('lives no longer than the policy allows, whatever its settings say, be it minted, logged in for or renewed', async () => {
    const { clock } = await theApp();
    clock.set('2031-03-01T00:00:00Z');
    tenant = await aTenant();
    await setPolicy({ longest_lifetime_seconds: { 'machine-identity': 900 } });
    const settings = { accessTokenTTL: 600, accessTokenMaxTTL: 86_400 };
    const { answer, secret } = await aMachineToken(tenant, settings);
    expect(answer.expiresIn).toBe(600);
    expect((await mintFor(tenant, await aTokenAuthMachine(tenant, { accessTokenTTL: 7200, accessTokenMaxTTL: 7200 }))).answer.expiresIn).toBe(900);
    expect((await mintFor(tenant, await aTokenAuthMachine(tenant, { accessTokenTTL: 0, accessTokenMaxTTL: 0 }))).answer.expiresIn).toBe(900);
    expect((await login(await aClient(tenant, { accessTokenTTL: 7200, accessTokenMaxTTL: 7200 }))).body.expiresIn).toBe(900);
    clock.advance(500);
    const renewed = await call('POST', '/api/v1/auth/token/renew', { body: { accessToken: secret } });
    expect([renewed.status, renewed.body.expiresIn]).toEqual([200, 400]);
  });

  it('is refused without an end where one is required, at the login too', async () => {
    const timeless = { accessTokenTTL: 0, accessTokenMaxTTL: 0 };
    const [machine, client] = [await aTokenAuthMachine(tenant, timeless), await aClient(tenant, timeless)];
    await setPolicy({ expiry_required: true });
    const minting = await call('POST', `${TOKEN_AUTH}/identities/${machine}/tokens`, { as: tenant.admin.session, body: {} });
    for (const { status, body } of [minting, await login(client)]) {
      expect([status, body]).toEqual([403, expect.objectContaining({ error: 'ForbiddenError', message: expect.stringContaining('it must have an end') })]);
    }
    expect((await aMachineToken(tenant)).answer.expiresIn).toBeGreaterThan(0);
  });

  it('is bound to addresses by what its machine is set to', async () => {
    const [anywhere, there] = [await aTokenAuthMachine(tenant), await aTokenAuthMachine(tenant, { accessTokenTrustedIps: [{ ipAddress: '192.0.2.0/24' }] })];
    const before = await mintFor(tenant, anywhere);
    await setPolicy({ addresses_required: true });
    await expect(mintFor(tenant, anywhere)).rejects.toThrow('403');
    expect(await reasonOf(before.secret)).toBe('addresses-required');
    expect((await probe((await mintFor(tenant, there)).secret, '192.0.2.7')).status).toBe(200);
    await expect(mint()).rejects.toMatchObject(violating('addresses-required'));
    await setPolicy({ addresses_required: true, allowed_addresses: ['127.0.0.0/8'] });
    expect([await reasonOf(before.secret), (await mint()).token.kind]).toEqual(['active', 'organization']);
  });
});

describe('a policy that is set', () => {
  it('blocks at once the tokens that exist and break it, keeps them, and lets them work again when it is loosened', async () => {
    const { clock } = await theApp();
    const as = tenant.admin.session;
    const { token, secret } = await mint({ permissions: ['token:read', 'profile:read'], expiresAt: clock.now().plusSeconds(DAY) });
    const timeless = await mint();
    for (const [policy, reason, other] of [
      [{ allowed_kinds: ['user'] }, 'kind-not-allowed', 'kind-not-allowed'],
      [{ expiry_required: true }, 'active', 'expiry-required'],
      [{ longest_lifetime_seconds: { organization: DAY - 1 } }, 'lifetime-too-long', 'lifetime-too-long'],
      [{ longest_lifetime_seconds: { user: 1 } }, 'active', 'active'],
      [{ addresses_required: true }, 'addresses-required', 'addresses-required'],
      [{ allowed_permissions: ['token:*'] }, 'permissions-not-allowed', 'active'],
      [{ allowed_permissions: ['token:read', 'profile:*'] }, 'active', 'active'],
    ] as const) {
      await setPolicy(policy);
      expect([policy, await reasonOf(secret), await reasonOf(timeless.secret)]).toEqual([policy, reason, other]);
      expect([policy, (await introspect(as, secret))['active']]).toEqual([policy, reason === 'active']);
      expect([policy, (await call('GET', '/auth/me', { as: secret })).status]).toEqual([policy, reason === 'active' ? 200 : 401]);
      await setPolicy({});
      expect([await reasonOf(secret), await reasonOf(timeless.secret)]).toEqual(['active', 'active']);
    }
    expect((await engine.find(aCaller(), token.id)).revokedAt).toBeNull();
  });

  it('binds tokens to addresses besides their own lists, from the next request on', async () => {
    const { secret } = await mint({ allowedAddresses: ['192.0.2.0/24', '198.51.100.1'] });
    await setPolicy({ allowed_addresses: ['192.0.2.0/28', '203.0.113.1'] });
    expect([await reasonOf(secret, '192.0.2.1'), await reasonOf(secret, '192.0.2.99'), await reasonOf(secret, '198.51.100.1'), await reasonOf(secret, '203.0.113.1')]).toEqual([
      'active', 'address-not-allowed', 'address-not-allowed', 'address-not-allowed',
    ]);
  });

  it('bounds what a token may do that has no list of its own, as a role does', async () => {
    const { secret } = await mint({ kind: 'user', owner: { userId: tenant.admin.id }, permissions: 'owner' });
    await setPolicy({ allowed_permissions: ['token:*', 'user:*:read'] });
    expect((await introspect(tenant.admin.session, secret))['scope']).toBe('token:introspect token:read token:write user:api-token:read');
    const role = { key: 'wide', name: 'wide', permissions: ['role:*'] };
    await setPolicy({ allowed_permissions: ['role:write', 'token:*'] });
    expect((await call('POST', '/v1/roles', { as: secret, body: role })).body).toMatchObject({ code: 'permission-exceeded' });
  });

  it('lets nobody prolong a life beyond it, and anybody shorten one', async () => {
    const { clock } = await theApp();
    const now = clock.now();
    clock.set(now);
    const { token, secret } = await mint();
    await setPolicy({ longest_lifetime_seconds: { organization: 100 } });
    const update = (expiresAt: Parameters<typeof engine.update>[2]['expiresAt']): Promise<unknown> => engine.update(aCaller(), token.id, { expiresAt });
    await update(now.plusSeconds(500));
    expect(await reasonOf(secret)).toBe('lifetime-too-long');
    await update(now.plusSeconds(50));
    expect(await reasonOf(secret)).toBe('active');
    await update(now.plusSeconds(100));
    await expect(update(now.plusSeconds(101))).rejects.toMatchObject(violating('lifetime-too-long'));
    await setPolicy({ expiry_required: true });
    await expect(update(null)).rejects.toMatchObject(violating('expiry-required'));
    expect((await engine.find(aCaller(), token.id)).expiresAt).toEqual(now.plusSeconds(100));
  });
});

describe('a token that exists', () => {
  it('is not given permissions that the policy does not allow', async () => {
    const { token, secret } = await mint({ permissions: ['token:read'] });
    await setPolicy({ allowed_permissions: ['token:*'] });
    await expect(engine.update(aCaller(), token.id, { permissions: ['token:read', 'role:read'] })).rejects.toMatchObject(violating('permissions-not-allowed'));
    expect([(await engine.find(aCaller(), token.id)).permissions, await reasonOf(secret)]).toEqual([['token:read'], 'active']);
    expect((await engine.update(aCaller(), token.id, { permissions: ['token:write'] })).permissions).toEqual(['token:write']);
  });

  it('does not come back from its end where there is no room for it', async () => {
    const { token } = await mint();
    await engine.revoke(aCaller(), token.id);
    const restore = (): Promise<Answer> => call('POST', `/v1/tokens/${token.id}/restore`, { as: tenant.admin.session });
    await setPolicy({ active_tokens_max: 0 });
    expect((await restore()).body).toMatchObject({ status: 403, rules: ['too-many-tokens'] });
    await setPolicy({ active_tokens_max: 1 });
    expect((await restore()).status).toBe(200);
  });

  it('that is idle ends without those that were minted with it', async () => {
    const { clock } = await theApp();
    await setPolicy({ idle_days: 30 });
    clock.set('2031-01-01T00:00:00Z');
    const parent = await mint();
    clock.advance(29 * DAY);
    const child = await engine.mint({ ...aCaller(), tokenId: parent.token.id }, { kind: 'organization', owner: { organization: true }, secretPrefix: 'api_', permissions: [] });
    clock.advance(DAY);
    expect([await upkeep(), await reasonOf(parent.secret), await reasonOf(child.secret)]).toEqual([1, 'revoked', 'active']);
  });
});

describe('a list of tokens', () => {
  const show = async (query: string): Promise<string[]> => {
    const { body } = await call('GET', `/v1/tokens?${query}`, { as: tenant.admin.session });
    return body.data.map(({ state, block_reason: reason, id }: Record<string, string>) => [id, state, reason].join(' ')).sort();
  };

  it('tells which are blocked and why, and finds these and the others by their state', async () => {
    const [timed, timeless, revoked] = [await mint({ expiresAt: (await theApp()).clock.now().plusSeconds(DAY) }), await mint(), await mint()];
    await engine.revoke(aCaller(), revoked.token.id);
    await setPolicy({ expiry_required: true });
    const lines = { active: [`${timed.token.id} active `], blocked: [`${timeless.token.id} blocked expiry-required`], revoked: [`${revoked.token.id} revoked `] };
    for (const [state, expected] of Object.entries(lines)) expect(await show(`state=${state}`)).toEqual(expected);
    expect(await show('limit=10')).toEqual(Object.values(lines).flat().sort());
    const { body } = await call('GET', `/v1/tokens/${timeless.token.id}`, { as: tenant.admin.session });
    expect(body).toMatchObject({ state: 'blocked', block_reason: 'expiry-required' });
    await setPolicy({});
    expect(await show('state=blocked')).toEqual([]);
  });

  it('says the same as the use of each token does, whatever the policies', async () => {
    const { clock } = await theApp();
    const machines = [await aTokenAuthMachine(tenant), await aTokenAuthMachine(tenant, { accessTokenTrustedIps: [{ ipAddress: '192.0.2.0/24' }] })];
    clock.set('2031-05-01T00:00:00Z');
    const minted = [
      await mint({ permissions: ['token:read', 'user:api-token:read'] }),
      await mint({ expiresAt: clock.now().plusSeconds(30 * DAY), allowedAddresses: ['192.0.2.1'] }),
      await mint({ kind: 'user', owner: { userId: tenant.admin.id }, permissions: 'owner', expiresAt: clock.now().plusSeconds(60 * DAY), allowedAddresses: ['192.0.2.1', '0.0.0.0/0'] }),
      ...(await Promise.all(machines.map((identityId) => mint({ kind: 'machine-identity', owner: { identityId }, permissions: 'owner', ttlSeconds: 40 * DAY })))),
    ];
    clock.advance(10 * DAY);
    await reasonOf(minted[0]?.secret ?? '');
    await lastUse.flush();
    const policy = fc.record({
      longestLifetimeSeconds: fc.dictionary(fc.constantFrom(...TOKEN_KINDS), fc.constantFrom(30 * DAY, 30 * DAY - 1, 40 * DAY, 90 * DAY), { maxKeys: 2 }),
      expiryRequired: fc.boolean(),
      allowedKinds: fc.option(fc.subarray([...TOKEN_KINDS], { minLength: 2 }), { nil: null }),
      allowedAddresses: fc.option(fc.constantFrom([], ['192.0.2.0/24'], ['::/0']), { nil: null }),
      addressesRequired: fc.boolean(),
      activeTokensMax: fc.constant(null),
      idleDays: fc.option(fc.constantFrom(9, 10, 11), { nil: null }),
      allowedPermissions: fc.option(fc.subarray(['token:*', '*:api-token:*', 'user:*:*', 'token:read', '*:*'], { minLength: 1 }), { nil: null, freq: 2 }),
    });
    const LONELY: Partial<Policy>[] = [{ allowedKinds: [] }, { expiryRequired: true }, { longestLifetimeSeconds: { user: 1 } }, { addressesRequired: true }, { idleDays: 10 }, { allowedPermissions: ['token:*'] }, {}];
    const policies: fc.Arbitrary<Policy[]> = fc.array(policy, { minLength: 1, maxLength: 2 });
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(policies, async (binding) => {
        for (const { token, secret } of minted) {
          const [row] = await sql(tenant, 'SELECT token_block_reason(t.organization_id, t.id, $1, $2) AS reason FROM api_tokens t WHERE t.id = $3', [JSON.stringify(binding), clock.now().toPostgres(), token.id]);
          const facts = (await factsOf(secret)) as TokenFacts;
          const verdict = judge(know({ ...facts, policies: binding }), clock.now(), null);
          expect(row?.['reason'] ?? 'active').toBe(verdict.active ? 'active' : verdict.reason);
          seen.add(String(row?.['reason']));
        }
      }),
      { numRuns: 40, examples: [...LONELY.map((rule): [Policy[]] => [[{ ...NO_POLICY, ...rule }]])] },
    );
    expect([...seen].sort()).toEqual(['addresses-required', 'expiry-required', 'idle', 'kind-not-allowed', 'lifetime-too-long', 'null', 'permissions-not-allowed']);
  }, 120_000);

  it('covers permissions with the same patterns as everything else does', async () => {
    const texts = ['token:read', 'token:*', '*:read', '*:*', 'user:api-token:read', 'user:*:*', '*:api-token:read', '*:*:*', 'platform:token:introspect', 'platform:*:*', 'tokens:read', 'a-b:c'];
    for (const permission of texts.filter((text) => !text.includes('*'))) {
      const rows = await sql<{ pattern: string; covered: boolean }>(tenant, 'SELECT pattern, permission_covered($1, pattern) AS covered FROM unnest($2::text[]) AS pattern', [permission, texts]);
      for (const { pattern, covered } of rows) expect([pattern, permission, covered]).toEqual([pattern, permission, covers(pattern, permission)]);
    }
  });
});

describe('a token that nobody uses', () => {
  const set = async (days: number): Promise<void> => {
    await setPolicy({ idle_days: days });
    (await theApp()).clock.set('2031-01-01T00:00:00Z');
  };

  it('stops working when the days have passed since its last use, and works again when more are allowed', async () => {
    const { clock } = await theApp();
    await set(30);
    const [used, unused] = [await mint(), await mint()];
    clock.advance(20 * DAY);
    expect(await reasonOf(used.secret)).toBe('active');
    await lastUse.flush();
    clock.advance(10 * DAY);
    expect([await reasonOf(used.secret), await reasonOf(unused.secret)]).toEqual(['active', 'idle']);
    await lastUse.flush();
    clock.advance(30 * DAY);
    expect(await reasonOf(used.secret)).toBe('idle');
    await sql(tenant, `UPDATE policies SET rules = rules || '{"idleDays": 31}'`);
    expect(await reasonOf(used.secret)).toBe('active');
  });

  it('is revoked in batches, each with one audit event, and no other token is', async () => {
    const { clock } = await theApp();
    await set(30);
    const idle = [await mint(), await mint(), await mint(), await mint(), await mint()].map(({ token }) => token.id);
    await mint({ expiresAt: clock.now().plusSeconds(DAY) });
    const revoked = await mint();
    await engine.revoke(aCaller(), revoked.token.id);
    clock.advance(30 * DAY - 1);
    const young = await mint();
    expect(await upkeep()).toBe(0);
    clock.advance(1);
    expect([await revokeIdle(3), await upkeep(), await upkeep()]).toEqual([3, 2, 0]);
    expect(await reasonOf(young.secret)).toBe('active');
    const events = await sql(tenant, `SELECT target_id FROM audit_events WHERE action = 'token.revoked' AND actor_kind = 'system' AND details = '{"reason": "idle"}' ORDER BY 1`);
    expect(events.map(({ target_id: id }) => id as string)).toEqual([...idle].sort());
    expect((await engine.find(aCaller(), idle[0] ?? '')).revocationReason).toBe('idle');
  });

  it('stays where no policy speaks of idleness', async () => {
    const { clock } = await theApp();
    const { secret } = await mint();
    clock.advance(5_000 * DAY);
    expect([await upkeep(), await reasonOf(secret)]).toEqual([0, 'active']);
  });
});

describe('a policy', () => {
  it('binds tokens, not sessions: whoever administers it can always loosen it', async () => {
    await setPolicy({ allowed_kinds: [], allowed_addresses: [], allowed_permissions: [], active_tokens_max: 0 });
    const answer: Answer = await call('PUT', '/v1/policy', { as: tenant.admin.session, body: {} });
    expect(answer.status).toBe(200);
  });
});
