import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { SigningKeyRotation } from '../../src/access/signing-key-rotation.js';
import { createApplication } from '../../src/application.js';
import type { OpenDatabase } from '../../src/kernel/database/open-database.js';
import { FirstStart } from '../../src/organizations/first-start.js';
import { Passwords } from '../../src/users/passwords.js';
import { PUBLIC_URL } from '../support/app.js';
import { aTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { TEST_SERVER_URL } from '../support/database.js';
import { anEmptyDatabase } from '../support/instance.js';
import { SettableClock } from '../support/settable-clock.js';

const ADMIN = { email: 'admin@localhost', password: 'correct horse battery staple' };
const KEYS = ['test-key-0123456789-abcdefghijklmnopqrstuvwxyz'];

let database: OpenDatabase;
let clock: SettableClock;
let nodes: readonly NestFastifyApplication[] = [];
let session: string;

/** An installation of its own, for its keys are everybody's; two replicas of it where the database can have two. */
beforeAll(async () => {
  database = await anEmptyDatabase();
  clock = new SettableClock();
  const node = async (): Promise<NestFastifyApplication> => {
    const app = await createApplication({ config: { logLevel: 'silent', publicUrl: PUBLIC_URL, trustedProxies: [] }, secretKeys: KEYS, database, clock });
    // Logins are many here; what the cost of 12 protects is tested by itself.
    Object.assign(app.get(Passwords), { cost: 4 });
    return app;
  };
  const first = await node();
  await first.get(FirstStart).run(ADMIN);
  nodes = TEST_SERVER_URL ? [first, await node()] : [first];
  // Only now: no node starts with a clock that is not the server's.
  clock.advance(0);
  session = await login(first);
});
afterAll(async () => {
  for (const node of nodes) await node.close();
  await database.close();
});

async function login(node: NestFastifyApplication): Promise<string> {
  const response = await node.inject({ method: 'POST', url: '/auth/login', payload: ADMIN });
  return response.json<{ access_token: string }>().access_token;
}

const ask = async (node: NestFastifyApplication, method: 'GET' | 'POST' | 'DELETE', url: string, as: string, payload?: object) => {
  const response = await node.inject({ method, url, headers: { authorization: `Bearer ${as}` }, ...(payload && { payload }) });
  return { status: response.statusCode, body: response.body === '' ? null : response.json<any>() };
};
const kidOf = (jwt: string): string => JSON.parse(Buffer.from(jwt.split('.')[0] ?? '', 'base64url').toString()).kid;
const published = async (node: NestFastifyApplication): Promise<string[]> =>
  (await node.inject({ method: 'GET', url: '/.well-known/jwks.json' })).json<{ keys: { kid: string }[] }>().keys.map(({ kid }) => kid);
const first = () => nodes[0];
const second = () => nodes.at(-1) as NestFastifyApplication;

describe('/v1/signing-keys', () => {
  it('publishes a new key on every replica before it signs, and the old one until all it signed is over', async () => {
    const old = kidOf(session);
    const { status, body } = await ask(first(), 'POST', '/v1/signing-keys', session, {});
    expect([status, body.state]).toEqual([201, 'next']);
    expect(await published(first())).toEqual([body.id, old]);
    clock.advance(30);
    expect(await published(second())).toEqual([body.id, old]);
    expect(kidOf(await login(first()))).toBe(old);
    clock.advance(540);
    expect(kidOf(await login(second()))).toBe(old);
    clock.advance(31);
    // A replica looks again behind the request that finds its knowledge old.
    await published(first());
    await published(second());
    const last = await login(first());
    expect([kidOf(last), kidOf(await login(second()))]).toEqual([body.id, body.id]);
    // What the old key signed up to the last moment lives out its 15 minutes.
    expect((await ask(second(), 'GET', '/auth/me', session)).status).toBe(200);
    expect(await published(second())).toEqual([body.id, old]);
    clock.advance(3600);
    expect(await published(first())).toEqual([body.id]);
    session = await login(first());
    const states = (await ask(first(), 'GET', '/v1/signing-keys', session)).body.data.map(({ id, state }: { id: string; state: string }) => [id, state]);
    expect(states).toEqual([[body.id, 'signing'], [old, 'retired']]);
  });

  it('refuses all that a key signed when it is retired, and never retires the only one that signs', async () => {
    const leaked = kidOf(session);
    expect((await ask(first(), 'DELETE', `/v1/signing-keys/${leaked}`, session)).status).toBe(409);
    const { body } = await ask(first(), 'POST', '/v1/signing-keys', session, { activate_in_seconds: 0 });
    expect(body.state).toBe('signing');
    const fresh = await login(first());
    expect(kidOf(fresh)).toBe(body.id);
    expect((await ask(first(), 'DELETE', `/v1/signing-keys/${leaked}`, fresh)).status).toBe(204);
    expect((await ask(first(), 'GET', '/auth/me', session)).status).toBe(401);
    clock.advance(31);
    await published(second());
    expect((await ask(second(), 'GET', '/auth/me', session)).status).toBe(401);
    expect((await ask(first(), 'DELETE', `/v1/signing-keys/${leaked}`, fresh)).status).toBe(404);
    expect((await ask(first(), 'DELETE', `/v1/signing-keys/nothing`, fresh)).status).toBe(404);
    session = fresh;
  });

  it('rotates by itself after 90 days, once for all replicas', async () => {
    const rotate = (node: NestFastifyApplication) => node.get(SigningKeyRotation).rotateWhenDue();
    expect(await rotate(first())).toBe(false);
    clock.advance(90 * 24 * 3600);
    expect([await rotate(first()), await rotate(second())].filter(Boolean)).toHaveLength(1);
    expect(await published(first())).toHaveLength(2);
    session = await login(first());
    const events = (await ask(first(), 'GET', '/v1/audit-events?action=signing-key.created', session)).body.data;
    expect(events.map(({ actor_kind }: { actor_kind: string }) => actor_kind)).toEqual(['system', 'user', 'user']);
  });

  it.each([
    ['before it signs', 300],
    ['while its predecessor is still published', 1200],
  ])('goes on with the key of before when its successor is retired %s, and rotates when that is due', async (_, after) => {
    // One key alone, whatever was drawn before.
    clock.advance(5_000);
    await published(first());
    const old = kidOf(await login(first()));
    const { id } = (await ask(first(), 'POST', '/v1/signing-keys', await login(first()), {})).body;
    clock.advance(after);
    expect((await ask(first(), 'DELETE', `/v1/signing-keys/${id}`, await login(first()))).status).toBe(204);
    clock.advance(30 * 24 * 3600);
    expect([kidOf(await login(first())), await published(first())]).toEqual([old, [old]]);
    clock.advance(60 * 24 * 3600);
    expect(await first().get(SigningKeyRotation).rotateWhenDue()).toBe(true);
    clock.advance(700);
    await published(first());
    expect(kidOf(await login(first()))).not.toBe(old);
    session = await login(first());
  });

  it('never refuses a good token while keys rotate under a verifier that keeps the key set for its 300 seconds', async () => {
    let keySet: ReturnType<typeof createLocalJWKSet> | null = null;
    let fetchedAt = clock.now();
    const verify = async (jwt: string): Promise<void> => {
      if (!keySet || clock.now().secondsSince(fetchedAt) >= 300) {
        keySet = createLocalJWKSet((await second().inject({ method: 'GET', url: '/.well-known/jwks.json' })).json());
        fetchedAt = clock.now();
      }
      await jwtVerify(jwt, keySet, { issuer: PUBLIC_URL, audience: PUBLIC_URL, currentDate: new Date(clock.now().epochSeconds * 1000) });
    };
    const held: { jwt: string; until: number }[] = [];
    const kids = new Set<string>();
    for (let minute = 0; minute < 60; minute += 1) {
      if (minute % 12 === 0) {
        const as = await login(first());
        expect((await ask(first(), 'POST', '/v1/signing-keys', as, {})).status).toBe(201);
      }
      const jwt = await login(minute % 2 ? first() : second());
      kids.add(kidOf(jwt));
      held.push({ jwt, until: clock.now().epochSeconds + 890 });
      for (const { jwt: each, until } of held) if (until > clock.now().epochSeconds) await verify(each);
      clock.advance(60);
    }
    expect(kids.size).toBeGreaterThanOrEqual(5);
  });

  it('is the operator\'s alone', async () => {
    const tenant = await aTenant();
    for (const [method, path] of [['GET', ''], ['POST', ''], ['DELETE', '/x']] as const) {
      expect((await call(method, `/v1/signing-keys${path}`, { as: tenant.admin.session, ...(method === 'POST' && { body: {} }) })).status).toBe(403);
    }
    for (const activate_in_seconds of [-1, 1.5, 86_401, '0', null]) {
      expect((await ask(first(), 'POST', '/v1/signing-keys', await login(first()), { activate_in_seconds })).status).toBe(400);
    }
  });
});
