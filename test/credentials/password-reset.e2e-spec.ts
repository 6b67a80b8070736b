import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { Mailer } from '../../src/kernel/mail/mailer.js';
import { PasswordResets } from '../../src/credentials/password-resets.service.js';
import { OrganizationsService } from '../../src/organizations/organizations.service.js';
import { PUBLIC_URL, replaceApp, theApp } from '../support/app.js';
import { aMember, aName, aRole, aTenant, PASSWORD, sql, type Person, type TestTenant } from '../support/builders.js';
import { call, type Answer } from '../support/call.js';
import { ownInstallation } from '../support/installation.js';
import { anEmptyDatabase } from '../support/instance.js';
import { aMailServer, type MailServer } from '../support/mail-server.js';

const NEW = 'kettle drum wander tortoise';

const login = (email: string, password: string): Promise<Answer> => call('POST', '/auth/login', { body: { email, password } });
let asked = 0;
/** Each time from another address, for each has its limit. */
const forgot = (email: unknown, from = `198.51.100.${(asked += 1)}`): Promise<Answer> => call('POST', '/auth/password/forgot', { body: { email }, from });
const reset = (token: unknown, password: unknown = NEW): Promise<Answer> => call('POST', '/auth/password/reset', { body: { token, password } });
const enters = async (session: string): Promise<number> => (await call('GET', '/auth/me', { as: session })).status;
const plain = ({ status, text, headers }: Answer): string => `${status} ${String(headers['content-type'])} ${text.replace(/req-\w{14}/, 'REQ')}`;

async function memberIdOf(of: TestTenant, person: { id: string }): Promise<string> {
  return (await sql(of, 'SELECT id FROM memberships WHERE user_id = $1', [person.id]))[0]?.['id'] as string;
}
const issue = async (of: TestTenant, person: { id: string }, as = of.admin.session): Promise<Answer> => call('POST', `/v1/members/${await memberIdOf(of, person)}/password-reset`, { as });
const eventsOf = (of: { id: string }, person: { id: string }): Promise<Record<string, any>[]> =>
  sql(of, `SELECT action, actor_kind, details - 'reset' - 'expiresAt' AS details FROM audit_events WHERE target_id = $1 AND action LIKE 'password%' ORDER BY occurred_at`, [person.id]);

async function admit(person: Person, to: TestTenant): Promise<void> {
  const { app } = await theApp();
  await app.get(Database).inOrganization(to.id, (scope) => app.get(OrganizationsService).addMember(scope, person.id, 'MEMBER'));
}
async function allLookedInto(): Promise<void> {
  const { app } = await theApp();
  await app.get(PasswordResets).settled();
  await app.get(Mailer).settled();
}

