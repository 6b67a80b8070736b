import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RefusalWitness } from '../../src/access/refusal-witness.js';
import { FailureWitness } from '../../src/kernel/http/failure-witness.js';
import { drawSecret } from '../../src/tokens/token-secret.js';
import { theApp } from '../support/app.js';
import { aMember, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, type Answer, type CallOptions } from '../support/call.js';

let tenant: TestTenant;
let secret: string;
beforeAll(async () => {
  tenant = await aTenant();
  secret = (await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: {} })).body.token;
});
afterEach(() => vi.restoreAllMocks());

interface BareRoute {
  readonly method: string;
  readonly path: string;
  readonly body: (token: string) => Pick<CallOptions, 'body' | 'form'>;
  readonly isOpen?: true;
  /** What another method than the path's is answered, and its Allow header. */
  readonly wrongMethod: readonly [number, string?];
}

const ROUTES: readonly BareRoute[] = [
  { method: 'POST', path: '/oauth2/introspect', body: (token) => ({ form: { token } }), wrongMethod: [405, 'POST'] },
  { method: 'POST', path: '/v1/introspect/batch', body: (token) => ({ body: { tokens: [token] } }), wrongMethod: [405, 'POST'] },
  { method: 'GET', path: '/v1/forward-auth', body: () => ({}), wrongMethod: [405, 'GET, HEAD'] },
  { method: 'POST', path: '/edge/validate', body: (token) => ({ body: { tokens: [token] } }), isOpen: true, wrongMethod: [404] },
];
const routes = ROUTES.map((route) => [`${route.method} ${route.path}`, route] as const);
const guarded = routes.filter(([, { isOpen }]) => !isOpen);
const withBody = routes.filter(([, { method }]) => method === 'POST');

const ask = ({ method, path, body }: BareRoute, { token = secret, ...options }: CallOptions & { token?: string } = {}): Promise<Answer> =>
  call(method, path, { as: secret, ...body(token), ...options });

describe.each(routes)('%s', (_, route) => {
  it('answers with what every answer carries, and nothing that only browsers heed', async () => {
    const { status, headers } = await ask(route);
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    expect(headers['x-request-id']).toMatch(/^req-\w{14}$/);
    expect(Object.keys(headers).filter((name) => /policy|frame|origin|xss/i.test(name))).toEqual([]);
  });

  it('logs no line for an answer and one for a failure, with its request id, and never what was sent', async () => {
    const { log, clock } = await theApp();
    const fail = (): Promise<Answer> => ask(route, { headers: { host: 'a', authorization: 'Bearer x' }, ...(route.isOpen && { body: '[' }) });
    // A second of its own: what failed in other tests has used up the lines of theirs.
    clock.pass(1_001);
    await fail();
    const before = log.length;
    await ask(route);
    expect(log.slice(before)).toEqual([]);
    const { headers } = await fail();
    const lines = log.slice(before).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toMatchObject([{ reqId: headers['x-request-id'], method: route.method, route: route.path, status: route.isOpen ? 400 : 401 }]);
    expect(log.slice(before).join('')).not.toContain(secret);
  });

  it('knows other methods than its own, and spellings of its path, as every route does', async () => {
    const wrong = await call(route.method === 'GET' ? 'POST' : 'GET', route.path, { as: secret });
    expect([wrong.status, wrong.headers['allow']]).toEqual([route.wrongMethod[0], route.wrongMethod[1]]);
    for (const path of [`${route.path}/`, `/${route.path}`]) expect([path, (await ask({ ...route, path })).status]).toEqual([path, 200]);
    for (const path of [route.path.toUpperCase(), `${route.path}/x`, `${route.path};x`, `${route.path}%2f`]) expect([path, (await ask({ ...route, path })).status]).toEqual([path, 404]);
  });
});

describe.each(guarded)('%s', (_, route) => {
  it('tells its caller when the credential ends, whatever it answers', async () => {
    const { token } = (await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: { expiresAt: '2031-01-01T00:00:00+00:00' } })).body;
    for (const path of [route.path, `${route.path}?consistency=x&permission=x`]) {
      expect((await ask({ ...route, path }, { as: token })).headers['token-expires-at']).toBe('2031-01-01T00:00:00.000000Z');
    }
  });

  it('on every spelling of its path asks for a credential first', async () => {
    for (const path of [route.path, `${route.path}/`, `/${route.path}`, `${route.path}?x`]) {
      for (const as of [undefined, 'x', drawSecret('api_')]) expect([path, (await call(route.method, path, { as, ...route.body(secret) })).status]).toEqual([path, 401]);
    }
  });

  it('judges its caller anew each time: who is cut off is refused at once', async () => {
    const person = await aMember(tenant, 'ADMIN');
    const { token } = (await call('POST', '/user/api-tokens', { as: person.session, body: {} })).body;
    expect((await ask(route, { as: token })).status).toBe(200);
    await sql(tenant, 'UPDATE memberships SET disabled_at = now() WHERE user_id = $1', [person.id]);
    expect((await ask(route, { as: token })).status).toBe(401);
  });
});

describe.each(withBody)('%s', (_, route) => {
  it('refuses a body that is too large, of another type, or not well-formed', async () => {
    expect((await ask(route, { body: `{"tokens":["${'x'.repeat(65_536)}"]}`, form: undefined, headers: { 'content-type': 'application/json' } })).status).toBe(413);
    expect((await ask(route, { body: '<x/>', form: undefined, headers: { 'content-type': 'application/xml' } })).status).toBe(415);
    expect((await ask(route, { body: '{', form: undefined })).status).toBe(route.path.startsWith('/oauth2') ? 415 : 400);
  });

  it('refuses to have no token at all', async () => {
    expect((await ask(route, { body: {}, form: undefined, ...(route.path.startsWith('/oauth2') && { body: undefined, form: {} }) })).status).toBe(400);
  });
});

