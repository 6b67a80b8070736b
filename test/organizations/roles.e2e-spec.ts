import { beforeAll, describe, expect, it } from 'vitest';
import { TENANT_PERMISSIONS } from '../../src/tokens/permissions.js';
import { theApp } from '../support/app.js';
import { aMember, aName, aRole, aTenant, sql, type Person, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';

let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});

const roles = '/v1/roles';
const create = (body: unknown, by = as): Promise<Answer> => call('POST', roles, { as: by, body });
const change = (id: string, body: unknown, { by = as, ifMatch }: { by?: string; ifMatch?: string } = {}): Promise<Answer> =>
  call('PATCH', `${roles}/${id}`, { as: by, body, headers: ifMatch === undefined ? {} : { 'if-match': ifMatch } });
const remove = (id: string, { by = as, ifMatch }: { by?: string; ifMatch?: string } = {}): Promise<Answer> =>
  call('DELETE', `${roles}/${id}`, { as: by, headers: ifMatch === undefined ? {} : { 'if-match': ifMatch } });

async function aCustomRole(permissions: readonly string[]): Promise<{ id: string; key: string; etag: string }> {
  const key = aName('role');
  const { status, headers, body } = await create({ key, name: key, permissions });
  if (status !== 201) throw new Error(`creating a role answered ${status}: ${JSON.stringify(body)}`);
  return { id: body.id, key, etag: String(headers['etag']) };
}

/** Someone who may edit roles, but holds little else. */
async function aRoleEditor(permissions: readonly string[] = []): Promise<Person> {
  return aMember(tenant, await aRole(tenant, ['role:read', 'role:write', ...permissions]));
}

const permissionsOf = async (person: { session: string }): Promise<string[]> => (await call('GET', '/auth/me', { as: person.session })).body.permissions;

