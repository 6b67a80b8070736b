import { beforeAll, describe, expect, it } from 'vitest';
import { AuditSealer } from '../../src/audit/audit-sealer.js';
import { theApp } from '../support/app.js';
import { aMember, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';

let tenant: TestTenant;
beforeAll(async () => {
  tenant = await aTenant();
});

const list = (query: Record<string, string> = {}, as = tenant.admin.session) => call('GET', `/v1/audit-events?${new URLSearchParams(query).toString()}`, { as });
const seal = async (): Promise<void> => (await theApp()).app.get(AuditSealer).seal(tenant.id);
const aToken = async (description: string): Promise<{ id: string; secret: string }> => {
  const { body } = await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: { description } });
  const [token] = await sql<{ id: string }>(tenant, 'SELECT id FROM api_tokens WHERE description = $1', [description]);
  return { id: token?.id ?? '', secret: body.token };
};

describe('GET /v1/audit-events', () => {
  it('tells every field of an event, and its place in the chain once it is sealed', async () => {
    const { clock } = await theApp();
    clock.set('2033-11-22T10:00:00.123456Z');
    const own = await aTenant();
    const { headers } = await call('GET', '/v1/tokens', { as: (await aMember(own, 'EXTERNAL')).session, from: '203.0.113.9', headers: { 'user-agent': 'curl/8.1' } });
    const before = (await list({ action: 'access.refused' }, own.admin.session)).body.data[0];
    expect(before).toMatchObject({ sequence: null, hash: null });
    await (await theApp()).app.get(AuditSealer).seal(own.id);
    const { status, body } = await list({ action: 'access.refused' }, own.admin.session);
    expect(status).toBe(200);
    expect(body).toEqual({
      data: [
        {
          id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          organization_id: own.id,
          occurred_at: '2033-11-22T10:00:00.123456Z',
          action: 'access.refused',
          actor_kind: 'user',
          actor_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          credential_kind: 'session',
          credential_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          target_kind: 'route',
          target_id: null,
          details: { method: 'GET', route: '/v1/tokens', code: 'permission-missing', permissions: ['token:read'] },
          before: null,
          after: null,
          ip: '203.0.113.9',
          user_agent: 'curl/8.1',
          request_id: headers['x-request-id'],
          sequence: expect.any(Number),
          hash: expect.stringMatching(/^[0-9a-f]{64}$/),
        },
      ],
      next_cursor: null,
    });
  });

  it('lists newest first, page by page, each event once', async () => {
    const own = await aTenant();
    for (let count = 0; count < 7; count += 1) await call('POST', '/user/api-tokens', { as: own.admin.session, body: {} });
    const known = await sql<{ id: string }>(own, 'SELECT id FROM audit_events ORDER BY occurred_at DESC, id DESC');
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const { body }: { body: { data: { id: string }[]; next_cursor: string | null } } = await list({ limit: '2', ...(cursor && { cursor }) }, own.admin.session);
      expect(body.data.length).toBeLessThanOrEqual(2);
      seen.push(...body.data.map(({ id }) => id));
      cursor = body.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual(known.map(({ id }) => id));
    expect(seen.length).toBeGreaterThan(8);
  });

  it('filters by action, actor, target and time, alone and together', async () => {
    const { clock } = await theApp();
    clock.set('2033-11-23T10:00:00Z');
    const own = await aTenant();
    const as = own.admin.session;
    await call('POST', '/user/api-tokens', { as, body: {} });
    const [token] = await sql<{ id: string }>(own, 'SELECT id FROM api_tokens');
    const id = token?.id ?? '';
    clock.set('2033-11-23T10:00:01Z');
    await call('DELETE', `/v1/tokens/${id}`, { as });
    const member = await aMember(own);
    const actions = async (query: Record<string, string>): Promise<string[]> => (await list(query, as)).body.data.map(({ action }: { action: string }) => action);
    expect(await actions({ target_id: id })).toEqual(['token.revoked', 'token.minted']);
    expect(await actions({ target_id: id.toUpperCase() })).toEqual(['token.revoked', 'token.minted']);
    expect(await actions({ target_id: id, action: 'token.minted' })).toEqual(['token.minted']);
    expect(await actions({ target_id: id, from: '2033-11-23T10:00:01Z' })).toEqual(['token.revoked']);
    expect(await actions({ target_id: id, to: '2033-11-23T11:00:01+01:00' })).toEqual(['token.minted']);
    expect(await actions({ from: '2033-11-23T10:00:00Z', to: '2033-11-23T10:00:01Z', target_kind: 'token' })).toEqual(['token.minted']);
    expect(await actions({ actor_id: member.id })).toEqual(['session.started']);
    expect(await actions({ actor_id: member.id, target_kind: 'token' })).toEqual([]);
    expect(await actions({ action: 'token' })).toEqual([]);
  });

  it.each([
    ['actor_id', 'x'],
    ['target_id', "' OR 1=1--"],
    ['from', 'yesterday'],
    ['to', '2026-02-30T00:00:00Z'],
    ['limit', '0'],
    ['limit', '101'],
    ['cursor', 'nonsense'],
    ['action', ''],
    ['action', 'a\0b'],
    ['target_kind', 'x'.repeat(101)],
  ])('refuses %s=%j with 400 and names the place', async (name, value) => {
    const { status, body } = await list({ [name]: value });
    expect([status, body.errors.map(({ path }: { path: string }) => path)]).toEqual([400, [name]]);
  });

  it('refuses a parameter that comes twice', async () => {
    for (const name of ['action', 'actor_id', 'from', 'limit', 'cursor']) {
      expect((await call('GET', `/v1/audit-events?${name}=1&${name}=2`, { as: tenant.admin.session })).status).toBe(400);
    }
  });

  it('needs audit:read: 403 for everybody without it, at the list and at the export', async () => {
    for (const url of ['/v1/audit-events', '/v1/audit-events/export']) {
      const { status, body } = await call('GET', url, { as: (await aMember(tenant)).session });
      expect([status, body.permissions]).toEqual([403, ['audit:read']]);
    }
    const auditor = await aMember(tenant, await aRole(tenant, ['audit:read']));
    for (const url of ['/v1/audit-events', '/v1/audit-events/export']) expect((await call('GET', url, { as: auditor.session })).status).toBe(200);
  });

  it('is not for callers limited to projects, whatever they are allowed', async () => {
    const { body } = await call('POST', '/auth/v1/method/token', { as: tenant.admin.session, body: { name: 'limited', namespaceKey: 'default' } });
    expect((await call('GET', '/v1/audit-events', { as: body.clientToken })).status).toBe(403);
  });

  it('shows another organization nothing, also not with ids or a cursor of this one', async () => {
    const other = await aTenant();
    const { id } = await aToken('of-the-wall');
    await seal();
    const { body } = await list({ limit: '1' });
    const own = (await list({}, other.admin.session)).body.data.map((event: { id: string }) => event.id);
    for (const query of [{ target_id: id }, { actor_id: tenant.admin.id }] as Record<string, string>[]) expect((await list(query, other.admin.session)).body).toEqual({ data: [], next_cursor: null });
    const behind = (await list({ cursor: body.next_cursor }, other.admin.session)).body.data.map((event: { id: string }) => event.id);
    expect(own).toEqual(expect.arrayContaining(behind));
    const everything = (await list({}, other.admin.session)).text + (await call('GET', '/v1/audit-events/export', { as: other.admin.session })).text;
    for (const trace of [tenant.id, tenant.slug, tenant.admin.id, tenant.admin.email, id]) expect(everything).not.toContain(trace);
  });
});

