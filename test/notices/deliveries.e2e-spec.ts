import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MaintenanceRunner } from '../../src/kernel/maintenance/maintenance-runner.js';
import { WebhookClient } from '../../src/notices/webhook-client.js';
import { theApp } from '../support/app.js';
import { aMember, aName, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';
import { ownInstallation } from '../support/installation.js';
import { aReceiver, type Receiver, type Received } from '../support/receiver.js';
import { aWebhook, deliver, deliveriesOf, freshSession, passTime, passTimeUntilDue } from '../support/webhooks.js';

// Its own, so that no other test's deliveries are in the queue.
ownInstallation();

let tenant: TestTenant;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await aReceiver();
});
beforeEach(async () => {
  tenant = await aTenant();
  receiver.answer(204);
  (receiver.received as Received[]).length = 0;
  // What an earlier test left to be tried again.
  await sql(tenant, 'DELETE FROM queue.job');
});
afterAll(() => receiver.close());

const aToken = async (): Promise<string> => (await call('POST', '/auth/v1/method/token', { as: tenant.admin.session, body: { name: aName('client') } })).body.clientToken;
const verified = (secret: string, { body, headers }: Received): any => new Webhook(secret).verify(body, headers as Record<string, string>);
const idOf = async (token: string): Promise<string> => (await introspect(tenant.admin.session, token))['jti'];

