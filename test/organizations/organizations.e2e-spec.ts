import { beforeAll, describe, expect, it } from 'vitest';
import { aMember, aName, aRole, aTenant, PASSWORD, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';
import { ownInstallation } from '../support/installation.js';
import { ABSENT, aClient, aSubOrganization, login as clientLogin, ODD_IDS } from '../support/machines.js';

const installation = ownInstallation();
let operator: string;
let platformId: string;
beforeAll(() => {
  operator = installation.platform.admin.session;
  platformId = installation.platform.id;
});

const organizations = '/v1/organizations';
const create = (body: unknown, by = operator): Promise<Answer> => call('POST', organizations, { as: by, body });
const act = (id: string, what: 'suspend' | 'resume', by = operator): Promise<Answer> => call('POST', `${organizations}/${id}/${what}`, { as: by });
const remove = (id: string, by = operator): Promise<Answer> => call('DELETE', `${organizations}/${id}`, { as: by });
const login = (email: string, organization?: string, password = PASSWORD): Promise<Answer> => call('POST', '/auth/login', { body: { email, password, organization } });
const enters = async (session: string): Promise<number> => (await call('GET', '/auth/me', { as: session })).status;
const anAdmin = (): { email: string; password: string } => ({ email: `${aName('admin')}@new.test`, password: PASSWORD });

async function created(): Promise<{ id: string; slug: string; email: string; session: string }> {
  const [slug, admin] = [aName('acme'), anAdmin()];
  const { status, text, body } = await create({ slug, name: 'Acme Inc.', admin });
  if (status !== 201) throw new Error(`creating answered ${status}: ${text}`);
  return { id: body.id, slug, email: admin.email, session: (await login(admin.email)).body.access_token };
}

/** What the records of an organization and of the platform's say of it. */
async function recorded(id: string, where: string): Promise<Record<string, any>[]> {
  return sql({ id: where }, `SELECT action, actor_kind, actor_id, ip, details FROM audit_events WHERE target_id = $1 AND target_kind = 'organization' ORDER BY occurred_at`, [id]);
}

describe('POST /v1/organizations', () => {
  it('creates an organization whose administrator runs it alone: roles, a project, its environments', async () => {
    const [slug, admin] = [aName('acme'), anAdmin()];
    const { status, body } = await create({ slug, name: 'Café Acme', admin });
    expect([status, body]).toEqual([201, {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/), parent_id: null, slug, name: 'Café Acme', platform: false, status: 'active', suspended_at: null,
      created_at: expect.stringMatching(/Z$/), updated_at: body.created_at,
    }]);
    const { access_token: session, user } = (await login(admin.email, slug)).body;
    expect(user.name).toBe('Administrator');
    const me = (await call('GET', '/auth/me', { as: session })).body;
    expect(me.permissions).toContain('organization:write');
    expect(me.permissions.filter((permission: string) => permission.startsWith('platform:'))).toEqual([]);
    expect((await call('GET', '/v1/roles', { as: session })).body.data.map(({ key }: any) => key).sort()).toEqual(['ADMIN', 'EXTERNAL', 'MEMBER']);
    expect((await call('GET', '/v1/projects/default/environments', { as: session })).body.data.map(({ key }: any) => key).sort()).toEqual(['default', 'development', 'production']);
  });

  it('records it once with the operator, and once in the new organization without: the operator\'s people are not told there', async () => {
    const { id, slug } = await created();
    const [{ details } = {}] = await recorded(id, platformId);
    expect(await recorded(id, platformId)).toEqual([
      { action: 'organization.created', actor_kind: 'user', actor_id: installation.platform.admin.id, ip: '127.0.0.1', details: { slug, name: 'Acme Inc.', admin: expect.any(String) } },
    ]);
    expect(await recorded(id, id)).toEqual([{ action: 'organization.created', actor_kind: 'system', actor_id: null, ip: null, details: { ...details, by: 'platform' } }]);
    expect(JSON.stringify(await sql({ id }, 'SELECT to_jsonb(a) AS row FROM audit_events a'))).not.toContain(installation.platform.admin.id);
  });

  it('lets somebody known administer only with their own password, which stays theirs', async () => {
    const person = await created();
    const own = aName('own');
    for (const password of ['quite another passphrase', ` ${PASSWORD}`]) {
      const { status, body } = await create({ slug: own, name: 'Own', admin: { email: ` ${person.email.toUpperCase()} `, password } });
      expect([status, body.code]).toEqual([409, 'conflict']);
    }
    expect((await login(person.email)).status).toBe(200);
    expect((await create({ slug: own, name: 'Own', admin: { email: person.email, password: PASSWORD, name: 'Renamed' } })).status).toBe(201);
    for (const slug of [own, person.slug]) expect((await login(person.email, slug)).body.user.name).toBe('Administrator');
  });

  it('leaves nothing behind where it refuses', async () => {
    const { slug } = await created();
    const admin = anAdmin();
    const before = await sql(installation.platform, 'SELECT count(*)::int AS count FROM audit_events');
    expect((await create({ slug, name: 'Twice', admin })).body.code).toBe('conflict');
    expect((await login(admin.email)).status).toBe(401);
    const [{ count } = {}] = await sql(installation.platform, `SELECT count(*)::int AS count FROM users WHERE email = $1`, [admin.email]);
    expect(count).toBe(0);
    expect(await sql(installation.platform, `SELECT count(*)::int AS count FROM audit_events WHERE action <> 'login.failed'`)).toEqual(before);
    expect((await create({ slug: aName('acme'), name: 'Now', admin })).status).toBe(201);
  });

  it('gives a slug to one of two who ask at once', async () => {
    const slug = aName('race');
    const answers = await Promise.all([create({ slug, name: 'A', admin: anAdmin() }), create({ slug, name: 'B', admin: anAdmin() })]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  });

  it.each<[string, object, string]>([
    ['no slug', { slug: undefined }, 'slug'],
    ['a slug in capitals', { slug: 'Acme' }, 'slug'],
    ['a slug with letters beyond ASCII', { slug: 'cafe\u0301' }, 'slug'],
    ['a slug of full-width letters', { slug: 'ａｃｍｅ' }, 'slug'],
    ['a slug with a space', { slug: 'ac me' }, 'slug'],
    ['a slug that ends in a hyphen', { slug: 'acme-' }, 'slug'],
    ['a slug of 64 characters', { slug: 'a'.repeat(64) }, 'slug'],
    ['a reserved word', { slug: 'admin' }, 'slug'],
    ['a slug in the form of an id', { slug: 'd303d5a9-5431-4b03-a1bd-fe53f0269ff3' }, 'slug'],
    ['a slug that is a number', { slug: 5 }, 'slug'],
    ['no name', { name: undefined }, 'name'],
    ['an empty name', { name: '' }, 'name'],
    ['a name of spaces', { name: '   ' }, 'name'],
    ['a name with an invisible character', { name: 'Ac\u200Dme' }, 'name'],
    ['a name with a line break', { name: 'a\nb' }, 'name'],
    ['a name that mixes scripts', { name: 'Аcme' }, 'name'],
    ['a name of 101 characters', { name: 'x'.repeat(101) }, 'name'],
    ['no administrator', { admin: undefined }, 'admin'],
    ['null for the administrator', { admin: null }, 'admin'],
    ['a list of administrators', { admin: [] }, 'admin'],
    ['an administrator without an address', { admin: { password: PASSWORD } }, 'admin.email'],
    ['an address that is none', { admin: { email: 'nobody', password: PASSWORD } }, 'admin.email'],
    ['an administrator without a password', { admin: { email: 'a@b.test' } }, 'admin.password'],
    ['a password of 14 bytes', { admin: { email: 'a@b.test', password: 'x7'.repeat(7) } }, 'admin.password'],
    ['a password of 1025 bytes', { admin: { email: 'a@b.test', password: 'x'.repeat(1025) } }, 'admin.password'],
    ['a name of the administrator that is empty', { admin: { email: 'a@b.test', password: PASSWORD, name: '' } }, 'admin.name'],
  ])('refuses %s with 400 and says where, without repeating it', async (_, body, path) => {
    const { status, text, body: problem } = await create({ slug: aName('acme'), name: 'Acme', admin: anAdmin(), ...body });
    expect([status, problem.errors.map((error: { path: string }) => error.path)]).toEqual([400, [path]]);
    expect(text).not.toContain('x7x7');
  });
});

describe('platform:* only', () => {
  it('an administrator of a tenant is refused everywhere, by the missing permission, for ids that are and that are not', async () => {
    const tenant = await aTenant();
    const other = await aTenant();
    const as = tenant.admin.session;
    for (const id of [other.id, tenant.id, ABSENT]) {
      for (const [method, path] of [['GET', ''], ['PATCH', ''], ['DELETE', ''], ['POST', '/suspend'], ['POST', '/resume']] as const) {
        const { status, body } = await call(method, `${organizations}/${id}${path}`, { as, ...(method === 'PATCH' && { body: { name: 'Mine' } }) });
        expect([method, path, status, body.permissions]).toEqual([method, path, 403, [`platform:organization:${method === 'GET' ? 'read' : 'write'}`]]);
      }
    }
    expect((await create({ slug: aName('x'), name: 'x', admin: anAdmin() }, as)).status).toBe(403);
    expect((await call('GET', organizations, { as })).status).toBe(403);
  });

  it('whoever may only read them changes nothing', async () => {
    const { session } = await aMember(installation.platform, await aRole(installation.platform, ['platform:organization:read']));
    const { id } = await created();
    expect((await call('GET', `${organizations}/${id}`, { as: session })).status).toBe(200);
    for (const answer of [await act(id, 'suspend', session), await remove(id, session), await create({ slug: aName('x'), name: 'x', admin: anAdmin() }, session)]) expect(answer.status).toBe(403);
  });

  it('the operator sees that organizations are there, and nothing of what they have', async () => {
    const { id, email } = await created();
    const { text } = await call('GET', `${organizations}/${id}`, { as: operator });
    expect(text).not.toContain(email);
    for (const path of ['/v1/members?limit=100', '/v1/tokens', '/v1/projects']) expect((await call('GET', path, { as: operator })).text).not.toContain(email);
  });
});

describe('GET /v1/organizations', () => {
  it('lists every one that is not deleted, newest first, page by page, sub-organizations too', async () => {
    const tenant = await aTenant();
    const sub = await aSubOrganization(tenant);
    const gone = await created();
    await remove(gone.id);
    const found: any[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { status, body }: Answer = await call('GET', `${organizations}?limit=3${cursor && `&cursor=${cursor}`}`, { as: operator });
      expect([status, body.data.length <= 3]).toEqual([200, true]);
      found.push(...body.data);
      cursor = body.next_cursor;
    }
    expect(found.slice(0, 2)).toMatchObject([{ id: sub.id, parent_id: tenant.id }, { id: tenant.id, parent_id: null }]);
    expect(found.filter(({ platform }) => platform).map(({ id }) => id)).toEqual([platformId]);
    const ids = found.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).not.toContain(gone.id);
    expect((await call('GET', `${organizations}/${sub.id}`, { as: operator })).body).toEqual(found[0]);
  });

  it.each(['limit=0', 'limit=101', 'limit=x', 'cursor=x'])('refuses %s with 400', async (query) => {
    expect((await call('GET', `${organizations}?${query}`, { as: operator })).status).toBe(400);
  });

  it('answers the same 404 to every id that names none, or none any more, on every route', async () => {
    const { id } = await created();
    await remove(id);
    for (const each of [id, ...ODD_IDS]) {
      for (const [method, path] of [['GET', ''], ['PATCH', ''], ['DELETE', ''], ['POST', '/suspend'], ['POST', '/resume']] as const) {
        const { status } = await call(method, `${organizations}/${each}${path}`, { as: operator, ...(method === 'PATCH' && { body: { name: 'x' } }) });
        expect([each, method, path, status]).toEqual([each, method, path, 404]);
      }
    }
  });
});

