import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { TokenEngine } from '../../src/tokens/token-engine.js';
import type { MintRequest } from '../../src/tokens/token.js';
import { theApp } from '../support/app.js';
import { administratorOf, aMember, aProject, aTenant, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';
import { watchFacts, type FactsWatch } from '../support/watched-facts.js';

const PATH = '/v1/introspect/batch';

let tenant: TestTenant;
let secret: string;
beforeAll(async () => {
  tenant = await aTenant();
  secret = await aUserToken();
});

let facts: FactsWatch;
beforeEach(async () => {
  facts = watchFacts((await theApp()).app.get(Database));
});
afterEach(() => facts.stop());

async function aUserToken(as = tenant.admin.session): Promise<string> {
  return (await call('POST', '/user/api-tokens', { as, body: {} })).body.token;
}

/** What no door mints: limited in its uses, or to projects. */
async function anOrganizationToken(wishes: Partial<MintRequest>): Promise<{ secret: string }> {
  return (await theApp()).app.get(TokenEngine).mint(administratorOf(tenant), { kind: 'organization', owner: { organization: true }, secretPrefix: 'api_', permissions: [], ...wishes });
}

const ask = (tokens: unknown, { as = tenant.admin.session, query = '' } = {}) => call('POST', `${PATH}${query}`, { as, body: { tokens } });

describe('POST /v1/introspect/batch', () => {
  it('says of each token, in the order asked, what introspection says of it alone', async () => {
    const own = await Promise.all(DOORS_UNDER_TEST.map(async (door) => (await mint(door, tenant)).secret));
    const foreign = await aUserToken((await aTenant()).admin.session);
    const tokens = [...own, foreign, 'x', own[0] ?? '', '', 'x'.repeat(600), ...own.toReversed()];
    const { status, headers, body } = await ask(tokens);
    expect([status, headers['content-type'], headers['cache-control']]).toEqual([200, 'application/json; charset=utf-8', 'no-store']);
    const alone = [];
    for (const token of tokens) alone.push(token === '' ? { active: false } : await introspect(tenant.admin.session, token));
    expect(body).toEqual({ results: alone });
    expect(body.results.filter(({ active }: { active: boolean }) => active)).toHaveLength(2 * own.length + 1);
  });

  it('answers 1 to 100 tokens, and no other number', async () => {
    for (const [count, expected] of [[0, 400], [1, 200], [100, 200], [101, 400]] as const) {
      const { status, body } = await ask(Array.from({ length: count }, () => secret));
      expect([count, status, body.results?.length]).toEqual([count, expected, expected === 200 ? count : undefined]);
    }
  });

  it.each([
    ['no list', { tokens: 'x' }, 'tokens'],
    ['nothing', {}, 'tokens'],
    ['null', { tokens: null }, 'tokens'],
    ['a number among them', { tokens: ['canary', 5] }, 'tokens.1'],
    ['a list among them', { tokens: ['canary', ['canary']] }, 'tokens.1'],
    ['a misspelt member', { tokens: ['canary'], consistency: 'full' }, 'consistency'],
  ])('refuses %s with 400 and the place, and repeats nothing that was sent', async (_, body, path) => {
    const answer = await call('POST', PATH, { as: tenant.admin.session, body: body });
    expect([answer.status, answer.body.code, answer.body.errors.map((fault: { path: string }) => fault.path)]).toEqual([400, 'input-invalid', [path]]);
    expect(answer.text).not.toContain('canary');
  });

  it('reads tokens that nobody knows yet in one query, however often they are asked for, and no token a second time', async () => {
    const cold = [await aUserToken(), await aUserToken()];
    await introspect(tenant.admin.session, secret);
    const before = facts.reads;
    const first = await ask([cold[0], cold[1], cold[0], secret, 'x'.repeat(60), cold[0]]);
    expect([first.body.results.map(({ active }: { active: boolean }) => active), facts.reads - before]).toEqual([[true, true, true, true, false, true], 1]);
    await ask([...cold, secret]);
    expect(facts.reads - before).toBe(1);
  });

  it('counts each answer as a use, and a use-limited token never once too often', async () => {
    const { secret: limited } = await anOrganizationToken({ permissions: ['token:read'], usesLimit: 3 });
    const { body } = await ask(Array.from({ length: 5 }, () => limited));
    expect(body.results.filter(({ active }: { active: boolean }) => active)).toHaveLength(3);
    expect(await introspect(tenant.admin.session, limited)).toEqual({ active: false });
  });

  it('says nothing of tokens beyond the projects that its caller is limited to', async () => {
    const [mine, other] = [await aProject(tenant), await aProject(tenant)];
    const projects = await call('GET', '/v1/projects', { as: tenant.admin.session });
    const idOf = (key: string): string => projects.body.data.find((project: { key: string }) => project.key === key).id;
    const limited = await anOrganizationToken({ permissions: ['token:introspect'], projects: [{ id: idOf(mine), key: mine }] });
    const of = async (project: string): Promise<string> =>
      (await call('POST', `/api/admin/projects/${project}/api-tokens`, { as: tenant.admin.session, body: { tokenName: 'sdk', type: 'backend', environment: 'development' } })).body.secret;
    const { body } = await ask([await of(mine), await of(other), secret], { as: limited.secret });
    expect(body.results.map(({ active }: { active: boolean }) => active)).toEqual([true, false, false]);
  });

  it('is an outage as a whole where the database cannot say of one, and never calls that one dead', async () => {
    const cold = await aUserToken();
    await introspect(tenant.admin.session, secret);
    const mend = facts.fail();
    const { status, headers, text } = await ask([secret, cold]);
    mend();
    expect([status, headers['retry-after'], text.includes('"active"')]).toEqual([503, '1', false]);
    expect((await ask([secret, cold])).body.results.map(({ active }: { active: boolean }) => active)).toEqual([true, true]);
  });

  it('is for callers who may introspect', async () => {
    const { status, body } = await ask([secret], { as: (await aMember(tenant)).session });
    expect([status, body.permissions]).toEqual([403, ['token:introspect']]);
  });
});

describe.each([
  ['/oauth2/introspect', (query: string, token: string) => call('POST', `/oauth2/introspect${query}`, { as: tenant.admin.session, form: { token } })],
  [PATH, (query: string, token: string) => ask([token], { query })],
])('%s?consistency=full', (_, introspectWith) => {
  it('asks the database whatever is remembered, and only then', async () => {
    const own = await aUserToken();
    await introspectWith('', own);
    const before = facts.reads;
    await introspectWith('', own);
    expect(facts.reads - before).toBe(0);
    const { status, text } = await introspectWith('?consistency=full', own);
    expect([status, text.includes('"active":true'), facts.reads - before]).toEqual([200, true, 1]);
  });

  it('is an outage where the database cannot be asked, though the token is remembered', async () => {
    const own = await aUserToken();
    await introspectWith('', own);
    const mend = facts.fail();
    const [remembered, full] = [await introspectWith('', own), await introspectWith('?consistency=full', own)];
    mend();
    expect([remembered.status, full.status, full.headers['retry-after'], full.text.includes('"active"')]).toEqual([200, 503, '1', false]);
  });

  it.each(['?consistency=', '?consistency=eventual', '?consistency=FULL', '?consistency=full&consistency=full'])('cannot be spelt %s', async (query) => {
    expect((await introspectWith(query, secret)).status).toBe(400);
  });
});
