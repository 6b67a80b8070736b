import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MaintenanceRunner } from '../../src/kernel/maintenance/maintenance-runner.js';
import { TokenEngine } from '../../src/tokens/token-engine.js';
import { TokenRotation } from '../../src/tokens/token-rotation.js';
import type { Caller } from '../../src/tokens/token.js';
import { theApp } from '../support/app.js';
import { aMember, aProject, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { DOORS_UNDER_TEST, mint, type DoorUnderTest } from '../support/doors.js';
import { hasValidChecksum } from '../../src/tokens/token-secret.js';
import type { SettableClock } from '../support/settable-clock.js';

let tenant: TestTenant;
let as: string;
let clock: SettableClock;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
  ({ clock } = await theApp());
});
afterEach(() => clock.reset());

const idOf = async (secret: string): Promise<string> => (await introspect(as, secret))['jti'];
const rotate = (id: string, body?: object, by = as): Promise<Answer> => call('POST', `/v1/tokens/${id}/rotate`, { as: by, body });
const rotateSelf = (secret: string, body?: object): Promise<Answer> => call('POST', '/v1/tokens/self/rotate', { as: secret, body });
const show = async (id: string): Promise<any> => (await call('GET', `/v1/tokens/${id}`, { as })).body;
const use = async (secret: string): Promise<number> => (await call('GET', '/auth/me', { as: secret })).status;
const eventsOf = (id: string, where = tenant) => sql<Record<string, any>>(where, 'SELECT action, actor_kind, actor_id, details, before, after FROM audit_events WHERE target_id = $1 ORDER BY occurred_at, id', [id]);
const actionsOf = async (id: string): Promise<string[]> => (await eventsOf(id)).map(({ action }) => action as string);
const hintOf = (secret: string): string => `…${secret.slice(-4)}`;

function theDoor(name: string): DoorUnderTest {
  const door = DOORS_UNDER_TEST.find((each) => each.name === name);
  if (!door) throw new Error(`there is no ${name} door`);
  return door;
}

const anOrganizationToken = async (): Promise<{ id: string; secret: string }> => {
  const { secret } = await mint(theDoor('deepset'), tenant);
  return { id: await idOf(secret), secret };
};

describe.each(DOORS_UNDER_TEST)('a token of the $name door', (door) => {
  it('keeps id, name, permissions and limits when it is rotated, and its secret keeps its look', async () => {
    const { secret } = await mint(door, tenant);
    const id = await idOf(secret);
    const before = await show(id);
    const { status, body } = await rotate(id, { overlap_seconds: 60 });
    expect(status).toBe(200);
    const { secret: next, pending_rotation: pending, ...after } = body;
    expect(pending).toEqual({ since: expect.any(String), hint: expect.stringContaining(hintOf(next)), overlap_seconds: 60 });
    expect({ ...after, pending_rotation: null, last_used_at: 0, use_count: 0 }).toEqual({ ...before, last_used_at: 0, use_count: 0, updated_at: expect.any(String) });
    expect(next.slice(0, -49)).toBe(secret.slice(0, -49));
    expect([next === secret, hasValidChecksum(next)]).toEqual([false, true]);
    expect(await show(id)).toMatchObject({ hint: before.hint, pending_rotation: pending, rotated_at: null });
  });

  it('works with the old secret without an end until the new one is used, then with both for the overlap, then with the new one', async () => {
    const { secret } = await mint(door, tenant);
    const id = await idOf(secret);
    const { secret: next } = (await rotate(id, { overlap_seconds: 60 })).body;
    const claims = await introspect(as, secret);
    expect([claims['active'], claims['jti']]).toEqual([true, id]);
    expect(await show(id)).toMatchObject({ pending_rotation: { overlap_seconds: 60 } });
    clock.set(clock.now());
    expect(await introspect(as, next)).toEqual(claims);
    expect(await show(id)).toMatchObject({ pending_rotation: null, rotated_at: clock.now().toRfc3339(), hint: expect.stringContaining(hintOf(next)) });
    expect(await introspect(as, secret)).toEqual({ ...claims, exp: clock.now().plusSeconds(60).epochSeconds });
    clock.advance(59.999);
    expect((await introspect(as, secret))['active']).toBe(true);
    clock.advance(0.001);
    expect(await introspect(as, secret)).toEqual({ active: false });
    expect(await introspect(as, next)).toEqual(claims);
  });

  it('rotates itself by possession alone, and with an overlap of 0 the old secret ends with the first use of the new', async () => {
    const { secret } = await mint(door, tenant);
    const { status, body } = await rotateSelf(secret, { overlap_seconds: 0 });
    expect(status).toBe(200);
    expect(body).toMatchObject({ kind: door.kind, id: await idOf(secret) });
    expect((await introspect(as, body.secret))['active']).toBe(true);
    expect(await introspect(as, secret)).toEqual({ active: false });
  });
});

