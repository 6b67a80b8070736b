import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { DataSource, type QueryRunner } from 'typeorm';
import { Database } from '../../src/kernel/database/database.js';
import { drawSecret } from '../../src/tokens/token-secret.js';
import { theApp } from '../support/app.js';
import { aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer, type CallOptions } from '../support/call.js';

let tenant: TestTenant;
let secret: string;
beforeAll(async () => {
  tenant = await aTenant();
  secret = (await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: {} })).body.token;
});
afterEach(() => vi.restoreAllMocks());

const asking = new AsyncLocalStorage<true>();

/** What the work asks of the database, and not what goes on by itself meanwhile. */
async function queriesOf(work: () => Promise<unknown>): Promise<string[]> {
  const { app } = await theApp();
  const runners = Object.getPrototypeOf(app.get(DataSource).createQueryRunner()) as QueryRunner;
  const query = Reflect.get(runners, 'query') as (this: QueryRunner, ...asked: Parameters<QueryRunner['query']>) => Promise<unknown>;
  const statements: string[] = [];
  const spy = vi.spyOn(runners, 'query').mockImplementation(function (this: QueryRunner, ...asked: Parameters<QueryRunner['query']>) {
    if (asking.getStore()) statements.push(asked[0]);
    return query.apply(this, asked);
  });
  const database = app.get(Database);
  const statement = database.statement.bind(database);
  const prepared = vi.spyOn(database, 'statement').mockImplementation((name, text, parameters) => {
    if (asking.getStore()) statements.push(text);
    return statement(name, text, parameters);
  });
  await asking.run(true, work);
  for (const each of [spy, prepared]) each.mockRestore();
  return statements;
}

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const jwt = (header: unknown, claims: unknown = { sub: 'x', exp: 4_000_000_000 }): string => `${encoded(header)}.${encoded(claims)}.${'s'.repeat(86)}`;
const withLast = (text: string, last: string): string => text.slice(0, -1) + last;

/** Strings that are no secret of anybody's, and can be told to be none. */
const garbage = (): string[] => [
  ...Array.from({ length: 20 }, (_, index) => `api_${index.toString(36).padStart(49, '0')}`),
  withLast(secret, secret.endsWith('0') ? '1' : '0'),
  withLast(secret, '!'),
  secret.slice(0, -1),
  `x${secret}`,
  secret.toUpperCase(),
  'x',
  'api_',
  'x'.repeat(2_000),
  'a-b'.repeat(2_700),
  'undefined',
  jwt({ alg: 'HS256', typ: 'JWT' }),
  jwt({ alg: 'none', typ: 'at+jwt' }),
  jwt({ alg: 'ES256', typ: 'JWT', kid: 'x'.repeat(16) }),
  jwt({ alg: 'ES256', typ: 'at+jwt' }),
  jwt('x'),
  'a.b.c',
  '..',
  `${'a'.repeat(4_000)}.${'b'.repeat(3_000)}.`,
];

interface Place {
  readonly method: string;
  readonly path: string;
  readonly sent?: (token: string) => Pick<CallOptions, 'body' | 'form'>;
}

const AS_TOKEN: readonly Place[] = [
  { method: 'POST', path: '/oauth2/introspect', sent: (token) => ({ form: { token } }) },
  { method: 'POST', path: '/v1/introspect/batch', sent: (token) => ({ body: { tokens: [token] } }) },
  { method: 'POST', path: '/oauth2/revoke', sent: (token) => ({ form: { token } }) },
  { method: 'POST', path: '/edge/validate', sent: (token) => ({ body: { tokens: [token] } }) },
];
const AS_CREDENTIAL: readonly Place[] = [
  ...AS_TOKEN.slice(0, 3),
  { method: 'GET', path: '/v1/forward-auth' },
  { method: 'GET', path: '/user/api-tokens' },
  { method: 'POST', path: '/user/api-tokens', sent: () => ({ body: {} }) },
  { method: 'GET', path: '/api/client/features' },
  { method: 'GET', path: '/v1/tokens' },
];

const named = (places: readonly Place[]) => places.map((place) => [`${place.method} ${place.path}`, place] as const);

const ask = ({ method, path, sent }: Place, { token = secret, ...more }: CallOptions & { token?: string } = {}): Promise<Answer> => call(method, path, { as: secret, ...sent?.(token), ...more });

describe('garbage', () => {
  it('is told from a token that nobody has, which costs a query', async () => {
    const [introspection] = AS_TOKEN as [Place];
    await ask(introspection);
    expect(await queriesOf(() => ask(introspection, { token: drawSecret('api_') }))).toHaveLength(1);
  });

  it.each(named(AS_TOKEN))('as a token at %s costs no query', async (_, place) => {
    await introspect(secret, secret);
    expect(await queriesOf(async () => {
      for (const token of [...garbage(), '\u0000', 'ü'.repeat(200)]) expect([token, (await ask(place, { token })).status]).toEqual([token, 200]);
    })).toEqual([]);
  });

  it.each(named(AS_CREDENTIAL))('as a credential at %s costs no query and leaves no record', async (_, place) => {
    const events = async (): Promise<number> => (await sql(tenant, 'SELECT count(*)::int AS count FROM audit_events'))[0]?.['count'];
    const before = await events();
    expect(await queriesOf(async () => {
      for (const as of [...garbage(), '', undefined]) expect([as, (await ask(place, { as })).status]).toEqual([as, 401]);
    })).toEqual([]);
    expect(await events()).toBe(before);
  });

  it('that names a signing key nobody has costs one query a second, however many such keys are named', async () => {
    const { clock } = await theApp();
    const now = clock.elapsed() + 1_000;
    const elapsed = vi.spyOn(clock, 'elapsed').mockReturnValue(now);
    const present = async (): Promise<void> => {
      const kid = randomBytes(12).toString('base64url');
      expect((await call('GET', '/auth/me', { as: jwt({ alg: 'ES256', typ: 'at+jwt', kid }) })).status).toBe(401);
    };
    expect(await queriesOf(async () => {
      for (let time = 0; time < 20; time += 1) await present();
    })).toHaveLength(1);
    elapsed.mockReturnValue(now + 1_000);
    expect(await queriesOf(present)).toHaveLength(1);
  });

  it('that says all that a session says, with a signature that is nobody’s, costs no query', async () => {
    const [header, claims] = tenant.admin.session.split('.');
    await call('GET', '/auth/me', { as: tenant.admin.session });
    expect(await queriesOf(async () => {
      for (let time = 0; time < 20; time += 1) {
        const as = `${header}.${claims}.${randomBytes(64).toString('base64url')}`;
        expect((await call('GET', '/auth/me', { as })).status).toBe(401);
      }
    })).toEqual([]);
  });

  it('is refused after what a dialect says of the body first, and of nothing else', async () => {
    const refused = async (path: string, body: string, type = 'application/json'): Promise<number> => (await call('POST', path, { as: 'garbage', body, headers: { 'content-type': type } })).status;
    expect(await refused('/api/admin/projects/default/api-tokens', '{')).toBe(400);
    for (const path of ['/user/api-tokens', '/api/admin/projects/default/api-tokens', '/v1/projects']) {
      expect([path, await refused(path, `"${'x'.repeat(65_536)}"`)]).toEqual([path, 413]);
      expect([path, await refused(path, '{}', 'no type')]).toEqual([path, 415]);
    }
    for (const [body, type] of [['{', 'application/json'], ['<x/>', 'application/xml'], ['', 'application/json']]) expect(await refused('/user/api-tokens', body ?? '', type)).toBe(401);
  });
});
