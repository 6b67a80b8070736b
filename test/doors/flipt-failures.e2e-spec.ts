import { beforeAll, describe, expect, it } from 'vitest';
import { TokenEngine } from '../../src/tokens/token-engine.js';
import { theApp } from '../support/app.js';
import { aMember, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, type Answer, type CallOptions } from '../support/call.js';

const CREATE = '/auth/v1/method/token';
const COOKIES_CLEARED = ['flipt_client_state=; Path=/; Max-Age=0', 'flipt_client_token=; Path=/; Max-Age=0'];
const WRONG_TYPE = 'invalid values for key(s) in json body';
const LAYOUT = '2006-01-02T15:04:05.999999999Z07:00';

let tenant: TestTenant;
let admin: string;
beforeAll(async () => {
  tenant = await aTenant();
  admin = tenant.admin.session;
});

const post = (body: unknown, options: CallOptions = {}): Promise<Answer> => call('POST', CREATE, { as: admin, body, ...options });
const stored = async (): Promise<unknown> => (await sql(tenant, 'SELECT count(*) FROM api_tokens'))[0]?.['count'];
const secretOf = async (body: object = {}): Promise<string> => (await post(body)).body.clientToken;
const self = (headers: Record<string, string>): Promise<Answer> => call('GET', '/auth/v1/self', { headers });

function expectStatus(answer: Answer, status: number, code: number, message: string): void {
  const expected = JSON.stringify({ code, message, details: [] });
  expect([answer.status, answer.text, answer.headers['content-type']]).toEqual([status, expected, 'application/json']);
}

function expectUnauthenticated(answer: Answer): void {
  expectStatus(answer, 401, 16, 'request was not authenticated');
  expect(answer.headers['www-authenticate']).toBe('request was not authenticated');
}

describe('a body', () => {
  it.each([
    ['{"name":5}'], ['{"name":true}'], ['{"name":["a"]}'], ['{"name":{}}'], ['{"description":1.5}'], ['{"namespaceKey":5}'], ['{"namespace_key":[]}'],
    ['{"expiresAt":1700000000}'], ['{"expiresAt":{"seconds":1}}'], ['{"metadata":[]}'], ['{"metadata":"x"}'], ['{"metadata":{"a":1}}'], ['{"metadata":{"a":{}}}'],
    ['[]'], ['"x"'], ['5'], ['true'], ['{"name":"a\\u0000b"}'], ['{"name":"\\ud800"}'], ['{"description":"\\udc00"}'], ['{"namespaceKey":"\\u0000"}'],
    ['{"metadata":{"a\\u0000":"b"}}'], ['{"metadata":{"a":"\\ud800"}}'],
  ])('%s holds a value of another type: 400, and nothing is stored', async (body) => {
    const before = await stored();
    expectStatus(await post(body), 400, 3, WRONG_TYPE);
    expect(await stored()).toBe(before);
  });

  it.each([
    ['{', 'unexpected EOF'],
    ['{"name":', 'unexpected EOF'],
    ['{"name":"a"', 'unexpected EOF'],
    ['}', "invalid character '}' looking for beginning of value"],
    ['name=a&description=b', "invalid character 'a' in literal null (expecting 'u')"],
    ['{name:"a"}', "invalid character 'n' looking for beginning of object key string"],
    ['{"name":"a",}', "invalid character '}' looking for beginning of object key string"],
    ['{"name":"a" "b"}', "invalid character '\"' after object key:value pair"],
    ['{"name":"a\tb"}', "invalid character '\\t' in string literal"],
  ])('%s is malformed: 400 in the words of Go, before the caller is judged', async (body, message) => {
    for (const as of [admin, undefined, 'nonsense']) expectStatus(await post(body, { as }), 400, 3, message);
  });

  it.each([
    ['tomorrow', `bad Timestamp: parsing time "tomorrow" as "${LAYOUT}": cannot parse "tomorrow" as "2006"`],
    ['', `bad Timestamp: parsing time "" as "${LAYOUT}": cannot parse "" as "2006"`],
    ['2031-01-01', `bad Timestamp: parsing time "2031-01-01" as "${LAYOUT}": cannot parse "" as "T"`],
    ['2031-01-01T00:00:00', `bad Timestamp: parsing time "2031-01-01T00:00:00" as "${LAYOUT}": cannot parse "" as "Z07:00"`],
    ['2031-13-01T00:00:00Z', 'bad Timestamp: parsing time "2031-13-01T00:00:00Z": month out of range'],
    ['2031-02-29T00:00:00Z', 'bad Timestamp: parsing time "2031-02-29T00:00:00Z": day out of range'],
    ['0000-01-01T00:00:00Z', 'bad Timestamp: 0000-01-01T00:00:00Z is not within years 1 to 9999'],
  ])('with expiresAt "%s" is refused in the words of Go', async (expiresAt, message) => {
    expectStatus(await post({ expiresAt }), 400, 3, message);
    expectStatus(await post({ expires_at: expiresAt }), 400, 3, message);
  });

  it('is judged field by field in the order of the proto: the first fault is told', async () => {
    expectStatus(await post({ metadata: [], expiresAt: 'x', description: 5 }), 400, 3, WRONG_TYPE);
    expect((await post({ metadata: [], expiresAt: '2031-02-29T00:00:00Z' })).body.message).toContain('day out of range');
  });

  it('over 64 KB is refused with 413, nested over 16 levels or not UTF-8 with 400', async () => {
    const before = await stored();
    expectStatus(await post(`{"name":"${'x'.repeat(66_000)}"}`), 413, 3, 'http: request body too large');
    expectStatus(await post(`{"x":${'['.repeat(16)}${']'.repeat(16)}}`), 400, 3, 'the body is nested deeper than 16 levels');
    expect((await post(`{"x":${'['.repeat(15)}${']'.repeat(15)}}`)).status).toBe(200);
    const { app } = await theApp();
    const raw = await app.inject({ method: 'POST', url: CREATE, headers: { authorization: `Bearer ${admin}` }, payload: Buffer.from([0x7b, 0xff, 0x7d]) });
    expect([raw.statusCode, raw.json()]).toEqual([400, { code: 3, message: 'the body is not UTF-8 text', details: [] }]);
    expect(Number(await stored())).toBe(Number(before) + 1);
  });

  it('with a type that is no media type at all is refused', async () => {
    expectStatus(await post('{}', { headers: { 'content-type': 'nonsense' } }), 400, 3, 'unsupported content type');
  });
});

