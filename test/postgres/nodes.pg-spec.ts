import { execFileSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SigningKeys } from '../../src/access/signing-keys.js';
import { Database } from '../../src/kernel/database/database.js';
import { openServer } from '../../src/kernel/database/open-database.js';
import { TokenVerifier, type UseContext } from '../../src/tokens/token-verifier.js';
import type { Verdict } from '../../src/tokens/verdict.js';
import { replaceApp, theApp } from '../support/app.js';
import { aMember, aRole, aTenant, type Person, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { aScratchDatabase, asOwner, TEST_SERVER_URL, type ScratchDatabase } from '../support/database.js';
import { aMachineToken } from '../support/machines.js';
import { aProxiedNode, type ProxiedNode } from '../support/proxied-node.js';
import { SESSION_NARROWINGS } from '../support/session-narrowings.js';
import { watchFacts } from '../support/watched-facts.js';

/** What a node that hears late may take. */
const BOUND_MS = 1_500;

type Node = Pick<ProxiedNode, 'app'>;

let scratch: ScratchDatabase;
let platform: TestTenant;
let putBack: () => Promise<void>;
/** Two nodes beside the one that requests go to. */
let others: [ProxiedNode, ProxiedNode];
beforeAll(async () => {
  scratch = await aScratchDatabase(TEST_SERVER_URL ?? '');
  putBack = await replaceApp(await openServer(scratch.url));
  platform = await aTenant({ slug: 'operator', platform: true });
  others = [await aProxiedNode(scratch.url), await aProxiedNode(scratch.url)];
});
afterAll(async () => {
  for (const node of others) await node.close();
  await putBack();
  await scratch.drop();
});

const verdictAt = async ({ app }: Node, secret: string, context: UseContext = { ip: null, userAgent: null }): Promise<Verdict> => app.get(TokenVerifier).verify(secret, context);
const isActiveAt = async (node: Node, secret: string): Promise<boolean> => (await verdictAt(node, secret)).active;
const mint = async (person: Person): Promise<{ id: string; secret: string }> => {
  const { body } = await call('POST', '/user/api-tokens', { as: person.session, body: {} });
  return { id: (await verdictOf(body.token)).id, secret: body.token };
};
const verdictOf = async (secret: string) => {
  const verdict = await verdictAt(await theApp(), secret);
  if (!verdict.active) throw new Error(`the token is ${verdict.reason}`);
  return verdict.token;
};
const revoke = async (tenant: TestTenant, id: string): Promise<void> => {
  expect((await call('DELETE', `/v1/tokens/${id}`, { as: tenant.admin.session })).status).toBe(204);
};

async function untilAt(node: Node, secret: string, holds: (verdict: Verdict) => boolean, ip: string | null = null): Promise<void> {
  const began = performance.now();
  while (!holds(await verdictAt(node, secret, { ip, userAgent: null }))) {
    expect(performance.now() - began).toBeLessThan(BOUND_MS);
    await pause(5);
  }
}

interface Narrowing {
  readonly secret: string;
  readonly narrow: () => Promise<unknown>;
  readonly isNarrowed: (verdict: Verdict) => boolean;
}

const isDead = ({ active }: Verdict): boolean => !active;
const lacks = (permission: string) => (verdict: Verdict): boolean => verdict.active && !verdict.token.permissions.has(permission);

/** Each prepares a token that is known everywhere, and says what is done to it on the first node. */
const NARROWINGS: Record<string, (tenant: TestTenant) => Promise<Narrowing>> = {
  async revocation(tenant) {
    const { id, secret } = await mint(tenant.admin);
    return { secret, narrow: () => revoke(tenant, id), isNarrowed: isDead };
  },
  async 'deletion at its door'(tenant) {
    const { id, secret } = await mint(tenant.admin);
    return { secret, narrow: () => call('DELETE', `/user/api-tokens/${id}`, { as: tenant.admin.session }), isNarrowed: isDead };
  },
  async 'rotation without overlap'(tenant) {
    const { id, secret } = await mint(tenant.admin);
    const narrow = async (): Promise<unknown> => {
      const { body } = await call('POST', `/v1/tokens/${id}/rotate`, { as: tenant.admin.session, body: { overlap_seconds: 0 } });
      return call('GET', '/auth/me', { as: body.secret });
    };
    return { secret, narrow, isNarrowed: isDead };
  },
  async 'fewer permissions of its own'(tenant) {
    const { id, secret } = await mint(tenant.admin);
    return { secret, narrow: () => call('PATCH', `/v1/tokens/${id}`, { as: tenant.admin.session, body: { permissions: ['project:read'] } }), isNarrowed: lacks('member:read') };
  },
  async 'fewer permissions of its owner\'s role'(tenant) {
    const key = await aRole(tenant, ['user:api-token:write', 'member:read', 'project:read']);
    const { secret } = await mint(await aMember(tenant, key));
    const { body } = await call('GET', '/v1/roles', { as: tenant.admin.session });
    const { id } = body.data.find((role: { key: string }) => role.key === key);
    return { secret, narrow: () => call('PATCH', `/v1/roles/${id}`, { as: tenant.admin.session, body: { permissions: ['project:read'] } }), isNarrowed: lacks('member:read') };
  },
  async 'fewer addresses'(tenant) {
    const { id, secret } = await mint(tenant.admin);
    return { secret, narrow: () => call('PATCH', `/v1/tokens/${id}`, { as: tenant.admin.session, body: { allowed_addresses: ['192.0.2.0/24'] } }), isNarrowed: isDead };
  },
  async 'disabling its owner'(tenant) {
    const person = await aMember(tenant, 'ADMIN');
    const { secret } = await mint(person);
    const { body } = await call('GET', '/v1/members', { as: tenant.admin.session });
    const { id } = body.data.find((member: { user_id: string }) => member.user_id === person.id);
    return { secret, narrow: () => call('PATCH', `/v1/members/${id}`, { as: tenant.admin.session, body: { status: 'disabled' } }), isNarrowed: isDead };
  },
  async 'suspension of its organization'(tenant) {
    const { secret } = await mint(tenant.admin);
    return { secret, narrow: () => call('POST', `/v1/organizations/${tenant.id}/suspend`, { as: platform.admin.session }), isNarrowed: isDead };
  },
  async 'a policy'(tenant) {
    const { secret } = await mint(tenant.admin);
    return { secret, narrow: () => call('PATCH', '/v1/policy', { as: tenant.admin.session, body: { allowed_addresses: ['192.0.2.0/24'] } }), isNarrowed: isDead };
  },
};

describe('what narrows a token on one node', () => {
  it.each(Object.entries(NARROWINGS))('binds it on the others, and whatever is unchanged is not touched: %s', async (_, prepare) => {
    const tenant = await aTenant();
    const bystander = await mint((await aTenant()).admin);
    const { secret, narrow, isNarrowed } = await prepare(tenant);
    for (const node of others) {
      const verdict = await verdictAt(node, secret, { ip: '198.51.100.1', userAgent: null });
      expect([verdict.active, isNarrowed(verdict), await isActiveAt(node, bystander.secret)]).toEqual([true, false, true]);
    }
    const answer = (await narrow()) as { status: number } | undefined;
    if (answer) expect(Math.floor(answer.status / 100)).toBe(2);
    for (const node of others) {
      await untilAt(node, secret, isNarrowed, '198.51.100.1');
      expect(await isActiveAt(node, bystander.secret)).toBe(true);
    }
  });
});

/** How a node answers a session at a route that needs `member:read`. */
const askAt = async ({ app }: Node, session: string): Promise<number> =>
  (await app.inject({ method: 'GET', url: '/v1/members', headers: { authorization: `Bearer ${session}` } })).statusCode;

async function untilAnswered(node: Node, session: string, status: number): Promise<void> {
  const began = performance.now();
  while ((await askAt(node, session)) !== status) {
    expect(performance.now() - began).toBeLessThan(BOUND_MS);
    await pause(5);
  }
}

describe('what ends a session on one node, or takes something from it', () => {
  it.each(Object.entries(SESSION_NARROWINGS))('holds on the others, and whatever is unchanged is not touched: %s', async (_, prepare) => {
    const bystander = (await aTenant()).admin.session;
    const { session, narrow, afterwards } = await prepare(await aTenant(), platform);
    const facts = others.map(({ app }) => watchFacts(app.get(Database), 'session_facts'));
    try {
      for (const node of others) expect([await askAt(node, session), await askAt(node, bystander)]).toEqual([200, 200]);
      await narrow();
      for (const node of others) {
        await untilAnswered(node, session, afterwards);
        expect(await askAt(node, session)).toBe(afterwards);
      }
      const reads = facts.map((watch) => watch.reads);
      for (const node of others) expect(await askAt(node, bystander)).toBe(200);
      expect(facts.map((watch) => watch.reads)).toEqual(reads);
    } finally {
      for (const watch of facts) watch.stop();
    }
  });
});

describe('a node', () => {
  it('does not keep what it read of a session before another node ended it and gets after it', async () => {
    const tenant = await aTenant();
    const { session } = await aMember(tenant);
    const [node] = others;
    const facts = watchFacts(node.app.get(Database), 'session_facts');
    try {
      const held = facts.hold();
      const before = askAt(node, session);
      await held.read;
      expect((await call('POST', '/auth/logout', { as: session })).status).toBe(204);
      // By now it has heard of it, and what it asked for before is still on its way.
      await pause(BOUND_MS);
      held.release();
      await before;
      expect(await askAt(node, session)).toBe(401);
    } finally {
      facts.stop();
    }
  });

  it('does not keep what it read before another node\'s change and gets after it', async () => {
    const tenant = await aTenant();
    const { id, secret } = await mint(tenant.admin);
    const [node] = others;
    const facts = watchFacts(node.app.get(Database));
    try {
      const held = facts.hold();
      const before = isActiveAt(node, secret);
      await held.read;
      await revoke(tenant, id);
      // By now it has heard of it, and what it asked for before is still on its way.
      await pause(BOUND_MS);
      held.release();
      await before;
      expect(await isActiveAt(node, secret)).toBe(false);
    } finally {
      facts.stop();
    }
  });

  it('whose listening session the server ends knows all the same, and listens again', async () => {
    const tenant = await aTenant();
    const tokens = [await mint(tenant.admin), await mint(tenant.admin), await mint(tenant.admin)];
    for (const { secret } of tokens) for (const node of others) expect(await isActiveAt(node, secret)).toBe(true);
    const end = (): Promise<number> =>
      asOwner(scratch.url, async (owner) => {
        const { rows } = await owner.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gatehouse listener'`);
        return rows.length;
      });
    for (const { id, secret } of tokens) {
      // Each of the three nodes has one, this time and the next.
      const began = performance.now();
      while ((await end()) < 3) expect(performance.now() - began).toBeLessThan(10_000);
      await revoke(tenant, id);
      for (const node of others) await untilAt(node, secret, isDead);
    }
  });

  it('that was paused does not answer from what it knew before: not even the first question', async () => {
    const tenant = await aTenant();
    const { id, secret } = await mint(tenant.admin);
    const [node] = others;
    expect(await isActiveAt(node, secret)).toBe(true);
    // Nothing runs here meanwhile, as in a process that is stopped; the change comes from elsewhere.
    execFileSync('psql', ['-q', scratch.url, '-c', `UPDATE api_tokens SET revoked_at = now() WHERE id = '${id}'`]);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_100);
    expect(await isActiveAt(node, secret)).toBe(false);
  });
});