describe('POST /v1/roles', () => {
  it('answers 201 with the role and its entity tag, and it is there under its id and its key', async () => {
    const key = aName('accounting');
    const { status, headers, body } = await create({ key, name: `Büro ${key}`, permissions: ['token:read', 'user:*:read'] });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      key,
      name: `Büro ${key}`,
      built_in: false,
      permissions: ['token:read', 'user:*:read'],
      effective_permissions: ['token:read', 'user:api-token:read'],
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      updated_at: body.created_at,
    });
    expect(headers['etag']).toMatch(/^"[0-9a-z]+"$/);
    for (const name of [key, body.id, body.id.toUpperCase()]) {
      const read = await call('GET', `${roles}/${name}`, { as });
      expect([read.status, read.headers['etag'], read.body]).toEqual([200, headers['etag'], body]);
    }
  });

  it('gives a member exactly what it holds', async () => {
    const { key } = await aCustomRole(['token:read', 'project:*:read', 'project:*:read']);
    expect(await permissionsOf(await aMember(tenant, key))).toEqual(['project:api-token:read', 'project:backend:read', 'project:frontend:read', 'token:read']);
  });

  it('writes exactly one audit event, with all that was decided', async () => {
    const { id, key } = await aCustomRole(['token:read']);
    expect(await sql(tenant, 'SELECT action, actor_id, target_kind, details FROM audit_events WHERE target_id = $1', [id])).toEqual([
      { action: 'role.created', actor_id: tenant.admin.id, target_kind: 'role', details: { key, name: key, permissions: ['token:read'] } },
    ]);
  });

  it.each([
    ['no body', undefined, ['']],
    ['nothing', {}, ['key', 'name', 'permissions']],
    ['null everywhere', { key: null, name: null, permissions: null }, ['key', 'name', 'permissions']],
    ['a key in upper case', { key: 'Accounting', name: 'a', permissions: [] }, ['key']],
    ['a key with a dot', { key: 'a.b', name: 'a', permissions: [] }, ['key']],
    ['a key of 64 characters', { key: 'x'.repeat(64), name: 'a', permissions: [] }, ['key']],
    ['the key of a built-in role in small letters', { key: 'admin', name: 'a', permissions: [] }, ['key']],
    ['a key in the form of an id', { key: 'd303d5a9-5431-4b03-a1bd-fe53f0269ff3', name: 'a', permissions: [] }, ['key']],
    ['the key for having no role', { key: 'no-access', name: 'a', permissions: [] }, ['key']],
    ['a name of letters from two scripts', { key: 'a', name: 'Аdmin', permissions: [] }, ['name']],
    ['a name with an invisible character', { key: 'a', name: 'a\u200Db', permissions: [] }, ['name']],
    ['a name with a letter that shows nothing', { key: 'a', name: 'Admin\u3164', permissions: [] }, ['name']],
    ['a name that begins with a space', { key: 'a', name: ' a', permissions: [] }, ['name']],
    ['an empty name', { key: 'a', name: '', permissions: [] }, ['name']],
    ['a name of 101 characters', { key: 'a', name: 'x'.repeat(101), permissions: [] }, ['name']],
    ['permissions that are no list', { key: 'a', name: 'a', permissions: 'token:read' }, ['permissions']],
    ['permissions of other types', { key: 'a', name: 'a', permissions: ['token:read', 5, null, {}, ['x']] }, ['permissions.1', 'permissions.2', 'permissions.3', 'permissions.4']],
    ['everything', { key: 'a', name: 'a', permissions: ['*'] }, ['permissions.0']],
    ['half a word and a wildcard', { key: 'a', name: 'a', permissions: ['tok*:read'] }, ['permissions.0']],
    ['what stands for no permission', { key: 'a', name: 'a', permissions: ['token:read', 'tokens:read', 'invoice:*', 'token:re'] }, ['permissions.1', 'permissions.2', 'permissions.3']],
    ['the operator\'s permissions', { key: 'a', name: 'a', permissions: ['platform:organization:write', 'platform:*:*'] }, ['permissions.0', 'permissions.1']],
    ['more than 200 permissions', { key: 'a', name: 'a', permissions: Array<string>(201).fill('token:read') }, ['permissions']],
  ])('refuses %s with 400, names the place and creates nothing', async (_, body, paths) => {
    const before = await sql(tenant, 'SELECT count(*) FROM roles');
    const answer = await create(body);
    expect([answer.status, answer.body.code]).toEqual([400, 'input-invalid']);
    expect(answer.body.errors.map(({ path }: { path: string }) => path)).toEqual(paths);
    expect(await sql(tenant, 'SELECT count(*) FROM roles')).toEqual(before);
  });

  it('knows a key, and a name in any case, width or form, once in an organization', async () => {
    const [key, word] = [aName('key'), aName('café')];
    expect((await create({ key, name: word, permissions: [] })).status).toBe(201);
    const taken = [
      { key, name: aName('other') },
      ...[word, word.toUpperCase(), word.normalize('NFD'), word.replace('c', '\uff43')].map((name) => ({ key: aName('key'), name })),
      { key: aName('key'), name: 'ADMIN' },
    ];
    for (const each of taken) {
      const { status, body } = await create({ ...each, permissions: [] });
      expect([each.name, status, body.code]).toEqual([each.name, 409, 'conflict']);
    }
    const other = await aTenant();
    expect((await create({ key, name: word, permissions: [] }, other.admin.session)).status).toBe(201);
  });

  it('lets one of two win that take the same key at once', async () => {
    const key = aName('race');
    const answers = await Promise.all([1, 2, 3].map((count) => create({ key, name: `${key} ${count}`, permissions: [] })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
  });

  it('ends at 200 roles of one\'s own', async () => {
    const own = await aTenant();
    await sql(own, `INSERT INTO roles (organization_id, id, key, name, name_folded, built_in, permissions, created_at, updated_at)
      SELECT $1, gen_random_uuid(), 'r' || n, 'r' || n, 'r' || n, false, '{}', now(), now() FROM generate_series(1, 199) n`, [own.id]);
    expect((await create({ key: 'last', name: 'Last', permissions: [] }, own.admin.session)).status).toBe(201);
    const { status, body } = await create({ key: 'beyond', name: 'Beyond', permissions: [] }, own.admin.session);
    expect([status, body.code, body.detail]).toEqual([403, 'limit-exceeded', 'There may be no more than 200 roles.']);
  });
});

