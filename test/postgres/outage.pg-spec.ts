import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Client, type Pool } from 'pg';
import { DataSource } from 'typeorm';
import { Invalidations } from '../../src/kernel/database/invalidations.js';
import { FirstStart } from '../../src/organizations/first-start.js';
import { aScratchDatabase, TEST_SERVER_URL, type ScratchDatabase } from '../support/database.js';
import { aProxiedNode, type ProxiedNode } from '../support/proxied-node.js';

const ADMIN = { email: 'admin@localhost', password: 'correct horse battery staple' };
/** "Within about a second", on a machine that has other things to do. */
const SOON_MS = 2_500;

interface Asked {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

let scratch: ScratchDatabase;
let node: ProxiedNode;
let session: string;
beforeAll(async () => {
  scratch = await aScratchDatabase(TEST_SERVER_URL ?? '');
  node = await aProxiedNode(scratch.url);
  await node.app.get(FirstStart).run(ADMIN);
  session = (JSON.parse((await ask('POST', '/auth/login', undefined, ADMIN)).text) as { access_token: string }).access_token;
}, 120_000);
afterAll(async () => {
  await node.close();
  await scratch.drop();
});
afterEach(async () => {
  node.clock.reset();
  for (const proxy of [node.proxy, node.bus]) proxy.mend();
  const mended = performance.now();
  while ((await ask('GET', '/health/ready')).status !== 200) {
    expect(performance.now() - mended).toBeLessThan(5_000);
    await pause(50);
  }
  // Once it listens again it forgets everything, and nothing that the next test has remembered by then.
  while (!hears(node)) {
    expect(performance.now() - mended).toBeLessThan(5_000);
    await pause(50);
  }
  expect(await node.app.get(Invalidations).catchUp()).toBe(true);
});

/** Whether its listening connection is there, and answers. */
function hears({ app }: ProxiedNode): boolean {
  const invalidations = app.get(Invalidations);
  const listener = Reflect.get(invalidations, 'listener') as Client | null;
  return listener !== null && !(Reflect.get(invalidations, 'unanswered') as WeakSet<Client>).has(listener);
}

/** Asks, and fails where the answer is long in coming. */
async function ask(method: string, url: string, as?: string, body?: object | string): Promise<Asked> {
  const began = performance.now();
  const isForm = typeof body === 'string';
  const { statusCode, headers, body: text } = await node.app.inject({
    method: method as 'GET',
    url,
    headers: { ...(as !== undefined && { authorization: `Bearer ${as}` }), ...(body !== undefined && { 'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json' }) },
    payload: isForm ? body : body && JSON.stringify(body),
  });
  expect([method, url, performance.now() - began < SOON_MS]).toEqual([method, url, true]);
  return { status: statusCode, headers, text };
}

/** What goes to the database but for the listener. */
const pool = (): Pool => (node.app.get(DataSource).driver as unknown as { master: Pool }).master;
const aToken = async (): Promise<string> => (JSON.parse((await ask('POST', '/user/api-tokens', session, {})).text) as { token: string }).token;
const aProjectToken = async (): Promise<string> =>
  (JSON.parse((await ask('POST', '/api/admin/projects/default/api-tokens', session, { tokenName: 'sdk', type: 'backend', environment: 'development' })).text) as { secret: string }).secret;

function cutOff(how: 'refuse' | 'silence'): void {
  for (const proxy of [node.proxy, node.bus]) proxy[how]();
}

/** What the bare routes say of a token that is sent to them by a caller. */
const bareRoutes = (caller: string, token: string, projectToken: string): Promise<Asked>[] => [
  ask('POST', '/oauth2/introspect', caller, new URLSearchParams({ token }).toString()),
  ask('POST', '/v1/introspect/batch', caller, { tokens: [token, caller] }),
  ask('GET', '/v1/forward-auth?permission=token:introspect', token),
  ask('POST', '/edge/validate', undefined, { tokens: [projectToken] }),
];

describe.each(['refuse', 'silence'] as const)('while the database is gone (%s)', (cut) => {
  it('the bare routes answer of what is known until it is 30 seconds old, and of all else that they cannot', async () => {
    const [known, cold] = [await aToken(), await aToken()];
    const [knownProject, coldProject] = [await aProjectToken(), await aProjectToken()];
    const before = await Promise.all(bareRoutes(known, known, knownProject));
    expect(before.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    cutOff(cut);
    // Long enough for every look to have failed.
    await pause(1_500);
    const during = await Promise.all(bareRoutes(known, known, knownProject));
    expect(during.map(({ status, text }) => [status, text])).toEqual(before.map(({ status, text }) => [status, text]));
    const outages = await Promise.all(bareRoutes(known, cold, coldProject));
    node.clock.pass(30_000);
    outages.push(...await Promise.all(bareRoutes(known, known, knownProject)));
    for (const { status, headers, text } of outages) expect([status, headers['retry-after'], /"active"|"tokens"/.test(text)]).toEqual([503, '1', false]);
  });

  it('a session that is known goes on until what is known of it is 30 seconds old, and of any other it is not said that it has ended', async () => {
    const login = async (): Promise<string> => (JSON.parse((await ask('POST', '/auth/login', undefined, ADMIN)).text) as { access_token: string }).access_token;
    const [known, cold] = [await login(), await login()];
    expect((await ask('GET', '/auth/me', known)).status).toBe(200);
    cutOff(cut);
    await pause(1_500);
    expect([(await ask('GET', '/auth/me', known)).status, (await ask('GET', '/auth/me', cold)).status]).toEqual([200, 503]);
    node.clock.pass(30_000);
    const { status, headers } = await ask('GET', '/auth/me', known);
    expect([status, headers['retry-after']]).toEqual([503, '1']);
  });

  it('no route keeps its caller waiting, whatever it would have done', async () => {
    const known = await aToken();
    await ask('GET', '/v1/forward-auth', known);
    const { paths } = JSON.parse((await ask('GET', '/openapi.json')).text) as { paths: Record<string, Record<string, object>> };
    const operations = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => [method.toUpperCase(), path.replace(/\{\w+\}/g, '00000000-0000-4000-8000-000000000000')] as const));
    cutOff(cut);
    await pause(1_500);
    const statuses: number[] = [];
    for (let start = 0; start < operations.length; start += 25) {
      const asked = operations.slice(start, start + 25).flatMap(([method, path]) => [known, session].map((as) => ask(method, path, as, method === 'GET' ? undefined : {})));
      statuses.push(...(await Promise.all(asked)).map(({ status }) => status));
    }
    expect(statuses.filter((status) => status >= 500 && status !== 503)).toEqual([]);
    expect(statuses.filter((status) => status === 503).length).toBeGreaterThan(operations.length);
  });

  it('a known caller without the permission stays refused, though that cannot be recorded', async () => {
    const { token } = JSON.parse((await ask('POST', '/user/api-tokens', session, {})).text) as { token: string };
    await ask('GET', '/v1/forward-auth', token);
    cutOff(cut);
    await pause(1_500);
    expect((await ask('GET', '/v1/forward-auth?permission=nobody:registered', token)).status).toBe(403);
  });
});

