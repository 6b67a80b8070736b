import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AuditLog } from '../../src/audit/audit-log.js';
import { Database } from '../../src/kernel/database/database.js';
import { BULK_MAX, BulkRevocation } from '../../src/tokens/bulk-revocation.js';
import { TokenEnds } from '../../src/tokens/token-ends.js';
import { theApp } from '../support/app.js';
import { aMember, aName, aProject, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';
import { admit, aSubOrganization, aTokenAuthMachine, done, TOKEN_AUTH } from '../support/machines.js';

let tenant: TestTenant;
let as: string;
beforeEach(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});
afterEach(async () => (await theApp()).clock.reset());

interface Made {
  readonly id: string;
  readonly secret: string;
}

const isActive = async (secret: string): Promise<boolean> => (await introspect(as, secret))['active'] as boolean;
const read = async (id: string): Promise<any> => (await call('GET', `/v1/tokens/${id}`, { as })).body;
const idOf = async (secret: string): Promise<string> => (await call('POST', '/v1/tokens/lookup', { as, body: { token: secret } })).body.id;
const restore = (id: string, by = as): Promise<Answer> => call('POST', `/v1/tokens/${id}/restore`, { as: by });
const revoke = (id: string, reason = '', by = as): Promise<Answer> => call('DELETE', `/v1/tokens/${id}${reason && `?reason=${reason}`}`, { as: by });
const revokeBy = (body: object, by = as): Promise<Answer> => call('POST', '/v1/tokens/revoke', { as: by, body });
const eventsOf = (id: string): Promise<Record<string, any>[]> =>
  sql(tenant, `SELECT action, details FROM audit_events WHERE target_id = $1 AND action <> 'token.minted' ORDER BY occurred_at, action`, [id]);

/** A personal token of the organization. */
async function aToken(by = as, body: object = {}): Promise<Made> {
  const answer = await call('POST', '/api/v1/token', { as: by, body: { name: aName('key'), personal: true, ...body } });
  if (answer.status !== 200) throw new Error(answer.text);
  return { secret: answer.body.api_token, id: await idOf(answer.body.api_token) };
}

/** One that is minted with another. */
async function aChild(parent: string, body: object = { description: 'minted with a token' }): Promise<Made> {
  const answer = await call('POST', '/user/api-tokens', { as: parent, body });
  if (answer.status !== 201) throw new Error(answer.text);
  return { secret: answer.body.token, id: await idOf(answer.body.token) };
}

