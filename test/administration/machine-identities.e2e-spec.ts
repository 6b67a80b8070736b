import { beforeAll, describe, expect, it } from 'vitest';
import { theApp } from '../support/app.js';
import { aMember, aName, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { aClient, admit, aSubOrganization, done, IDENTITIES, login, mintFor, ODD_IDS, TOKEN_AUTH } from '../support/machines.js';
import { aTokenOf } from '../support/unleash.js';

const MACHINES = '/v1/machine-identities';
const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

let tenant: TestTenant;
let as: string;
let stranger: TestTenant;
beforeAll(async () => {
  [tenant, stranger] = [await aTenant(), await aTenant()];
  as = tenant.admin.session;
});

const create = (body: unknown, who = as) => call('POST', MACHINES, { as: who, body });
const patch = (id: string, body: unknown, who = as) => call('PATCH', `${MACHINES}/${id}`, { as: who, body });
const remove = (id: string, who = as) => call('DELETE', `${MACHINES}/${id}`, { as: who });
const problem = ({ status, headers, body }: Answer): unknown[] => [status, headers['content-type'], body.code, body.errors?.map(({ path }: { path: string }) => path)];
const idsOf = ({ body }: Answer): string[] => body.data.map(({ id }: { id: string }) => id);
const eventsOf = (id: string) => sql(tenant, 'SELECT action, actor_id, details, before, after FROM audit_events WHERE target_id = $1 ORDER BY occurred_at, id', [id]);

/** A machine identity; returns its id. */
async function aMachine(body: object = {}, who = as): Promise<string> {
  const { status, body: created, text } = await create({ name: aName('machine'), role: 'MEMBER', ...body }, who);
  if (status !== 201) throw new Error(text);
  return created.id;
}

/** A token of a new machine identity. */
async function aMachineToken(body: object = {}): Promise<{ identityId: string; id: string; secret: string }> {
  const identityId = await aMachine(body);
  await done(call('POST', `${TOKEN_AUTH}/identities/${identityId}`, { as, body: {} }));
  return mintFor(tenant, identityId);
}

describe('POST /v1/machine-identities', () => {
  it('creates one that the door for machines knows too, and records it once', async () => {
    const { clock } = await theApp();
    clock.advance(0.000001);
    const at = clock.now().toRfc3339();
    const { status, body } = await create({ name: 'deployer', role: 'MEMBER', delete_protected: true });
    const expected = { id: body.id, name: 'deployer', role: 'MEMBER', delete_protected: true, login_methods: [], last_login_at: null, created_at: at, updated_at: at };
    expect([status, body]).toEqual([201, expected]);
    expect((await call('GET', `${MACHINES}/${body.id}`, { as })).body).toEqual(expected);
    expect((await done(call('GET', `${IDENTITIES}/${body.id}`, { as }))).identity.identity.name).toBe('deployer');
    expect(await eventsOf(body.id)).toEqual([{ action: 'identity.created', actor_id: tenant.admin.id, details: { name: 'deployer', role: 'MEMBER', deleteProtected: true }, before: null, after: null }]);
  });

  it.each([[{}], [{ role: null }]])('gives no access where no role is named: %j', async (role) => {
    expect((await create({ name: 'nobody', ...role })).body).toMatchObject({ role: null, delete_protected: false });
  });

  it.each([
    ['name', undefined], ['name', null], ['name', 7], ['name', ''], ['name', ' a'], ['name', 'a\0'], ['name', 'a\u200db'], ['name', '\ud800'], ['name', 'Сaфе'], ['name', 'x'.repeat(101)],
    ['role', 7], ['role', ''], ['role', []], ['role', {}], ['role', 'a\0'], ['role', 'x'.repeat(101)],
    ['delete_protected', null], ['delete_protected', 'true'], ['delete_protected', 1],
  ])('refuses the %s %j', async (field, value) => {
    expect(problem(await create({ name: 'x', [field]: value }))).toEqual([400, PROBLEM_TYPE, 'input-invalid', [field]]);
  });

  it.each([
    ['no body', {}, 400, 'input-invalid'],
    ['a list', { body: [] }, 400, 'input-invalid'],
    ['no JSON', { body: '{' }, 400, 'body-malformed'],
    ['another type', { body: 'x', headers: { 'content-type': 'text/plain' } }, 415, 'content-type-unsupported'],
    ['more than 64 KB', { body: { name: 'x'.repeat(65_537) } }, 413, 'body-too-large'],
  ])('refuses %s', async (_, options, status, code) => {
    expect(problem(await call('POST', MACHINES, { as, ...options })).slice(0, 3)).toEqual([status, PROBLEM_TYPE, code]);
  });

  it('takes nothing but name, role and protection: whatever else the body has is refused by its name, and nothing is created', async () => {
    const claims = { id: stranger.id, organization_id: stranger.id, organizationId: stranger.id, created_at: '2000-01-01T00:00:00Z', deleted_at: '2000-01-01T00:00:00Z' };
    expect(problem(await create({ ...claims, name: 'claims' }))).toEqual([400, PROBLEM_TYPE, 'input-invalid', Object.keys(claims)]);
    for (const each of [tenant, stranger]) expect(await sql(each, `SELECT FROM machine_identities WHERE name = 'claims'`)).toEqual([]);
  });

  it('knows no role that is absent or another organization\'s', async () => {
    const foreign = await aRole(stranger, ['token:read']);
    const [{ id } = {}] = await sql(stranger, 'SELECT id FROM roles WHERE key = $1', [foreign]);
    for (const role of ['absent', foreign, id]) expect(problem(await create({ name: 'x', role })).slice(0, 3)).toEqual([404, PROBLEM_TYPE, 'not-found']);
  });
});

describe('GET /v1/machine-identities', () => {
  it('lists them oldest first, page by page, each once, and those that are deleted not at all', async () => {
    const own = await aTenant();
    const who = own.admin.session;
    const ids: string[] = [];
    for (const name of ['zebra', 'apple', 'mango', 'apple', 'kiwi']) ids.push(await aMachine({ name }, who));
    await remove(ids[2] ?? '', who);
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await call('GET', `${MACHINES}?limit=2${cursor}`, { as: who });
      expect([page.status, Object.keys(page.body)]).toEqual([200, ['data', 'next_cursor']]);
      seen.push(...idsOf(page));
      cursor = page.body.next_cursor === null ? '' : `&cursor=${page.body.next_cursor}`;
    } while (cursor);
    expect(seen).toEqual(ids.filter((_, place) => place !== 2));
  });

  it.each(['limit=0', 'limit=101', 'limit=x', 'limit=', 'limit=1&limit=2', 'cursor=x', 'cursor=', 'cursor=%00'])('refuses ?%s', async (query) => {
    expect((await call('GET', `${MACHINES}?${query}`, { as })).status).toBe(400);
  });

  it('shows nothing of another organization, whatever cursor it is asked with', async () => {
    for (const name of ['canary-one', 'canary-two']) await aMachine({ name }, stranger.admin.session);
    const { body } = await call('GET', `${MACHINES}?limit=1`, { as: stranger.admin.session });
    expect((await call('GET', `${MACHINES}?limit=100&cursor=${body.next_cursor}`, { as })).text).not.toContain('canary');
  });
});

