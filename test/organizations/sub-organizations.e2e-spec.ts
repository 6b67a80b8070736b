import { beforeAll, describe, expect, it } from 'vitest';
import { aMember, aName, aRole, aTenant, PASSWORD, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';
import { ownInstallation } from '../support/installation.js';
import { aMachineToken, aSubOrganization, ODD_IDS } from '../support/machines.js';

const installation = ownInstallation();
let parent: TestTenant;
let as: string;
beforeAll(async () => {
  parent = await aTenant();
  as = parent.admin.session;
});

const children = '/v1/organization/children';
const create = (body: unknown, by = as): Promise<Answer> => call('POST', children, { as: by, body });
const act = (id: string, what: 'suspend' | 'resume', by = as): Promise<Answer> => call('POST', `${children}/${id}/${what}`, { as: by });
const remove = (id: string, by = as): Promise<Answer> => call('DELETE', `${children}/${id}`, { as: by });
const byOperator = (id: string, what: 'suspend' | 'resume'): Promise<Answer> => call('POST', `/v1/organizations/${id}/${what}`, { as: installation.platform.admin.session });
const enter = (slug: string): Promise<Answer> => call('POST', '/auth/login', { body: { email: parent.admin.email, password: PASSWORD, organization: slug } });
const recorded = (id: string, where: string): Promise<Record<string, any>[]> =>
  sql({ id: where }, `SELECT action, actor_id, details FROM audit_events WHERE target_id = $1 AND target_kind = 'organization' ORDER BY occurred_at`, [id]);

describe('POST /v1/organization/children', () => {
  it('founds a tenant of its own, administered by who founds it, and recorded once in both', async () => {
    const slug = aName('labs');
    const { status, body } = await create({ slug, name: 'Labs' });
    expect([status, body]).toEqual([201, {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/), parent_id: parent.id, slug, name: 'Labs', platform: false, status: 'active', suspended_at: null,
      created_at: expect.stringMatching(/Z$/), updated_at: body.created_at,
    }]);
    const { access_token: session } = (await enter(slug)).body;
    expect((await call('GET', '/v1/organization', { as: session })).body).toEqual(body);
    expect((await call('GET', '/v1/members', { as: session })).body.data).toMatchObject([{ user_id: parent.admin.id, role: 'ADMIN' }]);
    for (const where of [parent.id, body.id]) {
      expect(await recorded(body.id, where)).toEqual([{ action: 'organization.created', actor_id: parent.admin.id, details: { slug, name: 'Labs', parent: parent.id } }]);
    }
  });

  it('takes a slug that another organization has, but none of its own, deleted ones included', async () => {
    const other = await aTenant();
    const { body } = await create({ slug: other.slug, name: 'Same slug' });
    expect(body.slug).toBe(other.slug);
    expect((await create({ slug: other.slug, name: 'Again' })).status).toBe(409);
    expect((await remove(body.id)).status).toBe(204);
    expect((await create({ slug: other.slug, name: 'Again' })).status).toBe(409);
  });

  it.each([
    ['a reserved word', { slug: 'system', name: 'x' }],
    ['a slug that is none', { slug: 'Not A Slug', name: 'x' }],
    ['no name', { slug: 'fine' }],
    ['nothing', {}],
    ['no body', undefined],
  ])('refuses %s with 400', async (_, body) => {
    expect((await create(body)).status).toBe(400);
  });

  it('is one level deep, a person\'s to do, and takes the permission', async () => {
    const sub = await aSubOrganization(parent);
    expect((await create({ slug: aName('deeper'), name: 'x' }, sub.admin.session)).status).toBe(409);
    const machine = await aMachineToken(parent, {}, { role: 'admin' });
    expect((await create({ slug: aName('machines'), name: 'x' }, machine.secret)).body.code).toBe('caller-refused');
    const { session } = await aMember(parent);
    expect((await create({ slug: aName('members'), name: 'x' }, session)).body.permissions).toEqual(['organization:child:write']);
  });

  it('says which limit stands in the way', async () => {
    const own = await aTenant();
    const ids = Array.from({ length: 200 }, (_, place) => place);
    for (const place of ids) {
      const id = `00000000-0000-4000-9000-${String(place).padStart(12, '0')}`;
      await sql({ id }, `INSERT INTO organizations (id, parent_id, slug, name, created_at, updated_at) VALUES ($1, $2, $3, 'x', now(), now())`, [id, own.id, `sub-${place}`]);
    }
    const { status, body } = await create({ slug: aName('one-more'), name: 'x' }, own.admin.session);
    expect([status, body.code, body.detail]).toEqual([403, 'limit-exceeded', 'There may be no more than 200 sub-organizations.']);
  });
});

