import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { MaintenanceRunner } from '../../src/kernel/maintenance/maintenance-runner.js';
import { Mailer } from '../../src/kernel/mail/mailer.js';
import { theApp } from '../support/app.js';
import { aMember, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { ownInstallation } from '../support/installation.js';
import { aMailServer, type MailServer } from '../support/mail-server.js';

let server: MailServer;
ownInstallation(async () => {
  server = await aMailServer();
  return { url: server.url, from: 'tokens@gatehouse.test' };
});
afterAll(() => server.close());

let tenant: TestTenant;
beforeEach(async () => {
  tenant = await aTenant();
});

const FOUND_AT = 'https://paste.example/x';
const report = (...secrets: string[]): Promise<unknown> => call('POST', '/v1/tokens/report-leak', { body: { tokens: secrets.map((token) => ({ token, url: FOUND_AT })) } });
const personal = async (as: string): Promise<string> => (await call('POST', '/user/api-tokens', { as, body: { description: 'nightly export' } })).body.token;
const ofTheOrganization = async (name: string): Promise<string> => (await call('POST', '/auth/v1/method/token', { as: tenant.admin.session, body: { name } })).body.clientToken;

/** What is sent now in this organization, as `recipient | subject | text`. */
async function mailed(): Promise<string[]> {
  const { app } = await theApp();
  const before = server.received.length;
  await app.get(MaintenanceRunner).run('notices.mail-exposed');
  await app.get(Mailer).settled();
  return server.received.slice(before).map(({ to, headers, text }) => `${to.join()} | ${/^Subject: (.*)$/m.exec(headers)?.[1]?.trim() ?? ''} | ${text}`).sort();
}

describe('mail about a token that has leaked', () => {
  it('goes to its person once, says that it was revoked, and holds neither its secret nor an address that a stranger chose', async () => {
    const { email, session } = await aMember(tenant);
    const secret = await personal(session);
    await report(secret);
    await report(secret);
    const [letter = '', ...more] = await mailed();
    expect(more).toEqual([]);
    expect(letter).toContain(`${email} | An API token of ${tenant.slug} has leaked | `);
    expect(letter).toContain('was revoked and does not work any more');
    expect([letter.includes(secret), letter.includes(FOUND_AT), letter.includes(`…${secret.slice(-4)}`)]).toEqual([false, false, true]);
    expect(await mailed()).toEqual([]);
  });

  it('says that it still works where the policy wants that', async () => {
    await call('PUT', '/v1/policy', { as: tenant.admin.session, body: { on_exposure: 'flag' } });
    await report(await personal(tenant.admin.session));
    const [letter = ''] = await mailed();
    expect(letter).toContain('STILL WORKS');
    expect(letter).toContain('rotate it, or revoke it');
  });

  it('goes to all administrators about tokens without a person, in one letter', async () => {
    const other = await aMember(tenant, 'ADMIN');
    await aMember(tenant);
    await report(await ofTheOrganization('one'), await ofTheOrganization('two'));
    const letters = await mailed();
    expect(letters.map((letter) => letter.split(' | ').slice(0, 2).join(' | '))).toEqual(
      [tenant.admin.email, other.email].map((to) => `${to} | 2 API tokens of ${tenant.slug} have leaked`).sort());
    for (const letter of letters) for (const name of ['one', 'two']) expect(letter).toContain(`  ${name} (auth-method, `);
  });

  it('is owed in the transaction of the report, and to nobody of an organization that is suspended', async () => {
    await report(await ofTheOrganization('one'));
    expect(await sql(tenant, 'SELECT count(*)::int AS owed FROM exposures_to_mail')).toEqual([{ owed: 1 }]);
    await sql(tenant, 'UPDATE organizations SET suspended_at = now() WHERE id = $1', [tenant.id]);
    expect(await mailed()).toEqual([]);
    expect(await sql(tenant, 'SELECT count(*)::int AS owed FROM exposures_to_mail')).toEqual([{ owed: 0 }]);
  });
});