describe('GET /v1/roles', () => {
  it('lists the built-in ones with what they hold, then the others, page by page', async () => {
    const own = await aTenant();
    const created: string[] = [];
    for (const key of ['one', 'two']) created.push((await create({ key, name: key, permissions: [] }, own.admin.session)).body.id);
    const first = await call('GET', `${roles}?limit=3`, { as: own.admin.session });
    expect([first.status, Object.keys(first.body)]).toEqual([200, ['data', 'next_cursor']]);
    const builtIn = Object.fromEntries(first.body.data.map((role: any) => [role.key, role]));
    expect(builtIn['ADMIN']).toMatchObject({ built_in: true, permissions: [...TENANT_PERMISSIONS].sort(), effective_permissions: [...TENANT_PERMISSIONS].sort() });
    expect(builtIn['EXTERNAL'].permissions).toEqual(['profile:read']);
    expect(Object.keys(builtIn).sort()).toEqual(['ADMIN', 'EXTERNAL', 'MEMBER']);
    const second = await call('GET', `${roles}?limit=1&cursor=${first.body.next_cursor}`, { as: own.admin.session });
    const third = await call('GET', `${roles}?limit=1&cursor=${second.body.next_cursor}`, { as: own.admin.session });
    expect([...second.body.data, ...third.body.data].map(({ id }: { id: string }) => id)).toEqual(created);
    expect(third.body.next_cursor).toBeNull();
  });

  it.each(['limit=0', 'limit=101', 'limit=x', 'limit=1&limit=2', 'cursor=x', 'cursor=', `cursor=${'x'.repeat(201)}`])('refuses ?%s with 400', async (query) => {
    expect((await call('GET', `${roles}?${query}`, { as })).status).toBe(400);
  });

  it('lets members read, and nobody write or read without the permission', async () => {
    const [member, external] = [await aMember(tenant, 'MEMBER'), await aMember(tenant, 'EXTERNAL')];
    expect((await call('GET', roles, { as: member.session })).status).toBe(200);
    expect((await call('GET', roles, { as: external.session })).body.permissions).toEqual(['role:read']);
    expect((await create({ key: aName('x'), name: aName('x'), permissions: [] }, member.session)).body.permissions).toEqual(['role:write']);
  });

  it('shows no role of another organization, under its id or its key, and none that does not exist', async () => {
    const other = await aTenant();
    const key = aName('canary');
    const { id } = (await create({ key, name: key, permissions: [] }, other.admin.session)).body;
    const mask = ({ status, text }: Answer, name: string): string => `${status} ${text.replaceAll(name, 'ID').replace(/req-\w{14}/, 'REQ')}`;
    const nobody = mask(await call('GET', `${roles}/11111111-1111-4111-8111-111111111111`, { as }), 'ID');
    for (const name of [id, key]) {
      for (const ask of [call('GET', `${roles}/${name}`, { as }), change(name, { name: 'x' }), remove(name)]) expect(mask(await ask, name)).toBe(nobody);
    }
    expect((await call('GET', `${roles}?limit=100`, { as })).text).not.toContain(key);
    expect((await call('GET', `${roles}/${key}`, { as: other.admin.session })).body.name).toBe(key);
  });

  it.each(['%00', 'a%00b', '%F0%9F%92%A9', '..%2f..', "'%20OR%201=1--", 'x'.repeat(300), '{}', '*', '%ED%A0%80'])('answers 4xx to the id %s, whatever the method', async (id) => {
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const { status } = await call(method, `${roles}/${id}`, { as, ...(method === 'PATCH' && { body: { name: 'x' } }) });
      expect([method, Math.floor(status / 100)]).toEqual([method, 4]);
    }
  });
});

