import { beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { TENANT_PERMISSIONS } from '../../src/tokens/permissions.js';
import { theApp } from '../support/app.js';
import { aMember, aName, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { ownInstallation } from '../support/installation.js';

const installation = ownInstallation();
let tenant: TestTenant;
let operator: string;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  [operator, as] = [installation.platform.admin.session, tenant.admin.session];
});

const permissions = '/v1/permissions';
const register = (key: unknown, by = operator): Promise<Answer> => call('POST', permissions, { as: by, body: { key, description: `What ${String(key)} is for.` } });
const retire = (key: string, by = operator): Promise<Answer> => call('DELETE', `${permissions}/${key}`, { as: by });
const held = async (session: string): Promise<string[]> => (await call('GET', '/auth/me', { as: session })).body.permissions;
const all = async (by: string): Promise<any[]> => {
  const found: any[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body }: Answer = await call('GET', `${permissions}?limit=20${cursor && `&cursor=${cursor}`}`, { as: by });
    found.push(...body.data);
    cursor = body.next_cursor;
  }
  return found;
};

describe('POST /v1/permissions', () => {
  it('registers a permission that administrators everywhere hold at once, and everyone can see', async () => {
    const key = `${aName('invoice')}:write`;
    const { status, body } = await register(key);
    expect([status, body]).toEqual([201, { id: key, key, description: `What ${key} is for.`, built_in: false }]);
    for (const session of [as, operator, (await aTenant()).admin.session]) expect(await held(session)).toContain(key);
    const member = await aMember(tenant, 'MEMBER');
    expect(await held(member.session)).not.toContain(key);
    expect(await all(member.session)).toContainEqual(body);
    const events = await sql(installation.platform, `SELECT action, actor_id, details FROM audit_events WHERE details->>'key' = $1`, [key]);
    expect(events).toEqual([{ action: 'permission.registered', actor_id: installation.platform.admin.id, details: { key, description: `What ${key} is for.` } }]);
  });

  it.each([undefined, null, 5, [], '', '*', 'invoice', 'invoice:*', 'Invoice:read', 'invoice:re ad', 'a:b:c:d', 'invoice:read\u0000', 'ínvoice:read', `${'x'.repeat(100)}:a`, 'platform:everything'])(
    'refuses the key %j with 400',
    async (key) => {
      const { status, body } = await call('POST', permissions, { as: operator, body: { key, description: 'What it is for.' } });
      expect([status, body.errors.map(({ path }: { path: string }) => path)]).toEqual([400, ['key']]);
    },
  );

  it.each([undefined, null, 5, '', 'a\u200Db', 'a\nb', 'x'.repeat(256)])('refuses the description %j with 400', async (description) => {
    const { status, body } = await call('POST', permissions, { as: operator, body: { key: 'a:b', description } });
    expect([status, body.errors.map(({ path }: { path: string }) => path)]).toEqual([400, ['description']]);
  });

  it('refuses a permission that is there already, be it registered or the service\'s own, also for one of two at once', async () => {
    const key = `${aName('report')}:read`;
    const answers = await Promise.all([register(key), register(key)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    expect((await register(key)).body.code).toBe('conflict');
    expect((await register('token:read')).status).toBe(409);
    expect((await register('platform:organization:write')).status).toBe(400);
  });

  it('is the operator\'s alone: no tenant can register or retire, neither as a person nor within the database', async () => {
    const key = `${aName('report')}:read`;
    await register(key);
    for (const answer of [await register(`${aName('mine')}:read`, as), await retire(key, as)]) {
      expect([answer.status, answer.body.permissions]).toEqual([403, ['platform:permission:write']]);
    }
    const code = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'done', (error: { driverError?: { code?: string } }) => error.driverError?.code);
    expect(await code(sql(tenant, `INSERT INTO registered_permissions VALUES ('a:b', 'x', now(), $1)`, [tenant.admin.id]))).toBe('42501');
    expect(await sql(tenant, `DELETE FROM registered_permissions WHERE key = $1`, [key])).toEqual([[], 0]);
    expect(await sql(installation.platform, `DELETE FROM registered_permissions WHERE key = $1`, [key])).toEqual([[], 0]);
    expect(await held(as)).toContain(key);
  });

  it('ends at 500', async () => {
    const { app } = await theApp();
    const before = await app.get(Database).asPlatform(installation.platform.id, async ({ manager }) => {
      const [{ count }] = await manager.query('SELECT count(*)::int AS count FROM registered_permissions');
      await manager.query(`INSERT INTO registered_permissions SELECT 'filler:n' || n, 'x', now(), $1 FROM generate_series(1, $2::int) n`, [tenant.id, 499 - count]);
      return count as number;
    });
    expect(before).toBeLessThan(499);
    expect((await register('filler:last')).status).toBe(201);
    expect((await register('filler:beyond')).body).toMatchObject({ status: 403, code: 'limit-exceeded' });
    expect((await held(as)).length).toBe(TENANT_PERMISSIONS.length + 500);
    await app.get(Database).asPlatform(installation.platform.id, ({ manager }) => manager.query(`DELETE FROM registered_permissions WHERE key LIKE 'filler:%'`));
  });
});

describe('GET /v1/permissions', () => {
  it('lists, by key and page by page, all that can be held there, and what it is for', async () => {
    const key = `${aName('zebra')}:read`;
    await register(key);
    const [ofTenant, ofPlatform] = [await all(as), await all(operator)];
    const keys = ofTenant.map((permission) => permission.key);
    expect(keys).toEqual([...keys].sort());
    expect(keys).toEqual(await held(as));
    expect(ofPlatform.map((permission) => permission.key)).toEqual(await held(operator));
    expect(ofTenant.filter(({ description }) => !description)).toEqual([]);
    expect(ofTenant.find((permission) => permission.key === 'token:read')).toEqual({
      id: 'token:read', key: 'token:read', description: 'See every token of the organization, of all kinds.', built_in: true,
    });
  });

  it.each(['cursor=x', 'cursor=!', `cursor=${Buffer.from('a').toString('base64url')}`, 'limit=0'])('refuses ?%s with 400', async (query) => {
    expect((await call('GET', `${permissions}?${query}`, { as })).status).toBe(400);
  });
});

describe('DELETE /v1/permissions/{key}', () => {
  it('takes it out of effect at once everywhere, in whichever role or token it stands', async () => {
    const key = `${aName('invoice')}:write`;
    const resource = key.split(':')[0] ?? '';
    await register(key);
    const [byName, byWildcard] = [await aRole(tenant, [key, 'token:read']), await aRole(tenant, [`${resource}:*`, 'token:read', 'user:api-token:write'])];
    const [named, wild] = [await aMember(tenant, byName), await aMember(tenant, byWildcard)];
    const own = (await call('POST', '/user/api-tokens', { as: wild.session, body: { description: 'a token of a person' } })).body.token;
    const identity = (await call('POST', '/api/v1/identities', { as, body: { name: aName('machine'), organizationId: tenant.id, role: byName } })).body.identity.id;
    await call('POST', `/api/v1/auth/token-auth/identities/${identity}`, { as, body: {} });
    const machine = (await call('POST', `/api/v1/auth/token-auth/identities/${identity}/tokens`, { as, body: {} })).body.accessToken;
    const [{ id: roleId } = {}] = await sql(tenant, 'SELECT id FROM roles WHERE key = $1', [byName]);
    const service = (await call('POST', '/api/v1/token', { as, body: { name: aName('key'), personal: false, role_id: roleId } })).body.api_token;
    const listed = (await call('POST', '/api/v1/token', { as, body: { name: aName('key'), personal: false, role_id: roleId, organization_role: 'ADMIN' } })).body.api_token;
    const holders = async (): Promise<boolean[]> => {
      const found: boolean[] = [];
      for (const session of [named.session, wild.session, as, operator]) found.push((await held(session)).includes(key));
      for (const token of [own, machine, service, listed]) found.push((await introspect(as, token))['scope'].split(' ').includes(key));
      return found;
    };
    expect(await holders()).toEqual(Array(8).fill(true));
    expect((await retire(key)).status).toBe(204);
    expect(await holders()).toEqual(Array(8).fill(false));
    expect((await introspect(as, service))['scope']).toBe('token:read');
    expect((await call('GET', `/v1/roles/${byName}`, { as })).body).toMatchObject({ permissions: [key, 'token:read'], effective_permissions: ['token:read'] });
    expect((await all(as)).map((permission) => permission.key)).not.toContain(key);
    expect((await retire(key)).status).toBe(404);
    const events = await sql(installation.platform, `SELECT action FROM audit_events WHERE details->>'key' = $1 ORDER BY occurred_at`, [key]);
    expect(events).toEqual([{ action: 'permission.registered' }, { action: 'permission.retired' }]);
    await register(key);
    expect(await holders()).toEqual(Array(8).fill(true));
  });

  it('lets a role be edited in which it still stands, but put into no other', async () => {
    const key = `${aName('invoice')}:write`;
    await register(key);
    const name = aName('role');
    await call('POST', '/v1/roles', { as, body: { key: name, name, permissions: [key, 'token:read'] } });
    await retire(key);
    const edited = await call('PATCH', `/v1/roles/${name}`, { as, body: { permissions: [key, 'project:read'] } });
    expect([edited.status, edited.body.effective_permissions]).toEqual([200, ['project:read']]);
    const other = await call('POST', '/v1/roles', { as, body: { key: aName('role'), name: aName('role'), permissions: [key] } });
    expect([other.status, other.body.errors]).toEqual([400, [{ path: 'permissions.0', message: `${key} stands for no permission` }]]);
  });

  it.each([['token:read', 409], ['platform:organization:write', 409], ['unknown:read', 404], ['%00', 400], ['*', 404], ["'", 404]])('answers %s with %i', async (key, status) => {
    expect((await retire(key)).status).toBe(status);
  });
});

describe('a wildcard in a role', () => {
  it('stands for permissions that are registered later, by whole segments', async () => {
    const [resource, role] = [aName('flag'), aName('role')];
    await register(`${resource}:read`);
    expect((await call('POST', '/v1/roles', { as, body: { key: role, name: role, permissions: [`${resource}:*`] } })).status).toBe(201);
    const { session } = await aMember(tenant, role);
    expect(await held(session)).toEqual([`${resource}:read`]);
    for (const key of [`${resource}:write`, `${resource}s:write`, `${resource}:rule:write`, `${resource}-x:write`, `x:${resource}:write`]) await register(key);
    expect(await held(session)).toEqual([`${resource}:read`, `${resource}:write`]);
  });

  it('never stands for the operator\'s own permissions, not even in the operator\'s organization', async () => {
    const wide = await aRole(installation.platform, ['*:*', '*:*:*', '*:*:write']);
    expect((await held((await aMember(installation.platform, wide)).session)).filter((key) => key.startsWith('platform:'))).toEqual([]);
    const named = await aRole(installation.platform, ['platform:*:read', 'platform:*']);
    expect(await held((await aMember(installation.platform, named)).session)).toEqual(['platform:organization:read', 'platform:signing-key:read']);
  });

  it('and an operator\'s permission by name are worth nothing in a tenant, however they came into its role or token', async () => {
    const role = await aRole(tenant, ['platform:*:*', 'platform:organization:write', 'token:read']);
    const { session } = await aMember(tenant, role);
    expect(await held(session)).toEqual(['token:read']);
    expect((await call('GET', '/v1/permissions', { as: session })).status).toBe(403);
  });
});

describe('acting for the installation', () => {
  it('is refused to every organization but the platform\'s, and ends where the transaction turns to another one', async () => {
    const database = (await theApp()).app.get(Database);
    await expect(database.asPlatform(tenant.id, async () => 'done')).rejects.toThrow('not the platform');
    const seen = await database.asPlatform(installation.platform.id, async (platform) => {
      const count = async (): Promise<number> => (await platform.manager.query('SELECT count(*)::int AS count FROM organizations'))[0].count;
      const within = await database.elsewhere(platform, tenant.id, async ({ manager }) => [await count(), (await manager.query('SELECT id FROM organizations'))[0].id]);
      return { everywhere: (await count()) > 1, within, tokens: await platform.manager.query('SELECT DISTINCT organization_id AS id FROM memberships') };
    });
    expect(seen).toEqual({ everywhere: true, within: [1, tenant.id], tokens: [{ id: installation.platform.id }] });
    expect(await sql(installation.platform, 'SELECT id FROM organizations')).toEqual([{ id: installation.platform.id }]);
  });
});
