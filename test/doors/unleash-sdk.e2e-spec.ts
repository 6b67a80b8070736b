import { beforeAll, describe, expect, it } from 'vitest';
import { LastUse } from '../../src/tokens/last-use.js';
import { theApp } from '../support/app.js';
import { aProject, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { ADMIN_TOKENS, aTokenOf, inPath, mintToken, projectTokens, wire } from '../support/unleash.js';

const REQUIRES_TOKEN = '401 {"message":"This endpoint requires an API token. Please add an authorization header to your request with a valid token"}';
const OTHER_TYPE = '403 {"message":"invalid token: expected a different token type for this endpoint"}';

let tenant: TestTenant;
let backend: string;
let frontend: string;
beforeAll(async () => {
  tenant = await aTenant();
  await aProject(tenant, 'second');
  backend = (await mintToken(tenant))['secret'];
  frontend = (await mintToken(tenant, { type: 'frontend' }))['secret'];
});

const validate = (tokens: unknown) => call('POST', '/edge/validate', { body: { tokens } });

describe('the client and frontend APIs', () => {
  const routes = [
    ['GET', '/api/client/features', 'backend'],
    ['POST', '/api/client/register', 'backend'],
    ['POST', '/api/client/metrics', 'backend'],
    ['GET', '/api/frontend', 'frontend'],
    ['POST', '/api/frontend/client/register', 'frontend'],
    ['POST', '/api/frontend/client/metrics', 'frontend'],
  ] as const;

  it.each(routes)('%s %s asks for a live %s token', async (method, path, type) => {
    const ask = (authorization?: string) => call(method, path, { body: method === 'POST' ? { appName: 'a' } : undefined, headers: authorization === undefined ? {} : { authorization } });
    const expired = (await mintToken(tenant, { type, expiresAt: '2020-01-01T00:00:00Z' }))['secret'];
    const revoked = (await mintToken(tenant, { type }))['secret'];
    expect((await ask(revoked)).status).toBeLessThan(203);
    await call('DELETE', inPath(projectTokens(), revoked), { as: tenant.admin.session });
    for (const bad of [undefined, '', 'nonsense', 'Basic YTpi', expired, revoked, `Bearer ${revoked}`]) expect([bad, wire(await ask(bad))]).toEqual([bad, REQUIRES_TOKEN]);
    const [right, wrong] = type === 'backend' ? [backend, frontend] : [frontend, backend];
    for (const other of [wrong, tenant.admin.session, await aTokenOf(tenant, {}), await aTokenOf(tenant, { kind: 'organization' })]) expect(wire(await ask(other))).toBe(OTHER_TYPE);
    for (const spelled of [right, `Bearer ${right}`, `bearer  ${right}`]) expect((await ask(spelled)).status).toBe((await ask(right)).status);
  });

  it('refuse a token from the instant it expires', async () => {
    const { clock } = await theApp();
    const { secret } = await mintToken(tenant, { expiresAt: '2031-01-01T00:00:00Z' });
    clock.set('2030-12-31T23:59:59.999999Z');
    expect((await call('GET', '/api/client/features', { as: secret })).status).toBe(200);
    clock.set('2031-01-01T00:00:00Z');
    expect(wire(await call('GET', '/api/client/features', { as: secret }))).toBe(REQUIRES_TOKEN);
  });

  it.each([
    [['default'], ['default']],
    [['second', 'default'], ['default', 'second']],
    [['*'], undefined],
  ])('tell a backend token of the projects %j what it asks for', async (projects, project) => {
    const { secret } = await mintToken(tenant, { projects, environment: 'production' }, ADMIN_TOKENS);
    const { status, body, headers } = await call('GET', '/api/client/features', { as: secret });
    expect([status, Object.keys(body)]).toEqual([200, ['version', 'features', 'query', 'meta']]);
    expect([body.version, body.features, body.query]).toEqual([2, [], { project, environment: 'production', inlineSegmentConstraints: true }]);
    expect([headers['etag'], body.meta]).toEqual([body.meta.etag, { revisionId: 0, etag: `"${body.meta.queryHash}:0:v1"`, queryHash: body.meta.queryHash }]);
  });

  it('have an entity tag of their own for each projects and environment, and answer 304 to whoever knows it', async () => {
    const etagOf = async (body: object): Promise<string> => String((await call('GET', '/api/client/features', { as: (await mintToken(tenant, body, ADMIN_TOKENS))['secret'] })).headers['etag']);
    const tags = [await etagOf({ projects: ['default'] }), await etagOf({ projects: ['second'] }), await etagOf({}), await etagOf({ environment: 'production' })];
    expect(new Set(tags).size).toBe(4);
    const ask = (etag: string) => call('GET', '/api/client/features', { as: backend, headers: { 'if-none-match': etag } });
    expect(wire(await ask(tags[0] ?? ''))).toBe('304 ');
    expect([(await ask(tags[1] ?? '')).status, (await ask(`W/${tags[0]}`)).status]).toEqual([200, 304]);
  });

  it('take what SDKs tell and keep nothing of it', async () => {
    const body = { appName: 'a', instanceId: 'i', bucket: { start: '2026-01-01T00:00:00Z', stop: '2026-01-01T00:01:00Z', toggles: {} } };
    for (const path of ['register', 'metrics']) expect(wire(await call('POST', `/api/client/${path}`, { as: backend, body }))).toBe('202 ');
    for (const path of ['register', 'metrics']) {
      const { status, text, headers } = await call('POST', `/api/frontend/client/${path}`, { as: frontend, body });
      expect([status, text, headers['content-type'], headers['access-control-allow-origin']]).toEqual([200, 'OK', 'text/plain; charset=utf-8', '*']);
    }
  });

  it('refuse a body that is malformed or too large before they look at the token', async () => {
    expect(wire(await call('POST', '/api/client/metrics', { body: '{"a":' }))).toBe('400 {"message":"Unexpected end of JSON input"}');
    expect(wire(await call('POST', '/api/client/metrics', { body: `"${'x'.repeat(66_000)}"` }))).toBe('413 {"message":"request entity too large"}');
  });

  it('let browsers on any page read what the frontend API answers, and ask beforehand', async () => {
    for (const as of [frontend, backend, undefined]) {
      const { headers } = await call('GET', '/api/frontend?appName=a', { as, headers: { origin: 'https://shop.example' } });
      expect([headers['access-control-allow-origin'], headers['access-control-expose-headers']]).toEqual(['*', 'ETag']);
    }
    for (const path of ['/api/frontend', '/api/frontend/client/metrics', '/api/frontend/client/register']) {
      const { status, text, headers } = await call('OPTIONS', path, { headers: { origin: 'https://shop.example', 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization,unleash-sdk' } });
      expect([status, text, headers['access-control-allow-origin'], headers['access-control-allow-headers'], headers['access-control-allow-methods']]).toEqual([204, '', '*', 'authorization,unleash-sdk', 'GET,HEAD,POST']);
    }
    expect((await call('GET', '/api/client/features', { as: backend })).headers['access-control-allow-origin']).toBeUndefined();
  });

  it('count as a use of the token', async () => {
    const { app, clock } = await theApp();
    const { secret } = await mintToken(tenant, { tokenName: 'used' });
    clock.advance(0);
    await call('GET', '/api/client/features', { as: secret });
    await app.get(LastUse).flush();
    const [row] = await sql(tenant, `SELECT use_count, last_used_at FROM api_tokens WHERE name = 'used'`);
    expect([Number(row?.['use_count']), row?.['last_used_at'].toRfc3339()]).toEqual([1, clock.now().toRfc3339()]);
  });
});

describe('POST /edge/validate', () => {
  it('tells of the live tokens of projects, in the order asked and as often, and leaves out all others', async () => {
    const several = (await mintToken(tenant, { projects: ['default', 'second'], type: 'client' }, ADMIN_TOKENS))['secret'];
    const all = (await mintToken(tenant, { type: 'FRONTEND' }, ADMIN_TOKENS))['secret'];
    const expired = (await mintToken(tenant, { expiresAt: '2020-01-01T00:00:00Z' }))['secret'];
    const revoked = (await mintToken(tenant))['secret'];
    await call('DELETE', inPath(projectTokens(), revoked), { as: tenant.admin.session });
    const foreign = await aTenant();
    const theirs = (await mintToken(foreign))['secret'];
    const personal = await aTokenOf(tenant, {});
    const answer = await validate([all, 'nope', several, expired, revoked, personal, tenant.admin.session, `Bearer ${backend}`, ` ${backend}`, backend, theirs, several, '\0', '\ud800']);
    const entry = (token: string, type: string, projects: string[]): object => ({ token, type, projects, environment: 'development' });
    expect(wire(answer)).toBe(
      `200 ${JSON.stringify({
        tokens: [
          entry(all, 'frontend', ['*']),
          entry(several, 'client', ['default', 'second']),
          entry(backend, 'backend', ['default']),
          entry(theirs, 'backend', ['default']),
          entry(several, 'client', ['default', 'second']),
        ],
      })}`,
    );
  });

  it('asks for no credential and looks at none', async () => {
    const { secret } = await mintToken(tenant, { tokenName: 'beside' });
    for (const authorization of ['junk', `Bearer ${secret}`, tenant.admin.session]) {
      const answer = await call('POST', '/edge/validate', { headers: { authorization }, body: { tokens: [frontend] } });
      expect([answer.status, answer.body.tokens.length]).toEqual([200, 1]);
    }
    await (await theApp()).app.get(LastUse).flush();
    const [row] = await sql(tenant, `SELECT use_count FROM api_tokens WHERE name = 'beside'`);
    expect(Number(row?.['use_count'])).toBe(0);
  });

  it('counts as no use', async () => {
    const { secret } = await mintToken(tenant, { tokenName: 'asked' });
    await sql(tenant, `UPDATE api_tokens SET uses_limit = 1 WHERE name = 'asked'`);
    for (let time = 0; time < 3; time += 1) expect((await validate([secret])).body.tokens.length).toBe(1);
    await (await theApp()).app.get(LastUse).flush();
    const [row] = await sql(tenant, `SELECT use_count, last_used_at FROM api_tokens WHERE name = 'asked'`);
    expect([Number(row?.['use_count']), row?.['last_used_at']]).toEqual([0, null]);
    expect(await introspect(tenant.admin.session, secret)).toMatchObject({ active: true });
  });

  it.each([
    [{}, { path: '/body/tokens', message: 'The `/body/tokens` property is required. It was not present on the data you sent.' }],
    [{ tokens: null }, { message: 'The `/body/tokens` property must be array. You sent null.', path: '/body/tokens' }],
    [{ tokens: ['a', {}] }, { message: 'The `/body/tokens/1` property must be string. You sent {}.', path: '/body/tokens/1' }],
    [[], { message: 'The `/body` property must be object. You sent [].', path: '/body' }],
  ])('refuses %j by its schema', async (body, detail) => {
    const answer = await call('POST', '/edge/validate', { body });
    expect([answer.status, Object.keys(answer.body), JSON.stringify(answer.body.details)]).toEqual([400, ['id', 'name', 'message', 'details'], JSON.stringify([detail])]);
  });

  it('reads numbers and null as text, of no token', async () => {
    expect(wire(await validate([1, null, true, '']))).toBe('200 {"tokens":[]}');
  });

  it('refuses a body that is malformed or too large', async () => {
    expect((await call('POST', '/edge/validate', { body: '[' })).status).toBe(400);
    expect(wire(await validate(['x'.repeat(66_000)]))).toBe('413 {"message":"request entity too large"}');
    const { status, body } = await call('POST', '/edge/validate', { headers: { 'content-type': 'text/plain' }, body: '{"tokens":[]}' });
    expect([status, body.name]).toEqual([415, 'ContentTypeError']);
  });
});