describe('a delivery', () => {
  it('tells of the change, signed so that the Standard Webhooks library verifies it, and holds no secret', async () => {
    const { secret } = await aWebhook(tenant, `${receiver.url}/hook?key=of-the-receiver`);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const token = await aToken();
    await deliver();
    const id = await idOf(token);
    await call('DELETE', `/v1/tokens/${id}`, { as: tenant.admin.session });
    await deliver();
    const [created, revoked] = receiver.received;
    expect(receiver.received).toHaveLength(2);
    expect(created?.path).toBe('/hook?key=of-the-receiver');
    expect(created?.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'Gatehouse-Webhooks', 'webhook-id': expect.stringMatching(/^msg_[0-9a-f]{32}$/) });
    expect(verified(secret, created)).toMatchObject({
      type: 'token.created',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      data: { organization_id: tenant.id, token: { id, kind: 'auth-method', owner_id: tenant.id, created_by: tenant.admin.id, expires_at: null, revoked_at: null }, actor: { kind: 'user', id: tenant.admin.id } },
    });
    expect(verified(secret, revoked)).toMatchObject({ type: 'token.revoked', data: { token: { id, revocation_reason: 'unspecified' }, details: { reason: 'unspecified' } } });
    const everything = receiver.received.map(({ body }) => body).join();
    for (const trace of [token, token.slice(-49), secret]) expect(everything).not.toContain(trace);
    expect(() => verified(`whsec_${Buffer.alloc(32).toString('base64')}`, created)).toThrow('No matching signature');
  });

  it.each(DOORS_UNDER_TEST)('tells of a token of the $name door too', async (door) => {
    const webhook = await aWebhook(tenant, receiver.url, ['token.created']);
    await mint(door, tenant);
    await deliver();
    expect(receiver.received.map((each) => verified(webhook.secret, each).data.token.kind)).toEqual([door.kind]);
  });

  it('tells of a rotation, of a secret used after it had been replaced, and of one that has leaked, and holds none of them', async () => {
    const webhook = await aWebhook(tenant, receiver.url, ['token.rotated', 'token.reuse_detected', 'token.exposed']);
    const replaced = await aToken();
    const rotated = await call('POST', `/v1/tokens/${await idOf(replaced)}/rotate`, { as: tenant.admin.session, body: { overlap_seconds: 0 } });
    const { secret } = rotated.body;
    expect((await call('GET', '/auth/me', { as: secret })).status).toBe(200);
    expect((await call('GET', '/auth/me', { as: replaced })).status).toBe(401);
    const url = `https://code.example/?found=${secret}`;
    expect((await call('POST', '/v1/tokens/report-leak', { body: { tokens: [{ token: secret, url }] } })).status).toBe(202);
    await deliver();
    const told = receiver.received.map((each) => verified(webhook.secret, each));
    expect(told.map(({ type }) => type).sort()).toEqual(['token.exposed', 'token.reuse_detected', 'token.rotated']);
    expect(new Set(told.map(({ data }) => data.token.id)).size).toBe(1);
    for (const trace of [secret, replaced]) expect(JSON.stringify(told)).not.toContain(trace);
  });

  it('comes for selected events only, to its own organization only, and not where the webhook is disabled', async () => {
    const [chosen, disabled] = [await aWebhook(tenant, `${receiver.url}/chosen`, ['token.revoked']), await aWebhook(tenant, `${receiver.url}/disabled`)];
    await aWebhook(await aTenant(), `${receiver.url}/stranger`);
    await call('PATCH', disabled.path, { as: tenant.admin.session, body: { enabled: false } });
    const token = await aToken();
    await call('DELETE', `/v1/tokens/${await idOf(token)}`, { as: tenant.admin.session });
    await deliver();
    expect(receiver.received.map(({ path, body }) => [path, JSON.parse(body).type])).toEqual([['/chosen', 'token.revoked']]);
    expect(await deliveriesOf(tenant, chosen)).toMatchObject([{ event: 'token.revoked', status: 'delivered', attempts: 1, response_status: 204, error: null, next_attempt_at: null, payload: { type: 'token.revoked' } }]);
    expect(await deliveriesOf(tenant, disabled)).toEqual([]);
  });

  it('comes for each token of many that end at once', async () => {
    const webhook = await aWebhook(tenant, receiver.url, ['token.revoked']);
    const member = await aMember(tenant);
    const tokens = 12;
    for (let count = 0; count < tokens; count += 1) await call('POST', '/user/api-tokens', { as: member.session, body: { description: 'a token of a person' } });
    const { body } = await call('GET', '/v1/members', { as: tenant.admin.session });
    const { id } = body.data.find(({ user_id: userId }: { user_id: string }) => userId === member.id);
    expect((await call('DELETE', `/v1/members/${id}`, { as: tenant.admin.session })).status).toBe(204);
    await deliver();
    expect(new Set(receiver.received.map((each) => verified(webhook.secret, each).data.token.id)).size).toBe(tokens);
  });

  it('is tried again by schedule with the same id and body, until it arrives', async () => {
    const webhook = await aWebhook(tenant, receiver.url);
    receiver.answer(500);
    await aToken();
    await deliver();
    await deliver();
    expect(receiver.received).toHaveLength(1);
    const [failing] = await deliveriesOf(tenant, webhook);
    expect(failing).toMatchObject({ status: 'pending', attempts: 1, response_status: 500, error: 'status' });
    expect(failing.next_attempt_at > failing.last_attempt_at).toBe(true);
    await passTime(6);
    await deliver();
    expect(receiver.received).toHaveLength(2);
    receiver.answer(200);
    await passTime(299);
    await deliver();
    expect(receiver.received.length).toBeLessThanOrEqual(3);
    await passTime(40);
    await deliver();
    const [first, second, third] = receiver.received;
    expect([second?.headers['webhook-id'], second?.body, third?.headers['webhook-id'], third?.body]).toEqual([first?.headers['webhook-id'], first?.body, first?.headers['webhook-id'], first?.body]);
    expect(Number(third?.headers['webhook-timestamp'])).toBeGreaterThan(Number(first?.headers['webhook-timestamp']));
    expect(await deliveriesOf(tenant, webhook)).toMatchObject([{ status: 'delivered', attempts: 3, response_status: 200, error: null }]);
    expect((await call('GET', webhook.path, { as: tenant.admin.session })).body.failing_since).toBeNull();
    await passTime(100_000);
    await deliver();
    expect(receiver.received).toHaveLength(3);
  });

  it('ends after ten attempts, and can be asked for once more', async () => {
    const webhook = await aWebhook(tenant, receiver.url);
    receiver.answer(503);
    await aToken();
    for (let attempt = 0; attempt < 10; attempt += 1) {
      await deliver();
      if (attempt < 9) await passTimeUntilDue(tenant);
    }
    const as = await freshSession(tenant);
    const [ended] = await deliveriesOf(tenant, webhook, { query: '?status=failed', as });
    expect(ended).toMatchObject({ status: 'failed', attempts: 10, next_attempt_at: null });
    const before = receiver.received.length;
    await deliver();
    expect(receiver.received).toHaveLength(before);
    receiver.answer(204);
    const again = await call('POST', `${webhook.path}/deliveries/${ended.id}/redeliver`, { as });
    expect([again.status, again.body]).toMatchObject([202, { id: ended.id, status: 'pending' }]);
    expect((await call('POST', `${webhook.path}/deliveries/${ended.id}/redeliver`, { as })).status).toBe(409);
    await deliver();
    expect(receiver.received.at(-1)?.headers['webhook-id']).toBe(ended.message_id);
    expect(await sql(tenant, 'SELECT status, attempts FROM webhook_deliveries')).toEqual([{ status: 'delivered', attempts: 11 }]);
  });

  it.each([
    ['a redirect', 302, 'redirect'],
    ['a client error', 404, 'status'],
  ])('takes %s for a failure, and follows none', async (_, status, error) => {
    const webhook = await aWebhook(tenant, receiver.url);
    receiver.answer(status, { location: `${receiver.url}/elsewhere` });
    await aToken();
    await deliver();
    expect(receiver.received.map(({ path }) => path)).toEqual(['/']);
    expect(await deliveriesOf(tenant, webhook)).toMatchObject([{ status: 'pending', error, response_status: status }]);
  });

  it('is given up on for now where no answer comes in time, or nobody listens', async () => {
    const silent = await aWebhook(tenant, receiver.url);
    const closed = await aReceiver();
    await closed.close();
    const absent = await aWebhook(tenant, closed.url);
    const client = (await theApp()).app.get(WebhookClient);
    const { timeoutMs } = client as unknown as { timeoutMs: number };
    Object.assign(client, { timeoutMs: 100 });
    receiver.answer(null);
    await aToken();
    await deliver();
    Object.assign(client, { timeoutMs });
    expect(timeoutMs).toBe(15_000);
    expect(await deliveriesOf(tenant, silent)).toMatchObject([{ status: 'pending', error: 'timeout', response_status: null }]);
    expect(await deliveriesOf(tenant, absent)).toMatchObject([{ status: 'pending', error: 'unreachable', response_status: null }]);
  });

  it('is not sent any more once its webhook is deleted or disabled', async () => {
    const [deleted, disabled] = [await aWebhook(tenant, receiver.url), await aWebhook(tenant, receiver.url)];
    await aToken();
    await call('DELETE', deleted.path, { as: tenant.admin.session });
    await call('PATCH', disabled.path, { as: tenant.admin.session, body: { enabled: false } });
    await deliver();
    expect(receiver.received).toEqual([]);
    expect(await deliveriesOf(tenant, disabled)).toMatchObject([{ status: 'failed', attempts: 0, error: 'webhook-disabled' }]);
    expect((await call('POST', `${disabled.path}/ping`, { as: tenant.admin.session })).status).toBe(409);
  });

  it('of a ping comes at once, whatever is selected', async () => {
    const webhook = await aWebhook(tenant, receiver.url, ['token.exposed']);
    const ping = await call('POST', `${webhook.path}/ping`, { as: tenant.admin.session });
    expect([ping.status, ping.body]).toMatchObject([202, { event: 'webhook.ping', status: 'pending' }]);
    await deliver();
    expect(receiver.received.map((each) => verified(webhook.secret, each))).toEqual([{ type: 'webhook.ping', timestamp: expect.any(String), data: { organization_id: tenant.id, webhook_id: webhook.id } }]);
  });
});