describe('ending a token', () => {
  it.each(['unspecified', 'key_compromise', 'affiliation_changed', 'superseded', 'cessation_of_operation', 'privilege_withdrawn'])('takes the reason %s, from the query and from the body', async (reason) => {
    const [one, other] = [await aToken(), await aToken()];
    expect((await revoke(one.id, reason)).status).toBe(204);
    const camel = reason.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    expect((await call('DELETE', `/v1/tokens/${other.id}`, { as, body: { reason: camel } })).status).toBe(204);
    for (const { id, secret } of [one, other]) {
      expect(await read(id)).toMatchObject({ state: 'revoked', revocation_reason: reason, revoked_by: tenant.admin.id, revoked_with: null });
      expect(await isActive(secret)).toBe(false);
      expect(await eventsOf(id)).toEqual([{ action: 'token.revoked', details: { reason } }]);
    }
  });

  it('takes no other reason, nothing unknown in the body, and then ends nothing', async () => {
    const { id, secret } = await aToken();
    for (const query of ['parent-revoked', 'ca_compromise', 'x', 'superseded&reason=superseded']) expect((await revoke(id, query)).status).toBe(400);
    for (const body of [{ reason: 1 }, { reason: 'x' }, { why: 'superseded' }, '[]', '{']) expect((await call('DELETE', `/v1/tokens/${id}`, { as, body })).status).toBe(400);
    expect(await isActive(secret)).toBe(true);
  });

  it('ends what was minted with it, and what was minted with that, at every depth', async () => {
    const root = await aToken();
    const line = [root];
    for (let depth = 0; depth < 5; depth += 1) line.push(await aChild(line.at(-1)!.secret));
    const beside = await aToken();
    expect((await read(line[1].id)).parent_id).toBe(root.id);
    await revoke(root.id, 'superseded');
    for (const { secret } of line) expect(await isActive(secret)).toBe(false);
    expect(await isActive(beside.secret)).toBe(true);
    for (const { id } of line.slice(1)) {
      expect(await read(id)).toMatchObject({ state: 'revoked', revocation_reason: 'parent-revoked', revoked_with: root.id });
      expect(await eventsOf(id)).toEqual([{ action: 'token.revoked', details: { reason: 'parent-revoked', with: root.id } }]);
    }
  });

  it.each(DOORS_UNDER_TEST.filter(({ name }) => name !== 'deepset'))('ends what was minted with it at the $name door', async (door) => {
    const { secret: parent } = await mint(DOORS_UNDER_TEST[0], tenant);
    const { secret } = await mint(door, tenant, { as: parent });
    expect(await isActive(secret)).toBe(true);
    await revoke(await idOf(parent));
    expect(await isActive(secret)).toBe(false);
  });

  it('ends nothing at all when the audit event cannot be written', async () => {
    const parent = await aToken();
    const child = await aChild(parent.secret);
    const audit = (await theApp()).app.get(AuditLog);
    const appendEach = audit.appendEach.bind(audit);
    audit.appendEach = () => Promise.reject(new Error('the audit log is full'));
    try {
      expect((await revoke(parent.id)).status).toBe(500);
    } finally {
      audit.appendEach = appendEach;
    }
    for (const { secret } of [parent, child]) expect(await isActive(secret)).toBe(true);
  });

  it('leaves service-level tokens alive that a member minted who is removed, and ends those of the member', async () => {
    const member = await aMember(tenant, 'ADMIN');
    const own = await aToken(member.session);
    const { secret: service } = await mint(DOORS_UNDER_TEST.find(({ kind }) => kind === 'auth-method')!, tenant, { as: own.secret });
    const [{ id } = {}] = await sql(tenant, 'SELECT id FROM memberships WHERE user_id = $1', [member.id]);
    expect((await call('DELETE', `/v1/members/${id}`, { as })).status).toBe(204);
    expect([await isActive(own.secret), await isActive(service)]).toEqual([false, true]);
    expect(await read(own.id)).toMatchObject({ revocation_reason: 'member-removed' });
    expect((await restore(own.id)).status).toBe(409);
  });

  it('with its project or machine ends it for good', async () => {
    const project = await aProject(tenant);
    const sdk = await call('POST', `/api/admin/projects/${project}/api-tokens`, { as, body: { tokenName: 'x', type: 'backend', environment: 'development' } });
    const machine = DOORS_UNDER_TEST.find(({ kind }) => kind === 'machine-identity')!;
    const path = await machine.creationPath(tenant);
    const token = await call('POST', path, { as, body: machine.body() });
    const [ofProject, ofMachine] = [await idOf(sdk.body.secret), await idOf(token.body.accessToken)];
    expect((await call('DELETE', `/v1/projects/${project}`, { as })).status).toBe(204);
    expect((await call('DELETE', `/api/v1/identities/${machine.ownerId(tenant, path)}`, { as })).status).toBe(200);
    for (const id of [ofProject, ofMachine]) {
      expect((await read(id)).state).toBe('revoked');
      expect((await restore(id)).status).toBe(409);
    }
  });
});

