import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { MaintenanceRunner } from '../../src/kernel/maintenance/maintenance-runner.js';
import { Mailer } from '../../src/kernel/mail/mailer.js';
import { theApp } from '../support/app.js';
import { aMember, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { ownInstallation } from '../support/installation.js';
import { aMailServer, type MailServer } from '../support/mail-server.js';

const START = '2031-03-01T12:00:00Z';
const at = (day: number): string => new Date(Date.parse(START) + day * 24 * 3600 * 1000).toISOString();

let server: MailServer;
ownInstallation(async () => {
  server = await aMailServer();
  return { url: server.url, from: 'tokens@gatehouse.test' };
});
afterAll(() => server.close());

let tenant: TestTenant;
beforeEach(async () => {
  (await theApp()).clock.set(START);
  tenant = await aTenant();
});

/** What was sent at so many days after the start, as `recipients | subject`. */
async function mailedAt(day: number): Promise<string[]> {
  const { app, clock } = await theApp();
  clock.set(at(day));
  const before = server.received.length;
  for (const days of [30, 7, 1]) await app.get(MaintenanceRunner).run(`notices.token.expiring.${days}`, [tenant.id]);
  await app.get(Mailer).settled();
  return server.received.slice(before).map(({ to, headers }) => `${to.join()} | ${/^Subject: (.*)$/m.exec(headers)?.[1]?.trim() ?? ''}`).sort();
}

async function organizationToken(name: string, day: number): Promise<string> {
  const { status, text, body } = await call('POST', '/auth/v1/method/token', { as: tenant.admin.session, body: { name, expiresAt: at(day) } });
  if (status !== 200) throw new Error(text);
  return body.clientToken;
}

describe('mail about a token that ends', () => {
  it('goes to its person 30, 7 and 1 days before, once each, and tells which and when but not its secret', async () => {
    const { email, session } = await aMember(tenant);
    const { body } = await call('POST', '/user/api-tokens', { as: session, body: { description: 'nightly export', expiresAt: at(40) } });
    const mailed: string[] = [];
    for (let day = 8; day <= 41; day += 0.5) for (const mail of await mailedAt(day)) mailed.push(`${day}: ${mail}`);
    const subject = (within: string): string => `${email} | An API token of ${tenant.slug} will end within ${within}`;
    expect(mailed).toEqual([`10: ${subject('30 days')}`, `33: ${subject('7 days')}`, `39: ${subject('a day')}`]);
    const { text } = await server.mailTo(email);
    expect(text).toContain('ends at 2031-04-10T12:00:00Z');
    expect(text).not.toContain(body.token);
  });

  it('goes to the administrators about tokens without a person, in one letter about all of them', async () => {
    const { email, session } = await aMember(tenant);
    const other = await aMember(tenant, 'ADMIN');
    await call('POST', '/user/api-tokens', { as: session, body: { description: 'their own', expiresAt: at(9) } });
    for (const name of ['one', 'two']) await organizationToken(name, 9);
    const two = `2 API tokens of ${tenant.slug} will end within 7 days`;
    expect(await mailedAt(3)).toEqual([`${tenant.admin.email} | ${two}`, `${other.email} | ${two}`, `${email} | An API token of ${tenant.slug} will end within 7 days`].sort());
    const { text } = await server.mailTo(other.email);
    for (const name of ['one', 'two']) expect(text).toContain(`  ${name} (auth-method, `);
    expect(text).not.toContain('their own');
  });

  it('goes to nobody who is not a member any more, and to nobody of an organization that is suspended', async () => {
    const { id, session } = await aMember(tenant);
    await call('POST', '/user/api-tokens', { as: session, body: { description: 'their own', expiresAt: at(9) } });
    await sql(tenant, 'UPDATE memberships SET disabled_at = now() WHERE user_id = $1', [id]);
    await organizationToken('one', 20);
    expect(await mailedAt(3)).toEqual([]);
    await sql(tenant, 'UPDATE organizations SET suspended_at = now() WHERE id = $1', [tenant.id]);
    expect(await mailedAt(14)).toEqual([]);
  });
});
