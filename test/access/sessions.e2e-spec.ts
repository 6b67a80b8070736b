import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { SigningKeys } from '../../src/access/signing-keys.js';
import { Database } from '../../src/kernel/database/database.js';
import { PUBLIC_URL, theApp } from '../support/app.js';
import { aMember, aName, aTenant, PASSWORD, sql, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';

let tenant: TestTenant;
beforeAll(async () => {
  tenant = await aTenant();
});

const login = (body: unknown) => call('POST', '/auth/login', { body });
const refresh = (refresh_token: string) => call('POST', '/auth/refresh', { body: { refresh_token } });
const me = (as: string) => call('GET', '/auth/me', { as });

describe('POST /auth/login', () => {
  it('answers the session with its organization and person', async () => {
    const { status, headers, body } = await login({ email: tenant.admin.email, password: PASSWORD });
    expect(status).toBe(200);
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: 900,
      refresh_token: expect.stringMatching(/^rft_[0-9A-Za-z]{49}$/),
      organization: { id: tenant.id, slug: tenant.slug, name: tenant.slug },
      user: { id: tenant.admin.id, email: tenant.admin.email, name: 'Ada Admin' },
    });
  });

  it('knows an address in any spelling', async () => {
    expect((await login({ email: ` ${tenant.admin.email.toUpperCase()} `, password: PASSWORD })).status).toBe(200);
  });

  it('answers byte for byte the same for an unknown person, a wrong password, a foreign and an unknown organization', async () => {
    const other = await aTenant();
    const answers = await Promise.all([
      login({ email: 'nobody@nowhere.test', password: PASSWORD }),
      login({ email: tenant.admin.email, password: `${PASSWORD} ` }),
      login({ email: tenant.admin.email, password: PASSWORD, organization: other.slug }),
      login({ email: tenant.admin.email, password: PASSWORD, organization: 'no-such-organization' }),
    ]);
    const texts = answers.map(({ text, body }) => text.replace(body.request_id, ''));
    expect(new Set(texts).size).toBe(1);
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
    expect(answers[0]?.body.code).toBe('credentials-invalid');
  });

  it('compares an unknown person\'s password too, so that time does not tell them apart', async () => {
    const { app } = await theApp();
    const { Passwords } = await import('../../src/users/passwords.js');
    const passwords = app.get(Passwords);
    const compared: (string | null)[] = [];
    const original = passwords.matches.bind(passwords);
    passwords.matches = (password, hash) => {
      compared.push(hash);
      return original(password, hash);
    };
    try {
      await login({ email: 'nobody@nowhere.test', password: PASSWORD });
    } finally {
      passwords.matches = original;
    }
    expect(compared).toEqual([null]);
  });

  it.each([
    ['nothing', {}],
    ['a number as password', { email: 'a@b.c', password: 5 }],
    ['null', { email: null, password: null }],
    ['an array', { email: ['a@b.c'], password: 'x' }],
    ['a NUL byte', { email: 'a\0@b.c', password: 'x' }],
    ['half a surrogate pair', { email: 'a\ud800@b.c', password: 'x' }],
    ['an empty password', { email: 'a@b.c', password: '' }],
  ])('refuses %s with 400 and names the place', async (_, body) => {
    const answer = await login(body);
    expect(answer.status).toBe(400);
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(answer.body.errors.length).toBeGreaterThan(0);
  });
});

describe('a session', () => {
  it('says who it is and what it may do', async () => {
    const member = await aMember(tenant, 'EXTERNAL');
    expect((await me(member.session)).body).toEqual({
      user: { id: member.id, email: member.email, name: 'Max Member' },
      organization: { id: tenant.id, slug: tenant.slug, name: tenant.slug },
      permissions: ['profile:read'],
      token: null,
    });
  });

  it('is refused from the second its access token expires', async () => {
    const { clock } = await theApp();
    const { session } = await aMember(tenant);
    clock.advance(899);
    expect((await me(session)).status).toBe(200);
    clock.advance(2);
    expect((await me(session)).status).toBe(401);
  });

  it('is refused at once after logout, on every credential it gave out', async () => {
    const person = await aMember(tenant);
    expect((await call('POST', '/auth/logout', { as: person.session })).status).toBe(204);
    expect((await me(person.session)).status).toBe(401);
    expect((await refresh(person.refreshToken)).status).toBe(401);
  });

  it('loses at once what its person\'s role loses', async () => {
    const person = await aMember(tenant, 'ADMIN');
    expect((await call('GET', '/v1/tokens', { as: person.session })).status).toBe(200);
    await sql(tenant, `UPDATE memberships SET role_id = (SELECT id FROM roles WHERE key = 'EXTERNAL') WHERE user_id = $1`, [person.id]);
    expect((await call('GET', '/v1/tokens', { as: person.session })).status).toBe(403);
  });

  it.each(['the membership is disabled', 'the organization is suspended'])('is refused at once when %s', async (what) => {
    const own = await aTenant();
    await sql(own, what.includes('membership') ? 'UPDATE memberships SET disabled_at = now()' : 'UPDATE organizations SET suspended_at = now()');
    expect((await me(own.admin.session)).status).toBe(401);
    expect((await login({ email: own.admin.email, password: PASSWORD })).status).toBe(401);
    expect((await refresh(own.admin.refreshToken)).status).toBe(401);
  });
});

