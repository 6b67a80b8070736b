import { beforeEach, describe, expect, it } from 'vitest';
import { aMember, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, type Answer } from '../support/call.js';

let tenant: TestTenant;
let as: string;
beforeEach(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});

const read = (by = as): Promise<Answer> => call('GET', '/v1/policy', { as: by });
const put = (body: unknown, { by = as, ifMatch }: { by?: string; ifMatch?: string } = {}): Promise<Answer> =>
  call('PUT', '/v1/policy', { as: by, body, headers: ifMatch === undefined ? {} : { 'if-match': ifMatch } });
const patch = (body: unknown, { by = as, ifMatch }: { by?: string; ifMatch?: string } = {}): Promise<Answer> =>
  call('PATCH', '/v1/policy', { as: by, body, headers: ifMatch === undefined ? {} : { 'if-match': ifMatch } });

const NO_LIFETIMES = { user: null, project: null, 'machine-identity': null, organization: null, 'auth-method': null };
const NONE = {
  longest_lifetime_seconds: NO_LIFETIMES,
  expiry_required: false,
  allowed_kinds: null,
  allowed_addresses: null,
  addresses_required: false,
  active_tokens_max: null,
  idle_days: null,
  allowed_permissions: null,
  on_reuse: 'alarm',
  on_exposure: null,
};
const UNBOUND = { ...NONE, on_exposure: 'revoke' };
const FULL = {
  longest_lifetime_seconds: { ...NO_LIFETIMES, user: 3600, 'auth-method': 60 },
  expiry_required: true,
  allowed_kinds: ['user', 'auth-method'],
  allowed_addresses: ['192.0.2.0/24', '2001:db8::1'],
  addresses_required: true,
  active_tokens_max: 5,
  idle_days: 30,
  allowed_permissions: ['token:read', 'user:*:*'],
  on_reuse: 'revoke',
  on_exposure: 'flag',
};

