import { beforeAll, describe, expect, it } from 'vitest';
import { aMember, aProject, aRole, aTenant, sql, type Person, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { mintKey, refusal, UNKNOWN_ID } from '../support/deepset.js';

let tenant: TestTenant;
let stranger: TestTenant;
let member: Person;
let workspace: string;
const idOf = async (table: 'projects' | 'roles', key: string): Promise<string> => (await sql(tenant, `SELECT id FROM ${table} WHERE key = $1`, [key]))[0]?.['id'];
beforeAll(async () => {
  [tenant, stranger] = [await aTenant(), await aTenant()];
  member = await aMember(tenant);
  workspace = await aProject(tenant, 'research');
});

describe.each(['/api/v1/me', '/api/v1/users/me'])('GET %s', (path) => {
  const profile = (role: string, workspaces: string[]): string =>
    JSON.stringify({
      user_id: member.id,
      given_name: 'Max',
      family_name: 'Member',
      email: member.email,
      deleted: false,
      oauth_provider: 'gatehouse',
      organization: {
        organization_id: tenant.id,
        name: tenant.slug,
        role,
        workspaces: workspaces.map((name) => ({ name, role })),
      },
    });

  it('tells a person who they are, in which organization, with which role', async () => {
    const { status, headers, text } = await call('GET', path, { as: member.session });
    expect([status, headers['content-type'], text]).toEqual([200, 'application/json; charset=utf-8', profile('MEMBER', ['default', workspace])]);
  });

  it('answers a personal key for its person, within its workspaces', async () => {
    const role = await aRole(tenant, ['organization:api-token:write', 'profile:read']);
    await sql(tenant, 'UPDATE memberships SET role_id = $2 WHERE user_id = $1', [member.id, await idOf('roles', role)]);
    const { secret } = await mintKey(member.session, { workspaces: [workspace] });
    expect((await call('GET', path, { as: secret })).text).toBe(profile(role, [workspace]));
    await sql(tenant, 'UPDATE memberships SET role_id = $2 WHERE user_id = $1', [member.id, await idOf('roles', 'MEMBER')]);
  });

  it('refuses a service key: nobody is behind it', async () => {
    const { secret } = await mintKey(tenant.admin.session, { personal: false });
    const { status, body } = await call('GET', path, { as: secret });
    expect([status, body]).toEqual([403, refusal('Only a person can do this, not a token without one.')]);
  });

  it('is open to every role', async () => {
    const { session } = await aMember(tenant, 'EXTERNAL');
    expect((await call('GET', path, { as: session })).status).toBe(200);
  });
});

describe('GET /api/v1/workspaces', () => {
  it('answers a bare array of the organization\'s workspaces by name', async () => {
    const { status, text } = await call('GET', '/api/v1/workspaces', { as: member.session });
    const entry = (name: string, id: string): object => ({ name, workspace_id: id, languages: {}, default_idle_timeout_in_seconds: 0 });
    expect([status, text]).toEqual([200, JSON.stringify([entry('default', await idOf('projects', 'default')), entry(workspace, await idOf('projects', workspace))])]);
  });

  it('needs project:read', async () => {
    const { session } = await aMember(tenant, 'EXTERNAL');
    const { status, body } = await call('GET', '/api/v1/workspaces', { as: session });
    expect([status, body]).toEqual([403, refusal('This needs the permission project:read.')]);
  });
});

describe('GET /api/v1/organization/{organization_id}/roles', () => {
  const roles = (query = '', id = tenant.id, as = tenant.admin.session) => call('GET', `/api/v1/organization/${id}/roles${query}`, { as });
  let custom: string;
  let keys: string[];
  beforeAll(async () => {
    custom = await aRole(tenant, ['token:read', 'project:read']);
    keys = (await sql(tenant, 'SELECT key FROM roles ORDER BY created_at, key')).map(({ key }) => key);
  });

  it('lists the roles of the organization, built-in ones first, with what they allow', async () => {
    const { status, body } = await roles();
    expect(status).toBe(200);
    expect(Object.entries(body).map(([key, value]) => [key, Array.isArray(value) ? value.length : value])).toEqual([['data', keys.length], ['has_more', false], ['total', keys.length]]);
    expect(body.data.map(({ key }: { key: string }) => key).slice(0, 3)).toEqual(['ADMIN', 'EXTERNAL', 'MEMBER']);
    expect(JSON.stringify(body.data[1])).toBe(
      JSON.stringify({ role_id: await idOf('roles', 'EXTERNAL'), key: 'EXTERNAL', name: 'External', preset: true, permissions: ['profile:read'] }),
    );
    expect(body.data.find(({ key }: { key: string }) => key === custom)).toEqual({
      role_id: await idOf('roles', custom),
      key: custom,
      name: custom,
      preset: false,
      permissions: ['project:read', 'token:read'],
    });
  });

  it('turns pages by number and by id', async () => {
    const page = async (query: string): Promise<unknown> => {
      const { body } = await roles(query);
      return [body.data.map(({ key }: { key: string }) => key), body.has_more, body.total];
    };
    const total = keys.length;
    const [second, third] = [await idOf('roles', 'EXTERNAL'), await idOf('roles', 'MEMBER')];
    expect(await page('?limit=2')).toEqual([keys.slice(0, 2), true, total]);
    expect(await page('?limit=2&page_number=2')).toEqual([keys.slice(2, 4), total > 4, total]);
    expect(await page('?page_number=2')).toEqual([[], false, total]);
    expect(await page(`?limit=1&after=${second}`)).toEqual([keys.slice(2, 3), true, total]);
    expect(await page(`?limit=100&after=${third}`)).toEqual([keys.slice(3), false, total]);
    expect(await page(`?limit=1&before=${third}`)).toEqual([['EXTERNAL'], true, total]);
    expect(await page(`?before=${third}`)).toEqual([['ADMIN', 'EXTERNAL'], false, total]);
    const { status, body } = await roles(`?after=${UNKNOWN_ID}`);
    expect([status, body]).toEqual([404, refusal('There is no such role.')]);
  });

  it('knows no organization but the caller\'s own', async () => {
    for (const id of [UNKNOWN_ID, stranger.id]) {
      const { status, body } = await roles('', id);
      expect([status, body]).toEqual([404, refusal('There is no such organization.')]);
    }
    expect((await roles('', tenant.id.replaceAll('-', ''))).status).toBe(200);
  });

  it('needs organization:read', async () => {
    const { session } = await aMember(tenant, 'EXTERNAL');
    const { status, body } = await roles('', tenant.id, session);
    expect([status, body]).toEqual([403, refusal('This needs the permission organization:read.')]);
  });
});