describe('POST /auth/refresh', () => {
  it('gives a new pair that works, and the old refresh token does not', async () => {
    const person = await aMember(tenant);
    const { status, body } = await refresh(person.refreshToken);
    expect(status).toBe(200);
    expect(body.refresh_token).not.toBe(person.refreshToken);
    expect((await me(body.access_token)).body.user.id).toBe(person.id);
  });

  it('ends the whole session when a refresh token comes a second time', async () => {
    const person = await aMember(tenant);
    const next = (await refresh(person.refreshToken)).body;
    expect((await refresh(person.refreshToken)).status).toBe(401);
    expect((await refresh(next.refresh_token)).status).toBe(401);
    expect((await me(next.access_token)).status).toBe(401);
    const events = await sql(tenant, `SELECT details FROM audit_events WHERE action = 'session.ended' AND actor_id = $1`, [person.id]);
    expect(events).toEqual([{ details: { reason: 'refresh-token-reuse' } }]);
  });

  it('lets one of two simultaneous uses win, and then ends the session', async () => {
    const person = await aMember(tenant);
    const answers = await Promise.all([refresh(person.refreshToken), refresh(person.refreshToken)]);
    expect(answers.map(({ status }) => status).sort()).toContain(401);
    expect((await me(person.session)).status).toBe(401);
  });

  it('stops a week after the last use, and 30 days after the login whatever was used', async () => {
    const { clock } = await theApp();
    const idle = await aMember(tenant);
    clock.advance(7 * 24 * 3600);
    expect((await refresh(idle.refreshToken)).status).toBe(401);
    clock.reset();
    const busy = await aMember(tenant);
    let token = busy.refreshToken;
    for (let day = 6; day < 30; day += 6) {
      clock.advance(6 * 24 * 3600);
      token = (await refresh(token)).body.refresh_token;
    }
    clock.advance(6 * 24 * 3600);
    expect((await refresh(token)).status).toBe(401);
  });

  it.each(['', 'rft_', 'rft_'.padEnd(53, 'x'), 'api_'.padEnd(53, '0')])('refuses %j', async (token) => {
    expect((await refresh(token)).status).toBe(token === '' ? 400 : 401);
  });
});