describe('creation at each door', () => {
  const creations = [
    ['POST /user/api-tokens', {}, 201],
    ['POST /api/admin/projects/default/api-tokens', { tokenName: 'bare', type: 'backend', environment: 'development' }, 201],
    ['POST /api/admin/api-tokens', { tokenName: 'bare', type: 'backend', environment: 'development', projects: ['*'] }, 201],
    ['POST /api/v1/auth/token-auth/identities/:identityId/tokens', { name: 'bare' }, 200],
    ['POST /api/v1/token', { name: 'bare', personal: true }, 200],
    ['POST /auth/v1/method/token', { name: 'bare' }, 200],
  ] as const;
  let identityId: string;
  beforeAll(async () => {
    const created = await call('POST', '/api/v1/identities', { as: tenant.admin.session, body: { name: 'bare', organizationId: tenant.id, role: 'member' } });
    identityId = created.body.identity.id;
    expect((await call('POST', `/api/v1/auth/token-auth/identities/${identityId}`, { as: tenant.admin.session, body: {} })).status).toBe(200);
  });
  const create = (route: string, options: CallOptions = {}): Promise<Answer> => {
    const path = route.slice('POST '.length).replace(':identityId', identityId);
    return call('POST', path, { as: tenant.admin.session, ...options });
  };

  it.each(creations)('%s answers JSON with its status, what is left to create, and nothing that only browsers heed', async (route, body, status) => {
    const answer = await create(route, { body });
    expect([answer.status, answer.headers['cache-control'], answer.headers['ratelimit']]).toEqual([status, 'no-store', expect.stringMatching(/^"default";r=\d+;t=\d+$/)]);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(Object.keys(answer.headers).filter((name) => /^content-security|frame|origin|xss/i.test(name))).toEqual([]);
  });

  it.each(creations)('%s leaves one line in the log, with its request id and without the secret', async (route, body, status) => {
    const { log } = await theApp();
    const before = log.length;
    const { headers } = await create(route, { body });
    const lines = log.slice(before).map((line) => JSON.parse(line) as Record<string, unknown>);
    const [method, pattern] = route.split(' ');
    expect(lines).toMatchObject([{ reqId: headers['x-request-id'], method, route: pattern?.replace('/projects/default/', '/projects/:projectId/'), status }]);
    expect(log.slice(before).join('')).not.toMatch(/[0-9A-Za-z]{49}/);
  });

  it.each(creations)('%s asks for a credential before it reads anything, and for a body that is one', async (route) => {
    expect((await create(route, { as: undefined, body: { name: 1 } })).status).toBe(401);
    expect((await create(route, { as: 'x', body: { name: 1 } })).status).toBe(401);
    expect((await create(route, { body: '[', headers: { 'content-type': 'application/json' } })).status).toBe(route === 'POST /api/v1/token' ? 422 : 400);
  });

  it.each(creations)('%s repeats its answer, byte for byte, under an Idempotency-Key', async (route, body, status) => {
    const headers = { 'idempotency-key': `bare ${route}`.replace(/[^a-z]/gi, '-') };
    const [first, again] = [await create(route, { body, headers }), await create(route, { body, headers })];
    expect([first.status, again.status, again.headers['idempotent-replayed'], again.headers['content-type']]).toEqual([status, status, 'true', first.headers['content-type']]);
    expect(again.text).toBe(first.text);
    expect((await create(route, { body: { ...body, extra: 1 }, headers })).status).toBeGreaterThanOrEqual(400);
  });
});

describe('a credential that is refused more than 60 times in a minute', () => {
  const refusalsOf = (id: string) =>
    sql<{ details: Record<string, unknown> }>(tenant, `SELECT details FROM audit_events WHERE action = 'access.refused' AND actor_id = $1 ORDER BY occurred_at, id`, [id]);

  it('is refused each time, and recorded 60 times and once more with how many the others were', async () => {
    const { app } = await theApp();
    const witness = app.get<RefusalWitness>(FailureWitness);
    await witness.endMinute();
    const person = await aMember(tenant, 'EXTERNAL');
    const refused = async (): Promise<void> => {
      expect((await call('GET', '/v1/forward-auth?permission=audit:read', { as: person.session })).status).toBe(403);
    };
    for (let time = 0; time < 75; time += 1) await refused();
    expect(await refusalsOf(person.id)).toHaveLength(60);
    await witness.endMinute();
    const recorded = await refusalsOf(person.id);
    const each = { method: 'GET', route: '/v1/forward-auth', code: 'permission-missing', permissions: ['audit:read'] };
    expect(recorded.slice(59).map(({ details }) => details)).toEqual([each, { ...each, refusals: 15 }]);
    await refused();
    await witness.endMinute();
    expect((await refusalsOf(person.id)).slice(61).map(({ details }) => details)).toEqual([each]);
  });

  it('leaves the others\' refusals recorded one by one', async () => {
    const [loud, quiet] = [await aMember(tenant, 'EXTERNAL'), await aMember(tenant, 'EXTERNAL')];
    for (let time = 0; time < 61; time += 1) await call('GET', '/v1/tokens', { as: loud.session });
    await call('GET', '/v1/tokens', { as: quiet.session });
    expect(await refusalsOf(quiet.id)).toHaveLength(1);
  });
});
