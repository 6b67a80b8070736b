import { describe, expect, it } from 'vitest';
import { MaintenanceRunner } from '../../src/kernel/maintenance/maintenance-runner.js';
import { theApp } from '../support/app.js';
import { aName, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { aClient, login } from '../support/machines.js';

const DAY = 24 * 3600;

const purge = async (name: string, tenant: TestTenant): Promise<number> => (await theApp()).app.get(MaintenanceRunner).run(name, [tenant.id]);
const countOf = async (tenant: TestTenant, table: string): Promise<number> => Number((await sql(tenant, `SELECT count(*) FROM ${table}`))[0]?.['count']);

async function aToken(as: string, expiresAt?: string): Promise<{ secret: string; name: string }> {
  const name = aName('client');
  const { status, text, body } = await call('POST', '/auth/v1/method/token', { as, body: { name, expiresAt } });
  if (status !== 200) throw new Error(text);
  return { secret: body.clientToken, name };
}

const namesOf = async (tenant: TestTenant): Promise<string[]> => (await sql(tenant, 'SELECT name FROM api_tokens')).map(({ name }) => name as string).sort();

describe('clean-up', () => {
  it('keeps tokens that have ended listed for 90 days, then forgets them with their secrets, and says so in the record', async () => {
    const { clock } = await theApp();
    clock.set('2031-01-01T00:00:00Z');
    const tenant = await aTenant();
    const as = tenant.admin.session;
    const [live, revoked, expired] = [await aToken(as), await aToken(as), await aToken(as, '2031-01-11T00:00:00Z')];
    await call('POST', '/oauth2/revoke', { as, form: { token: revoked.secret } });
    clock.set('2031-03-31T00:00:00Z');
    expect(await purge('tokens.purge', tenant)).toBe(0);
    clock.advance(1 * DAY + 1);
    expect(await purge('tokens.purge', tenant)).toBe(1);
    expect(await namesOf(tenant)).toEqual([live.name, expired.name].sort());
    clock.advance(10 * DAY);
    expect(await purge('tokens.purge', tenant)).toBe(1);
    expect(await namesOf(tenant)).toEqual([live.name]);
    expect(await countOf(tenant, 'token_secrets')).toBe(1);
    expect(await sql(tenant, `SELECT actor_kind, details ->> 'tokens' AS count FROM audit_events WHERE action = 'tokens.forgotten'`)).toEqual([{ actor_kind: 'system', count: '1' }, { actor_kind: 'system', count: '1' }]);
    expect((await call('GET', '/auth/me', { as: live.secret })).status).toBe(200);
  });

  it('forgets refresh tokens when they expire, and sessions a month after they could last be used', async () => {
    const { clock } = await theApp();
    const tenant = await aTenant();
    clock.advance(6 * DAY);
    expect([await purge('refresh-tokens.purge', tenant), await purge('sessions.purge', tenant)]).toEqual([0, 0]);
    await call('POST', '/auth/refresh', { body: { refresh_token: tenant.admin.refreshToken } });
    clock.advance(2 * DAY);
    expect([await purge('refresh-tokens.purge', tenant), await purge('sessions.purge', tenant)]).toEqual([1, 0]);
    expect(await countOf(tenant, 'refresh_tokens')).toBe(1);
    clock.advance(51 * DAY);
    expect(await purge('sessions.purge', tenant)).toBe(0);
    clock.advance(2 * DAY);
    expect(await purge('sessions.purge', tenant)).toBe(1);
    expect([await countOf(tenant, 'sessions'), await countOf(tenant, 'refresh_tokens')]).toEqual([0, 0]);
  });

  it('forgets invitations a month after their end, and no other organization\'s', async () => {
    const { clock } = await theApp();
    const [tenant, other] = [await aTenant(), await aTenant()];
    for (const { admin } of [tenant, other]) await call('POST', '/v1/invitations', { as: admin.session, body: { email: `${aName('guest')}@acme.test`, role: 'MEMBER' } });
    clock.advance(36 * DAY);
    expect(await purge('invitations.purge', tenant)).toBe(0);
    clock.advance(2 * DAY);
    expect(await purge('invitations.purge', tenant)).toBe(1);
    expect([await countOf(tenant, 'invitations'), await countOf(other, 'invitations')]).toEqual([0, 1]);
  });

  it('forgets where failed logins of machines came from, when that does not count any more', async () => {
    const { clock } = await theApp();
    const tenant = await aTenant();
    const { clientId } = await aClient(tenant, { lockoutCounterResetSeconds: 60 });
    expect((await login({ clientId, clientSecret: 'wrong' }, { from: '203.0.113.9' })).status).toBe(401);
    expect([await purge('client-lockouts.purge', tenant), await countOf(tenant, 'client_lockouts')]).toEqual([0, 1]);
    clock.advance(61);
    expect([await purge('client-lockouts.purge', tenant), await countOf(tenant, 'client_lockouts')]).toEqual([1, 0]);
  });
});