describe('undoing an end', () => {
  it.each(DOORS_UNDER_TEST)('of the $name door brings the same secret back, and records it', async (door) => {
    const { secret } = await mint(door, tenant);
    const id = await idOf(secret);
    await revoke(id, 'superseded');
    const { status, body } = await restore(id);
    expect([status, body]).toEqual([200, expect.objectContaining({ id, state: 'active', revoked_at: null, revoked_by: null, revocation_reason: null, revoked_with: null })]);
    expect(await isActive(secret)).toBe(true);
    expect((await eventsOf(id)).map(({ action }) => action)).toEqual(['token.revoked', 'token.restored']);
  });

  it('brings back those that ended along with it, and no other', async () => {
    const root = await aToken();
    const [along, before] = [await aChild(root.secret), await aChild(root.secret)];
    const deep = await aChild(along.secret);
    await revoke(before.id);
    await revoke(root.id);
    await restore(root.id);
    expect(await Promise.all([root, along, deep, before].map(({ secret }) => isActive(secret)))).toEqual([true, true, true, false]);
    expect(await eventsOf(deep.id)).toContainEqual({ action: 'token.restored', details: { with: root.id } });
    expect((await restore(before.id)).status).toBe(200);
  });

  it('is refused for one whose parent has ended', async () => {
    const root = await aToken();
    const [along, before] = [await aChild(root.secret), await aChild(root.secret)];
    await revoke(before.id);
    await revoke(root.id);
    for (const { id } of [along, before]) {
      const { status, body } = await restore(id);
      expect([status, body.detail]).toEqual([409, expect.stringContaining('minted with')]);
    }
  });

  it('is refused after 60 minutes, to the microsecond', async () => {
    const { clock } = await theApp();
    const [one, other] = [await aToken(), await aToken()];
    clock.set(clock.now());
    const then = clock.now();
    await revoke(one.id);
    await revoke(other.id);
    clock.set(then.plusSeconds(3_599.999_999));
    await sql(tenant, `UPDATE sessions SET expires_at = '2040-01-01'`);
    as = (await call('POST', '/auth/login', { body: { email: tenant.admin.email, password: tenant.admin.password } })).body.access_token;
    expect((await restore(one.id)).status).toBe(200);
    clock.set(then.plusSeconds(3_600));
    expect((await restore(other.id)).status).toBe(409);
    expect(await isActive(other.secret)).toBe(false);
  });

  it('is refused after a compromise, and for one that is not revoked', async () => {
    const [lost, live] = [await aToken(), await aToken()];
    await revoke(lost.id, 'key_compromise');
    for (const { id } of [lost, live]) expect((await restore(id)).status).toBe(409);
    expect(await isActive(lost.secret)).toBe(false);
  });

  it('is refused where the token has expired meanwhile', async () => {
    const { clock } = await theApp();
    const { secret } = await mint(DOORS_UNDER_TEST[0], tenant, { expiresAt: clock.now().plusSeconds(60).toRfc3339(3) });
    const id = await idOf(secret);
    await revoke(id);
    clock.advance(61);
    const { status, body } = await restore(id);
    expect([status, body.detail]).toEqual([409, expect.stringContaining('expired')]);
  });

  it('takes all that the token and those along with it may do now', async () => {
    const keeper = await aMember(tenant, await aRole(tenant, ['token:read', 'token:write', 'profile:read']));
    const parent = await aToken();
    await aChild(parent.secret);
    await revoke(parent.id);
    const { status, body } = await restore(parent.id, keeper.session);
    expect([status, body.code]).toEqual([403, 'permission-exceeded']);
    expect(body.permissions).toContain('role:write');
    expect(await isActive(parent.secret)).toBe(false);
  });

  it('of a token that is absent and of one that is not yours are the same answer', async () => {
    const stranger = await aTenant();
    const { id } = await aToken();
    await revoke(id);
    const [foreign, absent] = [await restore(id, stranger.admin.session), await restore('00000000-0000-4000-8000-000000000000', stranger.admin.session)];
    expect([foreign.status, { ...foreign.body, request_id: 0 }]).toEqual([404, { ...absent.body, request_id: 0 }]);
    expect((await read(id)).state).toBe('revoked');
  });
});

