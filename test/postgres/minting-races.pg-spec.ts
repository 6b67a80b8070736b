import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Client } from 'pg';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { AuditLog } from '../../src/audit/audit-log.js';
import { Database } from '../../src/kernel/database/database.js';
import { openServer } from '../../src/kernel/database/open-database.js';
import { createApplication } from '../../src/application.js';
import { PUBLIC_URL, theApp } from '../support/app.js';
import { aMember, aProject, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { DOORS_UNDER_TEST } from '../support/doors.js';
import { aClient, aTokenAuthMachine, TOKEN_AUTH } from '../support/machines.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { BACKEND } from '../support/unleash.js';
import { aWebhook } from '../support/webhooks.js';

let tenants: readonly TestTenant[];
let tenant: TestTenant;
beforeAll(async () => {
  tenants = [await aTenant(), await aTenant(), await aTenant()];
  [tenant] = tenants as readonly [TestTenant];
});
afterEach(() => vi.restoreAllMocks());

const mint = (as: string, description = 'a token of a person'): Promise<Answer> => call('POST', '/user/api-tokens', { as, body: { description } });
const mintFor = (as: string, project: string): Promise<Answer> => call('POST', `/api/admin/projects/${project}/api-tokens`, { as, body: { ...BACKEND, environment: 'development' } });
const setPolicy = (of: TestTenant, body: object): Promise<Answer> => call('PUT', '/v1/policy', { as: of.admin.session, body });
const times = <T>(count: number, work: (place: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: count }, (_, place) => work(place)));
const statuses = (answers: readonly Answer[]): number[] => answers.map(({ status }) => status).sort();

/** Holds what the statement locks until the work that it is given is through with `held`; its change is committed then. */
async function holding(statement: string, parameters: unknown[], held: (waiting: (count: number) => Promise<void>) => Promise<void>): Promise<void> {
  const [holder, watcher] = [new Client({ connectionString: process.env['GATEHOUSE_TEST_DATABASE'] }), new Client({ connectionString: process.env['GATEHOUSE_TEST_DATABASE'] })];
  await Promise.all([holder.connect(), watcher.connect()]);
  try {
    const { rows } = await holder.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await holder.query('BEGIN');
    await holder.query(statement, parameters);
    await held(async (count) => {
      for (;;) {
        const blocked = await watcher.query<{ waiting: string }>('SELECT count(*) AS waiting FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))', [rows[0]?.pid]);
        if (Number(blocked.rows[0]?.waiting) >= count) return;
        await nextTurn();
      }
    });
    await holder.query('COMMIT');
  } finally {
    await Promise.all([holder.end(), watcher.end()]);
  }
}