describe('an access token', () => {
  const now = () => Math.floor(Date.now() / 1000);
  let claims: Record<string, unknown>;
  beforeAll(() => {
    claims = JSON.parse(Buffer.from(tenant.admin.session.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
  });

  async function forge(header: Record<string, unknown>, payload: Record<string, unknown>): Promise<string> {
    const { id, privateKey } = (await theApp()).app.get(SigningKeys).current;
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const signed = `${encode({ alg: 'ES256', typ: 'at+jwt', kid: id, ...header })}.${encode({ ...claims, jti: randomUUID(), iat: now(), exp: now() + 600, ...payload })}`;
    return `${signed}.${createSign('SHA256').update(signed).sign({ key: privateKey, dsaEncoding: 'ieee-p1363' }, 'base64url')}`;
  }

  it('carries the claims of RFC 9068 and nothing that tells a secret', () => {
    expect(claims).toEqual({
      iss: PUBLIC_URL,
      aud: PUBLIC_URL,
      sub: tenant.admin.id,
      org: tenant.id,
      sid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      scope: expect.stringContaining('token:introspect'),
      iat: expect.any(Number),
      exp: (claims['iat'] as number) + 900,
    });
  });

  it('is accepted when forged rightly: the refusals below are for what they name', async () => {
    expect((await me(await forge({}, {}))).status).toBe(200);
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['another type', { typ: 'JWT' }, {}],
    ['no type', { typ: undefined }, {}],
    ['an unknown key', { kid: 'AAAAAAAAAAAAAAAA' }, {}],
    ['a path as key id', { kid: '../../etc/passwd' }, {}],
    ['a critical extension', { crit: ['x'] }, {}],
    ['an unencoded payload', { b64: false }, {}],
    ['another issuer', {}, { iss: 'http://evil.test' }],
    ['another audience', {}, { aud: 'http://gatehouse.test.evil' }],
    ['no audience', {}, { aud: undefined }],
    ['no expiry', {}, { exp: undefined }],
    ['an endless expiry', {}, { exp: 1e308 }],
    ['an expiry as text', {}, { exp: '9999999999' }],
    ['a life beyond 15 minutes', {}, { exp: Math.floor(Date.now() / 1000) + 5000 }],
    ['no time of issue', {}, { iat: undefined }],
    ['a time of issue ahead', {}, { iat: Math.floor(Date.now() / 1000) + 60, exp: Math.floor(Date.now() / 1000) + 600 }],
    ['no id', {}, { jti: undefined }],
    ['no session', {}, { sid: undefined }],
    ['an unknown session', {}, { sid: randomUUID() }],
    ['another person', {}, { sub: randomUUID() }],
    ['another organization', {}, { org: randomUUID() }],
  ])('is refused with %s', async (_, header, payload) => {
    expect((await me(await forge(header, payload))).status).toBe(401);
  });

  it('is refused unsigned, signed by a stranger, and with any HMAC', async () => {
    const [, payload = ''] = tenant.admin.session.split('.');
    const header = (alg: string) => Buffer.from(JSON.stringify({ alg, typ: 'at+jwt' })).toString('base64url');
    for (const alg of ['none', 'None', 'NONE', 'nOnE']) expect((await me(`${header(alg)}.${payload}.`)).status).toBe(401);
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const signed = tenant.admin.session.split('.').slice(0, 2).join('.');
    const signature = createSign('SHA256').update(signed).sign({ key: stranger, dsaEncoding: 'ieee-p1363' }, 'base64url');
    expect((await me(`${signed}.${signature}`)).status).toBe(401);
  });

  it('is refused with any one character changed', async () => {
    const { session } = tenant.admin;
    for (let place = 0; place < session.length; place += 7) {
      const other = session[place] === 'A' ? 'B' : 'A';
      expect((await me(session.slice(0, place) + other + session.slice(place + 1))).status).toBe(401);
    }
  });

  it('cannot be replaced by a refresh token, nor the other way round', async () => {
    expect((await me(tenant.admin.refreshToken)).status).toBe(401);
    expect((await refresh(tenant.admin.session)).status).toBe(401);
  });
});

describe('the Authorization header', () => {
  it('is judged by RFC 6750: nothing sent, something wrong, and two at once are told apart', async () => {
    const none = await call('GET', '/auth/me');
    expect([none.status, none.headers['www-authenticate']]).toEqual([401, 'Bearer realm="gatehouse"']);
    const wrong = await me('nonsense');
    expect([wrong.status, wrong.headers['www-authenticate']]).toEqual([401, 'Bearer realm="gatehouse", error="invalid_token"']);
    const external = await aMember(tenant, 'EXTERNAL');
    const lacking = await call('GET', '/v1/tokens', { as: external.session });
    expect([lacking.status, lacking.headers['www-authenticate']]).toEqual([403, 'Bearer realm="gatehouse", error="insufficient_scope", scope="token:read"']);
    expect(lacking.body.permissions).toEqual(['token:read']);
  });

  it('is never read from the query', async () => {
    expect((await call('GET', `/auth/me?access_token=${tenant.admin.session}`)).status).toBe(401);
  });
});

it('sessions that are presented at the same time share a round trip, and each is judged by itself', async () => {
  const other = await aTenant();
  const [live, ended, foreign] = [await aMember(tenant), await aMember(tenant), other.admin];
  expect((await call('POST', '/auth/logout', { as: ended.session })).status).toBe(204);
  const { app } = await theApp();
  const statements = vi.spyOn(app.get(Database), 'statement');
  const people = Array.from({ length: 30 }, (_, place) => [live, ended, foreign][place % 3] ?? live);
  const answers = await Promise.all(people.map(({ session }) => me(session)));
  const reads = statements.mock.calls.length;
  statements.mockRestore();
  expect(answers.map(({ status, body }) => (status === 200 ? body.user.id : status))).toEqual(people.map(({ id }) => (id === ended.id ? 401 : id)));
  expect(reads).toBeLessThan(30);
  expect((await call('POST', '/auth/logout', { as: live.session })).status).toBe(204);
  expect((await me(live.session)).status).toBe(401);
});

it('keeps no password and no refresh token readable', async () => {
  const name = aName('canary');
  const own = await aTenant({ slug: name });
  const { log } = await theApp();
  const rows = await sql(own, 'SELECT to_jsonb(s) AS row FROM sessions s UNION ALL SELECT to_jsonb(r) FROM refresh_tokens r UNION ALL SELECT to_jsonb(a) FROM audit_events a');
  const text = JSON.stringify(rows) + log.join('');
  for (const secret of [PASSWORD, own.admin.refreshToken, own.admin.session.split('.')[2] ?? '']) expect(text).not.toContain(secret);
});
