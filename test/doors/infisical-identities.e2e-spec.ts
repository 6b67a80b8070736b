import { beforeAll, describe, expect, it } from 'vitest';
import { aMember, aName, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { ABSENT, aClient, aMachine, aMachineToken, done, freeze, IDENTITIES, login, mintFor, ODD_IDS, probe, TOKEN_AUTH, UNIVERSAL_AUTH, wireExample } from '../support/machines.js';

let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});

const create = (body: object, session = as) => call('POST', IDENTITIES, { as: session, body: { name: 'machine', organizationId: tenant.id, ...body } });
const get = (id: string, session = as) => call('GET', `${IDENTITIES}/${id}`, { as: session });
const patch = (id: string, body: object, session = as) => call('PATCH', `${IDENTITIES}/${id}`, { as: session, body });
const refusal = (status: number, error: string, message: unknown) => ({ reqId: expect.stringMatching(/^req-[0-9A-Za-z]{14}$/), statusCode: status, message, error });
const otherOrganization = (id: string) => refusal(403, 'ForbiddenError', `Your token is scoped to a different organization than the one with ID ${id}`);
const boundary = (message: string, missing: readonly string[]) => ({
  ...refusal(403, 'PermissionBoundaryError', message),
  details: { missingPermissions: missing.map((permission) => ({ action: permission.split(':').at(-1), subject: permission.split(':').slice(0, -1).join(':') })) },
});

describe('POST /api/v1/identities', () => {
  it('answers the identity key by key', async () => {
    const now = await freeze();
    const { status, text, body } = await create({ name: ' build-server ', role: 'member', hasDeleteProtection: true, metadata: [{ key: ' team ', value: ' payments ' }] });
    const { id, metadata } = body.identity;
    expect([status, text]).toEqual([200, await wireExample('created-identity', { id, metadataId: metadata[0].id, organizationId: tenant.id, now })]);
  });

  it('gives no access and no protection where nothing is said', async () => {
    const { body } = await create({});
    expect(body.identity).toMatchObject({ hasDeleteProtection: false, metadata: [] });
    expect((await get(body.identity.id)).body.identity.role).toBe('no-access');
  });

  it('maps the built-in roles to ours and takes any other slug for a custom role', async () => {
    const key = await aRole(tenant, ['token:read']);
    for (const [role, scope] of [['admin', 'identity:write'], ['member', 'user:api-token:write'], ['no-access', ''], [key, 'token:read']] as const) {
      const { body } = await create({ role: ` ${role} ` });
      await done(call('POST', `${TOKEN_AUTH}/identities/${body.identity.id}`, { as, body: {} }));
      const { secret } = await mintFor(tenant, body.identity.id);
      expect([role, (await introspect(as, secret))['scope'].split(' ').includes(scope)]).toEqual([role, true]);
    }
  });

  it('refuses a role that is none, by id, of another organization, or spelled our way', async () => {
    const foreign = await aRole(await aTenant(), []);
    const [own] = await sql(tenant, `SELECT id FROM roles WHERE key = 'MEMBER'`);
    for (const role of ['nobody', foreign, own?.['id'], 'ADMIN', 'MEMBER', 'Admin', ABSENT]) {
      const { status, body } = await create({ role });
      expect([role, status, body]).toEqual([role, 404, refusal(404, 'NotFound', `Specified roles '${role}' was not found in the organization`)]);
    }
  });

  it('honours no organization but the caller\'s', async () => {
    const stranger = await aTenant();
    for (const organizationId of [stranger.id, ABSENT, 'x', '']) {
      const { status, body } = await create({ organizationId });
      expect([status, body]).toEqual([403, otherOrganization(organizationId)]);
    }
    expect((await call('GET', `${IDENTITIES}?orgId=${stranger.id}`, { as: stranger.admin.session })).body).toEqual({ identities: [], totalCount: 0 });
  });

  it('gives nobody a role that allows more than they hold, and says what is missing', async () => {
    const held = ['identity:write', 'identity:read', 'token:read'];
    const { session } = await aMember(tenant, await aRole(tenant, held));
    const key = await aRole(tenant, ['token:read', 'token:write', 'project:write']);
    const { status, text, body } = await create({ role: key }, session);
    expect([status, body]).toEqual([403, boundary('Failed to create identity', ['project:write', 'token:write'])]);
    expect(Object.keys(JSON.parse(text))).toEqual(['reqId', 'statusCode', 'message', 'details', 'error']);
    expect((await create({ role: 'admin' }, session)).status).toBe(403);
    expect((await create({ role: await aRole(tenant, ['token:read']) }, session)).status).toBe(200);
    expect((await create({ role: 'no-access' }, session)).status).toBe(200);
  });

  it('judges its fields as zod does', async () => {
    const { status, body } = await call('POST', IDENTITIES, { as, body: { role: ' ', hasDeleteProtection: 'yes', metadata: [{ key: '', value: 1 }, 2] } });
    expect([status, JSON.stringify(body.message)]).toEqual([422, JSON.stringify([
      { code: 'invalid_type', expected: 'string', received: 'undefined', path: ['name'], message: 'Required' },
      { code: 'invalid_type', expected: 'string', received: 'undefined', path: ['organizationId'], message: 'Required' },
      { code: 'too_small', minimum: 1, type: 'string', inclusive: true, exact: false, message: 'String must contain at least 1 character(s)', path: ['role'] },
      { code: 'invalid_type', expected: 'boolean', received: 'string', path: ['hasDeleteProtection'], message: 'Expected boolean, received string' },
      { code: 'too_small', minimum: 1, type: 'string', inclusive: true, exact: false, message: 'String must contain at least 1 character(s)', path: ['metadata', 0, 'key'] },
      { code: 'invalid_type', expected: 'string', received: 'number', path: ['metadata', 0, 'value'], message: 'Expected string, received number' },
      { code: 'invalid_type', expected: 'object', received: 'number', path: ['metadata', 1], message: 'Expected object, received number' },
    ])]);
  });
});

