import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CreationQuota } from '../../src/kernel/limits/creation-quota.js';
import { LocalWindows } from '../../src/kernel/limits/local-windows.js';
import { RateLimits, type Quota } from '../../src/kernel/limits/rate-limits.js';
import { networkOf } from '../../src/kernel/network.js';
import { drawSecret } from '../../src/tokens/token-secret.js';
import { theApp } from '../support/app.js';
import { aMember, aTenant, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';

let tenant: TestTenant;
let limits: RateLimits;
let document: { paths: Record<string, Record<string, Record<string, unknown>>> };
let address = 0;
let from: string;
beforeAll(async () => {
  limits = (await theApp()).app.get(RateLimits);
  document = (await call('GET', '/openapi.json')).body;
});
beforeEach(async () => {
  tenant = await aTenant();
  from = `10.11.${(address += 1) >> 8}.${address & 255}`;
});
afterEach(async () => (await theApp()).clock.reset());

const text = (): Promise<string> => readFile(new URL('../../docs/limits.md', import.meta.url), 'utf8');
const documented = async (name: string): Promise<Quota> => {
  const row = (await text()).split('\n').find((line) => line.startsWith(`| \`${name}\`:`)) ?? '';
  const [, , , most = '', seconds = ''] = row.split('|');
  return { name, most: parseInt(most, 10), seconds: Number(seconds) };
};

/** Leaves so many of a quota. */
function leave(left: number, quota: Quota, key: string): void {
  expect(quota.most).toBeGreaterThan(left);
  while (limits.takeHere(quota, key).remaining > left);
}

/** As every door says it: the status, when to come back, and the draft's words. */
const refusal = ({ status, headers }: Answer): unknown[] => [status, Number(headers['retry-after']) > 0, /^"[\w-]+";r=0;t=\d+$/.test(String(headers['ratelimit']))];
const REFUSED = [429, true, true];

describe('docs/limits.md', () => {
  it('names every route that has a limit, with its number, as the API document and the answers do', async () => {
    const rows = [...(await text()).matchAll(/^\| `(POST \S+)` \| (\d+) \|$/gm)].map(([, route = '', most = '']) => [route, Number(most)] as const);
    const stated = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).flatMap(([method, operation]) => {
        const most = operation['x-requests-per-minute'];
        return most === undefined ? [] : [[`${method.toUpperCase()} ${path}`, most]];
      }));
    expect([...rows].sort()).toEqual(stated.sort());
    for (const [route, most] of rows) {
      const [method = '', path = ''] = route.split(' ');
      const { headers } = await call(method, path, { body: {}, from });
      expect([route, headers['ratelimit-policy'], headers['ratelimit']]).toEqual([route, `"default";q=${most};w=60`, `"default";r=${most - 1};t=60`]);
      expect([headers['ratelimit-limit'], headers['ratelimit-remaining'], headers['ratelimit-reset']].map(Number)).toEqual([most, most - 1, 60]);
    }
  });

  it('states what one organization may create as the default is', async () => {
    expect((await theApp()).app.get(CreationQuota)).toMatchObject(await documented('creations'));
  });
});

describe('a limit of a route', () => {
  it('lifts when its window is over', async () => {
    const { clock } = await theApp();
    const ask = (): Promise<Answer> => call('POST', '/auth/password/forgot', { body: { email: 'nobody@nowhere.test' }, from });
    for (let count = 0; count < 30; count += 1) expect((await ask()).status).toBe(202);
    expect(refusal(await ask())).toEqual(REFUSED);
    clock.pass(45_000);
    expect(Number((await ask()).headers['retry-after'])).toBeLessThanOrEqual(15);
    clock.pass(15_000);
    expect((await ask()).status).toBe(202);
  });
});

describe('creations', () => {
  it.each(DOORS_UNDER_TEST)('are limited at the $name door for the whole organization, and for no other', async (door) => {
    const quota = await documented('creations');
    const other = await aTenant();
    const path = await door.creationPath(tenant);
    leave(1, quota, tenant.id);
    const create = (of: TestTenant, at: string, as = of.admin.session): Promise<Answer> => call('POST', at, { as, body: door.body() });
    const last = await create(tenant, path);
    expect([last.status >= 200 && last.status < 300 ? 'made' : last.text, last.headers['ratelimit-policy'], Number(last.headers['ratelimit-remaining'])]).toEqual(['made', `"default";q=${quota.most};w=60`, 0]);
    expect(refusal(await create(tenant, path))).toEqual(REFUSED);
    expect((await mint(door, other)).secret).toBeTruthy();
    expect((await call('GET', '/v1/tokens', { as: tenant.admin.session })).status).toBe(200);
  });

  it('keep nobody from ending, restoring and rotating what there is', async () => {
    const quota = await documented('creations');
    const [fynn] = DOORS_UNDER_TEST;
    const [, { body: { data: [{ id }] } }] = [await mint(fynn, tenant), await call('GET', '/v1/tokens?kind=user', { as: tenant.admin.session })];
    leave(0, quota, tenant.id);
    const ask = async (path: string, body: object = {}): Promise<number> => (await call('POST', path, { as: tenant.admin.session, body })).status;
    expect(await ask('/user/api-tokens', { description: 'one more' })).toBe(429);
    expect(await ask(`/v1/tokens/${id}/rotate`, { overlap_seconds: 0 })).toBe(200);
    expect(await ask('/v1/tokens/revoke', { filter: { q: 'nothing is called so' }, reason: 'superseded' })).toBe(200);
    expect((await call('DELETE', `/v1/tokens/${id}`, { as: tenant.admin.session })).status).toBeLessThan(300);
    expect(await ask(`/v1/tokens/${id}/restore`)).toBe(200);
  });
});

