import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Clock } from '../../src/kernel/clock.js';
import { Database } from '../../src/kernel/database/database.js';
import { newId } from '../../src/kernel/ids.js';
import { LastUse } from '../../src/tokens/last-use.js';
import { theApp } from '../support/app.js';
import { aTenant, sql, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';
import { anApplication, anEmptyDatabase } from '../support/instance.js';

let tenant: TestTenant;
let secret: string;
let id: string;
beforeEach(async () => {
  tenant = await aTenant();
  ({ secret } = await mint(DOORS_UNDER_TEST[0], tenant));
  ({ id } = (await call('POST', '/v1/tokens/lookup', { as: tenant.admin.session, body: { token: secret } })).body);
});
afterEach(async () => (await theApp()).clock.reset());

const use = (from = '192.0.2.1', agent = 'curl/8'): ReturnType<typeof call> => call('GET', '/auth/me', { as: secret, from, headers: { 'user-agent': agent } });
const flush = async (): Promise<void> => (await theApp()).app.get(LastUse).flush();
const shown = async (): Promise<any> => (await call('GET', `/v1/tokens/${id}`, { as: tenant.admin.session })).body;

describe('the last use', () => {
  it('tells time, address and user agent of the last one, and counts them all, in one write', async () => {
    const { app, clock } = await theApp();
    expect(await shown()).toMatchObject({ last_used_at: null, last_used_ip: null, last_used_user_agent: null, use_count: 0 });
    for (const from of ['192.0.2.1', '192.0.2.2', '2001:db8::3']) {
      clock.set(clock.now());
      expect((await use(from, `agent of ${from}`)).status).toBe(200);
    }
    const at = clock.now().toRfc3339();
    const writes = vi.spyOn(app.get(Database), 'inOrganization');
    await flush();
    expect(writes.mock.calls.filter(([organization]) => organization === tenant.id)).toHaveLength(1);
    writes.mockRestore();
    expect(await shown()).toMatchObject({ last_used_at: at, last_used_ip: '2001:db8::3', last_used_user_agent: 'agent of 2001:db8::3', use_count: 3 });
  });

  it('is not moved back by a replica that writes later', async () => {
    await use('192.0.2.1');
    await sql(tenant, `UPDATE api_tokens SET last_used_at = '2999-01-01', last_used_ip = '192.0.2.99', last_used_user_agent = 'other', use_count = 7 WHERE id = $1`, [id]);
    await flush();
    expect(await shown()).toMatchObject({ last_used_at: '2999-01-01T00:00:00.000000Z', last_used_ip: '192.0.2.99', last_used_user_agent: 'other', use_count: 8 });
  });

  it('is kept while it cannot be written, delays no request meanwhile, and is counted exactly once', async () => {
    const { app } = await theApp();
    const lastUse = app.get(LastUse);
    const database = app.get(Database);
    await use('192.0.2.1');
    let release: () => void = () => undefined;
    const stuck = new Promise<never>((_, reject) => (release = () => reject(new Error('the database is away'))));
    const spy = vi.spyOn(database, 'inOrganization').mockReturnValueOnce(stuck);
    const writing = lastUse.flush();
    await vi.waitFor(() => expect(spy).toHaveBeenCalled());
    spy.mockRestore();
    expect((await use('192.0.2.2', 'while it is stuck')).status).toBe(200);
    release();
    await writing;
    expect((await shown()).use_count).toBe(0);
    await lastUse.flush();
    await lastUse.flush();
    expect(await shown()).toMatchObject({ use_count: 2, last_used_ip: '192.0.2.2', last_used_user_agent: 'while it is stuck' });
  });

  it('of many tokens is written in parts, each token once', async () => {
    const { app, clock } = await theApp();
    const ids = await sql<{ id: string }>(
      tenant,
      `INSERT INTO api_tokens (organization_id, id, kind, all_projects, hint, created_at, created_by, updated_at)
       SELECT $1, gen_random_uuid(), 'auth-method', true, 'x', now(), $2, now() FROM generate_series(1, 1001) RETURNING id`,
      [tenant.id, tenant.admin.id],
    );
    const lastUse = app.get(LastUse);
    for (const each of ids) lastUse.record(tenant.id, each.id, { at: clock.now(), ip: null, userAgent: null, counted: false });
    lastUse.record(tenant.id, newId(), { at: clock.now(), ip: null, userAgent: null, counted: false });
    await lastUse.flush();
    expect(await sql(tenant, `SELECT count(*) AS tokens, max(use_count) AS most FROM api_tokens WHERE use_count > 0`)).toEqual([{ tokens: '1001', most: '1' }]);
  });
});

it('a use that is under way while the service stops is written all the same', async () => {
  const database = await anEmptyDatabase();
  const keys = ['test-key-0123456789-abcdefghijklmnopqrstuvwxyz'];
  const organization = newId();
  const token = newId();
  try {
    const app = await anApplication(database, keys);
    await app.get(Database).inOrganization(organization, async ({ manager }) => {
      await manager.query(`INSERT INTO organizations (id, slug, name, created_at, updated_at) VALUES ($1, 'o', 'o', now(), now())`, [organization]);
      await manager.query(
        `INSERT INTO api_tokens (organization_id, id, kind, all_projects, hint, created_at, created_by, updated_at) VALUES ($1, $2, 'auth-method', true, 'x', now(), $1, now())`,
        [organization, token],
      );
    });
    const [lastUse, at] = [app.get(LastUse), app.get(Clock).now()];
    const server = app.getHttpAdapter();
    const close = server.close.bind(server);
    vi.spyOn(server, 'close').mockImplementation(() => {
      lastUse.record(organization, token, { at, ip: '192.0.2.1', userAgent: null, counted: false });
      return close() as undefined;
    });
    await app.close();
    const next = await anApplication(database, keys);
    const rows = await next.get(Database).inOrganization(organization, ({ manager }) => manager.query<object[]>('SELECT use_count, last_used_ip FROM api_tokens'));
    await next.close();
    expect(rows).toEqual([{ use_count: '1', last_used_ip: '192.0.2.1' }]);
  } finally {
    await database.close();
  }
});
