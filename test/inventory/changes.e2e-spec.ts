import { beforeEach, describe, expect, it } from 'vitest';
import { theApp } from '../support/app.js';
import { aMember, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';
import { aMachineToken } from '../support/machines.js';

let tenant: TestTenant;
let as: string;
let id: string;
let secret: string;

const idOf = async (token: string): Promise<string> => (await call('POST', '/v1/tokens/lookup', { as, body: { token } })).body.id;
const patch = (body: object, options: { by?: string; ifMatch?: string; of?: string } = {}): Promise<Answer> =>
  call('PATCH', `/v1/tokens/${options.of ?? id}`, { as: options.by ?? as, body, headers: options.ifMatch === undefined ? {} : { 'if-match': options.ifMatch } });
const scopeOf = async (): Promise<string[]> => ((await introspect(as, secret))['scope'] ?? '').split(' ');
const lastEvent = async (): Promise<any> =>
  (await sql(tenant, `SELECT action, before, after FROM audit_events WHERE target_id = $1 ORDER BY occurred_at DESC, id DESC LIMIT 1`, [id]))[0];

beforeEach(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
  ({ secret } = await mint(DOORS_UNDER_TEST[0], tenant));
  id = await idOf(secret);
});

describe('changing a token', () => {
  it.each(DOORS_UNDER_TEST)('of the $name door renames it, describes it and writes beside it, at once and on the record', async (door) => {
    ({ secret } = await mint(door, tenant));
    id = await idOf(secret);
    const { body: before } = await call('GET', `/v1/tokens/${id}`, { as });
    const change = { name: 'deploy 🚀', description: 'for the build', metadata: { team: 'payments', tier: 1, on: true, off: null } };
    const { status, body } = await patch(change);
    expect([status, body]).toEqual([200, { ...before, ...change, updated_at: expect.any(String) }]);
    expect((await call('GET', `/v1/tokens/${id}`, { as })).body).toEqual(body);
    expect(await lastEvent()).toEqual({ action: 'token.updated', before: { name: before.name, description: before.description, metadata: {} }, after: change });
    expect((await introspect(as, secret))['active']).toBe(true);
  });

  it('that changes nothing leaves its state and the record as they are', async () => {
    const { body } = await patch({ name: 'same' });
    expect((await patch({ name: 'same' })).body).toEqual(body);
    expect((await patch({})).body).toEqual(body);
    expect(await sql(tenant, `SELECT count(*) FROM audit_events WHERE target_id = $1 AND action = 'token.updated'`, [id])).toEqual([{ count: '1' }]);
  });

  it('cuts its permissions at once, also where its owner alone bound it, and never widens them again', async () => {
    expect((await scopeOf()).length).toBeGreaterThan(5);
    expect((await patch({ permissions: ['project:*', 'role:read', 'role:read'] })).body.permissions).toEqual(['project:*', 'role:read']);
    expect((await scopeOf()).sort()).toEqual(['project:read', 'project:write', 'role:read']);
    for (const wider of [['role:write'], ['*'], ['*:read'], ['role:*'], ['project:api-token:read']]) {
      const { status, body } = await patch({ permissions: wider });
      expect([status, body.code, body.permissions]).toEqual([403, 'permission-exceeded', wider]);
    }
    expect((await patch({ permissions: ['project:read'] })).status).toBe(200);
    expect((await patch({ permissions: ['project:*'] })).status).toBe(403);
    expect(await scopeOf()).toEqual(['project:read']);
    expect((await patch({ permissions: [] })).body.permissions).toEqual([]);
    expect(await scopeOf()).toEqual(['']);
  });

  it('gives no permission that its owner or role does not hold, nor one that is none', async () => {
    const member = await aMember(tenant, await aRole(tenant, ['user:api-token:write', 'project:read', 'profile:read']));
    ({ secret } = await mint(DOORS_UNDER_TEST[0], tenant, { as: member.session }));
    id = await idOf(secret);
    expect((await patch({ permissions: ['project:write'] })).status).toBe(403);
    expect((await patch({ permissions: ['project:read'] })).status).toBe(200);
    const { secret: wide } = await mint(DOORS_UNDER_TEST[0], tenant);
    expect((await patch({ permissions: ['no-such:thing'] }, { of: await idOf(wide) })).status).toBe(400);
  });

  it('brings its end forward at once and never puts it off', async () => {
    const { clock } = await theApp();
    const [near, far] = [clock.now().plusSeconds(3_600), clock.now().plusSeconds(7_200)].map((time) => time.toRfc3339());
    expect((await patch({ expires_at: near })).body.expires_at).toBe(near);
    for (const later of [far, null, '9999-12-31T23:59:59Z']) expect((await patch({ expires_at: later })).status).toBe(400);
    for (const past of ['2020-01-01T00:00:00Z', clock.now().toRfc3339()]) expect((await patch({ expires_at: past })).status).toBe(400);
    expect((await patch({ expires_at: near })).status).toBe(200);
    expect((await introspect(as, secret))['exp']).toBe(Math.floor(Date.parse(near) / 1000));
  });

  it('brings its end forward to the microsecond, also for a token that is renewed', async () => {
    const { clock } = await theApp();
    clock.set('2031-01-01T00:00:00Z');
    tenant = await aTenant();
    as = tenant.admin.session;
    const { secret: first, id: renewable } = await aMachineToken(tenant, { accessTokenTTL: 3_600, accessTokenMaxTTL: 7_200 });
    const end = clock.now().plusSeconds(1_800.700_001);
    expect((await patch({ expires_at: end.toRfc3339() }, { of: renewable })).status).toBe(200);
    clock.set(end.plusSeconds(-0.000_001));
    as = (await call('POST', '/auth/login', { body: { email: tenant.admin.email, password: tenant.admin.password } })).body.access_token;
    const renewed = await call('POST', '/api/v1/auth/token/renew', { body: { accessToken: first } });
    expect([renewed.status, (await introspect(as, renewed.body.accessToken))['active']]).toEqual([200, true]);
    clock.set(end);
    for (const ended of [first, renewed.body.accessToken]) expect(await introspect(as, ended)).toEqual({ active: false });
  });

  it('binds it to addresses at once; the token itself cannot', async () => {
    expect((await patch({ allowed_addresses: ['192.0.2.0/24', '2001:db8::1'] })).status).toBe(200);
    const from = async (address: string): Promise<number> => (await call('GET', '/auth/me', { as: secret, from: address })).status;
    expect([await from('192.0.2.7'), await from('198.51.100.1'), await from('2001:db8::1')]).toEqual([200, 401, 200]);
    const own = await call('PATCH', `/v1/tokens/${id}`, { as: secret, body: { allowed_addresses: null }, from: '192.0.2.7' });
    expect([own.status, own.body.code]).toEqual([403, 'caller-refused']);
    expect((await patch({ allowed_addresses: null })).body.allowed_addresses).toBeNull();
    expect(await from('198.51.100.1')).toBe(200);
  });

  it('lets it in from more addresses only at the wish of who could mint it, and from all of them never against a policy', async () => {
    const lesser = (await aMember(tenant, await aRole(tenant, ['token:read', 'token:write']))).session;
    expect((await patch({ allowed_addresses: ['192.0.2.0/24'] })).status).toBe(200);
    for (const wider of [null, ['192.0.2.0/23'], ['192.0.2.7', '198.51.100.1'], ['0.0.0.0/0']]) {
      const { status, body } = await patch({ allowed_addresses: wider }, { by: lesser });
      expect([wider, status, body.code]).toEqual([wider, 403, 'permission-exceeded']);
    }
    expect((await patch({ allowed_addresses: ['192.0.2.7'] }, { by: lesser })).status).toBe(200);
    await call('PUT', '/v1/policy', { as, body: { addresses_required: true } });
    for (const all of [null, ['0.0.0.0/0']]) {
      const { status, body } = await patch({ allowed_addresses: all });
      expect([status, body.code, body.rules]).toEqual([403, 'policy-violated', ['addresses-required']]);
    }
    expect((await patch({ allowed_addresses: ['198.51.100.1'] })).body.allowed_addresses).toEqual(['198.51.100.1']);
    expect((await call('GET', '/auth/me', { as: secret, from: '198.51.100.1' })).status).toBe(200);
  });

  it('sets the interval of its rotation, and when that is due', async () => {
    const { body } = await patch({ rotation_interval_days: 90 });
    expect([body.rotation_interval_days, Date.parse(body.rotation_due_at) - Date.parse(body.created_at)]).toEqual([90, 90 * 86_400_000]);
    expect((await patch({ rotation_interval_days: null })).body).toMatchObject({ rotation_interval_days: null, rotation_due_at: null });
  });

  it.each([
    [{ rotation_interval_days: 0 }],
    [{ rotation_interval_days: '90' }],
    [{ rotation_interval_days: 3_651 }],
    [{ name: '' }],
    [{ name: null }],
    [{ name: 'a\u0000b' }],
    [{ name: 'x'.repeat(256) }],
    [{ description: 1 }],
    [{ description: 'x'.repeat(1_001) }],
    [{ metadata: null }],
    [{ metadata: [] }],
    [{ metadata: { nested: {} } }],
    [{ metadata: { '1st': 1 } }],
    [{ metadata: { 'a b': 1 } }],
    [{ metadata: { a: 'x'.repeat(5_000) } }],
    [{ metadata: { a: '\ud800' } }],
    [{ metadata: Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`k${index}`, 1])) }],
    [{ permissions: null }],
    [{ permissions: 'project:read' }],
    [{ permissions: { 0: 'project:read', length: 1 } }],
    [{ permissions: ['Project:Read'] }],
    [{ permissions: [1] }],
    [{ expires_at: 'tomorrow' }],
    [{ expires_at: 4_000_000_000 }],
    [{ allowed_addresses: [] }],
    [{ allowed_addresses: ['10.0.0.0/33'] }],
    [{ allowed_addresses: ['example.com'] }],
    [{ allowed_addresses: '10.0.0.1' }],
    [{ kind: 'project' }],
    [{ uses_limit: 1 }],
    [{ name: 'fine', state: 'active' }],
  ])('with %j is refused with 400 and changes nothing', async (body) => {
    const { body: before } = await call('GET', `/v1/tokens/${id}`, { as });
    expect((await patch(body)).status).toBe(400);
    expect((await call('GET', `/v1/tokens/${id}`, { as })).body).toEqual(before);
  });

  it('keeps to the state that If-Match names; being used does not change it', async () => {
    const tag = async (): Promise<string> => String((await call('GET', `/v1/tokens/${id}`, { as })).headers['etag']);
    const first = await tag();
    await call('GET', '/auth/me', { as: secret });
    expect(await tag()).toBe(first);
    const { status, headers } = await patch({ name: 'one' }, { ifMatch: first });
    expect([status, headers['etag']]).toEqual([200, await tag()]);
    const stale = await patch({ name: 'two' }, { ifMatch: first });
    expect([stale.status, stale.body.code]).toEqual([412, 'precondition-failed']);
    expect((await patch({ name: 'three' }, { ifMatch: '*' })).status).toBe(200);
  });

  it('is not done to a revoked token', async () => {
    await call('DELETE', `/v1/tokens/${id}`, { as });
    expect((await patch({ name: 'late' })).status).toBe(409);
  });

  it('takes token:write, and is the same answer for a token of another organization and for none', async () => {
    const [reader, stranger] = [await aMember(tenant, 'MEMBER'), await aTenant()];
    expect((await patch({ name: 'x' }, { by: reader.session })).status).toBe(403);
    const answers = [await patch({ name: 'x' }, { by: stranger.admin.session }), await patch({ name: 'x' }, { by: stranger.admin.session, of: '00000000-0000-4000-8000-000000000000' })];
    expect(answers.map(({ status }) => status)).toEqual([404, 404]);
    expect({ ...answers[0]?.body, request_id: 0 }).toEqual({ ...answers[1]?.body, request_id: 0 });
    expect((await call('GET', `/v1/tokens/${id}`, { as })).body.name).toBeNull();
  });
});
