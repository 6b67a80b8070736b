import { beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { OrganizationsService } from '../../src/organizations/organizations.service.js';
import { theApp } from '../support/app.js';
import { aMember, aName, aRole, aTenant, PASSWORD, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';

let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});

const members = '/v1/members';
const idOf = async (person: { id: string }, of: { id: string } = tenant): Promise<string> =>
  (await sql(of, 'SELECT id FROM memberships WHERE user_id = $1', [person.id]))[0]?.['id'] as string;
const change = async (person: { id: string }, body: unknown, by = as, of: TestTenant = tenant): Promise<Answer> => call('PATCH', `${members}/${await idOf(person, of)}`, { as: by, body });
const remove = async (person: { id: string }, by = as, of: TestTenant = tenant): Promise<Answer> => call('DELETE', `${members}/${await idOf(person, of)}`, { as: by });
const enters = async ({ session }: { session: string }): Promise<number> => (await call('GET', '/auth/me', { as: session })).status;
const login = (person: { email: string }, organization = tenant.slug): Promise<Answer> => call('POST', '/auth/login', { body: { email: person.email, password: PASSWORD, organization } });
const eventsOf = (id: string): Promise<Record<string, any>[]> =>
  sql(tenant, 'SELECT action, actor_id, details, before, after FROM audit_events WHERE target_id = $1 ORDER BY occurred_at', [id]);

async function aToken(person: { session: string }): Promise<string> {
  const { status, text, body } = await call('POST', '/user/api-tokens', { as: person.session, body: { description: aName('token') } });
  if (status !== 201) throw new Error(`minting answered ${status}: ${text}`);
  return body.token;
}
const isLive = async (token: string): Promise<boolean> => (await introspect(as, token))['active'];

async function readmit(person: { id: string }, role = 'MEMBER'): Promise<void> {
  const { app } = await theApp();
  await app.get(Database).inOrganization(tenant.id, (scope) => app.get(OrganizationsService).addMember(scope, person.id, role));
}

describe('GET /v1/members', () => {
  it('lists who belongs to the organization, in the order they joined, page by page', async () => {
    const own = await aTenant();
    const people = [own.admin, await aMember(own), await aMember(own, 'EXTERNAL')];
    await change(people[2], { status: 'disabled' }, own.admin.session, own);
    const found: any[] = [];
    let cursor = '';
    for (let page = 0; page < 3; page += 1) {
      const { status, body } = await call('GET', `${members}?limit=1${cursor}`, { as: own.admin.session });
      expect(status).toBe(200);
      found.push(...body.data);
      cursor = `&cursor=${body.next_cursor}`;
    }
    expect(cursor).toBe('&cursor=null');
    expect(found).toEqual(await Promise.all([['Ada Admin', 'ADMIN', 'active'], ['Max Member', 'MEMBER', 'active'], ['Max Member', 'EXTERNAL', 'disabled']].map(async ([name, role, status], place) => {
      const person = people[place];
      return { id: await idOf(person, own), user_id: person.id, email: person.email, name, role, status };
    })));
    expect((await call('GET', `${members}/${found[1].id}`, { as: own.admin.session })).body).toEqual(found[1]);
  });

  it('shows and changes nobody of another organization: same answer as for nobody at all', async () => {
    const other = await aTenant();
    const foreign = await idOf(other.admin, other);
    const mask = ({ status, text }: Answer, id: string): string => `${status} ${text.replaceAll(id, 'ID').replace(/req-\w{14}/, 'REQ')}`;
    for (const ask of [
      (id: string) => call('GET', `${members}/${id}`, { as }),
      (id: string) => call('PATCH', `${members}/${id}`, { as, body: { role: 'EXTERNAL' } }),
      (id: string) => call('DELETE', `${members}/${id}`, { as }),
    ]) {
      const unknown = '11111111-1111-4111-8111-111111111111';
      expect(mask(await ask(foreign), foreign)).toBe(mask(await ask(unknown), unknown));
      for (const id of ['x', '%00', other.admin.id, "'", '*', 'x'.repeat(300)]) expect((await ask(id)).status).toBe(404);
    }
    expect((await call('GET', `${members}?limit=100`, { as })).text).not.toContain(other.admin.email);
    expect(await enters(other.admin)).toBe(200);
  });

  it('tells the same person in two organizations apart', async () => {
    const [person, other] = [await aMember(tenant), await aTenant()];
    const { app } = await theApp();
    await app.get(Database).inOrganization(other.id, (scope) => app.get(OrganizationsService).addMember(scope, person.id, 'ADMIN'));
    expect(await idOf(person)).not.toBe(await idOf(person, other));
    expect((await remove(person)).status).toBe(204);
    expect((await login(person)).status).toBe(401);
    expect((await login(person, other.slug)).body.organization.slug).toBe(other.slug);
  });
});