describe('after the database fell silent', () => {
  const readMuch = (): Promise<Asked[]> => Promise.all(Array.from({ length: 30 }, () => ask('GET', '/v1/permissions', session)));
  const withAllConnectionsOpen = async (): Promise<void> => {
    while (pool().totalCount < 10) await readMuch();
  };
  /** More than the pool has connections, so that some wait for one. */
  const refuseChanges = async (): Promise<void> => {
    await withAllConnectionsOpen();
    cutOff('silence');
    await pause(1_500);
    const changes = Array.from({ length: 30 }, () => ask('POST', '/v1/permissions', session, { key: `of-a-test:${randomUUID()}`, description: 'one more' }));
    expect((await Promise.all(changes)).map(({ status }) => status)).toEqual(changes.map(() => 503));
  };

  it('nothing is done any more of what was refused, though its connections can be had again', async () => {
    await refuseChanges();
    for (const proxy of [node.proxy, node.bus]) proxy.mend();
    await vi.waitFor(() => expect(pool()).toMatchObject({ waitingCount: 0, idleCount: pool().totalCount }), 5_000);
    expect((await ask('GET', '/v1/permissions', session)).text).not.toContain('of-a-test:');
  });

  it('a server that takes over is asked at once: nobody waits for the connections of before', async () => {
    await refuseChanges();
    for (const proxy of [node.proxy, node.bus]) proxy.takeOver();
    await vi.waitFor(async () => expect((await ask('POST', '/user/api-tokens', session, {})).status).toBe(201), 5_000);
  });

  it('nor does anybody get one of them that nobody used meanwhile', async () => {
    await withAllConnectionsOpen();
    cutOff('silence');
    await pause(1_500);
    for (const proxy of [node.proxy, node.bus]) proxy.takeOver();
    await vi.waitFor(async () => expect((await ask('GET', '/health/ready')).status).toBe(200), 5_000);
    expect((await readMuch()).map(({ status }) => status)).toEqual(Array.from({ length: 30 }, () => 200));
  });
});

describe('while the database answers, only slowly', () => {
  /** Revokes a token behind somebody who holds the table for 2.5 seconds. */
  const revokeSlowly = async (meanwhile: () => Promise<unknown> = () => Promise.resolve()): Promise<void> => {
    const token = await aToken();
    const client = new Client({ connectionString: scratch.url });
    await client.connect();
    try {
      await client.query('BEGIN');
      await client.query('LOCK TABLE api_tokens IN SHARE ROW EXCLUSIVE MODE');
      const revoking = node.app.inject({ method: 'POST', url: '/oauth2/revoke', headers: { authorization: `Bearer ${session}`, 'content-type': 'application/x-www-form-urlencoded' }, payload: new URLSearchParams({ token }).toString() });
      await Promise.all([pause(2_500), meanwhile()]);
      await client.query('COMMIT');
      expect((await revoking).statusCode).toBe(200);
    } finally {
      await client.end();
    }
    expect((await ask('GET', '/v1/forward-auth', token)).status).toBe(401);
  };

  it('it is waited for', () => revokeSlowly());

  it('it is waited for though our listening connection is swallowed again and again', () =>
    revokeSlowly(async () => {
      for (let time = 0; time < 3; time += 1) {
        await vi.waitFor(() => expect(hears(node)).toBe(true), 5_000);
        node.bus.silence();
        await vi.waitFor(() => expect(hears(node)).toBe(false), 5_000);
        node.bus.takeOver();
      }
    }));

  it('it is waited for though it answers our looks with an error', async () => {
    const client = new Client({ connectionString: scratch.url });
    await client.connect();
    try {
      await revokeSlowly(() => client.query('REVOKE SELECT ON invalidations FROM gatehouse_app'));
    } finally {
      await client.query('GRANT SELECT ON invalidations TO gatehouse_app');
      await client.end();
    }
  });
});
