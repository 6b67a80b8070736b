import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FLIPT } from '../../src/import/flipt-source.js';
import { UNLEASH } from '../../src/import/unleash-source.js';
import { theApp } from '../support/app.js';
import { aProject, aTenant, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { asOwner, aScratchDatabase, TEST_SERVER_URL, type ScratchDatabase } from '../support/database.js';
import { aFliptRow, FLIPT_TABLE, inNamespace, loginOf, named, run, stored, tracesOf, type Run } from '../support/importing.js';
import { ownInstallation } from '../support/installation.js';

/** Of the tables of Unleash, the columns that are there in every version since 4.22, and those of tokens it stores securely. */
const UNLEASH_TABLES = `
  CREATE TABLE api_tokens (secret text PRIMARY KEY, username text NOT NULL, type text NOT NULL, created_at timestamptz DEFAULT now(), expires_at timestamptz, seen_at timestamptz, environment varchar, alias text, token_name text);
  CREATE TABLE api_token_project (secret text NOT NULL REFERENCES api_tokens ON DELETE CASCADE, project varchar NOT NULL)`;
const SECURE_TABLES = `
  CREATE TABLE api_tokens_v2 (selector text PRIMARY KEY, verifier text NOT NULL, token_name text NOT NULL, type text NOT NULL, environment text NOT NULL, expires_at timestamptz, created_at timestamptz NOT NULL DEFAULT now(), seen_at timestamptz, user_created boolean NOT NULL DEFAULT true);
  CREATE TABLE api_tokens_v2_project (selector text NOT NULL REFERENCES api_tokens_v2 ON DELETE CASCADE, project text NOT NULL, PRIMARY KEY (selector, project))`;

ownInstallation();
let source: ScratchDatabase;
let tenant: TestTenant;
let gatehouse: string;
beforeAll(async () => {
  const { app } = await theApp();
  await app.listen(0, '127.0.0.1');
  gatehouse = await app.getUrl();
  source = await aScratchDatabase(TEST_SERVER_URL ?? '');
  await execute(`${FLIPT_TABLE}; ${UNLEASH_TABLES}`);
  tenant = await aTenant();
});
afterAll(() => source.drop());

const execute = (statement: string, parameters?: unknown[]): Promise<unknown> => asOwner(source.url, (client) => client.query(statement, parameters));
const importing = (product: typeof FLIPT, words: readonly string[] = []): Promise<Run> => run(product, ['--from', source.url, '--to', gatehouse, ...words], loginOf(tenant));
const factsOf = (secret: string): Promise<Record<string, any>> => introspect(tenant.admin.session, secret);

describe('import:flipt', () => {
  it('reads its PostgreSQL as well: times are in UTC, to the microsecond', async () => {
    const [plain, limited, past] = [aFliptRow(named('checkout'), { expiresAt: '2099-01-31 12:00:00.123456' }), aFliptRow(inNamespace('default')), aFliptRow(named('past'), { expiresAt: '2020-01-01 00:00:00' })];
    for (const { id, secret, metadata, expiresAt } of [plain, limited, past]) await execute('INSERT INTO authentications VALUES ($1, $2, 1, $3, $4)', [id, stored(secret), metadata, expiresAt]);
    const { status, said } = await importing(FLIPT);
    expect([status, said]).toEqual([1, expect.stringMatching(new RegExp(`^not taken: ${past.id} "past": [^\n]*\nimported: 2, there already: 0, not taken: 1\n$`))]);
    const { jti: id } = await factsOf(plain.secret);
    expect((await call('GET', `/v1/tokens/${id}`, { as: tenant.admin.session })).body).toMatchObject({ name: 'checkout', expires_at: '2099-01-31T12:00:00.123456Z' });
    expect(await factsOf(limited.secret)).toMatchObject({ active: true, projects: ['default'], scope: '' });
  });
});

describe('import:unleash', () => {
  let drawn = 0;
  /** A token in its tables; returns its secret. */
  async function aToken(prefix: string, type: string, { environment = 'production', projects = [], ...more }: { environment?: string | null; projects?: string[]; name?: string | null; expiresAt?: string } = {}): Promise<string> {
    const secret = `${prefix}.${`${(drawn += 1)}`.padStart(4, '0')}${crypto.randomUUID().replaceAll('-', '')}`;
    const { name = `token ${drawn}`, expiresAt = null } = more;
    await execute('INSERT INTO api_tokens (secret, username, type, expires_at, environment, token_name) VALUES ($1, $2, $3, $4, $5, $6)', [secret, 'of old', type, expiresAt, environment, name]);
    for (const project of projects) await execute('INSERT INTO api_token_project VALUES ($1, $2)', [secret, project]);
    return secret;
  }

  it('brings tokens along with their types, projects, environments and ends; they go on working at the client API', async () => {
    const shop = await aProject(tenant);
    const backend = await aToken('default:production', 'client', { projects: ['default'], name: null, expiresAt: '2099-01-31 13:00:00+01' });
    const frontend = await aToken('*:development', 'frontend', { environment: 'development' });
    const several = await aToken('[]:production', 'backend', { projects: ['default', 'theirs'] });
    const renamed = await aToken('default:prod', 'client', { projects: ['default'], environment: 'prod' });
    const result = await importing(UNLEASH, ['--project', `theirs=${shop}`, '--environment', 'prod=production']);
    expect(result).toMatchObject({ status: 0, said: 'imported: 4, there already: 0, not taken: 0\n' });
    expect((await call('GET', '/api/client/features', { headers: { authorization: backend } })).status).toBe(200);
    const facts = await factsOf(backend);
    expect(facts).toMatchObject({ active: true, scope: 'project:backend:read', projects: ['default'], environment: 'production', exp: Date.parse('2099-01-31T12:00:00Z') / 1_000 });
    expect((await call('GET', `/v1/tokens/${facts['jti']}`, { as: tenant.admin.session })).body).toMatchObject({ name: 'of old', metadata: { source: 'unleash' } });
    const unlimited = await factsOf(frontend);
    expect(unlimited).toMatchObject({ active: true, scope: 'project:frontend:read', environment: 'development' });
    expect([unlimited['projects'], unlimited['exp']]).toEqual([['*'], undefined]);
    expect((await factsOf(several))['projects'].sort()).toEqual(['default', shop].sort());
    expect(await factsOf(renamed)).toMatchObject({ active: true, environment: 'production' });
    expect(await importing(UNLEASH, ['--project', `theirs=${shop}`, '--environment', 'prod=production'])).toMatchObject({ status: 0, said: 'imported: 0, there already: 4, not taken: 0\n' });
  });

  it('takes none that could do more here than it was made for, and says why; prints no secret', async () => {
    await execute('DELETE FROM api_tokens');
    const left = [
      await aToken('*:*', 'admin', { environment: null }),
      await aToken('default:production', 'client', { environment: null, projects: ['default'] }),
      await aToken('gone:production', 'client'),
      await aToken('nowhere:production', 'client', { projects: ['nowhere'] }),
      await aToken('default:nowhere', 'client', { projects: ['default'], environment: 'nowhere' }),
      await aToken('default:production', 'client', { projects: ['default'], expiresAt: '2020-01-01' }),
    ];
    const { status, said, complained } = await importing(UNLEASH);
    expect([status, said.split('\n').length, said]).toEqual([1, 8, expect.stringContaining('imported: 0, there already: 0, not taken: 6')]);
    for (const why of ['type admin have no counterpart', 'of all environments', 'made for is gone', 'project', 'environment']) expect(said).toContain(why);
    for (const trace of left.flatMap((secret) => [...tracesOf(secret), secret.slice(-12)])) expect(said + complained).not.toContain(trace);
    expect((await Promise.all(left.map(factsOf))).map(({ active }) => active)).toEqual(left.map(() => false));
  });

  it('brings along those that it stores securely', async () => {
    await execute(`DELETE FROM api_tokens; ${SECURE_TABLES}`);
    const [selector, secret] = ['aSelectorOf22Character', `default:production.v2_aSelectorOf22Character_${'x'.repeat(43)}`];
    await execute(`INSERT INTO api_tokens_v2 (selector, verifier, token_name, type, environment) VALUES ($1, $2, 'secure', 'backend', 'production')`, [selector, stored(secret).slice(0, -1)]);
    await execute(`INSERT INTO api_tokens_v2_project VALUES ($1, 'default')`, [selector]);
    expect(await importing(UNLEASH)).toMatchObject({ status: 0, said: 'imported: 1, there already: 0, not taken: 0\n' });
    const facts = await factsOf(secret);
    expect(facts).toMatchObject({ active: true, scope: 'project:backend:read', projects: ['default'], environment: 'production' });
    expect((await call('GET', `/v1/tokens/${facts['jti']}`, { as: tenant.admin.session })).body).toMatchObject({ name: 'secure', metadata: { source: 'unleash', source_id: selector } });
  });

  it('takes one that is stored securely and linked to no project for one of all projects only when told', async () => {
    await execute('DELETE FROM api_tokens; DELETE FROM api_tokens_v2');
    const [selector, secret] = ['unlinkedSelectorOf22Ch', `*:production.v2_unlinkedSelectorOf22Ch_${'y'.repeat(43)}`];
    await execute(`INSERT INTO api_tokens_v2 (selector, verifier, token_name, type, environment) VALUES ($1, $2, 'unlinked', 'client', 'production')`, [selector, stored(secret).slice(0, -1)]);
    const { status, said } = await importing(UNLEASH);
    expect([status, said]).toEqual([1, expect.stringMatching(/^not taken: "unlinked" \(client, unlinkedSelectorOf22Ch\): it is linked to no project, .*--unlinked-as-all-projects.*\nimported: 0, there already: 0, not taken: 1\n$/)]);
    expect(await factsOf(secret)).toMatchObject({ active: false });
    expect(await importing(UNLEASH, ['--unlinked-as-all-projects'])).toMatchObject({ status: 0, said: 'imported: 1, there already: 0, not taken: 0\n' });
    expect(await factsOf(secret)).toMatchObject({ active: true, scope: 'project:backend:read', projects: ['*'], environment: 'production' });
  });

  it('takes none that is linked to no project and names one that is gone, even when told', async () => {
    await execute('DELETE FROM api_tokens; DELETE FROM api_tokens_v2');
    const secret = await aToken('gone:production', 'client');
    expect(await importing(UNLEASH, ['--unlinked-as-all-projects'])).toMatchObject({ status: 1, said: expect.stringContaining('made for is gone') });
    expect(await factsOf(secret)).toMatchObject({ active: false });
  });

  it('ends with 2 where the tables are not there', async () => {
    expect(await run(UNLEASH, ['--from', TEST_SERVER_URL ?? '', '--to', gatehouse], loginOf(tenant))).toMatchObject({ status: 2, complained: expect.stringContaining('api_tokens') });
  });
});
