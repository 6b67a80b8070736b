import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { Instant } from '../../src/kernel/instant.js';
import { theApp } from '../support/app.js';
import { aMember, aName, aProject, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer, type CallOptions } from '../support/call.js';

const BOTH = 'auth-method:token:read auth-method:token:write';
const ABSENT = '00000000-0000-4000-8000-000000000000';
const UNAUTHENTICATED = '{"code":16,"message":"request was not authenticated","details":[]}';
const DENIED = '{"code":7,"message":"permission denied","details":[]}';
const MISSING = '{"code":5,"message":"getting authentication by token: reading authentication: resource not found","details":[]}';
const COOKIES_CLEARED = ['flipt_client_state=; Path=/; Max-Age=0', 'flipt_client_token=; Path=/; Max-Age=0'];

let tenant: TestTenant;
let admin: string;
beforeAll(async () => {
  tenant = await aTenant();
  admin = tenant.admin.session;
});

const create = (body: unknown, options: CallOptions = {}): Promise<Answer> => call('POST', '/auth/v1/method/token', { as: admin, body, ...options });

interface Created {
  readonly id: string;
  readonly secret: string;
}

async function aToken(body: object = {}, as = admin): Promise<Created> {
  const { status, text, body: created } = await create(body, { as });
  if (status !== 200) throw new Error(`creation answered ${status}: ${text}`);
  return { id: created.authentication.id, secret: created.clientToken };
}

const self = (as: string): Promise<Answer> => call('GET', '/auth/v1/self', { as });

/** Stops the clock at this second and this many microseconds of it; answers the second. */
async function stopClock(micros: number): Promise<string> {
  const { clock } = await theApp();
  const second = Instant.fromEpochSeconds(clock.now().epochSeconds + 1);
  clock.set(Instant.fromEpochMicros(second.epochMicros + BigInt(micros)));
  return second.wallClock;
}

