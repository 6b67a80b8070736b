import { beforeAll, describe, expect, it } from 'vitest';
import { theApp } from '../support/app.js';
import { aTenant, sql, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { createKey, mintKey, refusal, TOKENS } from '../support/deepset.js';

const ROUTES: readonly (readonly [method: string, path: string])[] = [
  ['POST', TOKENS],
  ['GET', TOKENS],
  ['DELETE', `${TOKENS}/not-an-id`],
  ['GET', '/api/v1/me'],
  ['GET', '/api/v1/users/me'],
  ['GET', '/api/v1/workspaces'],
  ['GET', '/api/v1/organization/not-an-id/roles?limit=0'],
];

let tenant: TestTenant;
beforeAll(async () => {
  tenant = await aTenant();
});

const stored = async (): Promise<number> => Number((await sql(tenant, 'SELECT count(*) FROM api_tokens'))[0]?.['count']);
const unreadable = { detail: 'There was an error parsing the body' };

describe.each(ROUTES)('%s %s', (method, path) => {
  const body = method === 'POST' ? '{' : undefined;

  it('answers 401 without a credential, before it looks at anything else', async () => {
    for (const authorization of [undefined, '', 'Bearer', 'Bearer ', 'Basic YTpi', 'api_x']) {
      const { status, headers, body: answer } = await call(method, path, { body, headers: authorization === undefined ? {} : { authorization } });
      expect([authorization, status, headers['www-authenticate'], answer]).toEqual([authorization, 401, 'Bearer', { detail: 'Not authenticated' }]);
    }
  });

  it('answers 401 to a credential that is wrong, expired, revoked or ended, and does not say which', async () => {
    const own = await aTenant();
    const [expired, revoked] = [await mintKey(own.admin.session, { expires_at: '2020-01-01' }), await mintKey(own.admin.session, {})];
    await call('DELETE', `${TOKENS}/${revoked.id}`, { as: own.admin.session });
    await call('POST', '/auth/logout', { as: own.admin.session });
    for (const as of ['nonsense', `${revoked.secret}x`, expired.secret, revoked.secret, own.admin.session]) {
      const { status, headers, body: answer } = await call(method, path, { as, body });
      expect([status, headers['www-authenticate'], answer]).toEqual([401, 'Bearer', refusal('Invalid API key')]);
    }
  });

  it('takes the scheme in any case', async () => {
    const { status } = await call(method, path, { body, headers: { authorization: `bEARER ${tenant.admin.session}` } });
    expect(status).not.toBe(401);
  });
});

describe('a body', () => {
  it('larger than 64 KB is refused with 413', async () => {
    const before = await stored();
    const { status, body } = await createKey(tenant.admin.session, { name: 'x'.repeat(65 * 1024) });
    expect([status, body]).toEqual([413, refusal('The request body is larger than 64 KB.')]);
    expect(await stored()).toBe(before);
  });

  it('that nests deeper than 16, is not UTF-8 or holds NaN is refused with 400', async () => {
    const before = await stored();
    const { app } = await theApp();
    const headers = { authorization: `Bearer ${tenant.admin.session}`, 'content-type': 'application/json' };
    const deep = `{"a":${'['.repeat(16)}${']'.repeat(16)}}`;
    for (const payload of [deep, '['.repeat(30_000), '{"name":NaN}', '{"expires_at":-Infinity}', Buffer.from([0x7b, 0xff, 0x7d])]) {
      const { statusCode, body } = await app.inject({ method: 'POST', url: TOKENS, headers, payload });
      expect([statusCode, JSON.parse(body)]).toEqual([400, unreadable]);
    }
    expect(await stored()).toBe(before);
    expect((await createKey(tenant.admin.session, `{"a":${'['.repeat(15)}${']'.repeat(15)}}`)).status).toBe(200);
  });

  it('of blanks counts as none', async () => {
    for (const body of [' \n', undefined]) {
      const { status, body: answer } = await createKey(tenant.admin.session, body);
      expect([status, answer]).toEqual([422, { detail: [{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }] }]);
    }
  });

  it('is not echoed beyond a short part, and no secret in it is', async () => {
    const { secret } = await mintKey(tenant.admin.session, {});
    const long = 'four '.repeat(100);
    const bodies: [string, Record<string, string>][] = [
      [`token=${secret}&${long}`, { 'content-type': 'text/plain' }],
      [JSON.stringify({ name: [secret, { [secret]: long }], expires: secret, expires_at: secret, role_id: secret, organization_role: secret, workspaces: secret }), {}],
      [JSON.stringify({ name: { session: tenant.admin.session } }), {}],
      [JSON.stringify([secret]), {}],
    ];
    for (const [body, headers] of bodies) {
      const { status, text } = await call('POST', TOKENS, { as: tenant.admin.session, body, headers });
      expect(status).toBe(422);
      for (const trace of [secret.slice(4, 20), secret.slice(-20), tenant.admin.session.slice(-30), long.slice(0, 140)]) expect(text).not.toContain(trace);
    }
    const { body } = await call('POST', TOKENS, { as: tenant.admin.session, body: `a=${secret} ${long}`, headers: { 'content-type': 'text/plain' } });
    expect(body.detail[0].input).toBe(`${`a=********** ${long}`.slice(0, 128)}…`);
    const { text } = await call('DELETE', `${TOKENS}/${secret}`, { as: tenant.admin.session });
    expect(text).not.toContain(secret.slice(4, 20));
  });

  it('with a list full of faults gets the first hundred told', async () => {
    const { status, body } = await createKey(tenant.admin.session, { workspaces: Array.from({ length: 20_000 }, () => 1), expires: null });
    expect([status, body.detail.length]).toEqual([422, 101]);
    expect(body.detail.at(-1)).toEqual({ type: 'string_type', loc: ['body', 'workspaces', 99], msg: 'Input should be a valid string', input: 1 });
  });
});

describe('a request', () => {
  const as = (): { as: string } => ({ as: tenant.admin.session });

  it('to an unknown path below the door\'s is answered as FastAPI does', async () => {
    for (const path of [`${TOKENS}/a/b`, '/api/v1/me/x', '/api/v1/organization', '/api/v1/organization/x/y', '/api/v1/users', '/api/v1/workspaces/default', `${TOKENS.toUpperCase()}`]) {
      for (const options of [{}, as()]) {
        const { status, text } = await call('GET', path, options);
        expect([path, status, text]).toEqual([path, 404, '{"detail":"Not Found"}']);
      }
    }
  });

  it('with a verb that is not served says which are', async () => {
    const cases = [['PUT', TOKENS, 'POST, GET, HEAD'], ['PATCH', `${TOKENS}/x`, 'DELETE'], ['GET', `${TOKENS}/x`, 'DELETE'], ['POST', '/api/v1/me', 'GET, HEAD'], ['DELETE', '/api/v1/workspaces', 'GET, HEAD']] as const;
    for (const [method, path, allow] of cases) {
      const { status, headers, text } = await call(method, path, as());
      expect([method, path, status, text]).toEqual([method, path, 405, '{"detail":"Method Not Allowed"}']);
      expect(new Set(String(headers['allow']).split(', '))).toEqual(new Set(allow.split(', ')));
    }
  });

  it('to a path with a trailing slash is served there', async () => {
    expect((await call('GET', '/api/v1/me/', as())).text).toBe((await call('GET', '/api/v1/me', as())).text);
  });

  it('by HEAD is judged like GET and answered without a body', async () => {
    const { status, text } = await call('HEAD', TOKENS, as());
    expect([status, text]).toEqual([200, '']);
    expect((await call('HEAD', TOKENS)).status).toBe(401);
  });

  it('with ids of any shape never gets further than a 4xx', async () => {
    const ids = ['x', '%00', '%ED%A0%80', '%F0%9F%98%80', '..%2F', '%25', '-1', '9'.repeat(60), "'; DROP TABLE api_tokens; --", '{}', 'a-b-c-d-e'].map((id) => (id.includes('%') ? id : encodeURIComponent(id)));
    for (const id of ids) {
      for (const [method, path] of [['DELETE', `${TOKENS}/${id}`], ['GET', `/api/v1/organization/${id}/roles`], ['GET', `${TOKENS}?after=${id}`], ['GET', `${TOKENS}?limit=${id}`]] as const) {
        const { status } = await call(method, path, as());
        expect([path, Math.floor(status / 100)]).toEqual([path, 4]);
      }
    }
  });

  it('with a path that is no UTF-8 is refused in the dialect', async () => {
    const { status, body } = await call('DELETE', `${TOKENS}/%zz`, as());
    expect([status, body]).toEqual([400, refusal('The request is malformed.')]);
  });
});
