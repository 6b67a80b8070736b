import { beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { OrganizationsService } from '../../src/organizations/organizations.service.js';
import { theApp } from '../support/app.js';
import { aMember, aName, aRole, aTenant, PASSWORD, sql, type Person, type TestTenant } from '../support/builders.js';
import { call, type Answer } from '../support/call.js';
import { ABSENT, ODD_IDS } from '../support/machines.js';

const sessions = '/v1/sessions';
let tenant: TestTenant;
beforeAll(async () => {
  tenant = await aTenant();
});

const login = async ({ email }: { email: string }, organization = tenant.slug, from = '127.0.0.1', agent = 'curl/8'): Promise<any> =>
  (await call('POST', '/auth/login', { body: { email, password: PASSWORD, organization }, from, headers: { 'user-agent': agent } })).body;
const list = (as: string, query = ''): Promise<Answer> => call('GET', `${sessions}${query}`, { as });
const end = (as: string, id: string): Promise<Answer> => call('DELETE', `${sessions}/${id}`, { as });
const endOthers = (as: string, query = ''): Promise<Answer> => call('DELETE', `${sessions}${query}`, { as });
const enters = async (session: string): Promise<number> => (await call('GET', '/auth/me', { as: session })).status;
const refresh = async (refresh_token: string): Promise<Answer> => call('POST', '/auth/refresh', { body: { refresh_token } });
const sidOf = (session: string): string => (JSON.parse(Buffer.from(session.split('.')[1] ?? '', 'base64url').toString()) as { sid: string }).sid;
const claim = (session: string, name: string): unknown => (JSON.parse(Buffer.from(session.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>)[name];
const ended = (where: { id: string }, id: string): Promise<Record<string, any>[]> =>
  sql(where, `SELECT actor_id, details FROM audit_events WHERE action = 'session.ended' AND target_id = $1`, [id]);
const plain = ({ status, text }: Answer, id: string): string => `${status} ${text.replace(/req-\w{14}/, 'REQ').replaceAll(id, 'ID')}`;

async function join(person: { id: string }, to: TestTenant, role = 'MEMBER'): Promise<void> {
  const { app } = await theApp();
  await app.get(Database).inOrganization(to.id, (scope) => app.get(OrganizationsService).addMember(scope, person.id, role));
}

async function aUserToken(person: Person): Promise<string> {
  const { status, text, body } = await call('POST', '/user/api-tokens', { as: person.session, body: { description: aName('token') } });
  if (status !== 201) throw new Error(`minting answered ${status}: ${text}`);
  return body.token;
}

describe('GET /v1/sessions', () => {
  it('lists one\'s own live sessions, newest first, page by page, with where they were begun and which one asks', async () => {
    const person = await aMember(tenant);
    const { access_token: second } = await login(person, tenant.slug, '203.0.113.9', 'Firefox');
    const { status, body } = await list(second);
    expect(status).toBe(200);
    const session = {
      user_id: person.id, email: person.email, created_at: expect.stringMatching(/Z$/), refreshed_at: expect.stringMatching(/Z$/), idle_until: expect.stringMatching(/Z$/), expires_at: expect.stringMatching(/Z$/),
    };
    expect(body).toEqual({
      data: [
        { ...session, id: sidOf(second), current: true, ip: '203.0.113.9', user_agent: 'Firefox' },
        { ...session, id: sidOf(person.session), current: false, ip: '127.0.0.1', user_agent: expect.any(String) },
      ],
      next_cursor: null,
    });
    const [{ created_at: began, idle_until: idle, expires_at: last }] = body.data;
    expect([Date.parse(idle) - Date.parse(began), Date.parse(last) - Date.parse(began)]).toEqual([7 * 24 * 3600_000, 30 * 24 * 3600_000]);
    const first = (await list(second, '?limit=1')).body;
    const next = (await list(second, `?limit=1&cursor=${first.next_cursor}`)).body;
    expect([first.data[0].id, next.data[0].id, next.next_cursor]).toEqual([sidOf(second), sidOf(person.session), null]);
  });

  it('leaves out what has ended, idled or run out, and says when a session was refreshed last', async () => {
    const { clock } = await theApp();
    const person = await aMember(tenant);
    const gone = await login(person);
    await call('POST', '/auth/logout', { as: gone.access_token });
    clock.advance(6 * 24 * 3600);
    const kept = (await refresh(person.refreshToken)).body;
    const { data } = (await list(kept.access_token)).body;
    expect(data.map(({ id }: { id: string }) => id)).toEqual([sidOf(person.session)]);
    expect(Date.parse(data[0].refreshed_at) - Date.parse(data[0].created_at)).toBeGreaterThanOrEqual(6 * 24 * 3600_000);
    clock.advance(7 * 24 * 3600);
    const { access_token: now } = await login(person);
    expect((await list(now)).body.data.map(({ id }: { id: string }) => id)).toEqual([sidOf(now)]);
  });

  it('shows those of one other person, or of all, only with the permission, and never those of another organization', async () => {
    const [own, other] = [await aTenant(), await aTenant()];
    const person = await aMember(own);
    await join(person, other);
    await login(person, other.slug);
    const ids = async (as: string, query: string): Promise<string[]> => (await list(as, query)).body.data.map(({ id }: { id: string }) => id);
    expect(await ids(own.admin.session, `?user=${person.id}`)).toEqual([sidOf(person.session)]);
    expect(await ids(own.admin.session, '?user=all')).toEqual([sidOf(person.session), sidOf(own.admin.session)]);
    expect(await ids(own.admin.session, '')).toEqual([sidOf(own.admin.session)]);
    expect(await ids(person.session, `?user=${person.id}`)).toEqual([sidOf(person.session)]);
    for (const stranger of [other.admin.id, ABSENT]) expect(await ids(own.admin.session, `?user=${stranger}`)).toEqual([]);
    for (const query of ['?user=all', `?user=${own.admin.id}`, `?user=${ABSENT}`]) {
      const { status, body } = await list(person.session, query);
      expect([query, status, body.code, body.permissions]).toEqual([query, 403, 'permission-missing', ['session:read']]);
    }
    const reader = await aMember(own, await aRole(own, ['session:read']));
    expect(await ids(reader.session, `?user=${person.id}`)).toEqual([sidOf(person.session)]);
    expect((await end(reader.session, sidOf(person.session))).status).toBe(404);
  });

  it('is told to a token only where it may see all sessions: one that leaks does not tell where its person is', async () => {
    const [member, admin] = [await aMember(tenant), await aMember(tenant, 'ADMIN')];
    const [narrow, wide] = [await aUserToken(member), await aUserToken(admin)];
    expect((await list(narrow)).body.permissions).toEqual(['session:read']);
    expect((await end(narrow, sidOf(member.session))).body.permissions).toEqual(['session:write']);
    expect((await endOthers(narrow)).body.permissions).toEqual(['session:write']);
    expect((await list(wide, `?user=${member.id}`)).body.data).toHaveLength(1);
    expect((await end(wide, sidOf(member.session))).status).toBe(204);
  });

  it.each(['user=', 'user=everybody', 'user=me&user=all', 'limit=0', 'cursor=x'])('refuses %s with 400', async (query) => {
    expect((await list(tenant.admin.session, `?${query}`)).status).toBe(400);
  });
});

describe('DELETE /v1/sessions/{id}', () => {
  it('ends one\'s own at once, with every credential it gave out, and is recorded once', async () => {
    const person = await aMember(tenant);
    const other = await login(person);
    expect((await end(person.session, sidOf(other.access_token))).status).toBe(204);
    expect([await enters(other.access_token), (await refresh(other.refresh_token)).status, await enters(person.session)]).toEqual([401, 401, 200]);
    expect(await ended(tenant, sidOf(other.access_token))).toEqual([{ actor_id: person.id, details: { reason: 'ended' } }]);
    expect((await end(person.session, sidOf(other.access_token))).status).toBe(404);
    expect((await end(person.session, sidOf(person.session))).status).toBe(204);
    expect(await enters(person.session)).toBe(401);
  });

  it('ends anybody\'s of the organization for whoever may, and the record says who did it', async () => {
    const person = await aMember(tenant);
    const operator = await aMember(tenant, await aRole(tenant, ['session:write']));
    expect((await end(operator.session, sidOf(person.session))).status).toBe(204);
    expect(await enters(person.session)).toBe(401);
    expect(await ended(tenant, sidOf(person.session))).toEqual([{ actor_id: operator.id, details: { reason: 'ended' } }]);
  });

  it('answers the same for a session that is not there, somebody else\'s, and one of another organization', async () => {
    const [person, neighbour, stranger] = [await aMember(tenant), await aMember(tenant), await aTenant()];
    const absent = plain(await end(person.session, ABSENT), ABSENT);
    for (const id of [sidOf(neighbour.session), sidOf(stranger.admin.session), sidOf(tenant.admin.session)]) expect(plain(await end(person.session, id), id)).toBe(absent);
    for (const id of [sidOf(stranger.admin.session), ...ODD_IDS]) expect((await end(tenant.admin.session, id)).status).toBe(404);
    for (const { session } of [neighbour, stranger.admin, tenant.admin]) expect(await enters(session)).toBe(200);
  });
});

describe('DELETE /v1/sessions', () => {
  it('ends all of one\'s own but the one that asks, each recorded once, and nobody else\'s', async () => {
    const [person, bystander] = [await aMember(tenant), await aMember(tenant)];
    const others = [await login(person), await login(person)];
    const { status, body } = await endOthers(person.session);
    expect([status, body]).toEqual([200, { ended: 2 }]);
    expect(await Promise.all([person.session, ...others.map((other) => other.access_token as string), bystander.session].map(enters))).toEqual([200, 401, 401, 200]);
    for (const { access_token: session } of others) expect(await ended(tenant, sidOf(session))).toEqual([{ actor_id: person.id, details: { reason: 'ended' } }]);
    expect((await endOthers(person.session)).body).toEqual({ ended: 0 });
  });

  it('ends those of one person, or of all but the one that asks, for whoever may', async () => {
    const [own, other] = [await aTenant(), await aTenant()];
    const [first, second] = [await aMember(own), await aMember(own)];
    expect((await endOthers(first.session, '?user=all')).body.permissions).toEqual(['session:write']);
    expect((await endOthers(own.admin.session, `?user=${other.admin.id}`)).body).toEqual({ ended: 0 });
    expect((await endOthers(own.admin.session, `?user=${first.id}`)).body).toEqual({ ended: 1 });
    expect([await enters(first.session), await enters(second.session)]).toEqual([401, 200]);
    expect((await endOthers(own.admin.session, '?user=all')).body).toEqual({ ended: 1 });
    expect([await enters(second.session), await enters(own.admin.session), await enters(other.admin.session)]).toEqual([401, 200, 200]);
  });
});

describe('POST /auth/switch', () => {
  const move = (as: string, organization: unknown): Promise<Answer> => call('POST', '/auth/switch', { as, body: { organization } });

  it.each(['slug', 'id'] as const)('by %s ends this session and begins one there with a new id, recorded on both sides', async (by) => {
    const other = await aTenant();
    const person = await aMember(tenant);
    await join(person, other, 'EXTERNAL');
    const { status, headers, body } = await move(person.session, other[by]);
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 900, organization: { id: other.id, slug: other.slug }, user: { id: person.id } });
    expect(sidOf(body.access_token)).not.toBe(sidOf(person.session));
    expect([claim(body.access_token, 'org'), claim(body.access_token, 'scope')]).toEqual([other.id, 'profile:read']);
    expect([await enters(person.session), (await refresh(person.refreshToken)).status]).toEqual([401, 401]);
    expect((await call('GET', '/auth/me', { as: body.access_token })).body).toMatchObject({ organization: { id: other.id }, permissions: ['profile:read'] });
    expect(await ended(tenant, sidOf(person.session))).toEqual([{ actor_id: person.id, details: { reason: 'switched' } }]);
    expect(await sql(other, `SELECT actor_id, details FROM audit_events WHERE action = 'session.started' AND target_id = $1`, [sidOf(body.access_token)])).toEqual([{ actor_id: person.id, details: {} }]);
    expect((await refresh(body.refresh_token)).status).toBe(200);
  });

  it('means by a slug the organization that belongs to no other, at the login too, though another was founded of the same', async () => {
    const [own, other] = [await aTenant(), await aTenant()];
    const { id } = (await call('POST', '/v1/organization/children', { as: other.admin.session, body: { slug: own.slug, name: 'Look-alike' } })).body;
    const person = await aMember(other);
    for (const each of [{ ...other, id }, own]) await join(person, each);
    expect((await login(person, own.slug)).organization.id).toBe(own.id);
    expect((await move(person.session, own.slug)).body.organization.id).toBe(own.id);
    expect((await login(person, id)).organization.id).toBe(id);
  });

  it('ends no later than the session it comes from, however often one switches', async () => {
    const { clock } = await theApp();
    const other = await aTenant();
    const person = await aMember(tenant);
    await join(person, other);
    let current = { access_token: person.session, refresh_token: person.refreshToken };
    for (let day = 0; day < 30; day += 6) {
      current = (await refresh(current.refresh_token)).body;
      current = (await move(current.access_token, day % 12 === 0 ? other.slug : tenant.slug)).body;
      clock.advance(6 * 24 * 3600);
    }
    expect((await refresh(current.refresh_token)).status).toBe(401);
  });

  it('answers the same for organizations that are not there, not theirs, closed to them or stopped; and the session goes on', async () => {
    const [foreign, left, closed, stopped] = [await aTenant(), await aTenant(), await aTenant(), await aTenant()];
    const person = await aMember(tenant);
    for (const each of [left, closed, stopped]) await join(person, each);
    await sql(left, 'UPDATE memberships SET removed_at = now() WHERE user_id = $1', [person.id]);
    await sql(closed, 'UPDATE memberships SET disabled_at = now() WHERE user_id = $1', [person.id]);
    await sql(stopped, 'UPDATE organizations SET suspended_at = now()');
    const absent = plain(await move(person.session, 'no-such-organization'), 'no-such-organization');
    expect(absent).toContain('404');
    for (const { id, slug } of [foreign, left, closed, stopped]) for (const name of [id, slug]) expect(plain(await move(person.session, name), name)).toBe(absent);
    expect(await enters(person.session)).toBe(200);
  });

  it('makes of one session no two, also where it is asked twice at once', async () => {
    const other = await aTenant();
    const person = await aMember(tenant);
    await join(person, other);
    const answers = await Promise.all([move(person.session, other.slug), move(person.session, other.slug), move(person.session, other.slug)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
    expect(await sql(other, 'SELECT count(*)::int AS count FROM sessions WHERE user_id = $1', [person.id])).toEqual([{ count: 1 }]);
  });

  it('is for sessions, not for tokens', async () => {
    expect((await move(await aUserToken(await aMember(tenant)), tenant.slug)).body.code).toBe('caller-refused');
  });

  it.each([undefined, null, 5, '', ['default'], 'a\u0000b'])('refuses the organization %j with 400', async (organization) => {
    expect((await move(tenant.admin.session, organization)).status).toBe(400);
  });
});

describe('a refresh token', () => {
  it('that is shown while its organization is suspended, or its person kept out, is not used up', async () => {
    const own = await aTenant();
    for (const [stop, go] of [
      ['UPDATE organizations SET suspended_at = now()', 'UPDATE organizations SET suspended_at = NULL'],
      ['UPDATE memberships SET disabled_at = now()', 'UPDATE memberships SET disabled_at = NULL'],
    ] as const) {
      const { refresh_token: token } = await login(own.admin, own.slug);
      await sql(own, stop);
      expect([(await refresh(token)).status, (await refresh(token)).status]).toEqual([401, 401]);
      await sql(own, go);
      expect((await refresh(token)).status).toBe(200);
    }
  });
});