describe('with a mail server', () => {
  let server: MailServer;
  ownInstallation(async () => {
    server = await aMailServer();
    return { url: server.url, from: 'no-reply@tokens.example' };
  });
  afterAll(() => server.close());
  let tenant: TestTenant;
  beforeAll(async () => {
    tenant = await aTenant();
  });

  /** The token that was mailed to this address. */
  async function mailed(email: string): Promise<string> {
    const { text } = await server.mailTo(email);
    const [, token = ''] = /^http:\/\/gatehouse\.test\/reset-password#(pwr_[0-9A-Za-z]{49})\s*$/m.exec(text) ?? [];
    return token;
  }
  async function aToken(email: string): Promise<string> {
    await forgot(email);
    return mailed(email);
  }

  describe('POST /auth/password/forgot', () => {
    it('mails a link to whoever has the address, however it is spelled, and says nothing of it in the answer', async () => {
      const person = await aMember(tenant);
      const { status, text, headers } = await forgot(`  ${person.email.toUpperCase()} `);
      expect([status, text]).toEqual([202, '']);
      expect(JSON.stringify(headers)).not.toContain('pwr_');
      const mail = await server.mailTo(person.email);
      expect(mail.headers).toContain('Subject: Choose a new password');
      expect(mail.text).toContain('Hello Max Member');
      expect(await eventsOf(tenant, person)).toEqual([{ action: 'password-reset.created', actor_kind: 'anonymous', details: { byMail: true } }]);
    });

    it('answers the same, before anything is looked up, to an address that nobody has, and mails nothing', async () => {
      const [known, count] = [await forgot((await aMember(tenant)).email), server.received.length];
      await allLookedInto();
      const before = server.received.length;
      const unknown = await Promise.all(['nobody@nowhere.test', 'no address at all', `${'x'.repeat(300)}@nowhere.test`].map((email) => forgot(email)));
      await allLookedInto();
      expect(unknown.map(plain)).toEqual(Array(3).fill(plain(known)));
      expect([before - count, server.received.length - before]).toEqual([1, 0]);
    });

    it('refuses what is no text with 400', async () => {
      for (const email of [undefined, '', 1, ['a@b.c'], 'x'.repeat(321), 'a\u0000@b.c']) expect((await forgot(email)).status).toBe(400);
    });

    it('mails nothing to a person who is disabled, and no more than five links that are good at a time', async () => {
      const [disabled, patient] = [await aMember(tenant), await aMember(tenant)];
      await sql(tenant, 'UPDATE users SET disabled_at = now() WHERE id = $1', [disabled.id]);
      for (let count = 0; count < 8; count += 1) for (const { email } of [disabled, patient]) await forgot(email);
      await allLookedInto();
      const mailsTo = ({ email }: Person): number => server.received.filter(({ to }) => to.includes(email)).length;
      expect([mailsTo(disabled), mailsTo(patient)]).toEqual([0, 5]);
      (await theApp()).clock.advance(3601);
      await forgot(patient.email);
      await allLookedInto();
      expect(mailsTo(patient)).toBe(6);
    });

    it('is open to one address thirty times a minute, and to others then still', async () => {
      const statuses: number[] = [];
      for (let count = 0; count < 31; count += 1) statuses.push((await forgot('nobody@nowhere.test', '203.0.113.9')).status);
      expect(statuses).toEqual([...Array<number>(30).fill(202), 429]);
      expect((await forgot('nobody@nowhere.test', '203.0.113.10')).status).toBe(202);
    });

    it('serves a person who is a member nowhere any more', async () => {
      const person = await aMember(tenant);
      await call('DELETE', `/v1/members/${await memberIdOf(tenant, person)}`, { as: tenant.admin.session });
      expect((await reset(await aToken(person.email))).status).toBe(204);
    });
  });

  describe('POST /auth/password/reset', () => {
    it('sets the password, ends every session everywhere, works once, and burns every other reset', async () => {
      const [person, other] = [await aMember(tenant), await aTenant()];
      await admit(person, other);
      const there = (await call('POST', '/auth/login', { body: { email: person.email, password: PASSWORD, organization: other.slug } })).body.access_token as string;
      const [first, second] = [await aToken(person.email), await aToken(person.email)];
      const { status, text } = await reset(second);
      expect([status, text]).toEqual([204, '']);
      expect([await enters(person.session), await enters(there)]).toEqual([401, 401]);
      expect([(await login(person.email, PASSWORD)).status, (await login(person.email, NEW)).status]).toEqual([401, 200]);
      for (const token of [first, second]) expect((await reset(token, `${NEW} again`)).status).toBe(401);
      expect((await login(person.email, NEW)).status).toBe(200);
      const created = { action: 'password-reset.created', actor_kind: 'anonymous', details: { byMail: true } };
      expect(await eventsOf(tenant, person)).toEqual([created, created, { action: 'password.reset', actor_kind: 'user', details: {} }]);
      expect(await sql(tenant, 'SELECT id FROM password_resets WHERE user_id = $1', [person.id])).toEqual([]);
    });

    it('works for an hour', async () => {
      const person = await aMember(tenant);
      const { clock } = await theApp();
      clock.set(clock.now());
      const [late, timely] = [await aToken(person.email), await aToken(person.email)];
      clock.advance(3600);
      expect((await reset(late)).status).toBe(401);
      clock.advance(-1);
      expect((await reset(timely)).status).toBe(204);
    });

    it('is worth nothing after the password was changed, and after the person was disabled', async () => {
      const [changed, disabled] = [await aMember(tenant), await aMember(tenant)];
      const [stale, useless] = [await aToken(changed.email), await aToken(disabled.email)];
      expect((await call('POST', '/auth/password', { as: changed.session, body: { current_password: PASSWORD, new_password: `${NEW} first` } })).status).toBe(204);
      await sql(tenant, 'UPDATE users SET disabled_at = now() WHERE id = $1', [disabled.id]);
      expect([(await reset(stale)).status, (await reset(useless)).status]).toEqual([401, 401]);
      expect((await login(changed.email, `${NEW} first`)).status).toBe(200);
    });

    it('answers every token that is worth nothing alike', async () => {
      const person = await aMember(tenant);
      const used = await aToken(person.email);
      await reset(used);
      const { body: invitation } = await call('POST', '/v1/invitations', { as: tenant.admin.session, body: { email: `${aName('x')}@y.test`, role: 'MEMBER' } });
      const answers = await Promise.all([used, 'nonsense', `pwr_${'0'.repeat(49)}`, invitation.token, person.refreshToken, `${used} `].map((token) => reset(token)));
      expect(new Set(answers.map(plain))).toEqual(new Set([plain(answers[0])]));
      expect([answers[0].status, answers[0].body.code]).toEqual([401, 'credentials-invalid']);
    });

    it('takes no password that nobody may choose, and stays good for another try', async () => {
      const person = await aMember(tenant);
      const token = await aToken(person.email);
      for (const bad of ['fourteen bytes', 'passwordpassword', `${tenant.slug}2026`, 'MaxMember202611']) {
        const { status, body } = await reset(token, bad);
        expect([status, body.errors[0].path]).toEqual([400, 'password']);
      }
      expect((await reset(token)).status).toBe(204);
    });

    it('works once, however many use it at the same time', async () => {
      const person = await aMember(tenant);
      const token = await aToken(person.email);
      const statuses = (await Promise.all(Array.from({ length: 4 }, (_, count) => reset(token, `${NEW} ${count}`)))).map(({ status }) => status);
      expect(statuses.sort()).toEqual([204, 401, 401, 401]);
    });

    it('leaves no secret readable: neither in the database nor in the log', async () => {
      const person = await aMember(tenant);
      const token = await aToken(person.email);
      await reset(token, `${NEW} canary`);
      const unused = await aToken(person.email);
      const rows = await sql(tenant, 'SELECT to_jsonb(p) AS row FROM password_resets p UNION ALL SELECT to_jsonb(a) FROM audit_events a UNION ALL SELECT to_jsonb(u) FROM users u');
      const text = JSON.stringify(rows) + (await theApp()).log.join('');
      for (const secret of [token, unused, `${NEW} canary`]) expect(text).not.toContain(secret);
    });
  });

  describe('POST /v1/members/{id}/password-reset', () => {
    it('mails the link to the member, be they in other organizations or not, and shows the administrator the same of both', async () => {
      const [alone, shared] = [await aMember(tenant), await aMember(tenant)];
      await admit(shared, await aTenant());
      for (const person of [alone, shared]) {
        const { status, body } = await issue(tenant, person);
        expect([status, body]).toEqual([201, { delivery: 'mail', link: null, token: null, expires_at: expect.stringMatching(/Z$/) }]);
        expect((await reset(await mailed(person.email))).status).toBe(204);
        expect((await eventsOf(tenant, person))[0]).toEqual({ action: 'password-reset.created', actor_kind: 'user', details: { byMail: true } });
      }
    });
  });

  it('an invitation is mailed to whom it is for, with a link that opens a page', async () => {
    const email = `${aName('guest')}@invited.test`;
    const { body } = await call('POST', '/v1/invitations', { as: tenant.admin.session, body: { email, role: 'MEMBER' } });
    expect(body.link).toBe(`${PUBLIC_URL}/join#${body.token as string}`);
    const mail = await server.mailTo(email);
    expect(mail.headers).toContain(`Subject: Invitation to ${tenant.slug}`);
    expect(mail.text).toContain(`\n${body.link as string}\r\n`);
    expect((await call('POST', '/v1/invitations/accept', { body: { token: body.token, name: 'Grace Guest', password: NEW } })).status).toBe(201);
  });

  it('a server that refuses everything keeps no invitation from being made', async () => {
    server.refuseNext(550);
    const { status } = await call('POST', '/v1/invitations', { as: tenant.admin.session, body: { email: `${aName('guest')}@invited.test`, role: 'MEMBER' } });
    expect(status).toBe(201);
    await allLookedInto();
  });
});

