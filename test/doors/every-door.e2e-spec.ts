import { beforeAll, describe, expect, it } from 'vitest';
import { AuditLog } from '../../src/audit/audit-log.js';
import { theApp } from '../support/app.js';
import { aMember, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';

const keysOf = (body: unknown): string => Object.keys(body as object).sort().join();

/** Every row of the tenant, in every table, as text. */
async function everythingStored(tenant: { id: string }): Promise<string> {
  const tables = await sql<{ name: string }>(tenant, `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> 'schema_migrations'`);
  const rows: unknown[] = [];
  for (const { name } of tables) rows.push(await sql(tenant, `SELECT to_jsonb(t) AS row FROM ${name} t`));
  return JSON.stringify(rows);
}

describe.each(DOORS_UNDER_TEST)('at the $name door', (door) => {
  let tenant: TestTenant;
  let stranger: TestTenant;
  beforeAll(async () => {
    [tenant, stranger] = [await aTenant(), await aTenant()];
  });

  const tokensStored = async (): Promise<number> => Number((await sql(tenant, 'SELECT count(*) FROM api_tokens'))[0]?.['count']);
  const idOf = async (secret: string): Promise<string> => (await introspect(tenant.admin.session, secret))['jti'];

  it('a minted token is active, listed without its secret, and dead from the moment it is revoked', async () => {
    const path = await door.creationPath(tenant);
    const { status, body } = await call('POST', path, { as: tenant.admin.session, body: door.body() });
    expect(status).toBe(door.created);
    const secret = door.secretOf(body);
    const live = await introspect(tenant.admin.session, secret);
    expect(live).toMatchObject({ active: true, owner_kind: door.kind, organization_id: tenant.id, token_type: 'Bearer' });
    const ownerId = door.ownerId(tenant, path);
    if (ownerId) expect(live['owner_id']).toBe(ownerId);

    const listed = await call('GET', `/v1/tokens?kind=${door.kind}`, { as: tenant.admin.session });
    const entry = listed.body.data.find(({ id }: { id: string }) => id === live['jti']);
    expect(entry).toMatchObject({ kind: door.kind, state: 'active', owner_id: live['owner_id'], created_by: tenant.admin.id });
    expect(entry.hint.endsWith(`…${secret.slice(-4)}`)).toBe(true);
    expect(listed.text).not.toContain(secret);

    expect((await call('DELETE', `/v1/tokens/${live['jti']}`, { as: tenant.admin.session })).status).toBe(204);
    expect(await introspect(tenant.admin.session, secret)).toEqual({ active: false });
    const gone = await call('GET', `/v1/tokens/${live['jti']}`, { as: tenant.admin.session });
    expect(gone.body).toMatchObject({ state: 'revoked', revoked_by: tenant.admin.id, revocation_reason: 'unspecified' });
  });

  it('a token is dead once RFC 7009 revocation has answered, and revoking again answers the same', async () => {
    const { secret } = await mint(door, tenant);
    for (let time = 0; time < 2; time += 1) {
      const { status, headers, text } = await call('POST', '/oauth2/revoke', { as: tenant.admin.session, form: { token: secret } });
      expect([status, text, headers['content-type']]).toEqual([200, '{}', 'application/json; charset=utf-8']);
      expect(await introspect(tenant.admin.session, secret)).toEqual({ active: false });
    }
    expect((await call('GET', '/auth/me', { as: secret })).status).toBe(401);
  });

  it('another organization cannot see, introspect, revoke or delete the token, and cannot tell that it exists', async () => {
    const { secret } = await mint(door, tenant);
    const id = await idOf(secret);
    const as = stranger.admin.session;
    const absent = '00000000-0000-4000-8000-000000000000';
    expect(await introspect(as, secret)).toEqual(await introspect(as, `${secret}x`));
    for (const method of ['GET', 'DELETE']) {
      const [foreign, unknown] = [await call(method, `/v1/tokens/${id}`, { as }), await call(method, `/v1/tokens/${absent}`, { as })];
      expect([foreign.status, { ...foreign.body, request_id: 0 }]).toEqual([404, { ...unknown.body, request_id: 0 }]);
    }
    expect((await call('POST', '/oauth2/revoke', { as, form: { token: secret } })).text).toBe('{}');
    expect((await call('GET', '/v1/tokens', { as })).text).not.toContain(id);
    expect(await introspect(tenant.admin.session, secret)).toMatchObject({ active: true });
  });

  it('a token is refused from the instant it expires', async () => {
    const { clock } = await theApp();
    clock.set('2031-05-05T12:00:00Z');
    await sql(tenant, `UPDATE sessions SET expires_at = '2040-01-01'`);
    const fresh = (await call('POST', '/auth/login', { body: { email: tenant.admin.email, password: tenant.admin.password } })).body.access_token;
    const { secret } = await mint(door, { ...tenant, admin: { ...tenant.admin, session: fresh } }, { expiresAt: '2031-05-05T12:10:00Z', ttlSeconds: 600 });
    clock.set('2031-05-05T12:09:59.999999Z');
    expect(await introspect(fresh, secret)).toMatchObject({ active: true, exp: Date.parse('2031-05-05T12:10:00Z') / 1000 });
    clock.set('2031-05-05T12:10:00Z');
    expect(await introspect(fresh, secret)).toEqual({ active: false });
  });

  it('says when the token ends on every answer to a call made with it, be it a refusal, and nothing of what does not end', async () => {
    const end = '2031-05-05T12:10:00.000000Z';
    const { clock } = await theApp();
    clock.set('2031-05-05T12:00:00Z');
    const fresh = (await call('POST', '/auth/login', { body: { email: tenant.admin.email, password: tenant.admin.password } })).body.access_token;
    const { secret } = await mint(door, { ...tenant, admin: { ...tenant.admin, session: fresh } }, { expiresAt: end, ttlSeconds: 600 });
    const creationPath = await door.creationPath({ ...tenant, admin: { ...tenant.admin, session: fresh } });
    for (const answer of [await call('POST', creationPath, { as: secret, body: door.body() }), await call('GET', '/auth/me', { as: secret }), await call('POST', '/v1/invitations', { as: secret, body: {} })]) {
      expect([answer.status, answer.headers['token-expires-at']]).toEqual([answer.status, end]);
    }
    expect((await call('GET', '/auth/me', { as: fresh })).headers).not.toHaveProperty('token-expires-at');
    const endless = await call('POST', '/auth/v1/method/token', { as: fresh, body: { name: 'endless' } });
    expect((await call('GET', '/auth/me', { as: endless.body.clientToken })).headers).not.toHaveProperty('token-expires-at');
  });

  it('answers in its own dialect without a credential, with a wrong one and without the permission, and stores nothing', async () => {
    const path = await door.creationPath(tenant);
    const before = await tokensStored();
    const body = door.body();
    const anonymous = await call('POST', path, { body });
    expect([anonymous.status, keysOf(anonymous.body)]).toEqual([401, door.errorKeys.unauthenticated]);
    expect((await call('POST', path, { as: 'nonsense', body })).status).toBe(401);
    const outsider = await aMember(tenant, 'EXTERNAL');
    const forbidden = await call('POST', path, { as: outsider.session, body });
    expect([forbidden.status, keysOf(forbidden.body)]).toEqual([403, door.errorKeys.forbidden]);
    expect(await tokensStored()).toBe(before);
  });

  it('lets in a role that has just the permission, and no more than that role holds', async () => {
    const { session } = await aMember(tenant, await aRole(tenant, [door.permission, 'profile:read']));
    const path = await door.creationPath(tenant);
    const { status, body } = await call('POST', path, { as: session, body: door.body() });
    if (status === door.created) {
      const { scope } = await introspect(tenant.admin.session, door.secretOf(body));
      expect([door.permission, 'profile:read', '']).toEqual(expect.arrayContaining((scope as string).split(' ')));
    } else expect(status).toBe(403);
  });

  it('refuses malformed, oversized, too deeply nested and unstorable bodies with a 4xx of its own, and stores nothing', async () => {
    const path = await door.creationPath(tenant);
    const before = await tokensStored();
    const as = tenant.admin.session;
    const malformed = await call('POST', path, { as, body: '{"name":' });
    expect([malformed.status, keysOf(malformed.body)]).toEqual([door.malformedStatus, door.errorKeys.malformed]);
    expect((await call('POST', path, { as, body: `{"name":"${'x'.repeat(66_000)}"}` })).status).toBe(413);
    const nested = await call('POST', path, { as, body: `{"metadata":${'['.repeat(2_000)}${']'.repeat(2_000)}}` });
    expect(Math.floor(nested.status / 100)).toBe(4);
    for (const poison of ['a\\u0000b', '\\ud800']) {
      const text = JSON.stringify(Object.fromEntries(Object.entries(door.body()).map(([key, value]) => [key, /name|description/i.test(key) ? 'POISON' : value])));
      const answer = await call('POST', path, { as, body: text.replaceAll('POISON', poison) });
      expect(`${poison} ${Math.floor(answer.status / 100)}`).toBe(`${poison} 4`);
    }
    expect(await tokensStored()).toBe(before);
  });

  it('mints nothing when the audit event cannot be written', async () => {
    const path = await door.creationPath(tenant);
    const before = await tokensStored();
    const audit = (await theApp()).app.get(AuditLog);
    const spell = audit.spell.bind(audit);
    // The database refuses an event that tells of nothing.
    audit.spell = (...of) => spell(...of).replace('"token.minted"', 'null');
    try {
      const { status, text } = await call('POST', path, { as: tenant.admin.session, body: door.body() });
      expect(status).toBe(500);
      expect(text).not.toContain('audit_events');
    } finally {
      audit.spell = spell;
    }
    expect(await tokensStored()).toBe(before);
  });

  it('writes exactly one audit event for a minted and one for a revoked token', async () => {
    const { secret } = await mint(door, tenant);
    const id = await idOf(secret);
    for (let time = 0; time < 2; time += 1) await call('DELETE', `/v1/tokens/${id}`, { as: tenant.admin.session });
    const events = await sql(tenant, 'SELECT action, actor_kind, actor_id, credential_kind FROM audit_events WHERE target_id = $1 ORDER BY action', [id]);
    const actor = { actor_kind: 'user', actor_id: tenant.admin.id, credential_kind: 'session' };
    expect(events).toEqual([{ action: 'token.minted', ...actor }, { action: 'token.revoked', ...actor }]);
  });

  it('keeps the secret nowhere: in no column and in no line of the log', async () => {
    const { secret } = await mint(door, tenant);
    await introspect(tenant.admin.session, secret);
    await call('GET', '/auth/me', { as: secret });
    const { log } = await theApp();
    const everything = (await everythingStored(tenant)) + log.join('');
    const body = secret.slice(-49);
    for (const trace of [secret, body, Buffer.from(secret).toString('base64'), Buffer.from(secret).toString('hex'), body.slice(0, 12)]) {
      expect(everything).not.toContain(trace);
    }
  });

  it('stops all its tokens at once when the organization is suspended', async () => {
    const own = await aTenant();
    const operator = await aTenant();
    const { secret } = await mint(door, own);
    expect(await introspect(own.admin.session, secret)).toMatchObject({ active: true });
    await sql(own, 'UPDATE organizations SET suspended_at = now()');
    expect((await call('GET', '/auth/me', { as: secret })).status).toBe(401);
    expect(await introspect(operator.admin.session, secret)).toEqual({ active: false });
  });
});