describe('GET /api/v1/identities/{identityId}', () => {
  it('answers the membership with its custom role, metadata and login methods', async () => {
    const now = await freeze();
    const role = await aRole(tenant, ['token:read', 'project:read']);
    const id = await aMachine(tenant, { name: 'build-server', role, metadata: [{ key: 'team', value: 'payments' }] });
    await done(call('POST', `${UNIVERSAL_AUTH}/identities/${id}`, { as, body: {} }));
    await done(call('POST', `${TOKEN_AUTH}/identities/${id}`, { as, body: {} }));
    await mintFor(tenant, id);
    const { status, text, body } = await get(id);
    const { metadata, customRole } = body.identity;
    expect([status, text]).toEqual([200, await wireExample('identity', { id, role, roleId: customRole.id, metadataId: metadata[0].id, organizationId: tenant.id, now })]);
  });
});

describe('PATCH /api/v1/identities/{identityId}', () => {
  it('changes what is named, replaces metadata as a whole, and answers what there is now', async () => {
    const id = await aMachine(tenant, { name: 'old', metadata: [{ key: 'a', value: '1' }, { key: 'b', value: '2' }] });
    const { body } = await patch(id, { identityId: id, name: ' new ', hasDeleteProtection: true });
    expect(Object.keys(body.identity)).toEqual(['id', 'name', 'authMethod', 'createdAt', 'updatedAt', 'hasDeleteProtection', 'orgId', 'projectId', 'metadata']);
    expect([body.identity.name, body.identity.hasDeleteProtection, body.identity.metadata.map(({ key }: { key: string }) => key)]).toEqual(['new', true, ['a', 'b']]);
    const replaced = await patch(id, { metadata: [{ key: 'c', value: '3' }], role: 'no-access', hasDeleteProtection: false });
    expect(replaced.body.identity).toMatchObject({ name: 'new', hasDeleteProtection: false, metadata: [{ id: expect.any(String), key: 'c', value: '3' }] });
    expect((await patch(id, { metadata: [] })).body.identity.metadata).toEqual([]);
    expect((await get(id)).body.identity).toMatchObject({ role: 'no-access', metadata: [] });
  });

  it('lets nobody raise, lower or rename what holds more than they do', async () => {
    const { session } = await aMember(tenant, await aRole(tenant, ['identity:write', 'identity:read']));
    const admin = await aMachine(tenant, { role: 'admin' });
    const nobody = await aMachine(tenant, { role: 'no-access' });
    for (const [id, body] of [[nobody, { role: 'member' }], [admin, { role: 'no-access' }], [admin, { name: 'mine' }], [admin, {}]] as const) {
      const answer = await patch(id, body, session);
      expect([answer.status, answer.body.error, answer.body.message]).toEqual([403, 'PermissionBoundaryError', 'Failed to update identity']);
    }
    expect((await get(admin)).body.identity).toMatchObject({ role: 'admin', identity: { name: expect.stringMatching(/^machine-/) } });
    expect((await patch(nobody, { name: 'renamed' }, session)).status).toBe(200);
  });
});