describe('PATCH /v1/organizations/{id} and /v1/organization', () => {
  it('rename it, by the operator and by its own administrator, recorded where it belongs', async () => {
    const { id, slug, session } = await created();
    const renamed = await call('PATCH', `${organizations}/${id}`, { as: operator, body: { name: 'Acme Ltd.' } });
    expect([renamed.status, renamed.body]).toEqual([200, { ...renamed.body, name: 'Acme Ltd.', slug, platform: false, status: 'active' }]);
    expect((await call('PATCH', '/v1/organization', { as: session, body: { name: 'Acme GmbH' } })).body).toMatchObject({ id, name: 'Acme GmbH' });
    expect((await call('GET', '/v1/organization', { as: session })).body.name).toBe('Acme GmbH');
    const changes = (where: string) => sql({ id: where }, `SELECT actor_id, before, after FROM audit_events WHERE action = 'organization.updated' AND target_id = $1 ORDER BY occurred_at`, [id]);
    const byOperator = { before: { name: 'Acme Inc.' }, after: { name: 'Acme Ltd.' } };
    expect(await changes(platformId)).toEqual([{ actor_id: installation.platform.admin.id, ...byOperator }]);
    expect(await changes(id)).toEqual([{ actor_id: null, ...byOperator }, { actor_id: expect.any(String), before: { name: 'Acme Ltd.' }, after: { name: 'Acme GmbH' } }]);
  });

  it('with the name it has change nothing and record nothing', async () => {
    const { id, session } = await created();
    for (const [url, as] of [[`${organizations}/${id}`, operator], ['/v1/organization', session]]) expect((await call('PATCH', url, { as, body: { name: 'Acme Inc.' } })).status).toBe(200);
    expect(await sql({ id }, `SELECT action FROM audit_events WHERE action = 'organization.updated'`)).toEqual([]);
  });

  it.each([undefined, null, 5, '', ' x', 'x\u0000', 'аcme'])('refuse the name %j with 400', async (name) => {
    const { id, session } = await created();
    for (const [url, as] of [[`${organizations}/${id}`, operator], ['/v1/organization', session]]) expect((await call('PATCH', url, { as, body: { name } })).status).toBe(400);
  });

  it('leave the operator\'s own to be renamed, and a member without the permission to be refused', async () => {
    expect((await call('PATCH', `${organizations}/${platformId}`, { as: operator, body: { name: 'The Operator' } })).status).toBe(200);
    const tenant = await aTenant();
    const { session } = await aMember(tenant);
    expect((await call('GET', '/v1/organization', { as: session })).body).toMatchObject({ id: tenant.id, slug: tenant.slug });
    expect((await call('PATCH', '/v1/organization', { as: session, body: { name: 'x' } })).body.permissions).toEqual(['organization:write']);
  });
});

