import { DataSource } from 'typeorm';
import type { Instant } from '../../src/kernel/instant.js';
import { DeliveryRunner } from '../../src/notices/delivery-runner.js';
import { theApp } from './app.js';
import { sql, type TestTenant } from './builders.js';
import { call } from './call.js';

export interface TestWebhook {
  readonly id: string;
  readonly secret: string;
  readonly path: string;
}

export async function aWebhook(tenant: TestTenant, url: string, events: readonly string[] = ['token.created', 'token.revoked']): Promise<TestWebhook> {
  const { status, body, text } = await call('POST', '/v1/webhooks', { as: tenant.admin.session, body: { url, events } });
  if (status !== 201) throw new Error(`the webhook was not created: ${text}`);
  return { id: body.id, secret: body.secret, path: `/v1/webhooks/${body.id}` };
}

/** Attempts every delivery that is due. */
export async function deliver(): Promise<void> {
  await (await theApp()).app.get(DeliveryRunner).runDue();
}

/** Lets time pass for the service and for its queue, whose clock is the database's. */
export async function passTime(seconds: number): Promise<void> {
  const { app, clock } = await theApp();
  clock.advance(seconds);
  await app.get(DataSource).query('UPDATE queue.job SET start_after = start_after - make_interval(secs => $1)', [seconds]);
}

/** Lets time pass until the only delivery under way is due. */
export async function passTimeUntilDue(tenant: TestTenant): Promise<void> {
  const { clock } = await theApp();
  const [row] = await sql<{ next_attempt_at: Instant }>(tenant, `SELECT next_attempt_at FROM webhook_deliveries WHERE status = 'pending'`);
  if (!row) throw new Error('no delivery is under way');
  await passTime(row.next_attempt_at.secondsSince(clock.now()) + 1);
}

/** Where the clock has left the administrator's session behind. */
export async function freshSession({ slug, admin: { email, password } }: TestTenant): Promise<string> {
  return (await call('POST', '/auth/login', { body: { email, password, organization: slug } })).body.access_token;
}

export async function deliveriesOf(tenant: TestTenant, webhook: TestWebhook, { query = '', as = tenant.admin.session } = {}): Promise<any[]> {
  return (await call('GET', `${webhook.path}/deliveries${query}`, { as })).body.data;
}