describe('DELETE /api/v1/identities/{identityId}', () => {
  it('answers what was deleted and ends its tokens, its client secrets and its logins, with whatever body', async () => {
    for (const sent of [{ body: { identityId: 'x' } }, { body: '' }, {}]) {
      const client = await aClient(tenant);
      const obtained = (await login(client)).body.accessToken;
      await done(call('POST', `${TOKEN_AUTH}/identities/${client.identityId}`, { as, body: {} }));
      const minted = await mintFor(tenant, client.identityId);
      const { status, body } = await call('DELETE', `${IDENTITIES}/${client.identityId}`, { as, ...sent });
      expect([status, Object.keys(body.identity)]).toEqual([200, ['id', 'name', 'authMethod', 'createdAt', 'updatedAt', 'hasDeleteProtection', 'orgId', 'projectId']]);
      expect(body.identity.id).toBe(client.identityId);
      for (const secret of [obtained, minted.secret]) {
        expect(await introspect(as, secret)).toEqual({ active: false });
        expect((await probe(secret)).status).toBe(401);
      }
      expect((await login(client)).body).toEqual(refusal(401, 'UnauthorizedError', 'Invalid credentials'));
      expect((await get(client.identityId)).status).toBe(404);
      expect((await call('DELETE', `${IDENTITIES}/${client.identityId}`, { as })).status).toBe(404);
      expect((await call('GET', `/v1/tokens/${minted.id}`, { as })).body).toMatchObject({ state: 'revoked', owner_id: client.identityId, revocation_reason: 'identity-deleted' });
    }
  });

  it('is refused while the identity is protected', async () => {
    const { identityId, secret } = await aMachineToken(tenant, {}, { hasDeleteProtection: true });
    const { status, body } = await call('DELETE', `${IDENTITIES}/${identityId}`, { as });
    expect([status, body]).toEqual([400, refusal(400, 'BadRequest', 'Identity has delete protection')]);
    expect((await probe(secret)).status).toBe(200);
    await done(patch(identityId, { hasDeleteProtection: false }));
    expect((await call('DELETE', `${IDENTITIES}/${identityId}`, { as })).status).toBe(200);
  });

  it('is refused to whoever holds less', async () => {
    const { session } = await aMember(tenant, await aRole(tenant, ['identity:write']));
    const { status, body } = await call('DELETE', `${IDENTITIES}/${await aMachine(tenant, { role: 'member' })}`, { as: session });
    expect([status, body.error, body.message]).toEqual([403, 'PermissionBoundaryError', 'Failed to delete identity with more privileged role']);
  });
});