describe('a use-limited token', () => {
  it.each([1, 5, 40])('is used %i times in all, however many use it at once on however many nodes', async (limit) => {
    const tenant = await aTenant();
    const { secret } = await aMachineToken(tenant, { accessTokenNumUsesLimit: limit });
    const nodes = [await theApp(), ...others];
    const verdicts = await Promise.all(Array.from({ length: 90 }, (_, index) => isActiveAt(nodes[index % 3] as Node, secret)));
    expect(verdicts.filter(Boolean)).toHaveLength(limit);
    for (const node of nodes) expect(await verdictAt(node, secret)).toEqual({ active: false, reason: 'uses-spent' });
  });
});

describe('signing keys', () => {
  /** A session is asked for at the node itself; anything else is verified with the key set that it publishes. */
  const isGoodAt = async ({ app }: Node, jwt: string, isSession: boolean): Promise<boolean> => {
    if (isSession) return (await app.inject({ method: 'GET', url: '/auth/me', headers: { authorization: `Bearer ${jwt}` } })).statusCode === 200;
    const keySet = createLocalJWKSet((await app.inject({ method: 'GET', url: '/.well-known/jwks.json' })).json());
    return jwtVerify(jwt, keySet).then(() => true, () => false);
  };

  it('are rotated on demand under load, and no node refuses what any other has signed', async () => {
    const nodes = [await theApp(), ...others];
    const { email, password } = platform.admin;
    const { body } = await call('POST', '/user/api-tokens', { as: platform.admin.session, body: {} });
    const exchange = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: body.token, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' };
    const kids = new Set<string>();
    const refusals: string[] = [];
    let stop = false;
    const load = nodes.map(async ({ app }, own) => {
      while (!stop) {
        const [login, jwt] = await Promise.all([
          app.inject({ method: 'POST', url: '/auth/login', payload: { email, password } }),
          app.inject({ method: 'POST', url: '/oauth2/token', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: new URLSearchParams(exchange).toString() }),
        ]);
        for (const signed of [login, jwt]) {
          if (signed.statusCode !== 200) refusals.push(`${own} signed nothing: ${signed.body}`);
          const token = signed.json<{ access_token: string }>().access_token;
          kids.add(decodeProtectedHeader(token).kid ?? '');
          for (const [index, other] of nodes.entries()) {
            if (!(await isGoodAt(other, token, signed === login))) refusals.push(`${index} refused what ${own} had signed`);
          }
        }
      }
    });
    try {
      for (let rotation = 0; rotation < 10; rotation += 1) {
        const { status } = await call('POST', '/v1/signing-keys', { as: platform.admin.session, body: { activate_in_seconds: 0 } });
        expect(status).toBe(201);
        await pause(100);
      }
    } finally {
      stop = true;
      await Promise.all(load);
    }
    expect(refusals).toEqual([]);
    expect(kids.size).toBeGreaterThanOrEqual(5);
    expect((await call('GET', '/auth/me', { as: platform.admin.session })).status).toBe(200);
  });

  it('that are drawn or retired on one node are known on the others at once', async () => {
    const login = async (): Promise<string> => (await call('POST', '/auth/login', { body: { email: platform.admin.email, password: platform.admin.password } })).body.access_token;
    const within = async (holds: () => Promise<boolean>): Promise<void> => {
      const began = performance.now();
      while (!(await holds())) {
        expect(performance.now() - began).toBeLessThan(BOUND_MS);
        await pause(5);
      }
    };
    const leaked = await login();
    const { kid } = decodeProtectedHeader(leaked);
    const { body } = await call('POST', '/v1/signing-keys', { as: leaked, body: { activate_in_seconds: 0 } });
    for (const { app } of others) {
      await within(async () => (await app.inject({ method: 'GET', url: '/.well-known/jwks.json' })).body.includes(body.id));
      expect(await isGoodAt({ app }, leaked, true)).toBe(true);
    }
    expect((await call('DELETE', `/v1/signing-keys/${kid}`, { as: await login() })).status).toBe(204);
    for (const node of others) await within(async () => !(await isGoodAt(node, leaked, true)));
  });

  it('that are drawn elsewhere are looked up again within a second where that failed at first', async () => {
    const [{ app, clock }] = others;
    const load = vi.spyOn(app.get<{ load(): Promise<void> }>(SigningKeys), 'load').mockRejectedValueOnce(new Error('the database is away'));
    const { body } = await call('POST', '/v1/signing-keys', { as: platform.admin.session, body: {} });
    await vi.waitFor(() => expect(load).toHaveBeenCalled(), BOUND_MS);
    const published = async (): Promise<string> => (await app.inject({ method: 'GET', url: '/.well-known/jwks.json' })).body;
    clock.pass(1_000);
    expect(await published()).toContain(body.id);
    load.mockRestore();
  });
});