describe('a rotation', () => {
  it('takes a day of overlap where none is said, and any from none to a week', async () => {
    const { id } = await anOrganizationToken();
    expect((await rotate(id)).body.pending_rotation.overlap_seconds).toBe(86_400);
    for (const overlap_seconds of [0, 604_800]) expect((await rotate(id, { overlap_seconds })).body.pending_rotation).toMatchObject({ overlap_seconds });
    for (const overlap_seconds of [-1, 604_801, 1.5, '60', null, 1e308]) {
      const { status, body } = await rotate(id, { overlap_seconds });
      expect([overlap_seconds, status, body.code]).toEqual([overlap_seconds, 400, 'input-invalid']);
    }
  });

  it('cancels one that waits: the cancelled secret never worked and raises no alarm', async () => {
    const { id, secret } = await anOrganizationToken();
    const first = (await rotate(id)).body;
    const second = (await rotate(id)).body;
    expect([await use(first.secret), await use(secret)]).toEqual([401, 200]);
    expect(await show(id)).toMatchObject({ pending_rotation: { hint: second.pending_rotation.hint }, reuse_detected_at: null });
    expect(await use(second.secret)).toBe(200);
    const rotations = (await eventsOf(id)).filter(({ action }) => action === 'token.rotated');
    expect(rotations.map(({ details }) => details.cancelled)).toEqual([undefined, first.pending_rotation.hint]);
  });

  it('is recorded when it is asked for and when it is completed, once each, by whom, and without a secret', async () => {
    const { id, secret } = await anOrganizationToken();
    const { secret: next } = (await rotate(id, { overlap_seconds: 5 })).body;
    for (let time = 0; time < 3; time += 1) await use(next);
    const events = (await eventsOf(id)).slice(1);
    expect(events).toEqual([
      { action: 'token.rotated', actor_kind: 'user', actor_id: tenant.admin.id, details: { hint: `api_${hintOf(next)}`, overlapSeconds: 5 }, before: null, after: null },
      {
        action: 'token.rotation-completed', actor_kind: 'organization', actor_id: tenant.id, details: { overlapSeconds: 5 },
        before: { hint: `api_${hintOf(secret)}` }, after: { hint: `api_${hintOf(next)}` },
      },
    ]);
    expect(JSON.stringify(events)).not.toContain(next.slice(4, -6));
  });

  it('never prolongs a life: expiry and uses stay, and the overlap ends with the token', async () => {
    const door = theDoor('Flipt');
    const expiresAt = clock.now().plusSeconds(600);
    const { secret } = await mint(door, tenant, { expiresAt: expiresAt.toRfc3339() });
    const { secret: next, expires_at } = (await rotate(await idOf(secret), { overlap_seconds: 604_800 })).body;
    expect(expires_at).toBe(expiresAt.toRfc3339());
    expect(await use(next)).toBe(200);
    clock.set(expiresAt.plusSeconds(-0.000001));
    expect([await use(next), await use(secret)]).toEqual([200, 200]);
    clock.set(expiresAt);
    expect([await use(next), await use(secret)]).toEqual([401, 401]);
    expect(await actionsOf((await sql(tenant, 'SELECT id FROM api_tokens WHERE expires_at = $1', [expiresAt.toRfc3339()]))[0]?.['id'])).not.toContain('token.reuse-detected');
  });

  it('with a shorter overlap also shortens what an earlier one had left', async () => {
    const { id, secret } = await anOrganizationToken();
    const second = (await rotate(id, { overlap_seconds: 604_800 })).body.secret;
    await use(second);
    const third = (await rotate(id, { overlap_seconds: 0 })).body.secret;
    expect([await use(secret), await use(second)]).toEqual([200, 200]);
    expect(await use(third)).toBe(200);
    expect([await use(secret), await use(second)]).toEqual([401, 401]);
  });

  it('is refused for a token that does not work, and for a secret that has been replaced', async () => {
    const { id, secret } = await anOrganizationToken();
    const { secret: next } = (await rotate(id)).body;
    await use(next);
    const replaced = await rotateSelf(secret);
    expect([replaced.status, replaced.body.code]).toEqual([409, 'conflict']);
    expect((await rotateSelf(next)).status).toBe(200);
    await call('DELETE', `/v1/tokens/${id}`, { as });
    const revoked = await rotate(id);
    expect([revoked.status, revoked.body.code]).toEqual([409, 'conflict']);
    expect((await rotateSelf(next)).status).toBe(401);
  });

  it('does not bring a waiting secret to life once the token is revoked', async () => {
    const { id } = await anOrganizationToken();
    const { secret: next } = (await rotate(id)).body;
    await call('DELETE', `/v1/tokens/${id}`, { as });
    expect(await use(next)).toBe(401);
    expect(await actionsOf(id)).not.toContain('token.rotation-completed');
  });

  it('is not begun by a use that is refused: not from an address that is not allowed', async () => {
    const { id } = await anOrganizationToken();
    const { secret: next } = (await rotate(id)).body;
    await sql(tenant, `UPDATE api_tokens SET allowed_addresses = '{192.0.2.1}' WHERE id = $1`, [id]);
    expect(await use(next)).toBe(401);
    expect(await show(id)).toMatchObject({ pending_rotation: { hint: `api_${hintOf(next)}` } });
    expect((await call('GET', '/auth/me', { as: next, from: '192.0.2.1' })).status).toBe(200);
    expect(await show(id)).toMatchObject({ pending_rotation: null });
  });

  it('lets a replaced secret neither renew the token nor, after its end, revoke it, be it by a report that it leaked', async () => {
    const door = theDoor('Infisical');
    const { secret } = await mint(door, tenant);
    const id = await idOf(secret);
    const renew = (accessToken: string): Promise<Answer> => call('POST', '/api/v1/auth/token/renew', { body: { accessToken } });
    const renewed = (await renew(secret)).body.accessToken;
    const { secret: next } = (await rotate(id, { overlap_seconds: 10 })).body;
    expect(await introspect(as, renewed)).toMatchObject({ active: true });
    clock.set(clock.now());
    expect((await renew(next)).status).toBe(200);
    expect(await show(id)).toMatchObject({ pending_rotation: null });
    for (const earlier of [secret, renewed]) expect((await renew(earlier)).status).toBe(401);
    clock.advance(10);
    for (const earlier of [secret, renewed]) {
      expect(await introspect(as, earlier)).toEqual({ active: false });
      expect((await call('POST', '/oauth2/revoke', { as, form: { token: earlier } })).status).toBe(200);
      expect((await call('POST', '/api/v1/auth/token/revoke', { body: { accessToken: earlier } })).status).toBe(401);
      expect((await call('POST', '/v1/tokens/report-leak', { body: { tokens: [{ token: earlier }] } })).status).toBe(202);
    }
    expect((await introspect(as, next))['active']).toBe(true);
  });
});