describe('GET /api/v1/identities', () => {
  it('lists the organization\'s identities by name, with their number', async () => {
    const own = await aTenant();
    const now = await freeze();
    const id = await aMachine(own, { name: 'build-server', role: 'no-access' });
    const list = () => call('GET', `${IDENTITIES}?orgId=${own.id}`, { as: own.admin.session });
    expect((await list()).text).toBe(await wireExample('identity-list', { id, organizationId: own.id, now }));
    await aMachine(own, { name: 'a-machine' });
    const { body } = await list();
    expect([body.totalCount, body.identities.map(({ identity }: any) => identity.name)]).toEqual([2, ['a-machine', 'build-server']]);
  });

  it('needs the caller\'s own organization in the query', async () => {
    const missing = await call('GET', IDENTITIES, { as });
    expect([missing.status, missing.body.message]).toEqual([422, [{ code: 'invalid_type', expected: 'string', received: 'undefined', path: ['orgId'], message: 'Required' }]]);
    for (const orgId of [ABSENT, 'x', (await aTenant()).id]) expect((await call('GET', `${IDENTITIES}?orgId=${orgId}`, { as })).body).toEqual(otherOrganization(orgId));
  });
});

describe('POST /api/v1/identities/search', () => {
  let own: TestTenant;
  let role: string;
  beforeAll(async () => {
    own = await aTenant();
    role = await aRole(own, ['token:read']);
    for (const [name, as] of [['alpha_1', 'admin'], ['beta 2', 'member'], ['Alpha-3', role], ['gamma', 'no-access']]) await aMachine(own, { name, role: as });
    await done(call('DELETE', `${IDENTITIES}/${await aMachine(own, { name: 'alpha-gone' })}`, { as: own.admin.session }));
  });
  const search = (body: object) => call('POST', `${IDENTITIES}/search`, { as: own.admin.session, body });
  const names = async (body: object) => (await done(search(body))).identities.map(({ identity }: any) => identity.name);

  it('answers all, by name, in the shape of the list', async () => {
    const [listed, found] = [await call('GET', `${IDENTITIES}?orgId=${own.id}`, { as: own.admin.session }), await search({})];
    expect(found.text).toBe(listed.text);
    expect(found.body.totalCount).toBe(4);
  });

  it('filters by name and role, and by any of several', async () => {
    expect(await names({ search: { name: 'alpha_1' } })).toEqual(['alpha_1']);
    expect(await names({ search: { name: { $eq: 'gamma' } } })).toEqual(['gamma']);
    expect((await names({ search: { name: { $contains: 'LPHA' } } })).sort()).toEqual(['Alpha-3', 'alpha_1']);
    expect(await names({ search: { name: { $contains: '_' } } })).toEqual(['alpha_1']);
    expect((await names({ search: { name: { $in: ['gamma', 'beta 2', 'none'] } } })).sort()).toEqual(['beta 2', 'gamma']);
    expect(await names({ search: { role: 'admin' } })).toEqual(['alpha_1']);
    expect(await names({ search: { role: { $in: ['no-access', 'member'] } } })).toEqual(['beta 2', 'gamma']);
    expect(await names({ search: { role } })).toEqual(['Alpha-3']);
    expect(await names({ search: { role: { $eq: 'custom' } } })).toEqual(['Alpha-3']);
    expect(await names({ search: { name: { $contains: 'alpha' }, role: 'admin' } })).toEqual(['alpha_1']);
    expect((await names({ search: { $or: [{ name: 'gamma' }, { role: 'admin' }] } })).sort()).toEqual(['alpha_1', 'gamma']);
    expect(await names({ search: { role: 'admin', $or: [{ name: 'gamma' }] } })).toEqual([]);
    expect(await names({ search: { name: { $in: [] } } })).toEqual([]);
  });

  it('orders and pages, with the number of all', async () => {
    const all = await names({});
    expect(await names({ orderDirection: 'desc' })).toEqual([...all].reverse());
    const page = await search({ limit: 1, offset: 2 });
    expect([page.body.totalCount, page.body.identities.map(({ identity }: any) => identity.name)]).toEqual([4, [all[2]]]);
    expect((await search({ offset: 100 })).body).toEqual({ identities: [], totalCount: 4 });
    expect((await names({ orderBy: 'role', orderDirection: 'asc' }))[0]).toBe('gamma');
  });

  it('refuses what zod refuses', async () => {
    const issues = async (body: object) => {
      const answer = await search(body);
      return [answer.status, ...answer.body.message];
    };
    expect(await issues({ orderBy: 'age', orderDirection: 1 })).toEqual([
      422,
      { received: 'age', code: 'invalid_enum_value', options: ['name', 'role'], path: ['orderBy'], message: `Invalid enum value. Expected 'name' | 'role', received 'age'` },
      { code: 'invalid_type', expected: `'asc' | 'desc'`, received: 'number', path: ['orderDirection'], message: `Expected 'asc' | 'desc', received number` },
    ]);
    expect(await issues({ limit: 101 })).toMatchObject([422, { code: 'too_big', maximum: 100 }]);
    expect(await issues({ search: { name: `a'b` } })).toEqual([422, { code: 'custom', message: 'Name can only contain alpha-numeric,spaces,underscore,hyphen', path: ['search', 'name'] }]);
    expect(await issues({ search: { $or: [{ role: { $in: ['ok', '%'] } }] } })).toEqual([
      422,
      { code: 'custom', message: 'Role $in can only contain alpha-numeric,spaces,underscore,hyphen', path: ['search', '$or', 0, 'role', '$in', 1] },
    ]);
    expect(await issues({ search: { name: 1 } })).toEqual([422, { code: 'invalid_union', unionErrors: [], path: ['search', 'name'], message: 'Invalid input' }]);
    for (const search of ['x', [], null, { $or: 'x' }, { $or: [1] }, { name: { $in: 'x' } }, { name: 'x'.repeat(256) }, { name: { $eq: 2 } }]) {
      expect([search, (await issues({ search }))[0]]).toEqual([search, 422]);
    }
  });

  it('needs a body', async () => {
    expect((await call('POST', `${IDENTITIES}/search`, { as: own.admin.session })).status).toBe(422);
  });
});