describe('a credential', () => {
  it('is a bearer token in exactly Flipt\'s spelling', async () => {
    const secret = await secretOf();
    expect((await self({ authorization: `Bearer ${secret}` })).status).toBe(200);
    const wrong = [`bearer ${secret}`, `BEARER ${secret}`, `Bearer  ${secret}`, `Bearer\t${secret}`, `Bearer${secret}`, secret, `JWT ${secret}`, `Token ${secret}`, `Basic ${Buffer.from(`a:${secret}`).toString('base64')}`, 'Bearer', 'Bearer ', ' '];
    for (const authorization of wrong) expectUnauthenticated(await self({ authorization }));
  });

  it('missing, unknown, altered, expired and revoked is one answer', async () => {
    const secret = await secretOf();
    const dead = await post({});
    await call('DELETE', `/auth/v1/tokens/${dead.body.authentication.id}`, { as: admin });
    const presented = ['nonsense', `${secret}x`, secret.slice(0, -1), `${secret.slice(0, -1)}!`, secret.toUpperCase(), await secretOf({ expiresAt: '2001-01-01T00:00:00Z' }), dead.body.clientToken as string, 'a.b.c'];
    expectUnauthenticated(await self({}));
    for (const each of presented) expectUnauthenticated(await self({ authorization: `Bearer ${each}` }));
  });

  it('is a cookie where no Authorization header is sent', async () => {
    const secret = await secretOf();
    expect((await self({ cookie: `theme=dark; flipt_client_token=${secret}; other=1` })).status).toBe(200);
    expect((await self({ cookie: `flipt_client_token="${secret}"` })).status).toBe(200);
    const answer = await self({ cookie: `flipt_client_token=${secret}`, authorization: `bearer ${secret}` });
    expectUnauthenticated(answer);
    expect(answer.headers['set-cookie']).toEqual(COOKIES_CLEARED);
  });

  it('in a cookie that does not authenticate clears the cookies; without a cookie nothing is cleared', async () => {
    for (const cookie of ['flipt_client_token=nonsense', 'flipt_client_token=', 'a=b; flipt_client_token=x']) {
      const answer = await self({ cookie });
      expectUnauthenticated(answer);
      expect(answer.headers['set-cookie']).toEqual(COOKIES_CLEARED);
    }
    for (const cookie of ['', 'xflipt_client_token=a', 'theme=dark']) {
      const answer = await self({ cookie });
      expectUnauthenticated(answer);
      expect(answer.headers['set-cookie']).toBeUndefined();
    }
  });

  it('in a cookie is not taken where another site made the browser send it', async () => {
    const cookie = `flipt_client_token=${await secretOf()}`;
    for (const site of ['cross-site', 'same-site']) expectUnauthenticated(await self({ cookie, 'sec-fetch-site': site }));
    for (const site of ['same-origin', 'none']) expect((await self({ cookie, 'sec-fetch-site': site })).status).toBe(200);
  });

  it('in a cookie ends itself', async () => {
    const headers = { cookie: `flipt_client_token=${await secretOf()}` };
    const ended = await call('PUT', '/auth/v1/self/expire', { headers });
    expect([ended.text, ended.headers['set-cookie']]).toEqual(['{}', COOKIES_CLEARED]);
    const after = await self(headers);
    expectUnauthenticated(after);
    expect(after.headers['set-cookie']).toEqual(COOKIES_CLEARED);
  });

  it('sent twice in Authorization headers is none', async () => {
    const secret = await secretOf();
    const { app } = await theApp();
    const answer = await app.inject({ method: 'GET', url: '/auth/v1/self', headers: { authorization: [`Bearer ${secret}`, `Bearer ${secret}`] as unknown as string } });
    expect(answer.statusCode).toBe(401);
  });
});