describe('PATCH /v1/members/{id}', () => {
  it('gives another role, in force at once on live sessions and tokens, and says who, from what and to what', async () => {
    const person = await aMember(tenant, 'ADMIN');
    const token = await aToken(person);
    const id = await idOf(person);
    for (const credential of [person.session, token]) expect((await call('GET', '/v1/tokens', { as: credential })).status).toBe(200);
    const { status, body } = await change(person, { role: 'EXTERNAL' });
    expect([status, body]).toEqual([200, { id, user_id: person.id, email: person.email, name: 'Max Member', role: 'EXTERNAL', status: 'active' }]);
    for (const credential of [person.session, token]) expect((await call('GET', '/v1/tokens', { as: credential })).status).toBe(403);
    expect((await introspect(as, token))['scope']).toBe('profile:read');
    expect(await eventsOf(id)).toEqual([{ action: 'member.updated', actor_id: tenant.admin.id, details: { user: person.id }, before: { role: 'ADMIN' }, after: { role: 'EXTERNAL' } }]);
  });

  it('keeps a disabled member and their tokens out until they are active again, and brings nothing back that was revoked or begun before', async () => {
    const person = await aMember(tenant);
    const [kept, revoked] = [await aToken(person), await aToken(person)];
    expect((await change(person, { status: 'disabled' })).body.status).toBe('disabled');
    expect([await enters(person), (await login(person)).status, await isLive(kept), await isLive(revoked)]).toEqual([401, 401, false, false]);
    expect((await call('POST', '/auth/refresh', { body: { refresh_token: person.refreshToken } })).status).toBe(401);
    await call('POST', '/oauth2/revoke', { as, form: { token: revoked } });
    expect((await change(person, { status: 'active' })).body.status).toBe('active');
    expect([await enters(person), (await login(person)).status, await isLive(kept), await isLive(revoked)]).toEqual([401, 200, true, false]);
    expect((await call('POST', '/auth/refresh', { body: { refresh_token: person.refreshToken } })).status).toBe(401);
    expect(await sql(tenant, `SELECT actor_id, details FROM audit_events WHERE action = 'session.ended' AND target_id IN (SELECT id FROM sessions WHERE user_id = $1)`, [person.id])).toEqual([
      { actor_id: tenant.admin.id, details: { reason: 'member-disabled' } },
    ]);
  });

  it('ends a session that a login began while the member was being disabled', async () => {
    const person = await aMember(tenant);
    await change(person, { status: 'disabled' });
    await sql(tenant, `UPDATE sessions SET ended_at = NULL, end_reason = NULL WHERE user_id = $1`, [person.id]);
    await change(person, { status: 'active' });
    expect(await enters(person)).toBe(401);
  });

  it('with nothing to change changes nothing and records nothing', async () => {
    const person = await aMember(tenant);
    for (const body of [{}, { role: 'MEMBER' }, { status: 'active' }, { role: 'MEMBER', status: 'active' }]) {
      expect((await change(person, body)).body).toMatchObject({ role: 'MEMBER', status: 'active', email: person.email, user_id: person.id });
    }
    expect(await eventsOf(await idOf(person))).toEqual([]);
  });

  it.each([
    ['no body', undefined, 400],
    ['null', { role: null }, 400],
    ['a role that is a number', { role: 5 }, 400],
    ['an empty role', { role: '' }, 400],
    ['a list of roles', { role: ['ADMIN'] }, 400],
    ['an unknown status', { status: 'removed' }, 400],
    ['a status that is null', { status: null }, 400],
    ['an unknown role', { role: 'no-such-role' }, 404],
    ['an unknown role id', { role: '11111111-1111-4111-8111-111111111111' }, 404],
    ['a role of another spelling', { role: 'Admin' }, 404],
  ])('refuses %s', async (_, body, expected) => {
    const person = await aMember(tenant);
    expect((await change(person, body)).status).toBe(expected);
    expect((await call('GET', `${members}/${await idOf(person)}`, { as })).body.role).toBe('MEMBER');
  });

  it('takes no role of another organization', async () => {
    const [person, other] = [await aMember(tenant), await aTenant()];
    const [role] = await sql(other, 'SELECT id FROM roles WHERE key = $1', [await aRole(other, ['token:read'])]);
    expect((await change(person, { role: role?.['id'] })).status).toBe(404);
  });
});