describe('PATCH /v1/machine-identities/{id}', () => {
  it('changes what is named, keeps the rest, and records both sides', async () => {
    const id = await aMachine({ name: 'old' });
    const { body: before } = await call('GET', `${MACHINES}/${id}`, { as });
    const { clock } = await theApp();
    clock.advance(60);
    const at = clock.now().toRfc3339();
    expect((await patch(id, { name: 'new' })).body).toEqual({ ...before, name: 'new', updated_at: at });
    expect((await patch(id, { role: null, delete_protected: true })).body).toEqual({ ...before, name: 'new', role: null, delete_protected: true, updated_at: at });
    const [, ...changes] = await eventsOf(id);
    const sides = changes.map(({ action, before: was, after: is }) => ({ action, was, is }));
    expect(sides).toHaveLength(2);
    expect(sides).toEqual(expect.arrayContaining([
      { action: 'identity.updated', was: { name: 'old' }, is: { name: 'new' } },
      { action: 'identity.updated', was: { role: 'MEMBER', deleteProtected: false }, is: { role: null, deleteProtected: true } },
    ]));
  });

  it('changes and records nothing where nothing is named', async () => {
    const id = await aMachine();
    const { body: before } = await call('GET', `${MACHINES}/${id}`, { as });
    (await theApp()).clock.advance(60);
    expect((await patch(id, {})).body).toEqual(before);
    expect(await eventsOf(id)).toHaveLength(1);
  });

  it('is in force for live tokens at once', async () => {
    const { identityId, secret } = await aMachineToken({ role: await aRole(tenant, ['project:read', 'token:read']) });
    expect((await introspect(as, secret))['scope']).toBe('project:read token:read');
    await patch(identityId, { role: await aRole(tenant, ['project:read']) });
    expect((await introspect(as, secret))['scope']).toBe('project:read');
    await patch(identityId, { role: null });
    expect((await introspect(as, secret))['scope'] ?? '').toBe('');
    expect((await call('GET', '/v1/projects', { as: secret })).status).toBe(403);
  });

  it.each([['name', null], ['name', ''], ['role', 7], ['delete_protected', 'yes']])('refuses the %s %j', async (field, value) => {
    expect(problem(await patch(await aMachine(), { [field]: value }))).toEqual([400, PROBLEM_TYPE, 'input-invalid', [field]]);
  });
});

