import { beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { OrganizationsService } from '../../src/organizations/organizations.service.js';
import { theApp } from '../support/app.js';
import { aMember, aTenant, PASSWORD, sql, type Person, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';

const NEW = 'kettle drum wander tortoise';

let tenant: TestTenant;
let other: TestTenant;
beforeAll(async () => {
  [tenant, other] = [await aTenant(), await aTenant()];
});

const login = (email: string, password: string, organization = tenant.slug): Promise<Answer> => call('POST', '/auth/login', { body: { email, password, organization } });
const change = (as: string | undefined, current: unknown, chosen: unknown, more: object = {}): Promise<Answer> =>
  call('POST', '/auth/password', { as, body: { current_password: current, new_password: chosen, ...more } });
const enters = async (session: string): Promise<number> => (await call('GET', '/auth/me', { as: session })).status;
const eventsOf = (of: { id: string }, person: { id: string }): Promise<Record<string, any>[]> =>
  sql(of, `SELECT action, actor_id, credential_id, target_kind, details FROM audit_events WHERE actor_id = $1 AND action NOT IN ('session.started', 'token.minted') ORDER BY action`, [person.id]);

async function admit(person: Person, to: TestTenant): Promise<void> {
  const { app } = await theApp();
  await app.get(Database).inOrganization(to.id, (scope) => app.get(OrganizationsService).addMember(scope, person.id, 'MEMBER'));
}

describe('POST /auth/password', () => {
  it('changes the password and ends every other session of the person, in every organization, and nobody else’s', async () => {
    const person = await aMember(tenant);
    await admit(person, other);
    const [here, there, bystander] = [await login(person.email, PASSWORD), await login(person.email, PASSWORD, other.slug), await aMember(other)];
    // A caller cannot ask for less.
    expect((await change(person.session, PASSWORD, NEW, { keep_sessions: true, device_id: here.body.access_token, revoke_other_sessions: false })).status).toBe(400);
    const { status, text } = await change(person.session, PASSWORD, NEW);
    expect([status, text]).toEqual([204, '']);
    expect(await Promise.all([person.session, here.body.access_token, there.body.access_token, bystander.session].map(enters))).toEqual([200, 401, 401, 200]);
    expect((await call('POST', '/auth/refresh', { body: { refresh_token: there.body.refresh_token } })).status).toBe(401);
    expect((await call('POST', '/auth/refresh', { body: { refresh_token: person.refreshToken } })).status).toBe(200);
    expect([(await login(person.email, PASSWORD)).status, (await login(person.email, NEW)).status]).toEqual([401, 200]);
  });

  it('is recorded once where it was done, with the sessions it ended, each in its organization; without a password and without what is elsewhere', async () => {
    const person = await aMember(tenant);
    await admit(person, other);
    await login(person.email, PASSWORD, other.slug);
    const { body: me } = await login(person.email, PASSWORD);
    await change(me.access_token, PASSWORD, NEW);
    const { sid } = JSON.parse(Buffer.from(me.access_token.split('.')[1], 'base64url').toString()) as { sid: string };
    const ended = { action: 'session.ended', actor_id: person.id, target_kind: 'session', details: { reason: 'password.changed' } };
    expect(await eventsOf(tenant, person)).toEqual([
      { action: 'password.changed', actor_id: person.id, credential_id: sid, target_kind: 'user', details: {} },
      { ...ended, credential_id: sid },
    ]);
    expect(await eventsOf(other, person)).toEqual([{ ...ended, credential_id: null }]);
    const { log } = await theApp();
    for (const of of [tenant, other]) expect(JSON.stringify(await sql(of, 'SELECT to_jsonb(a) FROM audit_events a')) + log.join('')).not.toContain(NEW);
  });

  it('leaves tokens alone', async () => {
    const person = await aMember(tenant);
    const { body } = await call('POST', '/user/api-tokens', { as: person.session, body: { description: 'stays' } });
    await change(person.session, PASSWORD, NEW);
    expect((await introspect(tenant.admin.session, body.token))['active']).toBe(true);
  });

  it('refuses a wrong current password with 400, changes nothing, records it, and logs nobody out', async () => {
    const person = await aMember(tenant);
    const { body: second } = await login(person.email, PASSWORD);
    for (const wrong of ['wrong', `${PASSWORD} `, PASSWORD.toUpperCase(), NEW]) {
      const { status, body } = await change(person.session, wrong, NEW);
      expect([status, body.errors]).toEqual([400, [{ path: 'current_password', message: 'is not your password' }]]);
    }
    expect([await enters(person.session), await enters(second.access_token)]).toEqual([200, 200]);
    expect((await login(person.email, PASSWORD)).status).toBe(200);
    expect((await eventsOf(tenant, person)).map(({ action, details }) => [action, details])).toEqual(Array(4).fill(['password.change-refused', { reason: 'credentials' }]));
  });

  it('slows down who guesses the current password in a session that was left open, as the login does, and locks nobody out elsewhere', async () => {
    const person = await aMember(tenant);
    const guess = (current: string, from: string): Promise<Answer> =>
      call('POST', '/auth/password', { as: person.session, from, body: { current_password: current, new_password: NEW } });
    const statuses: number[] = [];
    for (let count = 0; count < 11; count += 1) statuses.push((await guess(`wrong ${count}`, '203.0.113.77')).status);
    expect(statuses).toEqual([...Array<number>(10).fill(400), 429]);
    // The right one no more than another, and the login counts along.
    const limited = await guess(PASSWORD, '203.0.113.77');
    expect([limited.status, Number(limited.headers['retry-after']) > 0]).toEqual([429, true]);
    expect((await call('POST', '/auth/login', { from: '203.0.113.77', body: { email: person.email, password: PASSWORD } })).status).toBe(429);
    expect([await enters(person.session), (await guess(PASSWORD, '203.0.113.78')).status]).toEqual([200, 204]);
  });

  it('takes no new password that nobody may choose', async () => {
    const person = await aMember(tenant);
    for (const [chosen, message] of [['fourteen bytes', /^must have 15/], ['passwordpassword', /^is too common/], [`${tenant.slug}-2026`, /^is too easy/], [person.email.split('@')[0], /^is too easy/]] as const) {
      const { status, body } = await change(person.session, PASSWORD, chosen);
      expect([chosen, status, body.errors]).toEqual([chosen, 400, [{ path: 'new_password', message: expect.stringMatching(message) }]]);
    }
    for (const body of [{}, { current_password: PASSWORD }, { new_password: NEW }, { current_password: 1, new_password: NEW }, { current_password: PASSWORD, new_password: 'x'.repeat(1025) }]) {
      expect((await call('POST', '/auth/password', { as: person.session, body })).status).toBe(400);
    }
    expect((await login(person.email, PASSWORD)).status).toBe(200);
  });

  it('is for a person in a session: no token can do it, whatever it may do, and nobody at all', async () => {
    const { body } = await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: { description: 'cannot' } });
    const { status, body: problem } = await change(body.token, PASSWORD, NEW);
    expect([status, problem.code]).toEqual([403, 'caller-refused']);
    expect((await change(undefined, PASSWORD, NEW)).status).toBe(401);
  });

  it('is open to whoever may do nothing else', async () => {
    const external = await aMember(tenant, 'EXTERNAL');
    expect((await change(external.session, PASSWORD, NEW)).status).toBe(204);
  });
});
