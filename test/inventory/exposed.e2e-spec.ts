import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { theApp } from '../support/app.js';
import { aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';
import { aWebhook, freshSession } from '../support/webhooks.js';

let tenant: TestTenant;
let as: string;
let address = 0;
/** Limits count by address. */
const from = (): string => `10.9.${(address += 1) >> 8}.${address & 255}`;
beforeEach(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});
afterEach(async () => (await theApp()).clock.reset());

const report = (...secrets: string[]): Promise<Answer> => call('POST', '/v1/tokens/report-leak', { body: { tokens: secrets.map((token) => ({ token })) }, from: from() });
const policy = (body: object): Promise<Answer> => call('PUT', '/v1/policy', { as, body });
const show = async (id: string): Promise<any> => (await call('GET', `/v1/tokens/${id}`, { as })).body;
const exposed = async (): Promise<string[]> => (await call('GET', '/v1/tokens?state=exposed', { as })).body.data.map(({ id }: { id: string }) => id);
const isLive = async (secret: string): Promise<boolean> => (await introspect(as, secret))['active'];
const actionsOf = async (id: string): Promise<string[]> =>
  (await sql(tenant, `SELECT action FROM audit_events WHERE target_id = $1 AND action IN ('token.exposed', 'token.revoked', 'token.restored') ORDER BY occurred_at, id`, [id])).map(({ action }) => action as string);

async function aToken(by = as): Promise<{ id: string; secret: string }> {
  const { token: secret } = (await call('POST', '/user/api-tokens', { as: by, body: {} })).body;
  return { secret, id: (await introspect(as, secret))['jti'] };
}

describe('a leaked token where the policy says flag', () => {
  beforeEach(() => policy({ on_exposure: 'flag' }));

  it.each(DOORS_UNDER_TEST)('of the $name door works on, is shown and listed as exposed, and told of once', async (door) => {
    await aWebhook(tenant, 'https://hooks.acme.example', ['token.exposed', 'token.revoked']);
    const { secret } = await mint(door, tenant);
    const id = (await introspect(as, secret))['jti'];
    expect(await show(id)).toMatchObject({ exposed: false, exposed_at: null });
    for (let time = 0; time < 2; time += 1) expect((await report(secret)).body).toEqual({ received: 1 });
    expect(await isLive(secret)).toBe(true);
    expect(await show(id)).toMatchObject({ state: 'active', exposed: true, exposed_at: expect.any(String), revoked_at: null });
    expect(await exposed()).toEqual([id]);
    expect(await sql(tenant, `SELECT event, payload -> 'data' -> 'details' ->> 'revoked' AS revoked FROM webhook_deliveries`)).toEqual([{ event: 'token.exposed', revoked: 'false' }]);
    expect(await actionsOf(id)).toEqual(['token.exposed']);
  });

  it('is exposed until the leaked secret ends, and again when the next one leaks', async () => {
    const { clock } = await theApp();
    const { id, secret } = await aToken();
    await report(secret);
    const { secret: next } = (await call('POST', `/v1/tokens/${id}/rotate`, { as, body: { overlap_seconds: 60 } })).body;
    expect(await isLive(next)).toBe(true);
    expect(await exposed()).toEqual([id]);
    clock.advance(61);
    expect([await exposed(), (await show(id)).exposed]).toEqual([[], false]);
    await report(secret);
    expect(await exposed()).toEqual([]);
    await report(next);
    expect([await exposed(), await isLive(next)]).toEqual([[id], true]);
    expect(await actionsOf(id)).toEqual(['token.exposed', 'token.exposed']);
  });

  it('ends when it is reported again after the policy has become stricter', async () => {
    const { id, secret } = await aToken();
    await report(secret);
    await policy({});
    expect(await isLive(secret)).toBe(true);
    await report(secret);
    expect(await show(id)).toMatchObject({ state: 'revoked', revocation_reason: 'key_compromise', exposed: false });
    expect(await actionsOf(id)).toEqual(['token.exposed', 'token.revoked']);
  });

  it('ends with all others that are exposed by one call, and no other does', async () => {
    const [leaked, kept] = [await aToken(), await aToken()];
    await report(leaked.secret);
    const { body } = await call('POST', '/v1/tokens/revoke', { as, body: { filter: { state: 'exposed' }, reason: 'key_compromise' } });
    expect(body).toEqual({ matched: 1, revoked: 1, cascaded: 0 });
    expect([await isLive(leaked.secret), await isLive(kept.secret), await exposed()]).toEqual([false, true, []]);
  });

  it('comes back when it was revoked by mistake for another reason, as long as the policy says flag, and not after a compromise', async () => {
    const { id, secret } = await aToken();
    await report(secret);
    const end = (reason: string): Promise<Answer> => call('DELETE', `/v1/tokens/${id}?reason=${reason}`, { as });
    const restore = (): Promise<Answer> => call('POST', `/v1/tokens/${id}/restore`, { as });
    await end('superseded');
    await policy({ on_exposure: 'revoke' });
    expect((await restore()).status).toBe(409);
    await policy({ on_exposure: 'flag' });
    expect((await restore()).body).toMatchObject({ state: 'active', exposed: true });
    expect(await isLive(secret)).toBe(true);
    await end('key_compromise');
    expect((await restore()).status).toBe(409);
  });
});

describe('a leaked token where nothing or revoke is said', () => {
  it('is revoked', async () => {
    for (const body of [{}, { on_exposure: null }, { on_exposure: 'revoke' }]) {
      await policy(body);
      const { id, secret } = await aToken();
      await report(secret);
      expect(await show(id)).toMatchObject({ state: 'revoked', exposed: false, exposed_at: expect.any(String) });
    }
    expect((await policy({ on_exposure: 'ignore' })).status).toBe(400);
  });

  it('does not come back with the one it was minted with, when it was reported after both had ended', async () => {
    const parent = await aToken();
    const child = await aToken(parent.secret);
    await call('DELETE', `/v1/tokens/${parent.id}`, { as });
    await report(child.secret);
    expect((await call('POST', `/v1/tokens/${parent.id}/restore`, { as })).status).toBe(409);
    expect(await isLive(child.secret)).toBe(false);
  });
});

describe('reports of what is none of ours', () => {
  it('answer byte for byte and header for header as those of live, revoked and expired tokens', async () => {
    const { clock } = await theApp();
    const [live, revoked, expiring] = [await aToken(), await aToken(), await aToken()];
    await call('DELETE', `/v1/tokens/${revoked.id}`, { as });
    await call('PATCH', `/v1/tokens/${expiring.id}`, { as, body: { expires_at: clock.now().plusSeconds(60).toRfc3339() } });
    clock.advance(61);
    as = await freshSession(tenant);
    const changed = live.secret.endsWith('0') ? '1' : '0';
    const answers = await Promise.all(
      [live.secret, revoked.secret, expiring.secret, `${live.secret.slice(0, -1)}${changed}`, 'nothing', `api_${'0'.repeat(49)}`].map(async (secret) => {
        const { status, text, headers } = await report(secret);
        return JSON.stringify([status, text, Object.entries({ ...headers, 'date': 0, 'x-request-id': 0 }).sort()]);
      }),
    );
    expect(new Set(answers).size).toBe(1);
  });
});