describe('a change is told with the values before and after, of what it changed and of nothing else:', () => {
  const change = async (id: string, action: string): Promise<[object, object]> => {
    const { body } = await list({ target_id: id, action });
    expect(body.data).toHaveLength(1);
    return [body.data[0].before, body.data[0].after];
  };

  it('a machine identity', async () => {
    const as = tenant.admin.session;
    const created = await call('POST', '/api/v1/identities', { as, body: { name: 'machine-before', organizationId: tenant.id, role: 'member', metadata: [{ key: 'team', value: 'blue' }] } });
    const { id } = created.body.identity;
    expect((await call('PATCH', `/api/v1/identities/${id}`, { as, body: { name: 'machine-after', role: 'no-access', metadata: [{ key: 'team', value: 'red' }] } })).status).toBe(200);
    expect(await change(id, 'identity.updated')).toEqual([
      { name: 'machine-before', role: 'MEMBER', metadata: [{ key: 'team', value: 'blue' }] },
      { name: 'machine-after', role: null, metadata: [{ key: 'team', value: 'red' }] },
    ]);
  });

  it('how it logs in', async () => {
    const as = tenant.admin.session;
    const created = await call('POST', '/api/v1/identities', { as, body: { name: 'machine-with-settings', organizationId: tenant.id, role: 'member' } });
    const { id } = created.body.identity;
    for (const method of ['token-auth', 'universal-auth']) {
      const path = `/api/v1/auth/${method}/identities/${id}`;
      expect((await call('POST', path, { as, body: { accessTokenTTL: 60, accessTokenMaxTTL: 600 } })).status).toBe(200);
      expect((await call('PATCH', path, { as, body: { accessTokenTTL: 120 } })).status).toBe(200);
      expect(await change(id, `${method}.updated`)).toEqual([{ ttlSeconds: 60 }, { ttlSeconds: 120 }]);
    }
  });

  it('the name of a token', async () => {
    const as = tenant.admin.session;
    const machine = await call('POST', '/api/v1/identities', { as, body: { name: 'machine-with-token', organizationId: tenant.id, role: 'member' } });
    const path = `/api/v1/auth/token-auth/identities/${machine.body.identity.id}`;
    await call('POST', path, { as, body: {} });
    const { id } = (await call('POST', `${path}/tokens`, { as, body: { name: 'before' } })).body.tokenData;
    expect((await call('PATCH', `/api/v1/auth/token-auth/tokens/${id}`, { as, body: { name: 'after' } })).status).toBe(200);
    expect(await change(id, 'token.updated')).toEqual([{ name: 'before' }, { name: 'after' }]);
  });
});