/** A tenant and one within it, with a token of each of the five kinds in both, and all that could let somebody in. */
async function aWorkingTenant(): Promise<{ tenant: TestTenant; sub: TestTenant; live: () => Promise<boolean[]>; enterable: () => Promise<number[]> }> {
  const tenant = await aTenant();
  const sub = await aSubOrganization(tenant);
  const secrets: string[] = [];
  for (const own of [tenant, sub]) for (const door of DOORS_UNDER_TEST) secrets.push((await mint(door, own)).secret);
  return {
    tenant,
    sub,
    live: () => Promise.all(secrets.map(async (secret) => (await introspect(operator, secret))['active'] as boolean)),
    enterable: async () => [await enters(tenant.admin.session), await enters(sub.admin.session), (await login(tenant.admin.email, tenant.slug)).status, (await login(tenant.admin.email, sub.id)).status],
  };
}

const all = (live: boolean): boolean[] => Array.from({ length: 2 * DOORS_UNDER_TEST.length }, () => live);

describe('a suspended organization', () => {
  it('stands still at once with every token of all kinds and every session, sub-organizations too, until it is resumed', async () => {
    const { tenant, sub, live, enterable } = await aWorkingTenant();
    expect([await live(), await enterable()]).toEqual([all(true), [200, 200, 200, 200]]);
    const suspended = await act(tenant.id, 'suspend');
    expect([suspended.status, suspended.body]).toEqual([200, { ...suspended.body, id: tenant.id, status: 'suspended', suspended_at: expect.stringMatching(/Z$/) }]);
    expect((await call('GET', `${organizations}/${sub.id}`, { as: operator })).body).toMatchObject({ status: 'suspended', suspended_at: null });
    expect([await live(), await enterable()]).toEqual([all(false), [401, 401, 401, 401]]);
    for (const { admin } of [tenant, sub]) expect((await call('POST', '/auth/refresh', { body: { refresh_token: admin.refreshToken } })).status).toBe(401);
    const resumed = await act(tenant.id, 'resume');
    expect([resumed.status, resumed.body]).toEqual([200, { ...resumed.body, status: 'active', suspended_at: null }]);
    expect([await live(), await enterable()]).toEqual([all(true), [200, 200, 200, 200]]);
  });

  it('whose own sub-organization alone is suspended goes on', async () => {
    const { sub, live, enterable } = await aWorkingTenant();
    await act(sub.id, 'suspend');
    expect([await live(), await enterable()]).toEqual([DOORS_UNDER_TEST.map(() => true).concat(DOORS_UNDER_TEST.map(() => false)), [200, 401, 200, 401]]);
  });

  it('gives no machine a token that would live when it is resumed, nor takes a use of its secret', async () => {
    const tenant = await aTenant();
    const client = await aClient(tenant, {}, { numUsesLimit: 1 });
    await act(tenant.id, 'suspend');
    expect((await clientLogin(client)).status).toBe(401);
    expect(await sql(tenant, 'SELECT 1 FROM api_tokens')).toEqual([]);
    await act(tenant.id, 'resume');
    expect((await clientLogin(client)).status).toBe(200);
  });

  it('takes nobody in by an invitation', async () => {
    const tenant = await aTenant();
    const { token } = (await call('POST', '/v1/invitations', { as: tenant.admin.session, body: { email: `${aName('guest')}@x.test`, role: 'MEMBER' } })).body;
    const accept = () => call('POST', '/v1/invitations/accept', { body: { token, name: 'Grace', password: PASSWORD } });
    await act(tenant.id, 'suspend');
    expect((await accept()).status).toBe(401);
    await act(tenant.id, 'resume');
    expect((await accept()).status).toBe(201);
  });

  it('is suspended and resumed once, however often it is asked, and each is in both records once', async () => {
    const { id } = await created();
    const first = await act(id, 'suspend');
    for (const what of ['suspend', 'suspend'] as const) expect((await act(id, what)).body).toEqual(first.body);
    for (const what of ['resume', 'resume'] as const) expect((await act(id, what)).status).toBe(200);
    for (const [where, details] of [[platformId, {}], [id, { by: 'platform' }]] as const) {
      expect((await recorded(id, where)).slice(1).map(({ action, details: said }) => ({ action, said }))).toEqual([
        { action: 'organization.suspended', said: details }, { action: 'organization.resumed', said: details },
      ]);
    }
  });
});