describe('GET /v1/organization/children', () => {
  it('lists those within one\'s own organization, newest first, page by page, and no others', async () => {
    const [own, other] = [await aTenant(), await aTenant()];
    const subs = [await aSubOrganization(own), await aSubOrganization(own), await aSubOrganization(own)];
    await aSubOrganization(other);
    await remove(subs[1]?.id ?? '', own.admin.session);
    const first = (await call('GET', `${children}?limit=1`, { as: own.admin.session })).body;
    const second = (await call('GET', `${children}?limit=1&cursor=${first.next_cursor}`, { as: own.admin.session })).body;
    expect([first.data[0].id, second.data[0].id, second.next_cursor]).toEqual([subs[2]?.id, subs[0]?.id, null]);
    expect((await call('GET', children, { as: subs[0]?.admin.session })).body).toEqual({ data: [], next_cursor: null });
  });
});

describe('a sub-organization', () => {
  it('is suspended, resumed and deleted by its parent: every token of all kinds and every session stops at once', async () => {
    const sub = await aSubOrganization(parent);
    const secrets = await Promise.all(DOORS_UNDER_TEST.map(async (door) => (await mint(door, sub)).secret));
    const platform = installation.platform.admin.session;
    const live = async (): Promise<boolean[]> => Promise.all(secrets.map(async (secret) => (await introspect(platform, secret))['active'] as boolean));
    const none = secrets.map(() => false);
    expect((await act(sub.id, 'suspend')).body).toMatchObject({ id: sub.id, status: 'suspended' });
    expect([await live(), (await call('GET', '/auth/me', { as: sub.admin.session })).status, (await enter(sub.slug)).status]).toEqual([none, 401, 401]);
    expect((await act(sub.id, 'resume')).body).toMatchObject({ id: sub.id, status: 'active', suspended_at: null });
    expect([await live(), (await call('GET', '/auth/me', { as: sub.admin.session })).status]).toEqual([secrets.map(() => true), 200]);
    expect((await remove(sub.id)).status).toBe(204);
    expect([await live(), (await call('GET', '/auth/me', { as: sub.admin.session })).status, (await enter(sub.slug)).status]).toEqual([none, 401, 401]);
    const actions = ['organization.created', 'organization.suspended', 'organization.resumed', 'organization.deleted'];
    expect((await recorded(sub.id, parent.id)).map(({ action, actor_id: who }) => [action, who])).toEqual(actions.map((action) => [action, parent.admin.id]));
    expect((await recorded(sub.id, sub.id)).slice(1)).toEqual(actions.slice(1).map((action) => (
      { action, actor_id: null, details: { ...(action === 'organization.deleted' && { slug: sub.slug }), by: 'parent' } })));
  });

  it('that the operator has suspended is not resumed by its parent, whoever was first', async () => {
    for (const first of ['operator', 'parent']) {
      const sub = await aSubOrganization(parent);
      if (first === 'parent') await act(sub.id, 'suspend');
      await byOperator(sub.id, 'suspend');
      await act(sub.id, 'suspend');
      const { status, body } = await act(sub.id, 'resume');
      expect([first, status, body.code]).toEqual([first, 409, 'conflict']);
      expect((await byOperator(sub.id, 'resume')).body.status).toBe('active');
      expect((await act(sub.id, 'resume')).body.status).toBe('active');
      expect((await act(sub.id, 'suspend')).body.status).toBe('suspended');
      expect((await act(sub.id, 'resume')).body.status).toBe('active');
    }
  });

  it('is nobody else\'s: one of another organization, one\'s own organization and none at all are the same 404, and nothing happens', async () => {
    const other = await aTenant();
    const sub = await aSubOrganization(other);
    const gone = await aSubOrganization(parent);
    await remove(gone.id);
    for (const id of [sub.id, other.id, parent.id, installation.platform.id, gone.id, ...ODD_IDS]) {
      for (const answer of [await act(id, 'suspend'), await act(id, 'resume'), await remove(id)]) {
        expect([id, answer.status, answer.text.replace(/req-\w{14}/, '')]).toEqual([id, 404, (await remove('x')).text.replace(/req-\w{14}/, '')]);
      }
    }
    expect((await call('GET', '/auth/me', { as: sub.admin.session })).status).toBe(200);
    expect((await act(sub.id, 'suspend', sub.admin.session)).status).toBe(404);
  });

  it('is suspended only with the permission', async () => {
    const sub = await aSubOrganization(parent);
    const { session } = await aMember(parent, await aRole(parent, ['organization:read', 'organization:write']));
    for (const answer of [await act(sub.id, 'suspend', session), await act(sub.id, 'resume', session), await remove(sub.id, session)]) {
      expect([answer.status, answer.body.permissions]).toEqual([403, ['organization:child:write']]);
    }
  });
});