describe('PATCH /v1/roles/{id}', () => {
  it('changes what is named and keeps the rest, and records before and after', async () => {
    const { id, key } = await aCustomRole(['token:read']);
    const renamed = await change(key, { name: `${key} neu` });
    expect([renamed.status, renamed.body.name, renamed.body.permissions]).toEqual([200, `${key} neu`, ['token:read']]);
    const regranted = await change(id, { permissions: ['project:read'], key: `${key}-2` });
    expect([regranted.body.key, regranted.body.name, regranted.body.permissions]).toEqual([`${key}-2`, `${key} neu`, ['project:read']]);
    expect((await call('GET', `${roles}/${key}`, { as })).status).toBe(404);
    const events = await sql(tenant, `SELECT before, after FROM audit_events WHERE target_id = $1 AND action = 'role.updated' ORDER BY before ? 'name' DESC`, [id]);
    expect(events).toEqual([
      { before: { name: key }, after: { name: `${key} neu` } },
      { before: { key, permissions: ['token:read'] }, after: { key: `${key}-2`, permissions: ['project:read'] } },
    ]);
  });

  it('with nothing named changes nothing and records nothing', async () => {
    const { id, etag } = await aCustomRole(['token:read']);
    const { status, headers } = await change(id, {});
    expect([status, headers['etag']]).toEqual([200, etag]);
    expect(await sql(tenant, `SELECT 1 FROM audit_events WHERE target_id = $1 AND action = 'role.updated'`, [id])).toEqual([]);
  });

  it('is in force at once, on live sessions and on the tokens of a person, of a machine and of the organization', async () => {
    const { key, id } = await aCustomRole(['token:read', 'user:api-token:write', 'identity:token:write']);
    const person = await aMember(tenant, key);
    const own = (await call('POST', '/user/api-tokens', { as: person.session, body: { description: 'a token of a person' } })).body.token;
    const identity = (await call('POST', '/api/v1/identities', { as, body: { name: aName('machine'), organizationId: tenant.id, role: key } })).body.identity.id;
    await call('POST', `/api/v1/auth/token-auth/identities/${identity}`, { as, body: {} });
    const machine = (await call('POST', `/api/v1/auth/token-auth/identities/${identity}/tokens`, { as, body: {} })).body.accessToken;
    const service = (await call('POST', '/api/v1/token', { as, body: { name: aName('key'), personal: false, role_id: id } })).body.api_token;
    const scopes = async (): Promise<string[]> => {
      const found: string[] = [];
      for (const token of [own, machine, service]) found.push((await introspect(as, token))['scope']);
      return [...found, (await permissionsOf(person)).join(' ')];
    };
    expect(await scopes()).toEqual(Array(4).fill('identity:token:write token:read user:api-token:write'));
    expect((await call('GET', '/v1/tokens', { as: own })).status).toBe(200);
    await change(key, { permissions: ['user:api-token:write'] });
    expect(await scopes()).toEqual(Array(4).fill('user:api-token:write'));
    for (const credential of [own, machine, service, person.session]) expect((await call('GET', '/v1/tokens', { as: credential })).status).toBe(403);
  });

  it.each(['ADMIN', 'MEMBER', 'EXTERNAL'])('leaves the built-in role %s as it is', async (key) => {
    for (const answer of [await change(key, { name: 'x' }), await change(key, { permissions: [] }), await remove(key)]) {
      expect([answer.status, answer.body.code, answer.body.detail]).toEqual([409, 'conflict', 'A built-in role cannot be changed.']);
    }
  });
});