describe('without a mail server', () => {
  let tenant: TestTenant;
  beforeAll(async () => {
    tenant = await aTenant();
  });

  it('a forgotten password is answered the same, and nothing comes of it', async () => {
    const person = await aMember(tenant);
    expect([(await forgot(person.email)).status, (await forgot('nobody@nowhere.test')).status]).toEqual([202, 202]);
    await allLookedInto();
    expect(await sql(tenant, 'SELECT id FROM password_resets WHERE user_id = $1', [person.id])).toEqual([]);
  });

  it('an administrator gets the link to hand on, and it works once', async () => {
    const person = await aMember(tenant);
    const { status, body } = await issue(tenant, person);
    expect([status, body]).toEqual([201, { delivery: 'link', link: `${PUBLIC_URL}/reset-password#${body.token as string}`, token: expect.stringMatching(/^pwr_[0-9A-Za-z]{49}$/), expires_at: expect.stringMatching(/Z$/) }]);
    expect((await reset(body.token)).status).toBe(204);
    expect([await enters(person.session), (await login(person.email, NEW)).status, (await reset(body.token)).status]).toEqual([401, 200, 401]);
    expect(await eventsOf(tenant, person)).toEqual([
      { action: 'password-reset.created', actor_kind: 'user', details: { byMail: false } },
      { action: 'password.reset', actor_kind: 'user', details: {} },
    ]);
  });

  it('nobody gets into another organization by it: not of a person who is there, nor of one who joins it meanwhile', async () => {
    const [there, joins, other] = [await aMember(tenant), await aMember(tenant), await aTenant()];
    await admit(there, other);
    const refused = await issue(tenant, there);
    expect([refused.status, refused.body.code]).toEqual([409, 'conflict']);
    const { body } = await issue(tenant, joins);
    await admit(joins, other);
    expect((await reset(body.token)).status).toBe(401);
    expect([(await login(joins.email, PASSWORD)).status, await enters(joins.session)]).toEqual([200, 200]);
  });

  it('nobody resets the password of a member who may do more than they, nor their own, nor of anybody elsewhere', async () => {
    const helper = await aMember(tenant, await aRole(tenant, ['member:read', 'member:write']));
    expect((await issue(tenant, tenant.admin, helper.session)).body.code).toBe('permission-exceeded');
    expect((await issue(tenant, tenant.admin)).body.code).toBe('conflict');
    const other = await aTenant();
    const foreign = await call('POST', `/v1/members/${await memberIdOf(other, other.admin)}/password-reset`, { as: tenant.admin.session });
    const absent = await call('POST', '/v1/members/0190a0a0-0000-7000-8000-000000000000/password-reset', { as: tenant.admin.session });
    expect([foreign.status, plain(foreign)]).toEqual([404, plain(absent)]);
    const member = await aMember(tenant);
    expect((await issue(tenant, tenant.admin, member.session)).body.permissions).toEqual(['member:write']);
    const { body } = await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: { description: 'cannot' } });
    expect((await issue(tenant, member, body.token)).body.code).toBe('caller-refused');
  });

  it('a link that is handed on dies with what the administrator may do', async () => {
    const [second, person, risen] = [await aMember(tenant, 'ADMIN'), await aMember(tenant), await aMember(tenant)];
    const helper = await aMember(tenant, await aRole(tenant, ['profile:read', 'member:read', 'member:write']));
    const external = await aMember(tenant, 'EXTERNAL');
    const [byGone, byHelper] = [(await issue(tenant, person, second.session)).body.token, (await issue(tenant, external, helper.session)).body.token];
    await call('PATCH', `/v1/members/${await memberIdOf(tenant, external)}`, { as: tenant.admin.session, body: { role: 'ADMIN' } });
    await call('DELETE', `/v1/members/${await memberIdOf(tenant, second)}`, { as: tenant.admin.session });
    expect([typeof byGone, typeof byHelper]).toEqual(['string', 'string']);
    expect([(await reset(byGone)).status, (await reset(byHelper)).status]).toEqual([401, 401]);
    expect((await login(person.email, PASSWORD)).status).toBe(200);
    expect((await issue(tenant, risen)).status).toBe(201);
  });
});