it('is kept in the log for 30 days after it has ended, and as long as it is under way', async () => {
  const { app, clock } = await theApp();
  const webhook = await aWebhook(tenant, receiver.url);
  await aToken();
  await deliver();
  receiver.answer(500);
  await aToken();
  await deliver();
  const purge = (): Promise<number> => app.get(MaintenanceRunner).run('notices.purge-deliveries', [tenant.id]);
  clock.advance(30 * 24 * 3600 - 60);
  expect(await purge()).toBe(0);
  clock.advance(120);
  expect(await purge()).toBe(1);
  expect(await deliveriesOf(tenant, webhook, { as: await freshSession(tenant) })).toMatchObject([{ status: 'pending' }]);
});

describe('a webhook that fails', () => {
  it('is disabled at once by 410, and by the service itself in the record', async () => {
    const webhook = await aWebhook(tenant, receiver.url);
    receiver.answer(410);
    await aToken();
    await deliver();
    expect((await call('GET', webhook.path, { as: tenant.admin.session })).body).toMatchObject({ enabled: false, disabled_reason: 'gone' });
    expect(await deliveriesOf(tenant, webhook)).toMatchObject([{ status: 'failed', attempts: 1, response_status: 410 }]);
    expect(await sql(tenant, `SELECT actor_kind, target_id, details FROM audit_events WHERE action = 'webhook.disabled'`)).toEqual([{ actor_kind: 'system', target_id: webhook.id, details: { reason: 'gone' } }]);
  });

  it('is disabled after five days without a success, once, and works again when it is enabled', async () => {
    const webhook = await aWebhook(tenant, receiver.url);
    receiver.answer(500);
    await aToken();
    for (let hours = 0; hours <= 120; hours += 24) {
      await deliver();
      await passTime(24 * 3600 * 1.2);
    }
    expect(await sql(tenant, 'SELECT disabled_reason FROM webhooks')).toEqual([{ disabled_reason: 'failing' }]);
    expect(await sql(tenant, `SELECT count(*)::int AS count FROM audit_events WHERE action = 'webhook.disabled'`)).toEqual([{ count: 1 }]);
    const as = await freshSession(tenant);
    const enabled = await call('PATCH', webhook.path, { as, body: { enabled: true } });
    expect(enabled.body).toMatchObject({ enabled: true, disabled_reason: null, failing_since: null });
    receiver.answer(204);
    await call('POST', `${webhook.path}/ping`, { as });
    await deliver();
    expect(receiver.received.map(({ body }) => JSON.parse(body).type)).toContain('webhook.ping');
  });
});