describe('DELETE /v1/members/{id}', () => {
  it('ends the person\'s sessions and tokens here at once, keeps them in the inventory, and lets nobody in', async () => {
    const person = await aMember(tenant);
    const token = await aToken(person);
    const id = await idOf(person);
    expect((await remove(person)).status).toBe(204);
    expect([await enters(person), (await login(person)).status, await isLive(token), (await call('GET', '/auth/me', { as: token })).status]).toEqual([401, 401, false, 401]);
    expect((await call('POST', '/auth/refresh', { body: { refresh_token: person.refreshToken } })).status).toBe(401);
    const listed = (await call('GET', `/v1/tokens?owner_id=${person.id}`, { as })).body.data;
    expect(listed).toEqual([expect.objectContaining({ state: 'revoked', revoked_by: tenant.admin.id, revocation_reason: 'member-removed' })]);
    for (const method of ['GET', 'PATCH', 'DELETE']) expect((await call(method, `${members}/${id}`, { as, ...(method === 'PATCH' && { body: {} }) })).status).toBe(404);
    expect((await call('GET', `${members}?limit=100`, { as })).text).not.toContain(person.email);
    expect(await eventsOf(id)).toEqual([{
      action: 'member.removed', actor_id: tenant.admin.id, details: { user: person.id, role: 'MEMBER', tokensRevoked: 1, sessionsEnded: 1 }, before: null, after: null,
    }]);
  });

  it('lets the person come back, but nothing of theirs: no session, no token, not even one that had expired and is given more time, no old id', async () => {
    const person = await aMember(tenant, 'ADMIN');
    const [token, expired] = [await aToken(person), await aToken(person)];
    await sql(tenant, `UPDATE api_tokens SET expires_at = now() - interval '1 day' WHERE hint = $1`, [`api_…${expired.slice(-4)}`]);
    const old = await idOf(person);
    await remove(person);
    await readmit(person, 'EXTERNAL');
    await sql(tenant, 'UPDATE api_tokens SET expires_at = NULL WHERE user_id = $1', [person.id]);
    expect([await enters(person), await isLive(token), await isLive(expired)]).toEqual([401, false, false]);
    expect(await idOf(person)).not.toBe(old);
    expect((await call('GET', `${members}/${old}`, { as })).status).toBe(404);
    const again = await login(person);
    expect((await call('GET', '/auth/me', { as: again.body.access_token })).body.permissions).toEqual(['profile:read']);
    await expect(readmit(person)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('ends at readmission what was minted or begun while the removal was under way', async () => {
    const person = await aMember(tenant);
    const token = await aToken(person);
    await remove(person);
    await sql(tenant, 'UPDATE api_tokens SET revoked_at = NULL, revoked_by = NULL, revocation_reason = NULL WHERE user_id = $1', [person.id]);
    await sql(tenant, 'UPDATE sessions SET ended_at = NULL, end_reason = NULL WHERE user_id = $1', [person.id]);
    expect([await enters(person), await isLive(token)]).toEqual([401, false]);
    await readmit(person);
    expect([await enters(person), await isLive(token)]).toEqual([401, false]);
  });
});

describe('nobody goes beyond what they hold', () => {
  it('in giving a role, to others or to themselves, and in changing or removing whoever holds more', async () => {
    const manager = await aMember(tenant, await aRole(tenant, ['member:read', 'member:write', 'token:read']));
    const [equal, above] = [await aMember(tenant, await aRole(tenant, ['token:read'])), await aMember(tenant, await aRole(tenant, ['token:read', 'token:write']))];
    const narrow = await aRole(tenant, ['token:read']);
    expect((await change(equal, { role: narrow }, manager.session)).status).toBe(200);
    expect((await change(equal, { status: 'disabled' }, manager.session)).status).toBe(200);
    for (const refused of [
      await change(equal, { role: 'ADMIN' }, manager.session),
      await change(manager, { role: 'ADMIN' }, manager.session),
      await change(equal, { role: await aRole(tenant, ['project:write']) }, manager.session),
      await change(above, { role: narrow }, manager.session),
      await change(above, { status: 'disabled' }, manager.session),
      await remove(above, manager.session),
      await remove(tenant.admin, manager.session),
    ]) expect([refused.status, refused.body.code]).toEqual([403, 'permission-exceeded']);
    expect((await remove(above, manager.session)).body.permissions).toEqual(['token:write']);
    expect((await remove(equal, manager.session)).status).toBe(204);
    expect(await enters(above)).toBe(200);
  });

  it('in giving a role with a wildcard, which also stands for what comes later', async () => {
    const manager = await aMember(tenant, await aRole(tenant, ['member:write', 'token:read', 'token:write', 'token:introspect']));
    const person = await aMember(tenant, await aRole(tenant, []));
    expect((await change(person, { role: await aRole(tenant, ['token:*']) }, manager.session)).body.permissions).toEqual(['token:*']);
    const wide = await aMember(tenant, await aRole(tenant, ['member:write', 'token:*']));
    expect((await change(person, { role: await aRole(tenant, ['token:*']) }, wide.session)).status).toBe(200);
  });

  it('and without the permission does nothing at all', async () => {
    const [member, other] = [await aMember(tenant), await aMember(tenant)];
    for (const { status, body } of [await change(other, { role: 'EXTERNAL' }, member.session), await remove(other, member.session), await remove(member, member.session)]) {
      expect([status, body.permissions]).toEqual([403, ['member:write']]);
    }
  });
});

describe('the last administrator', () => {
  it('is neither demoted, disabled nor removed, not even by themselves; and is the last while others are disabled', async () => {
    const own = await aTenant();
    const second = await aMember(own, 'ADMIN');
    expect((await change(second, { status: 'disabled' }, own.admin.session, own)).status).toBe(200);
    for (const { status, body } of [
      await change(own.admin, { role: 'MEMBER' }, own.admin.session, own),
      await change(own.admin, { status: 'disabled' }, own.admin.session, own),
      await remove(own.admin, own.admin.session, own),
    ]) expect([status, body.code, body.detail]).toEqual([409, 'conflict', 'The organization would have no administrator any more.']);
    expect((await change(second, { status: 'active' }, own.admin.session, own)).status).toBe(200);
    expect((await change(own.admin, { role: 'MEMBER' }, own.admin.session, own)).status).toBe(200);
    const { access_token: session } = (await login(second, own.slug)).body;
    expect((await remove(second, session, own)).status).toBe(409);
  });

  it('may be removed who is disabled: somebody else administers', async () => {
    const own = await aTenant();
    const second = await aMember(own, 'ADMIN');
    await change(second, { status: 'disabled' }, own.admin.session, own);
    expect((await remove(second, own.admin.session, own)).status).toBe(204);
  });
});