describe('If-Match', () => {
  it('stops whoever has seen an older state, and lets the one through who has seen this one', async () => {
    const { id, etag } = await aCustomRole(['token:read']);
    const first = await change(id, { name: aName('first') }, { ifMatch: etag });
    expect(first.status).toBe(200);
    expect(first.headers['etag']).not.toBe(etag);
    for (const stale of [await change(id, { name: aName('second') }, { ifMatch: etag }), await remove(id, { ifMatch: etag }), await change(id, { name: 'x' }, { ifMatch: `W/${first.headers['etag'] as string}` })]) {
      expect(stale.status).toBe(412);
      expect(stale.body.detail).toBe('It has changed since; read it again.');
    }
    expect((await call('GET', `${roles}/${id}`, { as })).body.name).toBe(first.body.name);
    expect((await change(id, { name: aName('any') }, { ifMatch: '*' })).status).toBe(200);
    expect((await change(id, { name: aName('none') })).status).toBe(200);
  });

  it('tells two states apart that the clock does not', async () => {
    const { id, etag } = await aCustomRole([]);
    const { clock } = await theApp();
    clock.advance(0);
    const tags = new Set([etag]);
    for (let count = 0; count < 3; count += 1) tags.add(String((await change(id, { name: aName('name') })).headers['etag']));
    expect(tags.size).toBe(4);
  });

  it('lets exactly one of several edits through that have seen the same state', async () => {
    const { id, etag } = await aCustomRole(['token:read']);
    const answers = await Promise.all([1, 2, 3, 4].map(() => change(id, { name: aName('edit') }, { ifMatch: etag })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const winner = answers.find(({ status }) => status === 200);
    expect((await call('GET', `${roles}/${id}`, { as })).body).toEqual(winner?.body);
  });
});

describe('DELETE /v1/roles/{id}', () => {
  it('frees the key, and a new role of that key has nothing of the old one', async () => {
    const { id, key } = await aCustomRole(['token:read']);
    expect((await remove(key)).status).toBe(204);
    expect((await call('GET', `${roles}/${key}`, { as })).status).toBe(404);
    expect((await remove(id)).status).toBe(404);
    const again = await create({ key, name: key, permissions: [] });
    expect([again.status, again.body.permissions]).toEqual([201, []]);
    expect(again.body.id).not.toBe(id);
    expect(await sql(tenant, `SELECT details FROM audit_events WHERE target_id = $1 AND action = 'role.deleted'`, [id])).toEqual([
      { details: { key, name: key, permissions: ['token:read'] } },
    ]);
  });

  it('says by how many a role is in use, and does nothing while it is', async () => {
    const { id, key } = await aCustomRole(['token:read']);
    const people = [await aMember(tenant, key), await aMember(tenant, key)];
    await call('POST', '/api/v1/identities', { as, body: { name: aName('machine'), organizationId: tenant.id, role: key } });
    const { api_token_id: token } = (await call('POST', '/api/v1/token', { as, body: { name: aName('key'), personal: false, role_id: id } })).body;
    const { status, body } = await remove(id);
    expect([status, body.code, body.detail]).toEqual([409, 'conflict', 'The role is in use: 2 members, 1 machine identity, 1 token.']);
    expect(await permissionsOf(people[0])).toEqual(['token:read']);
    await call('DELETE', `/api/v1/token/${token}`, { as });
    expect((await remove(id)).body.detail).toBe('The role is in use: 2 members, 1 machine identity.');
  });

  it('leaves the tokens that had it, and are gone, in the inventory; one that comes back by whatever way may do nothing', async () => {
    const { id } = await aCustomRole(['token:read']);
    const { api_token: secret, api_token_id: token } = (await call('POST', '/api/v1/token', { as, body: { name: aName('key'), personal: false, role_id: id } })).body;
    await call('DELETE', `/api/v1/token/${token}`, { as });
    expect((await remove(id)).status).toBe(204);
    expect((await call('GET', `/v1/tokens/${token}`, { as })).body.state).toBe('revoked');
    await sql(tenant, 'UPDATE api_tokens SET revoked_at = NULL WHERE id = $1', [token]);
    expect(await introspect(as, secret)).toMatchObject({ active: true, scope: '' });
  });
});

describe('nobody writes into a role what they do not hold', () => {
  it('be it by name or by wildcard, in a new role or in an old one', async () => {
    const editor = await aRoleEditor(['token:read']);
    const make = (permissions: string[]): Promise<Answer> => create({ key: aName('role'), name: aName('role'), permissions }, editor.session);
    expect((await make(['token:read', 'role:read'])).status).toBe(201);
    for (const [permissions, missing] of [
      [['token:read', 'token:write', 'project:read'], ['project:read', 'token:write']],
      [['token:*'], ['token:introspect', 'token:write']],
      [['*:read'], ['audit:read', 'identity:read', 'invitation:read', 'member:read', 'organization:read', 'permission:read', 'policy:read', 'profile:read', 'project:read', 'session:read', 'webhook:read']],
    ] as const) {
      const { status, body } = await make([...permissions]);
      expect([status, body.code, body.permissions]).toEqual([403, 'permission-exceeded', missing]);
    }
    const own = (await make(['token:read'])).body.id;
    expect((await change(own, { permissions: ['token:write'] }, { by: editor.session })).body.permissions).toEqual(['token:write']);
  });

  it('a wildcard only who is bound by one as wide: it also stands for what comes later', async () => {
    const narrow = await aRoleEditor(['token:read', 'token:write', 'token:introspect']);
    const wide = await aRoleEditor(['token:*']);
    const body = (): object => ({ key: aName('role'), name: aName('role'), permissions: ['token:*'] });
    const refused = await create(body(), narrow.session);
    expect([refused.status, refused.body.permissions]).toEqual([403, ['token:*']]);
    expect((await create(body(), wide.session)).status).toBe(201);
    expect((await create(body())).status).toBe(201);
  });

  it('nor changes or deletes a role that allows more than they hold', async () => {
    const editor = await aRoleEditor(['token:read']);
    const { id } = await aCustomRole(['token:read', 'project:write']);
    for (const answer of [await change(id, { name: aName('x') }, { by: editor.session }), await change(id, { permissions: [] }, { by: editor.session }), await remove(id, { by: editor.session })]) {
      expect([answer.status, answer.body.permissions]).toEqual([403, ['project:write']]);
    }
  });

  it('nor with a token, more than the token holds', async () => {
    const { id } = await aCustomRole(['role:write', 'token:read']);
    const token = (await call('POST', '/api/v1/token', { as, body: { name: aName('key'), personal: true, role_id: id } })).body.api_token;
    const make = (permissions: string[]): Promise<Answer> => create({ key: aName('role'), name: aName('role'), permissions }, token);
    expect((await make(['token:read'])).status).toBe(201);
    expect((await make(['token:read', 'project:read'])).body.permissions).toEqual(['project:read']);
    expect((await make(['token:*'])).status).toBe(403);
  });
});