describe('a caller without the permission', () => {
  it('is told so, and in the header what is missing', async () => {
    const { session } = await aMember(tenant, 'EXTERNAL');
    const routes = [['POST', 'method/token', 'write'], ['GET', 'tokens', 'read'], ['GET', 'tokens/x', 'read'], ['DELETE', 'tokens/x', 'write']] as const;
    for (const [method, path, action] of routes) {
      const answer = await call(method, `/auth/v1/${path}`, { as: session });
      expectStatus(answer, 403, 7, 'permission denied');
      expect(answer.headers['www-authenticate']).toBe(`Bearer error="insufficient_scope", scope="auth-method:token:${action}"`);
    }
    expect((await call('GET', '/auth/v1/self', { as: session })).status).toBe(200);
  });
});

describe('a path below /auth/v1', () => {
  it('that nothing is served at answers 404, whatever body comes with it', async () => {
    for (const [method, path] of [['GET', ''], ['GET', '/'], ['GET', '/nothing'], ['POST', '/method/oidc/google/authorize'], ['GET', '/method/token/x'], ['PUT', '/self/expire/x'], ['DELETE', '/tokens/a/b']] as const) {
      expectStatus(await call(method, `/auth/v1${path}`, { as: admin }), 404, 5, 'Not Found');
    }
    expectStatus(await call('POST', '/auth/v1/nothing', { body: '{' }), 404, 5, 'Not Found');
  });

  it('answers 501 to a verb it does not know', async () => {
    for (const [method, path] of [['GET', 'method/token'], ['POST', 'tokens'], ['PATCH', 'tokens/x'], ['POST', 'self'], ['GET', 'self/expire'], ['DELETE', 'method'], ['OPTIONS', 'self']] as const) {
      expectStatus(await call(method, `/auth/v1/${path}`, { as: admin, body: method === 'POST' ? '{' : undefined }), 501, 12, 'Method Not Allowed');
    }
  });

  it('is the same with a slash at its end', async () => {
    expect((await call('GET', '/auth/v1/self/', { as: admin })).status).toBe(200);
    expect((await call('POST', `${CREATE}/`, { as: admin, body: {} })).status).toBe(200);
    expectUnauthenticated(await call('GET', '/auth/v1/tokens/'));
  });

  it('answers HEAD as GET, without a body', async () => {
    for (const [path, as] of [['self', admin], ['tokens', admin], ['tokens/x', admin], ['self', 'nonsense'], ['method', undefined]] as const) {
      const [head, get] = [await call('HEAD', `/auth/v1/${path}`, { as }), await call('GET', `/auth/v1/${path}`, { as })];
      expect([head.status, head.text, head.headers['content-type']]).toEqual([get.status, '', 'application/json']);
    }
  });

  it('leaves the service\'s own routes below /auth alone', async () => {
    expect((await call('GET', '/auth/me')).body).toMatchObject({ code: 'credentials-missing', status: 401 });
  });
});

describe('an outage', () => {
  it('is 503 of gRPC with a time to come back, a defect 500 that says nothing', async () => {
    const engine = (await theApp()).app.get(TokenEngine);
    const list = engine.list.bind(engine);
    try {
      engine.list = () => Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
      const down = await call('GET', '/auth/v1/tokens', { as: admin });
      expectStatus(down, 503, 14, 'The service cannot answer right now.');
      expect(down.headers['retry-after']).toBe('1');
      engine.list = () => Promise.reject(new Error('a secret detail'));
      expectStatus(await call('GET', '/auth/v1/tokens', { as: admin }), 500, 13, 'Something went wrong on our side.');
    } finally {
      engine.list = list;
    }
  });
});