describe('a rotated signing secret', () => {
  it('signs beside the one before until the overlap ends, and then alone', async () => {
    const webhook = await aWebhook(tenant, receiver.url);
    const rotated = await call('POST', `${webhook.path}/rotate-secret`, { as: tenant.admin.session, body: { overlap_seconds: 3600 } });
    expect(rotated.status).toBe(200);
    expect(rotated.body.secret).not.toBe(webhook.secret);
    await call('POST', `${webhook.path}/ping`, { as: tenant.admin.session });
    await deliver();
    const [both] = receiver.received as [Received];
    expect((both.headers['webhook-signature'] as string).split(' ')).toHaveLength(2);
    for (const secret of [webhook.secret, rotated.body.secret]) expect(verified(secret, both)).toMatchObject({ type: 'webhook.ping' });
    await sql(tenant, `UPDATE webhooks SET previous_ends_at = now() - interval '1 second'`);
    await call('POST', `${webhook.path}/ping`, { as: tenant.admin.session });
    await deliver();
    const alone = receiver.received.at(-1) as Received;
    expect(verified(rotated.body.secret, alone)).toMatchObject({ type: 'webhook.ping' });
    expect(() => verified(webhook.secret, alone)).toThrow('No matching signature');
  });

  it('ends the one before at once where no overlap is asked for', async () => {
    const webhook = await aWebhook(tenant, receiver.url);
    const rotated = await call('POST', `${webhook.path}/rotate-secret`, { as: tenant.admin.session, body: { overlap_seconds: 0 } });
    expect(rotated.body.previous_secret_ends_at).toBeNull();
    await call('POST', `${webhook.path}/ping`, { as: tenant.admin.session });
    await deliver();
    expect(() => verified(webhook.secret, receiver.received[0])).toThrow('No matching signature');
  });
});