describe('GET /api/v1/identities/details', () => {
  it('tells a machine where its token acts, be it without any access', async () => {
    const { secret } = await aMachineToken(tenant, {}, { role: 'no-access' });
    const { status, text } = await probe(secret);
    expect([status, text]).toEqual([200, JSON.stringify({ identityDetails: { organization: { id: tenant.id, name: tenant.slug, slug: tenant.slug } } })]);
    const head = await call('HEAD', `${IDENTITIES}/details`, { as: secret });
    expect([head.status, head.text]).toEqual([200, '']);
  });

  it('refuses people and tokens of other kinds', async () => {
    const { body } = await call('POST', '/user/api-tokens', { as, body: {} });
    for (const credential of [as, body.token]) {
      const answer = await probe(credential);
      expect([answer.status, answer.body]).toEqual([403, refusal(403, 'Forbidden access to /api/v1/identities/details', 'You are not allowed to access this resource')]);
    }
  });
});

describe('GET /api/v1/identities/{identityId}/identity-memberships', () => {
  it('is empty for an identity: it is a member of no single project', async () => {
    const { status, text } = await call('GET', `${IDENTITIES}/${await aMachine(tenant)}/identity-memberships`, { as });
    expect([status, text]).toEqual([200, '{"identityMemberships":[]}']);
  });
});

describe('ids that name nothing, and those of another organization', () => {
  it('are the same 404 at every route, and change nothing', async () => {
    const stranger = await aTenant();
    const foreign = await aMachine(stranger, { name: aName('foreign') });
    const before = await get(foreign, stranger.admin.session);
    for (const id of [...ODD_IDS, foreign]) {
      for (const [method, path] of [['GET', ''], ['PATCH', ''], ['DELETE', ''], ['GET', '/identity-memberships']] as const) {
        const { status, body } = await call(method, `${IDENTITIES}/${id}${path}`, { as, body: method === 'PATCH' ? { name: 'mine' } : undefined });
        expect([method, path, status, body]).toEqual([method, path, 404, refusal(404, 'NotFound', `Failed to find identity with id ${decodeURIComponent(id)}`)]);
      }
    }
    expect((await get(foreign, stranger.admin.session)).body).toEqual(before.body);
    expect(JSON.stringify((await call('POST', `${IDENTITIES}/search`, { as, body: { limit: 100 } })).body)).not.toContain(foreign);
  });
});