describe('POST /auth/v1/method/token', () => {
  it('answers 200 in the bytes of the gateway: members in the order of the proto, unset ones too, keys of metadata sorted', async () => {
    const second = await stopClock(123_456);
    const { status, headers, text, body } = await create({
      name: 'access_all_areas',
      description: 'keys to the <castle>',
      expiresAt: '2031-01-01T02:00:00.5+02:00',
      metadata: { team: 'billing', area: 'eu', 9: 'nine' },
    });
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('application/json');
    const { clientToken, authentication } = body;
    expect(clientToken).toMatch(/^svc_[0-9A-Za-z]{49}$/);
    expect(authentication.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(text).toBe(
      `{"clientToken":"${clientToken}","authentication":{"id":"${authentication.id}","method":"METHOD_TOKEN","expiresAt":"2031-01-01T00:00:00.500Z",` +
      `"createdAt":"${second}.123456Z","updatedAt":"${second}.123456Z","metadata":{"9":"nine","area":"eu",` +
      `"io.flipt.auth.token.description":"keys to the \\u003ccastle\\u003e","io.flipt.auth.token.name":"access_all_areas","team":"billing"}}}`,
    );
  });

  it('requires nothing: no body, an empty one, null and {} are a token without a name that never expires', async () => {
    const requests: CallOptions[] = [{}, { body: '' }, { body: ' \n' }, { body: 'null' }, { body: '{}' }, { body: { name: null, expiresAt: null, namespaceKey: null, metadata: null } }];
    for (const options of requests) {
      const { status, body } = await call('POST', '/auth/v1/method/token', { as: admin, ...options });
      expect([status, body.authentication.expiresAt, body.authentication.metadata]).toEqual([200, null, { 'io.flipt.auth.token.name': '' }]);
    }
  });

  it('reads the body as JSON whatever its content type says', async () => {
    for (const type of ['application/x-www-form-urlencoded', 'text/plain;charset=UTF-8', 'text/html', 'application/x-yaml', 'application/json; charset=latin1']) {
      const { status, body } = await create('{"name":"any"}', { headers: { 'content-type': type } });
      expect([type, status, body.authentication?.metadata['io.flipt.auth.token.name']]).toEqual([type, 200, 'any']);
    }
  });

  it('reads the first JSON value only and ignores fields it does not know', async () => {
    const { status, body } = await create('{"name":"first","owner":"root","organizationId":1,"method":"METHOD_OIDC"} {"name":"second"} rubbish');
    expect([status, body.authentication.method, body.authentication.metadata]).toEqual([200, 'METHOD_TOKEN', { 'io.flipt.auth.token.name': 'first' }]);
  });

  it('reads a field by its JSON name and by its proto name; the JSON name wins', async () => {
    const key = await aProject(tenant);
    const snake = await create({ expires_at: '2031-01-01T00:00:00Z', namespace_key: key });
    expect(snake.body.authentication).toMatchObject({ expiresAt: '2031-01-01T00:00:00Z', metadata: { 'io.flipt.auth.token.namespace': key } });
    const both = await create({ expires_at: 5, expiresAt: '2032-01-01T00:00:00Z', namespaceKey: null, namespace_key: key });
    expect(both.body.authentication.expiresAt).toBe('2032-01-01T00:00:00Z');
    expect(both.body.authentication.metadata).toEqual({ 'io.flipt.auth.token.name': '' });
    expect((await introspect(admin, both.body.clientToken))['projects']).toEqual(['*']);
  });

  it.each([
    ['2031-01-01T00:00:00Z', '2031-01-01T00:00:00Z'],
    ['2031-01-01T00:00:00.000Z', '2031-01-01T00:00:00Z'],
    ['2031-01-01T00:00:00.120Z', '2031-01-01T00:00:00.120Z'],
    ['2031-01-01T00:00:00.123456Z', '2031-01-01T00:00:00.123456Z'],
    ['2031-01-01T00:00:00.000001-01:30', '2031-01-01T01:30:00.000001Z'],
    ['2031-01-01T00:00:00.123456789Z', '2031-01-01T00:00:00.123456Z'],
  ])('takes expiresAt %s and answers %s, at once and later', async (given, answered) => {
    const { body } = await create({ expiresAt: given });
    expect(body.authentication.expiresAt).toBe(answered);
    const later = await call('GET', `/auth/v1/tokens/${body.authentication.id}`, { as: admin });
    expect(later.body.expiresAt).toBe(answered);
  });

  it('takes an expiry in the past: the token is refused from the start, and listed', async () => {
    const { id, secret } = await aToken({ name: 'late', expiresAt: '2001-01-01T00:00:00Z' });
    expect((await self(secret)).text).toBe(UNAUTHENTICATED);
    expect(await introspect(admin, secret)).toEqual({ active: false });
    expect((await call('GET', `/auth/v1/tokens/${id}`, { as: admin })).body.expiresAt).toBe('2001-01-01T00:00:00Z');
  });

  it('lets two tokens have one name', async () => {
    const [first, second] = [await aToken({ name: 'twin' }), await aToken({ name: 'twin' })];
    expect(first.id).not.toBe(second.id);
  });

  it('stores metadata as it came, null as empty, and overlays what it names itself', async () => {
    const metadata = { empty: null, 'io.flipt.auth.token.name': 'forged', 'io.flipt.auth.token.description': 'kept', __proto__x: 'plain', constructor: 'plain' };
    const { body } = await create({ name: 'real', metadata });
    const expected = { ...metadata, empty: '', 'io.flipt.auth.token.name': 'real' };
    expect(body.authentication.metadata).toEqual(expected);
    expect((await self(body.clientToken)).body.metadata).toEqual(expected);
    expect((await call('GET', `/auth/v1/tokens/${body.authentication.id}`, { as: admin })).body.metadata).toEqual(expected);
  });

  it('keeps a member of metadata called __proto__ a member', async () => {
    const { text } = await create('{"metadata":{"__proto__":"x"}}');
    expect(text).toContain('"metadata":{"__proto__":"x","io.flipt.auth.token.name":""}');
  });
});

describe('what a token of the auth method may do', () => {
  it('is to care for such tokens, and no more, in the name of the organization', async () => {
    const { id, secret } = await aToken({ name: 'unlimited' });
    expect(await introspect(admin, secret)).toMatchObject({
      active: true, jti: id, scope: BOTH, owner_kind: 'auth-method', owner_id: tenant.id, sub: tenant.id, projects: ['*'], environment: null,
    });
    for (const path of ['/v1/tokens', '/user/api-tokens']) expect((await call('GET', path, { as: secret })).status).toBe(403);
  });

  it('is never more than its creator may', async () => {
    const { session } = await aMember(tenant, await aRole(tenant, ['auth-method:token:write', 'identity:write']));
    const { secret } = await aToken({ metadata: { 'io.flipt.auth.role': 'admin' } }, session);
    expect((await introspect(admin, secret))['scope']).toBe('auth-method:token:write');
    const child = await aToken({}, secret);
    expect((await introspect(admin, child.secret))['scope']).toBe('auth-method:token:write');
    const denied = await call('GET', '/auth/v1/tokens', { as: child.secret });
    expect([denied.status, denied.text, denied.headers['www-authenticate']]).toEqual([403, DENIED, 'Bearer error="insufficient_scope", scope="auth-method:token:read"']);
  });

  it('gains nothing from a role or namespace in metadata', async () => {
    const { session } = await aMember(tenant, await aRole(tenant, ['auth-method:token:write']));
    const { secret } = await aToken({ metadata: { 'io.flipt.auth.role': 'admin', 'io.flipt.auth.token.namespace': 'default', permissions: 'token:write' } }, session);
    expect(await introspect(admin, secret)).toMatchObject({ scope: 'auth-method:token:write', projects: ['*'] });
    expect((await self(secret)).body.metadata).toEqual({
      'io.flipt.auth.role': 'admin', 'io.flipt.auth.token.name': '', 'io.flipt.auth.token.namespace': 'default', permissions: 'token:write',
    });
  });

  it('stays when its creator leaves', async () => {
    const member = await aMember(tenant, await aRole(tenant, ['auth-method:token:write']));
    const { secret } = await aToken({}, member.session);
    await sql(tenant, 'UPDATE memberships SET disabled_at = now() WHERE user_id = $1', [member.id]);
    expect((await self(member.session)).status).toBe(401);
    expect(await introspect(admin, secret)).toMatchObject({ active: true });
  });

  it('limited to a namespace is nothing but to be recognised: every route here answers 401', async () => {
    const key = await aProject(tenant);
    const { id, secret } = await aToken({ name: 'scoped', namespaceKey: ` ${key} ` });
    expect(await introspect(admin, secret)).toMatchObject({ active: true, scope: '', projects: [key] });
    const shown = await call('GET', `/auth/v1/tokens/${id}`, { as: admin });
    expect(shown.body.metadata).toEqual({ 'io.flipt.auth.token.name': 'scoped', 'io.flipt.auth.token.namespace': ` ${key} ` });
    const routes = [['GET', 'self'], ['PUT', 'self/expire'], ['GET', 'tokens'], ['GET', `tokens/${id}`], ['DELETE', `tokens/${id}`], ['POST', 'method/token']] as const;
    for (const [method, path] of routes) {
      const { status, text } = await call(method, `/auth/v1/${path}`, { as: secret });
      expect([method, path, status, text]).toEqual([method, path, 401, UNAUTHENTICATED]);
    }
    expect(await introspect(admin, secret)).toMatchObject({ active: true });
  });

  it('limited to a namespace that does not exist is limited to nothing, also when there is such a namespace later', async () => {
    const key = aName('later');
    const { secret } = await aToken({ namespaceKey: key });
    expect(await introspect(admin, secret)).toMatchObject({ active: true, scope: '', projects: [] });
    await aProject(tenant, key);
    expect(await introspect(admin, secret)).toMatchObject({ active: true, scope: '', projects: [] });
    expect((await self(secret)).status).toBe(401);
  });

  it('is not limited by a blank namespace', async () => {
    for (const namespaceKey of ['', '  ']) {
      const { secret } = await aToken({ namespaceKey });
      expect(await introspect(admin, secret)).toMatchObject({ scope: BOTH, projects: ['*'] });
    }
  });

  it('another organization\'s namespace of the same name is not meant', async () => {
    const key = aName('theirs');
    await aProject(await aTenant(), key);
    const { secret } = await aToken({ namespaceKey: key });
    expect((await introspect(admin, secret))['projects']).toEqual([]);
  });
});

describe('GET /auth/v1/tokens', () => {
  let own: TestTenant;
  let ids: string[];
  const list = (query = '', as = own.admin.session): Promise<Answer> => call('GET', `/auth/v1/tokens${query}`, { as });
  const idsOf = ({ body }: Answer): string[] => body.authentications.map(({ id }: { id: string }) => id);

  beforeAll(async () => {
    own = await aTenant();
    ids = [];
    for (let number = 1; number <= 27; number += 1) {
      const expiresAt = number === 2 ? '2001-01-01T00:00:00Z' : null;
      ids.push((await aToken({ name: `token ${number}`, expiresAt }, own.admin.session)).id);
    }
  });

  it('answers the oldest 25 with a token for the rest, and an empty one at the end', async () => {
    const first = await list();
    expect(Object.keys(first.body)).toEqual(['authentications', 'nextPageToken']);
    expect(idsOf(first)).toEqual(ids.slice(0, 25));
    const rest = await list(`?pageToken=${first.body.nextPageToken}`);
    expect([idsOf(rest), rest.body.nextPageToken]).toEqual([ids.slice(25), '']);
    expect(idsOf(await list(`?page_token=${first.body.nextPageToken}`))).toEqual(ids.slice(25));
  });

  it('shows each as it is shown alone, without its secret, expired ones too', async () => {
    const [, second] = (await list('?limit=2')).body.authentications;
    expect(second).toEqual((await call('GET', `/auth/v1/tokens/${ids[1]}`, { as: own.admin.session })).body);
    expect(Object.keys(second)).toEqual(['id', 'method', 'expiresAt', 'createdAt', 'updatedAt', 'metadata']);
    expect(second).toMatchObject({ method: 'METHOD_TOKEN', expiresAt: '2001-01-01T00:00:00Z', metadata: { 'io.flipt.auth.token.name': 'token 2' } });
  });

  it.each([['1', 1], ['26', 26], ['0', 25], ['1000', 27], ['-1', 27], ['+3', 3]])('limit=%s shows %i', async (limit, shown) => {
    expect(idsOf(await list(`?limit=${encodeURIComponent(limit)}`))).toEqual(ids.slice(0, shown));
  });

  it('skips as many as a number says that is sent as page token, as Flipt does, and ignores one that says nothing', async () => {
    expect(idsOf(await list('?pageToken=26'))).toEqual(ids.slice(26));
    expect(idsOf(await list('?pageToken=999999999999999'))).toEqual([]);
    for (const pageToken of ['nonsense', '-5', '%00', 'eyJhIjoxfQ', '99999999999999999999999']) expect(idsOf(await list(`?limit=1&pageToken=${pageToken}`))).toEqual([ids[0]]);
  });

  it('filters by method, by name or number: only the static method has tokens here', async () => {
    for (const method of ['METHOD_TOKEN', '1', 'METHOD_NONE', '0']) expect(idsOf(await list(`?limit=1&method=${method}`))).toEqual([ids[0]]);
    for (const method of ['METHOD_OIDC', '2', 'METHOD_CLOUD', '6']) expect((await list(`?method=${method}`)).text).toBe('{"authentications":[],"nextPageToken":""}');
  });

  it.each([
    ['limit=abc', 'parsing field "limit": strconv.ParseInt: parsing "abc": invalid syntax'],
    ['limit=', 'parsing field "limit": strconv.ParseInt: parsing "": invalid syntax'],
    ['limit=1.5', 'parsing field "limit": strconv.ParseInt: parsing "1.5": invalid syntax'],
    ['limit=2147483648', 'parsing field "limit": strconv.ParseInt: parsing "2147483648": value out of range'],
    ['limit=1&limit=2', 'too many values for field "limit": 1, 2'],
    ['method=FOO', 'parsing field "method": "FOO" is not a valid value'],
    ['method=7', 'parsing field "method": "7" is not a valid value'],
    ['pageToken=a&pageToken=b', 'too many values for field "page_token": a, b'],
  ])('answers 400 to ?%s', async (query, message) => {
    const { status, headers, text } = await list(`?${query}`);
    expect([status, text, headers['content-type']]).toEqual([400, JSON.stringify({ code: 3, message, details: [] }), 'application/json']);
  });

  it('ignores parameters it does not know', async () => {
    expect(idsOf(await list('?limit=1&sort=name&organizationId=x'))).toEqual([ids[0]]);
  });

  it('indents and leaves out what is unset with ?pretty', async () => {
    const { text, headers } = await list('?limit=1&pretty');
    const [only] = (await list('?limit=1')).body.authentications;
    const { nextPageToken } = (await list('?limit=1')).body;
    expect(only.expiresAt).toBe(null);
    const set = Object.fromEntries(Object.entries(only).filter(([, member]) => member !== null));
    expect(text).toBe(JSON.stringify({ authentications: [set], nextPageToken }, null, 2));
    expect(headers['content-type']).toBe('application/json');
    const asked = await call('GET', '/auth/v1/tokens?limit=1', { as: own.admin.session, headers: { accept: 'application/json+pretty' } });
    expect(asked.text).toBe(text);
  });

  it('does not skip or repeat a token when an earlier one is deleted between two pages', async () => {
    const tidy = await aTenant();
    const made: string[] = [];
    for (let number = 0; number < 4; number += 1) made.push((await aToken({}, tidy.admin.session)).id);
    const first = await list('?limit=2', tidy.admin.session);
    await call('DELETE', `/auth/v1/tokens/${made[0]}`, { as: tidy.admin.session });
    expect(idsOf(await list(`?limit=2&pageToken=${first.body.nextPageToken}`, tidy.admin.session))).toEqual(made.slice(2));
  });

  it('shows no token of another door or another organization, and none that is deleted', async () => {
    const fresh = await aTenant();
    await call('POST', '/user/api-tokens', { as: fresh.admin.session, body: {} });
    const { id } = await aToken({}, fresh.admin.session);
    expect(idsOf(await list('', fresh.admin.session))).toEqual([id]);
    await call('DELETE', `/auth/v1/tokens/${id}`, { as: fresh.admin.session });
    expect((await list('', fresh.admin.session)).text).toBe('{"authentications":[],"nextPageToken":""}');
  });
});

describe('GET and DELETE /auth/v1/tokens/{id}', () => {
  const get = (id: string, as = admin): Promise<Answer> => call('GET', `/auth/v1/tokens/${id}`, { as });
  const remove = (id: string, as = admin): Promise<Answer> => call('DELETE', `/auth/v1/tokens/${id}`, { as });

  it('a deleted token is refused at once, everywhere, and is not found any more', async () => {
    const { id, secret } = await aToken();
    expect((await self(secret)).status).toBe(200);
    const { status, text, headers } = await remove(id);
    expect([status, text, headers['content-type']]).toEqual([200, '{}', 'application/json']);
    expect((await self(secret)).text).toBe(UNAUTHENTICATED);
    expect(await introspect(admin, secret)).toEqual({ active: false });
    const gone = await get(id);
    expect([gone.status, gone.text]).toEqual([404, MISSING]);
    expect((await call('GET', `/v1/tokens/${id}`, { as: admin })).body).toMatchObject({ state: 'revoked', revoked_by: tenant.admin.id });
  });

  it('deleting again answers the same and records nothing more', async () => {
    const { id } = await aToken();
    for (let time = 0; time < 3; time += 1) expect((await remove(id)).text).toBe('{}');
    const events = await sql(tenant, 'SELECT action FROM audit_events WHERE target_id = $1 ORDER BY occurred_at', [id]);
    expect(events).toEqual([{ action: 'token.minted' }, { action: 'token.revoked' }]);
  });

  it('ids of any shape are not found, and deleting them answers 200', async () => {
    for (const id of [ABSENT, 'x', '1', '%00', '%F0%9F%98%80', '%27%20OR%201=1', 'a'.repeat(900), '..%2F..', '7E6B2F2C-3B1D-4C1E-9A55-0D2F6A1C9B11', '%5B%5D']) {
      const found = await get(id);
      expect([id, found.status, found.text]).toEqual([id, 404, MISSING]);
      const removed = await remove(id);
      expect([id, removed.status, removed.text]).toEqual([id, 200, '{}']);
    }
  });

  it('a token of another organization is one that does not exist, and stays', async () => {
    const stranger = await aTenant();
    const { id, secret } = await aToken();
    const { secret: foreign } = await aToken({}, stranger.admin.session);
    for (const as of [stranger.admin.session, foreign]) {
      expect((await get(id, as)).text).toBe(MISSING);
      expect((await remove(id, as)).text).toBe('{}');
    }
    expect((await self(secret)).body.id).toBe(id);
  });

  it('a token of another kind is one that does not exist, and stays', async () => {
    const user = await call('POST', '/user/api-tokens', { as: admin, body: {} });
    const { jti } = await introspect(admin, user.body.token);
    expect((await get(jti)).text).toBe(MISSING);
    expect((await remove(jti)).text).toBe('{}');
    expect(await introspect(admin, user.body.token)).toMatchObject({ active: true });
  });

  it('a token may delete itself', async () => {
    const { id, secret } = await aToken();
    expect((await remove(id, secret)).text).toBe('{}');
    expect((await self(secret)).status).toBe(401);
  });

  it('ignores the body of a deletion', async () => {
    const { id } = await aToken();
    expect((await call('DELETE', `/auth/v1/tokens/${id}`, { as: admin, body: '{"id":1}' })).text).toBe('{}');
  });
});

describe('GET /auth/v1/self', () => {
  it('answers the token it is asked with, bare', async () => {
    const { body } = await create({ name: 'me', description: 'myself' });
    const answer = await self(body.clientToken);
    expect([answer.status, answer.body]).toEqual([200, body.authentication]);
  });

  it('answers a token of another kind with what it has', async () => {
    const user = await call('POST', '/user/api-tokens', { as: admin, body: { description: 'of a person', expiresAt: '2031-01-01T00:00:00+00:00' } });
    const { jti } = await introspect(admin, user.body.token);
    expect((await self(user.body.token)).body).toMatchObject({
      id: jti, method: 'METHOD_TOKEN', expiresAt: '2031-01-01T00:00:00Z',
      metadata: { 'io.flipt.auth.token.description': 'of a person', 'io.flipt.auth.token.name': '' },
    });
  });

  it('answers a session as what it is: a person with a JWT', async () => {
    const member = await aMember(tenant, 'EXTERNAL');
    const { status, body } = await self(member.session);
    const [session] = await sql(tenant, 'SELECT id FROM sessions WHERE user_id = $1', [member.id]);
    expect([status, body.id, body.method]).toEqual([200, session?.['id'], 'METHOD_JWT']);
    expect(body.metadata).toEqual({ 'io.flipt.auth.jwt.email': member.email, 'io.flipt.auth.jwt.name': 'Max Member' });
    expect(Date.parse(body.expiresAt) - Date.parse(body.createdAt)).toBe(30 * 24 * 3600 * 1000);
  });
});

describe('PUT /auth/v1/self/expire', () => {
  const expire = (as: string, query = '', body?: unknown): Promise<Answer> => call('PUT', `/auth/v1/self/expire${query}`, { as, body });

  it('ends the token now, and clears the cookies', async () => {
    const { secret } = await aToken();
    const { status, text, headers } = await expire(secret);
    expect([status, text, headers['set-cookie'], headers['content-type']]).toEqual([200, '{}', COOKIES_CLEARED, 'application/json']);
    const after = await self(secret);
    expect([after.status, after.text]).toEqual([401, UNAUTHENTICATED]);
    expect(await introspect(admin, secret)).toEqual({ active: false });
  });

  it.each([
    ['the query', '?expiresAt=2031-06-01T00:00:00.000001Z', undefined],
    ['the query by its proto name', '?expires_at=2031-06-01T00:00:00.000001Z', undefined],
    ['the body', '', { expiresAt: '2031-06-01T00:00:00.000001Z' }],
    ['the body by its proto name', '', { expires_at: '2031-06-01T00:00:00.000001Z' }],
    ['the query before the body', '?expiresAt=2031-06-01T00:00:00.000001Z', { expiresAt: '2031-07-01T00:00:00Z' }],
  ])('takes the time from %s', async (_, query, body) => {
    const { secret } = await aToken();
    expect((await expire(secret, query, body)).text).toBe('{}');
    expect((await self(secret)).body.expiresAt).toBe('2031-06-01T00:00:00.000001Z');
  });

  it('ends the token at that very instant', async () => {
    const { clock } = await theApp();
    const { secret } = await aToken();
    const end = clock.now().plusSeconds(60);
    await expire(secret, `?expiresAt=${end.toRfc3339()}`);
    clock.set(end.plusSeconds(-0.000001));
    expect((await self(secret)).status).toBe(200);
    clock.set(end);
    expect((await self(secret)).status).toBe(401);
  });

  it('lets no token prolong its own life, and says so', async () => {
    const { secret } = await aToken({ expiresAt: '2031-01-01T00:00:00Z' });
    const { status, text, headers } = await expire(secret, '?expiresAt=2031-01-01T00:00:00.000001Z');
    expect([status, text, headers['set-cookie']]).toEqual([403, DENIED, COOKIES_CLEARED]);
    expect((await self(secret)).body.expiresAt).toBe('2031-01-01T00:00:00Z');
    expect((await expire(secret, '?expiresAt=2031-01-01T00:00:00Z')).status).toBe(200);
  });

  it('ends a session now, and cannot give it another end', async () => {
    const { session } = await aMember(tenant);
    expect((await expire(session, '?expiresAt=2099-01-01T00:00:00Z')).text).toBe(DENIED);
    expect((await self(session)).status).toBe(200);
    expect((await expire(session)).text).toBe('{}');
    expect((await self(session)).text).toBe(UNAUTHENTICATED);
  });

  it('is recorded once', async () => {
    const { id, secret } = await aToken();
    await expire(secret);
    const events = await sql(tenant, `SELECT action, actor_kind, credential_kind, credential_id FROM audit_events WHERE target_id = $1 AND action = 'token.updated'`, [id]);
    expect(events).toEqual([{ action: 'token.updated', actor_kind: 'auth-method', credential_kind: 'token', credential_id: id }]);
  });

  it('answers 400 to what is no time, in the words for the query and for the body', async () => {
    const layout = 'as \\"2006-01-02T15:04:05.999999999Z07:00\\": cannot parse \\"x\\" as \\"2006\\"';
    const { secret } = await aToken();
    const query = await expire(secret, '?expiresAt=x');
    expect([query.status, query.text]).toEqual([400, `{"code":3,"message":"parsing field \\"expires_at\\": parsing time \\"x\\" ${layout}","details":[]}`]);
    const body = await expire(secret, '', { expiresAt: 'x' });
    expect([body.status, body.text]).toEqual([400, `{"code":3,"message":"bad Timestamp: parsing time \\"x\\" ${layout}","details":[]}`]);
    expect((await self(secret)).status).toBe(200);
  });

  it('clears the cookies of those it refuses too', async () => {
    const { status, headers } = await call('PUT', '/auth/v1/self/expire/');
    expect([status, headers['set-cookie']]).toEqual([401, COOKIES_CLEARED]);
  });
});

describe('GET /auth/v1/method', () => {
  it('tells anyone the six methods in their order, whatever credential is sent', async () => {
    const expected = JSON.stringify(JSON.parse(readFileSync(new URL('wire/flipt/methods.json', import.meta.url), 'utf8')));
    for (const as of [undefined, 'nonsense', admin]) {
      const { status, headers, text } = await call('GET', '/auth/v1/method', { as });
      expect([status, headers['content-type'], text]).toEqual([200, 'application/json', expected]);
    }
  });
});