describe('who may rotate', () => {
  it('needs token:write and all that the token may do; the answer names what is missing', async () => {
    const project = theDoor('Unleash');
    const { secret } = await mint(project, tenant);
    const id = await idOf(secret);
    const reader = await aMember(tenant, await aRole(tenant, ['token:read', 'project:backend:read']));
    expect((await rotate(id, {}, reader.session)).body).toMatchObject({ status: 403, permissions: ['token:write'] });
    const writer = await aMember(tenant, await aRole(tenant, ['token:write']));
    expect((await rotate(id, {}, writer.session)).body).toMatchObject({ status: 403, code: 'permission-exceeded', permissions: ['project:backend:read'] });
    expect(await show(id)).toMatchObject({ pending_rotation: null });
    const both = await aMember(tenant, await aRole(tenant, ['token:write', 'project:backend:read']));
    expect((await rotate(id, {}, both.session)).status).toBe(200);
  });

  it('takes a wildcard as wide for a token that may come to do whatever is registered later', async () => {
    const machine = theDoor('Infisical');
    const { secret } = await mint(machine, tenant);
    const id = await idOf(secret);
    await sql(tenant, `UPDATE machine_identities SET role_id = (SELECT id FROM roles WHERE key = 'ADMIN') WHERE id = (SELECT identity_id FROM api_tokens WHERE id = $1)`, [id]);
    const everythingNow = (await call('GET', '/auth/me', { as })).body.permissions;
    const equal = await aMember(tenant, await aRole(tenant, everythingNow));
    expect((await rotate(id, {}, equal.session)).body).toMatchObject({ code: 'permission-exceeded', permissions: ['*'] });
    expect((await rotate(id)).status).toBe(200);
  });

  it('is the person alone for a person\'s token: nobody comes to act as somebody else', async () => {
    const person = await aMember(tenant);
    const { secret } = await mint(theDoor('Fynn'), tenant, { as: person.session });
    const id = await idOf(secret);
    expect((await rotate(id)).body).toMatchObject({ status: 403, code: 'caller-refused' });
    expect((await rotateSelf(secret)).status).toBe(200);
  });

  it('is nobody else\'s organization, and no caller limited to other projects', async () => {
    const stranger = await aTenant();
    const { id } = await anOrganizationToken();
    const [foreign, absent] = [await rotate(id, {}, stranger.admin.session), await rotate('00000000-0000-4000-8000-000000000000', {}, stranger.admin.session)];
    expect([foreign.status, { ...foreign.body, request_id: 0 }]).toEqual([404, { ...absent.body, request_id: 0 }]);
    const app = (await theApp()).app;
    const key = await aProject(tenant);
    const projects = await sql<{ id: string; key: string }>(tenant, 'SELECT id, key FROM projects WHERE key = $1', [key]);
    const limited: Caller = { organizationId: tenant.id, actor: { kind: 'user', id: tenant.admin.id, credential: null, origin: null }, permissions: new Set(), narrowed: true, projects, tokenId: null };
    await expect(app.get(TokenRotation).rotate(limited, id)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('is no session for itself, and no frontend token, whose secret is public', async () => {
    expect((await rotateSelf(as)).body).toMatchObject({ status: 403, code: 'caller-refused' });
    const { body } = await call('POST', '/api/admin/projects/default/api-tokens', { as, body: { tokenName: 'web', type: 'frontend', environment: 'development' } });
    expect((await rotateSelf(body.secret)).body).toMatchObject({ status: 403, code: 'caller-refused' });
    expect((await rotate(await idOf(body.secret))).status).toBe(200);
  });
});

describe('a replaced secret that is presented after its overlap', () => {
  async function aReplacedSecret(): Promise<{ id: string; old: string; current: string }> {
    const { id, secret: old } = await anOrganizationToken();
    const { secret: current } = (await rotate(id, { overlap_seconds: 60 })).body;
    clock.set(clock.now());
    await use(current);
    clock.advance(60);
    return { id, old, current };
  }

  it('raises one alarm an hour, however often it is presented, and the token lives on', async () => {
    const { id, old, current } = await aReplacedSecret();
    for (let time = 0; time < 3; time += 1) expect(await use(old)).toBe(401);
    expect(await introspect(as, old)).toEqual({ active: false });
    const alarms = async (): Promise<unknown[]> => (await eventsOf(id)).filter(({ action }) => action === 'token.reuse-detected');
    expect(await alarms()).toEqual([expect.objectContaining({ actor_kind: 'anonymous', actor_id: null, details: { hint: `api_${hintOf(old)}`, replacedAt: expect.any(String) } })]);
    expect(await use(current)).toBe(200);
    expect(await show(id)).toMatchObject({ state: 'active', reuse_detected_at: clock.now().toRfc3339() });
    clock.advance(3_599);
    await use(old);
    expect(await alarms()).toHaveLength(1);
    clock.advance(1);
    await use(old);
    expect(await alarms()).toHaveLength(2);
  });

  it('raises none while the overlap lasts, none by a client that retries before the new secret is used, and none once the token is revoked', async () => {
    const { id, secret: old } = await anOrganizationToken();
    const { secret: current } = (await rotate(id, { overlap_seconds: 60 })).body;
    clock.set(clock.now());
    await use(old);
    await use(current);
    clock.advance(59);
    await use(old);
    await call('DELETE', `/v1/tokens/${id}`, { as });
    clock.advance(1);
    expect(await use(old)).toBe(401);
    expect(await actionsOf(id)).not.toContain('token.reuse-detected');
  });

  it('raises none where it had ended by itself before there was a new one to replace it', async () => {
    const { secret: first } = await mint(theDoor('Infisical'), tenant, { ttlSeconds: 60 });
    const id = await idOf(first);
    clock.set(clock.now());
    await sql(tenant, 'UPDATE api_tokens SET max_ttl_seconds = 600 WHERE id = $1', [id]);
    clock.advance(30);
    const renewed = await call('POST', '/api/v1/auth/token/renew', { body: { accessToken: first } });
    expect(renewed.status).toBe(200);
    clock.advance(30);
    expect(await use(first)).toBe(401);
    const { secret: current } = (await rotate(id, { overlap_seconds: 0 })).body;
    expect([await use(current), await use(first), await use(renewed.body.accessToken)]).toEqual([200, 401, 401]);
    expect((await eventsOf(id)).filter(({ action }) => action === 'token.reuse-detected')).toEqual([
      expect.objectContaining({ details: { hint: `idt_${hintOf(renewed.body.accessToken)}`, replacedAt: expect.any(String) } }),
    ]);
  });

  it('ends the token with all its secrets where a policy wants that', async () => {
    const { id, old, current } = await aReplacedSecret();
    const { secret: waiting } = (await rotate(id)).body;
    await call('PUT', '/v1/policy', { as, body: { on_reuse: 'revoke' } });
    clock.advance(1);
    expect(await use(old)).toBe(401);
    expect([await use(current), await use(waiting), await use(old)]).toEqual([401, 401, 401]);
    expect(await show(id)).toMatchObject({ state: 'revoked', revoked_by: null, revocation_reason: 'key_compromise' });
    expect((await actionsOf(id)).slice(-2).sort()).toEqual(['token.reuse-detected', 'token.revoked']);
    await call('PUT', '/v1/policy', { as, body: {} });
  });

  it('is known for 30 days and then forgotten', async () => {
    const { id, current } = await aReplacedSecret();
    const { app } = await theApp();
    const forget = () => app.get(MaintenanceRunner).run('tokens.forget-replaced-secrets', [tenant.id]);
    const hints = async (): Promise<string[]> => (await sql(tenant, 'SELECT hint FROM token_secrets WHERE token_id = $1', [id])).map(({ hint }) => hint as string);
    clock.advance(30 * 86_400 - 1);
    await forget();
    expect(await hints()).toHaveLength(2);
    clock.advance(1);
    await forget();
    expect(await hints()).toEqual([`api_${hintOf(current)}`]);
  });
});

describe('rotation reminders', () => {
  it('are due an interval after the token was minted, and again after each first use of a new secret', async () => {
    const { app } = await theApp();
    const caller: Caller = { organizationId: tenant.id, actor: { kind: 'user', id: tenant.admin.id, credential: null, origin: null }, permissions: new Set(), narrowed: false, projects: 'all', tokenId: null };
    const { id } = await anOrganizationToken();
    const { rotationDueAt, createdAt } = await app.get(TokenEngine).update(caller, id, { rotationIntervalDays: 90 });
    expect(rotationDueAt).toEqual(createdAt.plusSeconds(90 * 86_400));
    clock.set(createdAt.plusSeconds(90 * 86_400));
    const fresh = (await call('POST', '/auth/login', { body: { email: tenant.admin.email, password: tenant.admin.password } })).body.access_token;
    const { secret } = (await rotate(id, {}, fresh)).body;
    await use(secret);
    const shown = (await call('GET', `/v1/tokens/${id}`, { as: fresh })).body;
    expect(shown).toMatchObject({ rotation_interval_days: 90, rotation_due_at: clock.now().plusSeconds(90 * 86_400).toRfc3339() });
  });
});