describe('nobody', () => {
  it('gives a machine more than they hold, changes one that holds more, or deletes it; the refusal names what is missing', async () => {
    const manager = (await aMember(tenant, await aRole(tenant, ['identity:read', 'identity:write', 'project:read']))).session;
    const [equal, above] = [await aRole(tenant, ['project:read']), await aRole(tenant, ['project:read', 'token:read'])];
    expect((await create({ name: 'x', role: equal }, manager)).status).toBe(201);
    const refused = await create({ name: 'x', role: above }, manager);
    expect([refused.status, refused.body.code, refused.body.permissions]).toEqual([403, 'permission-exceeded', ['token:read']]);
    expect((await create({ name: 'x', role: 'ADMIN' }, manager)).status).toBe(403);

    const [low, high] = [await aMachine({ role: equal }), await aMachine({ role: above })];
    expect((await patch(low, { role: above }, manager)).body.permissions).toEqual(['token:read']);
    for (const change of [{ name: 'mine' }, { role: null }, { role: equal }, { delete_protected: true }]) {
      expect((await patch(high, change, manager)).body).toMatchObject({ code: 'permission-exceeded', permissions: ['token:read'] });
    }
    expect((await remove(high, manager)).body).toMatchObject({ code: 'permission-exceeded', permissions: ['token:read'] });
    expect((await call('GET', `${MACHINES}/${high}`, { as })).body).toMatchObject({ role: above, delete_protected: false });
    expect((await patch(low, { role: null }, manager)).status).toBe(200);
    expect((await remove(low, manager)).status).toBe(204);
  });

  it('escapes that by changing a role in the same moment: the role that counts is the one the machine has when it is deleted', async () => {
    const manager = (await aMember(tenant, await aRole(tenant, ['identity:write', 'project:read']))).session;
    const equal = await aRole(tenant, ['project:read']);
    for (let round = 0; round < 5; round += 1) {
      const id = await aMachine({ role: equal });
      const [raised, removed] = await Promise.all([patch(id, { role: 'ADMIN' }), remove(id, manager)]);
      expect([[200, 403], [404, 204]]).toContainEqual([raised.status, removed.status]);
    }
  });

  it('without identity:read reads, or without identity:write changes one', async () => {
    const id = await aMachine();
    const reader = (await aMember(tenant)).session;
    const writer = (await aMember(tenant, await aRole(tenant, ['identity:write']))).session;
    const asked: [string, string, object?][] = [['GET', MACHINES], ['GET', `${MACHINES}/${id}`], ['POST', MACHINES, { name: 'x' }], ['PATCH', `${MACHINES}/${id}`, { name: 'x' }], ['DELETE', `${MACHINES}/${id}`]];
    for (const [method, path, body] of asked) {
      const reads = method === 'GET';
      const { status, body: refused } = await call(method, path, { as: reads ? writer : reader, body });
      expect([method, status, refused.permissions]).toEqual([method, 403, [reads ? 'identity:read' : 'identity:write']]);
      if (reads) expect((await call(method, path, { as: reader })).status).toBe(200);
    }
  });

  it('limited to projects enters: machines belong to none', async () => {
    const id = await aMachine();
    const limited = await aTokenOf(tenant, { projects: ['default'] });
    for (const [method, path, body] of [['GET', MACHINES], ['GET', `${MACHINES}/${id}`], ['POST', MACHINES, { name: 'x' }], ['PATCH', `${MACHINES}/${id}`, { name: 'x' }], ['DELETE', `${MACHINES}/${id}`]] as [string, string, object?][]) {
      expect([method, problem(await call(method, path, { as: limited, body })).slice(0, 3)]).toEqual([method, [403, PROBLEM_TYPE, 'caller-refused']]);
    }
  });
});