describe('tokens that are minted at once, on a server', () => {
  it('share commits, whosever they are and at whichever door, and each is written whole, once, and in its own organization', async () => {
    const paths = await Promise.all(tenants.map(async (each) => Promise.all(DOORS_UNDER_TEST.map(async (door) => [door, await door.creationPath(each)] as const))));
    const statements = vi.spyOn((await theApp()).app.get(Database), 'statement');
    const minted = await times(60, async (place) => {
      const each = tenants[place % 3];
      const [door, path] = paths[place % 3]?.[place % 5] ?? [];
      if (!each || !door || !path) throw new Error('no such door');
      const { status, body, text } = await call('POST', path, { as: each.admin.session, body: door.body() });
      expect(status, text).toBe(door.created);
      return { tenant: each, secret: door.secretOf(body) };
    });
    expect(new Set(minted.map(({ secret }) => secret)).size).toBe(60);
    expect(statements.mock.calls.length).toBeLessThan(40);
    for (const { tenant: each, secret } of minted) {
      const { active, jti } = await introspect(each.admin.session, secret);
      expect(active).toBe(true);
      expect(await sql(each, `SELECT count(*)::int AS events FROM audit_events WHERE target_id = $1 AND action = 'token.minted'`, [jti])).toEqual([{ events: 1 }]);
    }
  });

  it('are minted all but the one that cannot be, which says why', async () => {
    const audit = (await theApp()).app.get(AuditLog);
    const spell = audit.spell.bind(audit);
    vi.spyOn(audit, 'spell').mockImplementation((...of) => {
      const event = spell(...of);
      return of[0] === tenants[2]?.id ? event.replace('"token.minted"', 'null') : event;
    });
    const answers = await times(30, (place) => mint(tenants[place === 17 ? 2 : place % 2]?.admin.session ?? '', place === 23 ? 'a nul: \0' : 'fine'));
    expect(answers[17]?.status).toBe(500);
    expect(answers[23]?.status).toBeGreaterThanOrEqual(400);
    expect(answers[23]?.status).toBeLessThan(500);
    expect(statuses(answers.filter((_, place) => place !== 17 && place !== 23))).toEqual(Array(28).fill(201));
  });

  it('are told each what stands in its own way', async () => {
    const [gone, there] = [await aProject(tenant), await aProject(tenant)];
    expect(statuses(await Promise.all([gone, there].map((project) => mintFor(tenant.admin.session, project))))).toEqual([201, 201]);
    const statements = vi.spyOn((await theApp()).app.get(Database), 'statement');
    // Another process deletes it; this one has not heard of that.
    await sql(tenant, 'UPDATE projects SET deleted_at = now() WHERE key = $1', [gone]);
    const answers = await times(24, (place) => (place % 3 === 0 ? mint(tenants[place % 2]?.admin.session ?? '') : mintFor(tenant.admin.session, place % 3 === 1 ? gone : there)));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill([201, 404, 201]).flat());
    expect(statements.mock.calls.length).toBeLessThan(12);
    for (const [project, tokens] of [[gone, 1], [there, 9]] as const) {
      expect(await sql(tenant, 'SELECT count(*)::int AS tokens FROM token_projects t JOIN projects p ON p.id = t.project_id WHERE p.key = $1', [project])).toEqual([{ tokens }]);
    }
  });

  it('do not wait for one that has to', async () => {
    const project = await aProject(tenant);
    expect((await mintFor(tenant.admin.session, project)).status).toBe(201);
    let slow: Promise<Answer[]> = Promise.resolve([]);
    await holding('SELECT FROM projects WHERE key = $1 FOR UPDATE', [project], async (waiting) => {
      slow = times(4, () => mintFor(tenant.admin.session, project));
      await waiting(1);
      const others = await times(20, (place) => mint(tenants[1 + (place % 2)]?.admin.session ?? ''));
      expect(statuses(others)).toEqual(Array(20).fill(201));
    });
    expect(statuses(await slow)).toEqual([201, 201, 201, 201]);
  });

  it('are never more than the policy allows to be live', async () => {
    const own = await aTenant();
    expect((await setPolicy(own, { active_tokens_max: 7 })).status).toBe(200);
    expect(statuses(await times(25, () => mint(own.admin.session)))).toEqual([...Array(7).fill(201), ...Array(18).fill(403)]);
    expect(await sql(own, 'SELECT count(*)::int AS tokens FROM api_tokens')).toEqual([{ tokens: 7 }]);
  });

  it('are all in the outbox of a webhook, and one that is added meanwhile is told of the next', async () => {
    const own = await aTenant();
    const deliveries = async (): Promise<number> => (await sql<{ count: number }>(own, 'SELECT count(*)::int AS count FROM webhook_deliveries'))[0]?.count ?? 0;
    expect(statuses(await times(5, () => mint(own.admin.session)))).toEqual(Array(5).fill(201));
    await aWebhook(own, 'https://hooks.acme.example', ['token.created']);
    expect(statuses(await times(9, () => mint(own.admin.session)))).toEqual(Array(9).fill(201));
    expect(await deliveries()).toBe(9);
    await sql(own, `UPDATE webhooks SET disabled_at = now(), disabled_reason = 'asked'`);
    expect(statuses(await times(9, () => mint(own.admin.session)))).toEqual(Array(9).fill(201));
    expect(await deliveries()).toBe(9);
  });
});

