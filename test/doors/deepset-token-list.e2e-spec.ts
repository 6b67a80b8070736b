import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LastUse } from '../../src/tokens/last-use.js';
import { theApp } from '../support/app.js';
import { aMember, aProject, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { listedKey, mintKey, refusal, TOKENS, UNKNOWN_ID } from '../support/deepset.js';

const roleId = async (key: string, of: TestTenant): Promise<string> => (await sql(of, 'SELECT id FROM roles WHERE key = $1', [key]))[0]?.['id'];

describe('GET /api/v1/token', () => {
  let own: TestTenant;
  let ids: string[];
  beforeAll(async () => {
    own = await aTenant();
    const { clock } = await theApp();
    const now = clock.now().epochSeconds;
    ids = [];
    for (let index = 0; index < 5; index += 1) {
      clock.set(new Date((now + index) * 1000).toISOString());
      ids.unshift((await mintKey(own.admin.session, { name: `key ${index}` })).id);
    }
    clock.reset();
  });

  const page = async (query: string, as = own.admin.session): Promise<[ids: string[], more: boolean, total: number]> => {
    const { status, body, text } = await call('GET', `${TOKENS}${query}`, { as });
    if (status !== 200) throw new Error(text);
    expect(Object.keys(body)).toEqual(['data', 'has_more', 'total']);
    return [body.data.map((each: { api_token_id: string }) => each.api_token_id), body.has_more, body.total];
  };

  it('lists newest first, ten at a time unless a limit says otherwise', async () => {
    expect(await page('')).toEqual([ids, false, 5]);
    expect(await page('?limit=2')).toEqual([ids.slice(0, 2), true, 5]);
    expect(await page('?limit=100&unknown=1')).toEqual([ids, false, 5]);
    const many = await aTenant();
    for (let index = 0; index < 11; index += 1) await mintKey(many.admin.session, {});
    const [first, more, total] = await page('', many.admin.session);
    expect([first.length, more, total]).toEqual([10, true, 11]);
  });

  it('turns pages by number', async () => {
    expect(await page('?limit=2&page_number=1')).toEqual([ids.slice(0, 2), true, 5]);
    expect(await page('?limit=2&page_number=2')).toEqual([ids.slice(2, 4), true, 5]);
    expect(await page('?limit=2&page_number=3')).toEqual([ids.slice(4), false, 5]);
    expect(await page('?limit=2&page_number=4')).toEqual([[], false, 5]);
    expect(await page(`?page_number=${'9'.repeat(30)}`)).toEqual([[], false, 5]);
    expect(await page('?limit=%202_0.0&page_number=%2B1')).toEqual([ids, false, 5]);
    expect(await page('?limit=50&limit=1')).toEqual([ids.slice(0, 1), true, 5]);
  });

  it('continues after an entry with older ones, and before an entry with newer ones', async () => {
    expect(await page(`?limit=2&after=${ids[0]}`)).toEqual([ids.slice(1, 3), true, 5]);
    expect(await page(`?limit=2&after=${ids[2]}`)).toEqual([ids.slice(3, 5), false, 5]);
    expect(await page(`?after=${ids[4]}`)).toEqual([[], false, 5]);
    expect(await page(`?limit=2&before=${ids[4]}`)).toEqual([ids.slice(2, 4), true, 5]);
    expect(await page(`?limit=2&before=${ids[2]?.replaceAll('-', '')}`)).toEqual([ids.slice(0, 2), false, 5]);
    expect(await page(`?before=${ids[0]}`)).toEqual([[], false, 5]);
  });

  it('takes one way of turning pages at a time', async () => {
    const { status, body } = await call('GET', `${TOKENS}?after=${ids[0]}&before=${ids[1]}&page_number=2`, { as: own.admin.session });
    const fault = (name: string, input?: string): object => ({ type: 'value_error', loc: ['query', name], msg: 'Value error, cannot be combined with before', input, ctx: { error: {} } });
    expect([status, body]).toEqual([422, { detail: [fault('after', ids[0]), fault('page_number', '2')] }]);
  });

  it('answers 404 where no token of the organization has the id to continue from', async () => {
    const foreign = await mintKey((await aTenant()).admin.session, {});
    for (const id of [UNKNOWN_ID, foreign.id]) {
      for (const way of ['after', 'before']) {
        const { status, body } = await call('GET', `${TOKENS}?${way}=${id}`, { as: own.admin.session });
        expect([status, body]).toEqual([404, refusal('There is no such API token.')]);
      }
    }
  });

  it('continues from an entry that was deleted meanwhile', async () => {
    const third = await aTenant();
    const [oldest, middle, newest] = [await mintKey(third.admin.session, {}), await mintKey(third.admin.session, {}), await mintKey(third.admin.session, {})];
    await call('DELETE', `${TOKENS}/${middle.id}`, { as: third.admin.session });
    expect(await page('', third.admin.session)).toEqual([[newest.id, oldest.id], false, 2]);
    expect(await page(`?after=${middle.id}`, third.admin.session)).toEqual([[oldest.id], false, 2]);
  });

  it('shows what a key is, whose and since when, and nothing of its secret but the ends', async () => {
    const third = await aTenant();
    const { clock, app } = await theApp();
    const at = clock.now().epochSeconds;
    const text = (seconds: number, fraction = ''): string => `${new Date(seconds * 1000).toISOString().slice(0, 19)}${fraction}Z`;
    clock.set(text(at, '.000250'));
    const personal = await mintKey(third.admin.session, { name: 'mine', workspaces: ['default'] });
    clock.set(text(at + 1));
    const service = await mintKey(third.admin.session, { personal: false, organization_role: 'MEMBER', expires: false });
    await call('GET', '/api/v1/workspaces', { as: service.secret });
    await app.get(LastUse).flush();
    const { text: raw } = await call('GET', TOKENS, { as: third.admin.session });
    expect(raw).toBe(
      JSON.stringify({
        data: [
          {
            api_token_id: service.id,
            expires_at: null,
            user: null,
            name: null,
            personal: false,
            organization_role: 'MEMBER',
            role_id: await roleId('MEMBER', third),
            workspaces: null,
            created_at: text(at + 1),
            last_used_at: text(at + 1),
            masked_api_token: `api_…${service.secret.slice(-4)}`,
          },
          {
            api_token_id: personal.id,
            expires_at: text(at + 365 * 24 * 3600, '.000250'),
            user: { given_name: 'Ada', family_name: 'Admin' },
            name: 'mine',
            personal: true,
            organization_role: 'ADMIN',
            role_id: await roleId('ADMIN', third),
            workspaces: ['default'],
            created_at: text(at, '.000250'),
            last_used_at: null,
            masked_api_token: `api_…${personal.secret.slice(-4)}`,
          },
        ],
        has_more: false,
        total: 2,
      }),
    );
  });

  it('names no built-in role where only a custom one bounds the key', async () => {
    const role = await aRole(own, ['organization:api-token:write']);
    const third = await aMember(own, role);
    const { id } = await mintKey(third.session, {});
    expect(await listedKey(own, id)).toMatchObject({ organization_role: null, role_id: await roleId(role, own) });
    await call('DELETE', `${TOKENS}/${id}`, { as: own.admin.session });
  });

  it('lists expired keys, and no tokens of other kinds or organizations', async () => {
    const third = await aTenant();
    const { id } = await mintKey(third.admin.session, { expires_at: '2020-01-01' });
    await call('POST', '/user/api-tokens', { as: third.admin.session, body: {} });
    expect(await page('', third.admin.session)).toEqual([[id], false, 1]);
  });

  it('shows a key that is limited to workspaces the keys within them only', async () => {
    const third = await aTenant();
    const workspace = await aProject(third);
    const all = await mintKey(third.admin.session, {});
    const within = await mintKey(third.admin.session, { workspaces: [workspace] });
    const beyond = await mintKey(third.admin.session, { workspaces: [workspace, 'default'] });
    expect(await page('', within.secret)).toEqual([[within.id], false, 1]);
    expect(await page('', all.secret)).toEqual([[beyond.id, within.id, all.id], false, 3]);
    expect((await call('GET', `${TOKENS}?after=${all.id}`, { as: within.secret })).status).toBe(404);
  });

  it('needs organization:api-token:read', async () => {
    const { session } = await aMember(own, 'EXTERNAL');
    const { status, body } = await call('GET', TOKENS, { as: session });
    expect([status, body]).toEqual([403, refusal('This needs the permission organization:api-token:read.')]);
    expect((await call('GET', TOKENS, { as: (await aMember(own)).session })).status).toBe(200);
  });
});

describe('the paging of the list', () => {
  let own: TestTenant;
  beforeEach(async () => {
    own = await aTenant();
  });

  it('shows every key exactly once in either direction, also where they were created in the same instant', async () => {
    const { clock } = await theApp();
    clock.set(clock.now());
    const ids = new Set<string>();
    for (let index = 0; index < 7; index += 1) ids.add((await mintKey(own.admin.session, {})).id);
    const walk = async (way: 'after' | 'before', start: string | null): Promise<string[]> => {
      const { data, has_more: more } = (await call('GET', `${TOKENS}?limit=3${start ? `&${way}=${start}` : ''}`, { as: own.admin.session })).body;
      const found = data.map((each: { api_token_id: string }) => each.api_token_id);
      const next = way === 'after' ? found.at(-1) : found[0];
      return more ? [...found, ...(await walk(way, next))] : found;
    };
    const forwards = await walk('after', null);
    expect([forwards.length, new Set(forwards)]).toEqual([7, ids]);
    const backwards = await walk('before', forwards.at(-1) ?? '');
    expect(new Set(backwards)).toEqual(new Set(forwards.slice(0, -1)));
    expect(backwards).toHaveLength(6);
  });
});
