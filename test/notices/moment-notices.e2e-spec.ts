import { beforeEach, describe, expect, it } from 'vitest';
import { Maintenance } from '../../src/kernel/maintenance/maintenance.js';
import { MaintenanceRunner } from '../../src/kernel/maintenance/maintenance-runner.js';
import { theApp } from '../support/app.js';
import { aName, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { aWebhook, freshSession } from '../support/webhooks.js';

const START = '2031-03-01T12:00:00Z';
const DAY = 24 * 3600;
const EVENTS = ['token.expiring', 'token.expired', 'token.rotation_due'];
const TASKS = ['notices.token.expiring.30', 'notices.token.expiring.7', 'notices.token.expiring.1', 'notices.token.expired.0', 'notices.token.rotation_due.0'];

let tenant: TestTenant;
let names: Map<string, string>;
beforeEach(async () => {
  const { clock } = await theApp();
  clock.set(START);
  tenant = await aTenant();
  names = new Map();
});

/** A token that ends so many days after the start. */
async function aTokenFor(days: number, name = aName('client')): Promise<string> {
  const start = Date.parse(START);
  const body = { name, expiresAt: new Date(start + days * DAY * 1000).toISOString() };
  const { status, text } = await call('POST', '/auth/v1/method/token', { as: await freshSession(tenant), body });
  if (status !== 200) throw new Error(text);
  const [row] = await sql(tenant, 'SELECT id FROM api_tokens WHERE name = $1', [name]);
  names.set(row?.['id'], name);
  return row?.['id'];
}

/** Runs the upkeep at so many days after the start, and tells what it put into the outbox since the last time. */
async function toldAt(day: number): Promise<string[]> {
  const { app, clock } = await theApp();
  clock.set(new Date(Date.parse(START) + day * DAY * 1000).toISOString());
  for (const task of TASKS) await app.get(MaintenanceRunner).run(task, [tenant.id]);
  const rows = await sql(tenant, 'DELETE FROM webhook_deliveries WHERE event = ANY ($1) RETURNING event, payload', [EVENTS]);
  return (rows as unknown as [{ event: string; payload: any }[], number])[0]
    .map(({ event, payload }) => `${names.get(payload.data.token.id)} ${event}${payload.data.details.days ? ` ${payload.data.details.days}` : ''}`)
    .sort();
}

const aListener = (events = EVENTS): ReturnType<typeof aWebhook> => aWebhook(tenant, 'https://hooks.acme.example', events);

it('a token whose secret should be replaced is told of once, and again when that was put off, and not once it has been revoked', async () => {
  await aListener();
  const [kept, revoked] = [await aTokenFor(300, 'kept'), await aTokenFor(300, 'revoked')];
  const dueOn = (day: number): Promise<unknown> => sql(tenant, 'UPDATE api_tokens SET rotation_due_at = $1', [new Date(Date.parse(START) + day * DAY * 1000).toISOString()]);
  await dueOn(10);
  expect(await toldAt(9.9)).toEqual([]);
  await call('DELETE', `/v1/tokens/${revoked}`, { as: await freshSession(tenant) });
  expect([await toldAt(10), await toldAt(11)]).toEqual([['kept token.rotation_due'], []]);
  await dueOn(20);
  expect([await toldAt(19), await toldAt(20), names.get(kept)]).toEqual([[], ['kept token.rotation_due'], 'kept']);
});

describe('a token that ends', () => {
  it('is told of 30, 7 and 1 days before and when it has ended, exactly once each, however often upkeep runs', async () => {
    await aListener();
    await aTokenFor(60, 'sixty');
    const told: string[] = [];
    for (let day = 0; day <= 61; day += 0.5) for (const entry of await toldAt(day)) told.push(`day ${day}: ${entry}`);
    expect(told).toEqual(['day 30: sixty token.expiring 30', 'day 53: sixty token.expiring 7', 'day 59: sixty token.expiring 1', 'day 60: sixty token.expired']);
  });

  it('is not told of at a time that it never had to live', async () => {
    await aListener();
    await aTokenFor(5, 'five');
    await aTokenFor(30, 'thirty');
    expect(await toldAt(0)).toEqual([]);
    expect(await toldAt(4.5)).toEqual(['five token.expiring 1']);
    expect(await toldAt(23.5)).toEqual(['five token.expired', 'thirty token.expiring 7']);
  });

  it('is told of again when it is prolonged, and not at all once it is revoked', async () => {
    await aListener();
    const [prolonged, revoked] = [await aTokenFor(40, 'prolonged'), await aTokenFor(40, 'revoked')];
    expect(await toldAt(35)).toEqual(['prolonged token.expiring 7', 'revoked token.expiring 7']);
    await sql(tenant, 'UPDATE api_tokens SET expires_at = $2 WHERE id = $1', [prolonged, new Date(Date.parse(START) + 70 * DAY * 1000).toISOString()]);
    await call('DELETE', `/v1/tokens/${revoked}`, { as: await freshSession(tenant) });
    expect(await toldAt(41)).toEqual(['prolonged token.expiring 30']);
    expect(await toldAt(64)).toEqual(['prolonged token.expiring 7']);
    expect(await toldAt(71)).toEqual(['prolonged token.expired']);
  });

  it('is told of at the nearest time alone where upkeep comes late', async () => {
    await aListener();
    await aTokenFor(60, 'late');
    expect(await toldAt(59.5)).toEqual(['late token.expiring 1']);
    expect(await toldAt(90)).toEqual(['late token.expired']);
    expect(await toldAt(91)).toEqual([]);
  });

  it('is not told to a webhook that listens only since then, nor to one that has selected something else', async () => {
    const { clock } = await theApp();
    await aTokenFor(3, 'early');
    await aTokenFor(20, 'later');
    clock.set(new Date(Date.parse(START) + 4 * DAY * 1000).toISOString());
    tenant = { ...tenant, admin: { ...tenant.admin, session: await freshSession(tenant) } };
    await aListener();
    await aListener(['token.created']);
    expect(await toldAt(5)).toEqual([]);
    expect(await toldAt(21)).toEqual(['later token.expired']);
  });

  it('is told of though there are more than one batch takes, many of them at the same moment', async () => {
    await aListener();
    await sql(
      tenant,
      `INSERT INTO api_tokens (organization_id, id, kind, name, all_projects, hint, expires_at, created_at, created_by, updated_at)
       SELECT $1, gen_random_uuid(), 'organization', 'many', true, 'api_…', $2::timestamptz + (n % 3) * interval '1 microsecond', $3, $1, $3 FROM generate_series(1, 1203) AS n`,
      [tenant.id, new Date(Date.parse(START) + 10 * DAY * 1000).toISOString(), START],
    );
    const told = await toldAt(3.1);
    expect(told).toHaveLength(1203);
    expect(await toldAt(3.1)).toEqual([]);
  });
});

it('is asked about only where a webhook wants to know, and a moment has come that was not told of', async () => {
  const { app, clock } = await theApp();
  const toVisit = async (): Promise<readonly string[]> => {
    const task = app.get(Maintenance).get('notices.token.expired.0');
    return 'organizations' in task && task.organizations ? task.organizations() : [];
  };
  const [listening, idle, deaf] = [await aTenant(), await aTenant(), await aTenant()];
  for (const each of [listening, idle]) await aWebhook(each, 'https://hooks.acme.example', ['token.expired']);
  await aWebhook(deaf, 'https://hooks.acme.example', ['token.created']);
  for (const each of [listening, deaf]) {
    tenant = each;
    await aTokenFor(1);
  }
  clock.advance(DAY);
  const visited = await toVisit();
  expect([listening, idle, deaf].map(({ id }) => visited.includes(id))).toEqual([true, false, false]);
  await app.get(MaintenanceRunner).run('notices.token.expired.0', [listening.id]);
  expect(await toVisit()).not.toContain(listening.id);
});