describe('ending by filter', () => {
  it('ends what the filter lets through and nothing else; a dry run ends nothing and says the same', async () => {
    const all = new Map<string, string>();
    for (const door of DOORS_UNDER_TEST) all.set(door.kind, (await mint(door, tenant)).secret);
    const dry = await revokeBy({ filter: { kind: 'user' }, reason: 'superseded', dry_run: true });
    expect([dry.status, dry.body]).toEqual([200, { matched: 1, revoked: 0, cascaded: 0 }]);
    expect(await isActive(all.get('user')!)).toBe(true);
    const { status, body } = await revokeBy({ filter: { kind: 'user' }, reason: 'superseded', dry_run: false });
    expect([status, body]).toEqual([200, { matched: 1, revoked: 1, cascaded: 0 }]);
    for (const [kind, secret] of all) expect([kind, await isActive(secret)]).toEqual([kind, kind !== 'user']);
    expect((await revokeBy({ filter: { kind: 'user' } })).body).toEqual({ matched: 0, revoked: 0, cascaded: 0 });
    const id = await idOf(all.get('user')!);
    expect(await eventsOf(id)).toEqual([{ action: 'token.revoked', details: { reason: 'superseded' } }]);
  });

  it.each([{}, { state: 'active' }, { created_before: '2999-01-01T00:00:00Z' }])('with %j, which lets everything through, must be confirmed', async (filter) => {
    const tokens = [await aToken(), await aToken()];
    const { status, body } = await revokeBy({ filter });
    expect([status, body.errors[0].path]).toEqual([400, 'confirm']);
    for (const { secret } of tokens) expect(await isActive(secret)).toBe(true);
    expect((await revokeBy({ filter, dry_run: true })).body).toEqual({ matched: 2, revoked: 0, cascaded: 0 });
    expect((await revokeBy({ filter, confirm: true })).body).toEqual({ matched: 2, revoked: 2, cascaded: 0 });
    for (const { secret } of tokens) expect(await isActive(secret)).toBe(false);
  });

  it('must be confirmed where it leaves none that works, whatever of the dead it leaves', async () => {
    const { clock } = await theApp();
    const expiring = await mint(DOORS_UNDER_TEST[0], tenant, { expiresAt: clock.now().plusSeconds(60).toRfc3339(3) });
    const blocked = (await mint(DOORS_UNDER_TEST.find(({ kind }) => kind === 'auth-method')!, tenant)).secret;
    const tokens = [await aToken(), await aToken()];
    clock.advance(61);
    await call('PUT', '/v1/policy', { as, body: { allowed_kinds: ['user', 'organization'] } });
    for (const filter of [{ state: 'active' }, { kind: 'organization' }]) {
      const { status, body } = await revokeBy({ filter });
      expect([status, body.errors[0].path]).toEqual([400, 'confirm']);
      expect((await revokeBy({ filter, dry_run: true })).body).toEqual({ matched: 2, revoked: 0, cascaded: 0 });
    }
    for (const { secret } of tokens) expect(await isActive(secret)).toBe(true);
    expect((await revokeBy({ filter: { state: 'expired' } })).body).toMatchObject({ revoked: 1 });
    expect((await revokeBy({ filter: { state: 'active' }, confirm: true })).body).toEqual({ matched: 2, revoked: 2, cascaded: 0 });
    expect([(await read(await idOf(expiring.secret))).state, (await read(await idOf(blocked))).state]).toEqual(['revoked', 'blocked']);
  });

  it.each([
    [{}],
    [{ filter: null }],
    [{ filter: [] }],
    [{ filter: 'all' }],
    [{ filter: { kind: 'x' } }],
    [{ filter: { kind: ['user'] } }],
    [{ filter: { owner: 'x' } }],
    [{ filter: { name: 'x' } }],
    [{ filter: { __proto__x: 1 } }],
    [{ filter: { q: '' } }],
    [{ filter: { unused_since: 1 } }],
    [{ filter: { kind: 'user' }, dryRun: true }],
    [{ filter: { kind: 'user' }, dry_run: 'true' }],
    [{ filter: { kind: 'user' }, reason: 'mistake' }],
    [{ filter: { kind: 'user' }, confirm: 1 }],
  ])('refuses %j with 400 and ends nothing', async (body) => {
    const { secret } = await mint(DOORS_UNDER_TEST[0], tenant);
    expect((await revokeBy(body)).status).toBe(400);
    expect(await isActive(secret)).toBe(true);
  });

  it('counts what ends along, and one that was named itself comes back only by itself', async () => {
    const parent = await aToken();
    const [named, along] = [await aChild(parent.secret), await aChild(parent.secret)];
    await call('PATCH', `/v1/tokens/${parent.id}`, { as, body: { description: 'of the batch' } });
    await call('PATCH', `/v1/tokens/${named.id}`, { as, body: { description: 'of the batch' } });
    const filter = { q: 'OF THE BATCH' };
    expect((await revokeBy({ filter, dry_run: true })).body).toEqual({ matched: 2, revoked: 0, cascaded: 1 });
    expect((await revokeBy({ filter })).body).toEqual({ matched: 2, revoked: 2, cascaded: 1 });
    await restore(parent.id);
    expect(await Promise.all([parent, along, named].map(({ secret }) => isActive(secret)))).toEqual([true, true, false]);
  });

  it('ends many in several transactions, and tells of the rest above the most that one call ends', async () => {
    const bulk = (await theApp()).app.get(BulkRevocation);
    await sql(
      tenant,
      `INSERT INTO api_tokens (organization_id, id, kind, name, all_projects, hint, created_at, created_by, updated_at)
       SELECT $1, gen_random_uuid(), 'auth-method', 'batch', true, 'x', now(), $2, now() FROM generate_series(1, 1101) i`,
      [tenant.id, tenant.admin.id],
    );
    await aToken();
    Object.assign(bulk, { most: 1_100 });
    try {
      expect((await revokeBy({ filter: { q: 'batch' } })).body).toEqual({ matched: 1_101, revoked: 1_100, cascaded: 0 });
      expect((await revokeBy({ filter: { q: 'batch' } })).body).toEqual({ matched: 1, revoked: 1, cascaded: 0 });
    } finally {
      Object.assign(bulk, { most: BULK_MAX });
    }
    expect(await sql(tenant, `SELECT count(*) AS events, count(DISTINCT target_id) AS tokens FROM audit_events WHERE action = 'token.revoked'`)).toEqual([{ events: '1101', tokens: '1101' }]);
  });

  it('never reaches another organization, nor beyond the projects of the caller', async () => {
    const stranger = await aTenant();
    const foreign = await mint(DOORS_UNDER_TEST[0], stranger);
    const wide = await aToken();
    const limited = await aToken(as, { workspaces: ['default'] });
    expect((await revokeBy({ filter: { kind: 'user' }, confirm: true })).body.matched).toBe(0);
    expect((await revokeBy({ filter: {}, confirm: true }, limited.secret)).body).toMatchObject({ matched: 1, revoked: 1 });
    expect([await isActive(wide.secret), await isActive(limited.secret)]).toEqual([true, false]);
    expect((await introspect(stranger.admin.session, foreign.secret))['active']).toBe(true);
  });
});