describe('DELETE /v1/machine-identities/{id}', () => {
  it('ends its tokens and logins at once; its tokens stay listed, with who, when and why, and nobody inherits them', async () => {
    const { identityId, id, secret } = await aMachineToken({ name: 'again' });
    const client = await aClient(tenant);
    const { accessToken } = (await login(client)).body;
    const { clock } = await theApp();
    clock.advance(60);
    const at = clock.now().toRfc3339();
    for (const machine of [identityId, client.identityId]) expect((await remove(machine)).status).toBe(204);

    for (const dead of [secret, accessToken]) expect(await introspect(as, dead)).toEqual({ active: false });
    expect((await login(client)).status).toBe(401);
    expect((await call('GET', `/v1/tokens/${id}`, { as })).body).toMatchObject({ state: 'revoked', owner_id: identityId, revoked_at: at, revoked_by: tenant.admin.id, revocation_reason: 'identity-deleted' });
    expect(idsOf(await call('GET', `/v1/tokens?owner_id=${identityId}&state=revoked`, { as }))).toEqual([id]);
    expect((await eventsOf(id)).filter(({ action }) => action === 'token.revoked')).toMatchObject([{ actor_id: tenant.admin.id, details: { reason: 'identity-deleted' } }]);
    expect((await eventsOf(identityId)).at(-1)).toMatchObject({ action: 'identity.deleted', actor_id: tenant.admin.id, details: { name: 'again', tokensRevoked: 1 } });

    for (const [method, body] of [['GET'], ['PATCH', { name: 'x' }], ['DELETE']] as [string, object?][]) expect([method, (await call(method, `${MACHINES}/${identityId}`, { as, body })).status]).toEqual([method, 404]);
    const successor = await aMachine({ name: 'again' });
    expect(idsOf(await call('GET', `/v1/tokens?owner_id=${successor}`, { as }))).toEqual([]);
    expect(await introspect(as, secret)).toEqual({ active: false });
  });

  it('is refused while it is protected, and then nothing has happened', async () => {
    const { identityId, secret } = await aMachineToken({ delete_protected: true });
    expect(problem(await remove(identityId)).slice(0, 3)).toEqual([409, PROBLEM_TYPE, 'conflict']);
    expect((await introspect(as, secret))['active']).toBe(true);
    expect((await eventsOf(identityId)).map(({ action }) => action)).not.toContain('identity.deleted');
    await patch(identityId, { delete_protected: false });
    expect((await remove(identityId)).status).toBe(204);
  });

  it('is done by one of several who ask at once; to the others it is gone', async () => {
    const { identityId } = await aMachineToken();
    const answers = await Promise.all(Array.from({ length: 4 }, () => remove(identityId)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 404, 404, 404]);
    expect((await eventsOf(identityId)).filter(({ action }) => action === 'identity.deleted')).toHaveLength(1);
  });

  it('lets no token survive that is minted at the same time', async () => {
    for (let round = 0; round < 4; round += 1) {
      const { identityId } = await aMachineToken();
      const mint = () => call('POST', `${TOKEN_AUTH}/identities/${identityId}/tokens`, { as, body: {} });
      const [removed, ...minted] = await Promise.all([remove(identityId), mint(), mint(), mint()]);
      expect(removed.status).toBe(204);
      for (const { status, body } of minted) {
        if (status === 200) expect(await introspect(as, body.accessToken)).toEqual({ active: false });
        else expect(Math.floor(status / 100)).toBe(4);
      }
    }
  });
});

describe('every route of machine identities', () => {
  it.each(ODD_IDS)('answers 404 where %s stands for an id', async (id) => {
    for (const [method, body] of [['GET'], ['PATCH', { name: 'x' }], ['DELETE']] as [string, object?][]) {
      expect([method, (await call(method, `${MACHINES}/${id}`, { as, body })).status]).toEqual([method, 404]);
    }
  });

  it('is as if there were none where it is another organization\'s, and changes nothing of it', async () => {
    const id = await aMachine({}, stranger.admin.session);
    const absent = id.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    const fingerprint = () => sql(stranger, `SELECT (SELECT md5(string_agg(i::text, '' ORDER BY i.id)) FROM machine_identities i) AS i, (SELECT count(*) FROM audit_events) AS a`);
    const before = await fingerprint();
    const mask = ({ status, text }: Answer): string => `${status} ${text.replace(/req-\w+/, 'REQ')}`;
    for (const [method, body] of [['GET'], ['PATCH', { name: 'x' }], ['DELETE']] as [string, object?][]) {
      const [theirs, nobodys] = [await call(method, `${MACHINES}/${id}`, { as, body }), await call(method, `${MACHINES}/${absent}`, { as, body })];
      expect([method, mask(theirs), theirs.status]).toEqual([method, mask(nobodys), 404]);
    }
    expect(await fingerprint()).toEqual(before);
  });

  it('leaves a machine of the parent organization to the parent, where it is admitted', async () => {
    const id = await aMachine();
    const sub = await aSubOrganization(tenant);
    await admit(sub, id);
    for (const [method, body] of [['PATCH', { name: 'x' }], ['DELETE']] as [string, object?][]) {
      expect([method, (await call(method, `${MACHINES}/${id}`, { as: sub.admin.session, body })).status]).toEqual([method, 403]);
    }
    expect(idsOf(await call('GET', MACHINES, { as: sub.admin.session }))).toEqual([]);
    expect((await call('GET', `${MACHINES}/${id}`, { as })).status).toBe(200);
  });
});