describe('/v1/policy', () => {
  it('limits nothing in an organization that has set none', async () => {
    const { status, headers, body } = await read();
    expect([status, body]).toEqual([200, { ...NONE, effective: UNBOUND, updated_at: null }]);
    expect(headers['etag']).toMatch(/^"[\w-]{27}"$/);
  });

  it('shows what was put, with its entity tag, and PUT lifts whatever it leaves out', async () => {
    const set = await put(FULL);
    expect([set.status, set.body]).toEqual([200, { ...FULL, effective: FULL, updated_at: expect.stringMatching(/Z$/) }]);
    const shown = await read();
    expect([shown.body, shown.headers['etag']]).toEqual([set.body, set.headers['etag']]);
    expect((await put({ idle_days: 7 })).body).toMatchObject({ ...NONE, idle_days: 7 });
    expect((await put({})).body).toMatchObject({ ...NONE, effective: UNBOUND });
  });

  it('PATCH changes what it names, of lifetimes each kind by itself, and null lifts a bound', async () => {
    await put(FULL);
    const { body } = await patch({ longest_lifetime_seconds: { user: null, project: 7 }, allowed_kinds: null, idle_days: 1 });
    expect(body).toMatchObject({ ...FULL, longest_lifetime_seconds: { ...NO_LIFETIMES, project: 7, 'auth-method': 60 }, allowed_kinds: null, idle_days: 1 });
    expect((await patch({ longest_lifetime_seconds: null })).body.longest_lifetime_seconds).toEqual(NO_LIFETIMES);
  });

  it('is changed only as it was seen: 412 and no change for whoever saw an earlier one', async () => {
    const first = String((await read()).headers['etag']);
    const second = String((await put({ idle_days: 3 }, { ifMatch: first })).headers['etag']);
    expect(second).not.toBe(first);
    for (const attempt of [put, patch]) {
      const { status, body } = await attempt({ idle_days: 4 }, { ifMatch: first });
      expect([status, body.code]).toEqual([412, 'precondition-failed']);
    }
    expect((await read()).body.idle_days).toBe(3);
    expect((await patch({ idle_days: 5 }, { ifMatch: `"x", ${second}` })).status).toBe(200);
    expect((await patch({ idle_days: 6 }, { ifMatch: '*' })).status).toBe(200);
  });

  it('lets one of several win that change the same state at once', async () => {
    const ifMatch = String((await read()).headers['etag']);
    const answers = await Promise.all([1, 2, 3, 4].map((days) => put({ idle_days: days }, { ifMatch })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412]);
  });

  it('appends one audit event per change, with what was there before and after, and none where nothing changes', async () => {
    await put({ idle_days: 3, allowed_kinds: ['user', 'user'], longest_lifetime_seconds: { user: 5, 'auth-method': 6, project: 7 } });
    await patch({ idle_days: 4 });
    await patch({ idle_days: 4, longest_lifetime_seconds: { project: 7 } });
    const events = await sql(tenant, `SELECT actor_id, target_id, before, after FROM audit_events WHERE action = 'policy.updated' ORDER BY occurred_at`);
    expect(events).toEqual([
      {
        actor_id: tenant.admin.id,
        target_id: tenant.id,
        before: { idleDays: null, allowedKinds: null, longestLifetimeSeconds: {} },
        after: { idleDays: 3, allowedKinds: ['user'], longestLifetimeSeconds: { user: 5, 'auth-method': 6, project: 7 } },
      },
      { actor_id: tenant.admin.id, target_id: tenant.id, before: { idleDays: 3 }, after: { idleDays: 4 } },
    ]);
  });

  it.each([
    ['no body', undefined, ['']],
    ['a list', [], ['']],
    ['lifetimes that are a number', { longest_lifetime_seconds: 3600 }, ['longest_lifetime_seconds']],
    ['a lifetime of an unknown kind', { longest_lifetime_seconds: { robot: 5 } }, ['longest_lifetime_seconds.robot']],
    ['lifetimes that are no whole seconds', { longest_lifetime_seconds: { user: 0, project: -1, organization: 1.5, 'auth-method': '60', 'machine-identity': 2 ** 53 } },
      ['longest_lifetime_seconds.user', 'longest_lifetime_seconds.project', 'longest_lifetime_seconds.organization', 'longest_lifetime_seconds.auth-method', 'longest_lifetime_seconds.machine-identity']],
    ['flags that are none', { expiry_required: null, addresses_required: 'true' }, ['expiry_required', 'addresses_required']],
    ['kinds that are none', { allowed_kinds: ['user', 'User', 5] }, ['allowed_kinds.1', 'allowed_kinds.2']],
    ['addresses that are none', { allowed_addresses: ['192.0.2.1', '192.0.2.256', '10.0.0.0/33', 'localhost', null] }, ['allowed_addresses.1', 'allowed_addresses.2', 'allowed_addresses.3', 'allowed_addresses.4']],
    ['more than 100 addresses', { allowed_addresses: Array<string>(101).fill('192.0.2.1') }, ['allowed_addresses']],
    ['counts that are none', { active_tokens_max: -1, idle_days: 0 }, ['active_tokens_max', 'idle_days']],
    ['counts beyond all measure', { active_tokens_max: 1e308, idle_days: 3651 }, ['active_tokens_max', 'idle_days']],
    ['permissions that are none', { allowed_permissions: ['token:read', '*', 'tok*:read', 'a:b:c:d'] }, ['allowed_permissions.1', 'allowed_permissions.2', 'allowed_permissions.3']],
    ['more than 200 permissions', { allowed_permissions: Array<string>(201).fill('token:read') }, ['allowed_permissions']],
  ])('refuses %s with 400, names the place and changes nothing', async (_, body, paths) => {
    await put({ idle_days: 9 });
    for (const attempt of [put, patch]) {
      const answer = await attempt(body);
      expect([answer.status, answer.body.code]).toEqual([400, 'input-invalid']);
      expect(answer.body.errors.map(({ path }: { path: string }) => path)).toEqual(paths);
    }
    expect((await read()).body).toMatchObject({ ...NONE, idle_days: 9 });
  });

  it('takes policy:read to be seen and policy:write to be changed', async () => {
    const [reader, writer, nobody] = [await aMember(tenant), await aMember(tenant, await aRole(tenant, ['policy:write'])), await aMember(tenant, 'EXTERNAL')];
    expect((await read(reader.session)).status).toBe(200);
    for (const by of [reader.session, nobody.session]) {
      expect((await put({}, { by })).body).toMatchObject({ status: 403, permissions: ['policy:write'] });
      expect((await patch({}, { by })).body).toMatchObject({ status: 403, permissions: ['policy:write'] });
    }
    expect((await put({ idle_days: 2 }, { by: writer.session })).status).toBe(200);
    for (const by of [writer.session, nobody.session]) expect((await read(by)).body).toMatchObject({ status: 403, permissions: ['policy:read'] });
  });

  it('is each organization\'s own', async () => {
    const other = await aTenant();
    await put(FULL);
    expect((await read(other.admin.session)).body).toMatchObject({ ...NONE, effective: UNBOUND });
    expect((await put({ idle_days: 1 }, { by: other.admin.session })).status).toBe(200);
    expect((await read()).body).toMatchObject(FULL);
  });
});