describe('secrets that are nobody’s', () => {
  const unknown = (): string => drawSecret('api_');

  it('cost an address 429 once they were too many, at the guard and at /edge/validate, while known tokens go on', async () => {
    const quota = await documented('unknown-secrets');
    const { secret } = await mint(DOORS_UNDER_TEST[0], tenant);
    expect((await call('GET', '/auth/me', { as: secret, from })).status).toBe(200);
    leave(2, quota, networkOf(from));
    const validate = (token: string): Promise<Answer> => call('POST', '/edge/validate', { body: { tokens: [token] }, from });
    expect((await call('GET', '/auth/me', { as: unknown(), from })).status).toBe(401);
    expect((await validate(unknown())).status).toBe(200);
    expect(refusal(await call('GET', '/auth/me', { as: unknown(), from }))).toEqual(REFUSED);
    expect(refusal(await validate(unknown()))).toEqual(REFUSED);
    // What cannot be a secret costs nothing, and so it counts nothing.
    expect((await call('GET', '/auth/me', { as: 'garbage', from })).status).toBe(401);
    expect((await call('GET', '/auth/me', { as: secret, from })).status).toBe(200);
    expect((await call('GET', '/auth/me', { as: unknown(), from: '10.12.0.1' })).status).toBe(401);
  });

  it('are counted together with access tokens of no live session, while sessions that are known go on', async () => {
    const quota = await documented('unknown-secrets');
    const session = tenant.admin.session;
    const me = async (as: string): Promise<Answer> => call('GET', '/auth/me', { as, from });
    const forged = (): string => `${session.slice(0, session.lastIndexOf('.'))}.${randomBytes(64).toString('base64url')}`;
    const ended = (await aMember(tenant)).session;
    await call('POST', '/auth/logout', { as: ended });
    expect((await me(session)).status).toBe(200);
    leave(2, quota, networkOf(from));
    expect([(await me(forged())).status, (await me(ended)).status]).toEqual([401, 401]);
    for (const as of [forged(), ended, unknown()]) expect(refusal(await me(as))).toEqual(REFUSED);
    expect((await me(session)).status).toBe(200);
    // What another issuer has signed, its header tells: that costs nothing.
    expect((await me(`${Buffer.from('{"alg":"ES256","typ":"at+jwt","kid":"theirs"}').toString('base64url')}.e30.x`)).status).toBe(401);
  });

  it('are counted by caller at introspection, whoever presented them', async () => {
    const quota = await documented('unknown-secrets-asked');
    const { secret } = await mint(DOORS_UNDER_TEST[0], tenant);
    const as = secret;
    const id = (await introspect(tenant.admin.session, secret))['jti'];
    await introspect(as, secret);
    leave(1, quota, id);
    const ask = (token: string): Promise<Answer> => call('POST', '/oauth2/introspect', { as, form: { token } });
    expect((await ask(unknown())).body).toEqual({ active: false });
    expect(refusal(await ask(unknown()))).toEqual(REFUSED);
    expect(refusal(await call('POST', '/v1/introspect/batch', { as, body: { tokens: [unknown()] } }))).toEqual(REFUSED);
    expect((await ask(secret)).body).toMatchObject({ active: true });
    expect(await introspect(tenant.admin.session, unknown())).toEqual({ active: false });
  });
});

describe('a login that is refused for too many guesses', () => {
  it('says when to come back, as any limit does', async () => {
    const guess = (): Promise<Answer> => call('POST', '/auth/login', { body: { email: 'victim@nowhere.test', password: 'wrong' }, from });
    for (let count = 0; count < 10; count += 1) await guess();
    const { status, headers } = await guess();
    expect([status, Number(headers['retry-after']) > 60, headers['ratelimit']]).toEqual([429, true, `"default";r=${600 - 11};t=60`]);
  });
});

it('so many keys are kept and no more', async () => {
  const windows = new LocalWindows((await theApp()).clock);
  windows.count('first', 60);
  for (let index = 0; index < 50_000; index += 1) windows.count(String(index), 60);
  expect([windows.read('first'), windows.read('49999')?.count]).toEqual([null, 1]);
});