describe('DELETE /v1/organizations/{id}', () => {
  it('stops every token and session for good, sub-organizations too, and is recorded once for each', async () => {
    const { tenant, sub, live, enterable } = await aWorkingTenant();
    expect((await remove(tenant.id)).status).toBe(204);
    expect([await live(), await enterable()]).toEqual([all(false), [401, 401, 401, 401]]);
    for (const { id, slug } of [tenant, sub]) {
      expect((await call('GET', `${organizations}/${id}`, { as: operator })).status).toBe(404);
      const [event] = (await recorded(id, platformId)).slice(-1);
      expect(event).toMatchObject({ action: 'organization.deleted', actor_id: installation.platform.admin.id, details: { slug } });
      expect((await recorded(id, platformId)).filter(({ action }) => action === 'organization.deleted')).toHaveLength(1);
      expect((await recorded(id, id)).filter(({ action }) => action === 'organization.deleted')).toEqual([
        { action: 'organization.deleted', actor_kind: 'system', actor_id: null, ip: null, details: { slug, by: 'platform' } },
      ]);
    }
    expect((await remove(tenant.id)).status).toBe(404);
  });

  it('keeps the slug taken: what went by it never meets another organization', async () => {
    const { id, slug, email } = await created();
    await remove(id);
    expect((await create({ slug, name: 'Again', admin: anAdmin() })).status).toBe(409);
    expect((await create({ slug: aName('acme'), name: 'Elsewhere', admin: { email, password: PASSWORD } })).status).toBe(201);
  });
});

describe('the operator\'s own organization', () => {
  it('is neither suspended nor deleted: the operator cannot lock itself out', async () => {
    for (const answer of [await act(platformId, 'suspend'), await remove(platformId)]) {
      expect([answer.status, answer.body.code]).toEqual([409, 'conflict']);
    }
    expect((await act(platformId, 'resume')).body).toMatchObject({ platform: true, status: 'active' });
    expect(await enters(operator)).toBe(200);
  });
});