it('what was asked for before the end of the process is mailed before it', async () => {
  const server = await aMailServer();
  const database = await anEmptyDatabase();
  const putBack = await replaceApp(database, { url: server.url, from: 'no-reply@tokens.example' });
  const { admin } = await aTenant();
  const { status } = await forgot(admin.email);
  await putBack();
  expect([status, server.received.map(({ to }) => to)]).toEqual([202, [[admin.email]]]);
  await database.close();
  await server.close();
});

describe('the pages that links open', () => {
  it.each([['/reset-password', 'auth/password/reset'], ['/join', 'v1/invitations/accept']])('%s sends its form to %s, and keeps to the rules for pages', async (page, action) => {
    const { status, headers, text } = await call('GET', page);
    expect([status, headers['content-type'], headers['cache-control']]).toEqual([200, 'text/html; charset=utf-8', 'no-store']);
    expect([headers['referrer-policy'], headers['x-frame-options'], headers['x-content-type-options']]).toEqual(['no-referrer', 'DENY', 'nosniff']);
    expect(text).toContain(`<form action="${action}"`);
    // The policy lets no script run that stands in the page.
    expect(headers['content-security-policy']).toMatch(/script-src 'self';/);
    expect([...text.matchAll(/<script[^>]*>/g)].map(([tag]) => tag)).toEqual(['<script src="password-pages.js" defer>']);
    expect(/ on\w+=/.test(text)).toBe(false);
    expect((await call('POST', `/${action}`, { body: {} })).status).toBe(400);
  });
});