describe('a token by itself', () => {
  it.each(DOORS_UNDER_TEST)('of the $name door sees itself and ends itself, whatever it may do', async (door) => {
    const { secret } = await mint(door, tenant);
    const self = await call('GET', '/v1/tokens/self', { as: secret });
    expect([self.status, self.body]).toEqual([200, expect.objectContaining({ id: await idOf(secret), kind: door.kind, state: 'active' })]);
    expect((await call('DELETE', '/v1/tokens/self', { as: secret, body: { reason: 'key_compromise' } })).status).toBe(204);
    expect(await isActive(secret)).toBe(false);
    expect(await read(self.body.id)).toMatchObject({ state: 'revoked', revocation_reason: 'key_compromise' });
    expect((await call('GET', '/v1/tokens/self', { as: secret })).status).toBe(401);
  });

  it('of a sub-organization does so too, where the parent keeps it', async () => {
    const sub = await aSubOrganization(tenant);
    const identityId = await aTokenAuthMachine(tenant, {}, { role: 'no-access' });
    await admit(sub, identityId, 'MEMBER');
    const { accessToken, tokenData } = await done(call('POST', `${TOKEN_AUTH}/identities/${identityId}/tokens`, { as, body: { name: 'scoped', organizationSlug: sub.slug } }));
    expect((await call('GET', '/v1/tokens/self', { as: accessToken })).body).toMatchObject({ id: tokenData.id, name: 'scoped' });
    expect((await call('DELETE', '/v1/tokens/self?reason=superseded', { as: accessToken })).status).toBe(204);
    expect((await call('GET', '/v1/tokens/self', { as: accessToken })).status).toBe(401);
    expect((await restore(tokenData.id)).body).toMatchObject({ state: 'active' });
    expect((await call('GET', '/v1/tokens/self', { as: accessToken })).status).toBe(200);
  });

  it('is what a session is not', async () => {
    for (const method of ['GET', 'DELETE']) expect((await call(method, '/v1/tokens/self', { as })).status).toBe(403);
  });
});

describe('forgetting ended tokens', () => {
  it('forgets those that ended before then and no other, batch by batch, and none of the record', async () => {
    const { app, clock } = await theApp();
    const [old, recent, live] = [await aToken(), await aToken(), await aToken()];
    const child = await aChild(live.secret);
    const { secret: expired } = await mint(DOORS_UNDER_TEST[0], tenant, { expiresAt: clock.now().plusSeconds(60).toRfc3339(3) });
    const expiredId = await idOf(expired);
    await revoke(old.id);
    await revoke(recent.id);
    await sql(tenant, `UPDATE api_tokens SET revoked_at = '2026-01-01' WHERE id = $1`, [old.id]);
    await sql(tenant, `UPDATE api_tokens SET expires_at = '2026-01-02' WHERE id = $1`, [expiredId]);
    await sql(tenant, `UPDATE api_tokens SET parent_id = $1 WHERE id = $2`, [old.id, child.id]);
    const events = async (): Promise<number> => Number((await sql(tenant, `SELECT count(*) FROM audit_events WHERE action LIKE 'token.%'`))[0]?.['count']);
    const before = await events();
    const purge = (): Promise<number> => app.get(Database).inOrganization(tenant.id, (scope) => app.get(TokenEnds).purgeEndedIn(scope, clock.now().plusSeconds(-86_400), 1));
    expect([await purge(), await purge(), await purge()]).toEqual([1, 1, 0]);
    expect(await Promise.all([old.id, expiredId, recent.id, live.id].map(async (id) => (await call('GET', `/v1/tokens/${id}`, { as })).status))).toEqual([404, 404, 200, 200]);
    expect(await read(child.id)).toMatchObject({ state: 'active', parent_id: null });
    expect(await events()).toBe(before);
    expect(await isActive(old.secret)).toBe(false);
    expect(await sql(tenant, `SELECT details->>'tokens' AS tokens FROM audit_events WHERE action = 'tokens.forgotten'`)).toEqual([{ tokens: '1' }, { tokens: '1' }]);
  });
});