describe('what changes while a token is minted, on a server', () => {
  it('its parent is revoked: it is not minted', async () => {
    const { body } = await mint(tenant.admin.session);
    const { jti } = await introspect(tenant.admin.session, body.token);
    let answers: Promise<Answer[]> = Promise.resolve([]);
    await holding('UPDATE api_tokens SET revoked_at = now() WHERE id = $1', [jti], async (waiting) => {
      answers = times(5, () => mint(body.token));
      await waiting(1);
    });
    expect(statuses(await answers)).toEqual(Array(5).fill(401));
    expect(await sql(tenant, 'SELECT FROM api_tokens WHERE parent_id = $1', [jti])).toEqual([]);
  });

  it('its parent is revoked over and over: whatever was minted by then ends with it', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { body } = await mint(tenant.admin.session);
      const { jti } = await introspect(tenant.admin.session, body.token);
      const [answers] = await Promise.all([times(12, () => mint(body.token)), nextTurn().then(() => call('DELETE', `/v1/tokens/${jti}`, { as: tenant.admin.session }))]);
      const minted = answers.filter(({ status }) => status === 201).length;
      expect(await sql(tenant, 'SELECT count(*)::int AS minted, count(*) FILTER (WHERE revoked_at IS NULL)::int AS live FROM api_tokens WHERE parent_id = $1', [jti])).toEqual([{ minted, live: 0 }]);
    }
  });

  it('its project is deleted and made anew under the same key: it is of the new one', async () => {
    const key = await aProject(tenant);
    const first = await mintFor(tenant.admin.session, key);
    expect((await call('DELETE', `/v1/projects/${key}`, { as: tenant.admin.session })).status).toBe(204);
    expect((await mintFor(tenant.admin.session, key)).status).toBe(404);
    await aProject(tenant, key);
    const second = await mintFor(tenant.admin.session, key);
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(await introspect(tenant.admin.session, first.body.secret)).toEqual({ active: false });
    expect((await introspect(tenant.admin.session, second.body.secret))['active']).toBe(true);
  });

  it('another process changes the policy: it is bound by it at once, and freed at once', async () => {
    const own = await aTenant();
    const lifetime = async (): Promise<number | null> => {
      const { body } = await mint(own.admin.session);
      const { exp, iat } = await introspect(own.admin.session, body.token);
      return exp === undefined ? null : exp - iat;
    };
    const behindOurBack = (rules: object): Promise<unknown> =>
      sql(own, 'INSERT INTO policies (organization_id, rules, updated_at, updated_by) VALUES ($1, $2, now(), $1) ON CONFLICT (organization_id) DO UPDATE SET rules = excluded.rules', [own.id, JSON.stringify(rules)]);
    const rules = { longestLifetimeSeconds: {}, expiryRequired: false, allowedKinds: null, allowedAddresses: null, addressesRequired: false, activeTokensMax: null, idleDays: null, allowedPermissions: null };
    expect(await lifetime()).toBeNull();
    await behindOurBack({ ...rules, longestLifetimeSeconds: { user: 600 } });
    expect(await lifetime()).toBe(600);
    await behindOurBack({ ...rules, allowedKinds: [] });
    expect((await mint(own.admin.session)).status).toBe(403);
    await behindOurBack(rules);
    expect(await lifetime()).toBeNull();
  });

  it('another process gives the person another role: the token is bound by that one', async () => {
    const own = await aTenant();
    const { session, id } = await aMember(own, await aRole(own, ['organization:api-token:write', 'member:read', 'profile:read']));
    const scope = async (): Promise<string> => {
      const { body } = await call('POST', '/api/v1/token', { as: session, body: { name: 'key', personal: false } });
      return (await introspect(own.admin.session, body.api_token))['scope'];
    };
    expect(await scope()).toBe('member:read organization:api-token:write profile:read');
    const narrow = await aRole(own, ['organization:api-token:write']);
    await sql(own, 'UPDATE memberships SET role_id = (SELECT id FROM roles WHERE key = $2) WHERE user_id = $1', [id, narrow]);
    expect((await scope()).split(' ')).not.toContain('member:read');
  });

  it('another process changes the machine and how its tokens live: both hold at once, and what exceeds the caller is refused', async () => {
    const own = await aTenant();
    const identityId = await aTokenAuthMachine(own, { accessTokenTTL: 600, accessTokenMaxTTL: 600 }, { role: await aRole(own, ['profile:read']) });
    const { session } = await aMember(own, await aRole(own, ['identity:token:write', 'profile:read']));
    const ask = (): Promise<Answer> => call('POST', `${TOKEN_AUTH}/identities/${identityId}/tokens`, { as: session, body: {} });
    expect((await ask()).body.expiresIn).toBe(600);
    await sql(own, 'UPDATE token_auth_settings SET ttl_seconds = 300 WHERE identity_id = $1', [identityId]);
    expect((await ask()).body.expiresIn).toBe(300);
    const wide = await aRole(own, ['profile:read', 'member:write']);
    await sql(own, 'UPDATE machine_identities SET role_id = (SELECT id FROM roles WHERE key = $2) WHERE id = $1', [identityId, wide]);
    expect((await ask()).status).toBe(403);
    await sql(own, `UPDATE roles SET permissions = '{profile:read}' WHERE key = $1`, [wide]);
    expect((await ask()).status).toBe(200);
    await sql(own, 'DELETE FROM token_auth_settings WHERE identity_id = $1', [identityId]);
    expect((await ask()).status).toBe(400);
    expect(await sql(own, 'SELECT last_login_method, last_login_at IS NOT NULL AS logged_in FROM machine_identities WHERE id = $1', [identityId])).toEqual([{ last_login_method: 'token-auth', logged_in: true }]);
  });

  it('the database goes away: 503, and each that was said to be minted is there', async () => {
    const target = new URL(process.env['GATEHOUSE_TEST_DATABASE'] ?? '');
    const proxy = await TcpProxy.to(target);
    const database = await openServer(proxy.urlOf(target));
    const app: NestFastifyApplication = await createApplication({
      config: { logLevel: 'silent', publicUrl: PUBLIC_URL, trustedProxies: [] },
      secretKeys: ['test-key-0123456789-abcdefghijklmnopqrstuvwxyz'],
      database,
      clock: (await theApp()).clock,
      background: false,
    });
    const ask = () => app.inject({ method: 'POST', url: '/user/api-tokens', headers: { authorization: `Bearer ${tenant.admin.session}` }, payload: { description: 'lost?' } });
    try {
      let lost: Promise<Awaited<ReturnType<typeof ask>>[]> = Promise.resolve([]);
      expect((await ask()).statusCode).toBe(201);
      await holding('SELECT FROM organizations WHERE id = $1 FOR UPDATE', [tenant.id], async (waiting) => {
        lost = times(10, async () => ask());
        await waiting(1);
        proxy.refuse();
        for (const { statusCode, headers } of await lost) expect([statusCode, headers['retry-after']]).toEqual([503, '1']);
      });
      proxy.mend();
      const answers = await times(10, async () => ask());
      for (const answer of answers) expect((await introspect(tenant.admin.session, answer.json<{ token: string }>().token))['active']).toBe(true);
      expect(await sql(tenant, `SELECT FROM api_tokens t WHERE NOT EXISTS (SELECT FROM audit_events e WHERE e.target_id = t.id AND e.action = 'token.minted')`)).toEqual([]);
    } finally {
      await app.close();
      await database.close();
      await proxy.close();
    }
  });

  it('wait with few of the connections, however many of an organization wait for the same: the others have the rest', async () => {
    const [other] = tenants.slice(1) as [TestTenant];
    const project = await aProject(tenant);
    const statements = vi.spyOn((await theApp()).app.get(Database), 'statement');
    let blocked: Promise<Answer[]> = Promise.resolve([]);
    await holding('SELECT FROM projects WHERE key = $1 FOR UPDATE', [project], async (waiting) => {
      blocked = times(60, () => mintFor(tenant.admin.session, project));
      // By then they are tried each for itself.
      const alone = () => statements.mock.calls.filter(([, , parameters]) => parameters[1] === null);
      await vi.waitFor(() => expect(alone().length).toBeGreaterThanOrEqual(2), 10_000);
      await waiting(2);
      for (let count = 0; count < 5; count += 1) expect(statuses(await times(10, () => mint(other.admin.session)))).toEqual(Array.from({ length: 10 }, () => 201));
    });
    expect(statuses(await blocked)).toEqual(Array.from({ length: 60 }, () => 201));
  });

  it('are refused within twice the time that one waits for a lock, and not written later, where it is held for long', async () => {
    const project = await aProject(tenant);
    const began = performance.now();
    await holding('SELECT FROM projects WHERE key = $1 FOR UPDATE', [project], async () => {
      expect(statuses(await times(30, () => mintFor(tenant.admin.session, project)))).toEqual(Array.from({ length: 30 }, () => 503));
    });
    expect(performance.now() - began).toBeLessThan(15_000);
    expect((await mintFor(tenant.admin.session, project)).status).toBe(201);
    expect(await sql(tenant, 'SELECT count(*)::int AS tokens FROM token_projects t JOIN projects p ON p.id = t.project_id WHERE p.key = $1', [project])).toEqual([{ tokens: 1 }]);
  });

  it('a machine that logs in by a key that is removed meanwhile gets none', async () => {
    const client = await aClient(tenant);
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const { body } = await call('POST', `/v1/machine-identities/${client.identityId}/client-keys`, { as: tenant.admin.session, body: { name: 'leaked', jwk: await exportJWK(publicKey) } });
    const now = (await theApp()).clock.now().epochSeconds;
    const claims = { iss: client.clientId, sub: client.clientId, aud: PUBLIC_URL, jti: randomUUID(), exp: now + 60 };
    const client_assertion = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
    let login: Promise<Answer> = Promise.reject(new Error('not asked'));
    login.catch(() => undefined);
    await holding('DELETE FROM client_keys WHERE id = $1', [body.id], async (waiting) => {
      login = call('POST', '/oauth2/token', { form: { grant_type: 'client_credentials', client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion } });
      await waiting(1);
    });
    const { status, body: answer } = await login;
    expect([status, answer.error]).toEqual([401, 'invalid_client']);
  });

  it('nobody writes into an organization by naming another: row-level security binds the statement', async () => {
    const { app } = await theApp();
    const spell = app.get(AuditLog).spell.bind(app.get(AuditLog));
    vi.spyOn(app.get(AuditLog), 'spell').mockImplementation((_, ...of) => spell(tenants[1]?.id ?? '', ...of));
    const before = await sql(tenant, 'SELECT count(*) AS tokens FROM api_tokens');
    expect((await mint(tenant.admin.session)).status).toBe(500);
    expect(await sql(tenant, 'SELECT count(*) AS tokens FROM api_tokens')).toEqual(before);
  });
});
