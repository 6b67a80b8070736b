import { beforeAll, describe, expect, it } from 'vitest';
import { OrganizationTokens, type OrganizationTokenRequest } from '../../src/organizations/organization-tokens.service.js';
import { PLATFORM_PERMISSIONS, TENANT_PERMISSIONS } from '../../src/tokens/permissions.js';
import { theApp } from '../support/app.js';
import { aMember, aProject, aRole, aTenant, sql, type Person, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { createKey, listedKey, mintKey, refusal, TOKENS, UNKNOWN_ID } from '../support/deepset.js';

const ADMIN_SCOPE = [...TENANT_PERMISSIONS].sort().join(' ');
const MINTER = ['organization:api-token:read', 'organization:api-token:write', 'profile:read', 'token:read'];

let tenant: TestTenant;
let stranger: TestTenant;
let minter: Person;
let minterRole: string;
beforeAll(async () => {
  [tenant, stranger] = [await aTenant(), await aTenant()];
  minterRole = await aRole(tenant, MINTER);
  minter = await aMember(tenant, minterRole);
});

const seen = (secret: string): Promise<Record<string, any>> => introspect(tenant.admin.session, secret);
const roleId = async (key: string, of = tenant): Promise<string> => (await sql(of, 'SELECT id FROM roles WHERE key = $1', [key]))[0]?.['id'];
const stored = async (): Promise<number> => Number((await sql(tenant, 'SELECT count(*) FROM api_tokens'))[0]?.['count']);
const setRole = (of: TestTenant, person: Person, key: string): Promise<unknown> =>
  sql(of, 'UPDATE memberships SET role_id = (SELECT id FROM roles WHERE key = $2) WHERE user_id = $1', [person.id, key]);

describe('POST /api/v1/token', () => {
  it('answers 200 with the secret and the id, and no other field', async () => {
    const { status, headers, text, body } = await createKey(tenant.admin.session, { name: 'Ingestion' });
    expect([status, headers['content-type'], headers['cache-control']]).toEqual([200, 'application/json; charset=utf-8', 'no-store']);
    expect(body.api_token).toMatch(/^api_[0-9A-Za-z]{49}$/);
    expect(text).toBe(JSON.stringify({ api_token: body.api_token, api_token_id: (await seen(body.api_token))['jti'] }));
  });

  it('takes an empty object for a personal token with the creator\'s role in all workspaces, for 365 days', async () => {
    const { clock } = await theApp();
    const now = clock.now().epochSeconds;
    clock.set(new Date(now * 1000).toISOString());
    const { secret, id } = await mintKey(tenant.admin.session, {});
    expect(await seen(secret)).toEqual({
      active: true,
      scope: ADMIN_SCOPE,
      client_id: tenant.admin.id,
      username: tenant.admin.email,
      token_type: 'Bearer',
      exp: now + 365 * 24 * 3600,
      iat: now,
      sub: tenant.admin.id,
      iss: 'http://gatehouse.test',
      jti: id,
      organization_id: tenant.id,
      owner_kind: 'organization',
      owner_id: tenant.admin.id,
      projects: ['*'],
      environment: null,
    });
  });

  it.each([
    [{ expires: false }, null],
    [{ expires: false, expires_at: '2031-01-01T00:00:00Z' }, null],
    [{ expires: 'off', expires_at: '2031-01-01T00:00:00Z' }, null],
    [{ expires_at: '2031-01-01T00:00:00.000Z' }, '2031-01-01T00:00:00Z'],
    [{ expires: 'YES', expires_at: '2031-01-01T02:00:00+02:00' }, '2031-01-01T00:00:00Z'],
    [{ expires_at: '2031-01-01' }, '2031-01-01T00:00:00Z'],
    [{ expires_at: '2031-01-01 10:30' }, '2031-01-01T10:30:00Z'],
    [{ expires_at: '2031-01-01T00:00:00.1234567' }, '2031-01-01T00:00:00.123456Z'],
    [{ expires_at: 1_924_992_000 }, '2031-01-01T00:00:00Z'],
    [{ expires_at: '1924992000.5' }, '2031-01-01T00:00:00.500000Z'],
    [{ expires_at: 1_924_992_000_250 }, '2031-01-01T00:00:00.250000Z'],
  ])('reads when the token expires as Pydantic does: %j is %s', async (body, expiresAt) => {
    const { id } = await mintKey(tenant.admin.session, body);
    expect((await listedKey(tenant, id)).expires_at).toBe(expiresAt);
  });

  it('accepts an end in the past; the token is dead from the start', async () => {
    const { secret } = await mintKey(tenant.admin.session, { expires_at: '20240101' });
    expect(await seen(secret)).toEqual({ active: false });
  });

  it('accepts JSON of any JSON type and without a type, ignores unknown fields, and stores a name as it is', async () => {
    const { app } = await theApp();
    const cases = [['application/json; charset=utf-8', 'a "b" \u2028\n<script>'], ['application/problem+json', '😀'], [null, ''], ['application/json', null]] as const;
    for (const [type, name] of cases) {
      const headers = { authorization: `Bearer ${tenant.admin.session}`, ...(type && { 'content-type': type }) };
      const payload = JSON.stringify({ name, organization_id: stranger.id, id: UNKNOWN_ID, created_by: stranger.admin.id });
      const { statusCode, body } = await app.inject({ method: 'POST', url: TOKENS, headers, payload });
      expect([type, statusCode]).toEqual([type, 200]);
      expect((await listedKey(tenant, JSON.parse(body).api_token_id)).name).toBe(name);
    }
  });

  it('refuses names that no column holds as they are, or that are longer than 255 characters', async () => {
    const before = await stored();
    for (const name of ['a\\u0000b', '\\ud800']) {
      expect((await createKey(tenant.admin.session, `{"name":"${name}"}`)).body.detail[0]).toMatchObject({ type: 'string_unicode', loc: ['body', 'name'] });
    }
    expect((await createKey(tenant.admin.session, { name: '😀'.repeat(255) })).status).toBe(200);
    expect((await createKey(tenant.admin.session, { name: 'x y '.repeat(64) })).body).toEqual({
      detail: [{ type: 'string_too_long', loc: ['body', 'name'], msg: 'String should have at most 255 characters', input: `${'x y '.repeat(32)}…`, ctx: { max_length: 255 } }],
    });
    expect(await stored()).toBe(before + 1);
  });

  it('lets no API token create tokens, whatever it may do, and says so before it reads the body', async () => {
    const before = await stored();
    const { secret } = await mintKey(tenant.admin.session, { organization_role: 'ADMIN', personal: true });
    for (const body of [{}, '{']) {
      const { status, body: answer } = await createKey(secret, body);
      expect([status, answer]).toEqual([403, refusal('An API token cannot do this; log in instead.')]);
    }
    expect(await stored()).toBe(before + 1);
  });

  it('needs organization:api-token:write', async () => {
    for (const role of ['MEMBER', 'EXTERNAL', await aRole(tenant, ['organization:api-token:read'])]) {
      const { session } = await aMember(tenant, role);
      const { status, body } = await createKey(session, {});
      expect([status, body]).toEqual([403, refusal('This needs the permission organization:api-token:write.')]);
    }
  });
});

describe('a personal token', () => {
  it('shrinks with its person\'s role and dies with their membership, at once', async () => {
    const own = await aTenant();
    const person = await aMember(own, 'ADMIN');
    const { secret } = await mintKey(person.session, { expires: false });
    expect((await introspect(own.admin.session, secret))['scope']).toBe(ADMIN_SCOPE);
    await setRole(own, person, 'EXTERNAL');
    expect((await introspect(own.admin.session, secret))['scope']).toBe('profile:read');
    for (const end of ['disabled_at', 'removed_at']) {
      await sql(own, 'UPDATE memberships SET disabled_at = NULL, removed_at = NULL WHERE user_id = $1', [person.id]);
      expect(await introspect(own.admin.session, secret)).toMatchObject({ active: true });
      await sql(own, `UPDATE memberships SET ${end} = now() WHERE user_id = $1`, [person.id]);
      expect(await introspect(own.admin.session, secret)).toEqual({ active: false });
      expect((await call('GET', '/api/v1/me', { as: secret })).status).toBe(401);
    }
  });

  it('does not grow when its person is promoted: it keeps the role it was created with', async () => {
    const own = await aTenant();
    const person = await aMember(own, await aRole(own, MINTER));
    const { secret } = await mintKey(person.session, {});
    await setRole(own, person, 'ADMIN');
    expect((await introspect(own.admin.session, secret))['scope']).toBe(MINTER.join(' '));
  });
});

describe('a service token', () => {
  it('is the organization\'s: it outlives the membership of who created it, with the role it was given', async () => {
    const own = await aTenant();
    const person = await aMember(own, 'ADMIN');
    const { secret } = await mintKey(person.session, { personal: false, organization_role: 'MEMBER' });
    const before = await introspect(own.admin.session, secret);
    expect(before).toMatchObject({ active: true, owner_kind: 'organization', owner_id: own.id, sub: own.id });
    expect(before).not.toHaveProperty('username');
    await setRole(own, person, 'EXTERNAL');
    await sql(own, 'UPDATE memberships SET disabled_at = now() WHERE user_id = $1', [person.id]);
    expect(await introspect(own.admin.session, secret)).toEqual(before);
  });

  it('may do what its role allows at the time of use, and nothing without one', async () => {
    const own = await aTenant();
    const key = await aRole(own, ['token:read', 'project:read']);
    const { secret, id } = await mintKey(own.admin.session, { personal: 'no', role_id: await roleId(key, own) });
    expect((await introspect(own.admin.session, secret))['scope']).toBe('project:read token:read');
    await sql(own, `UPDATE roles SET permissions = '{project:read}' WHERE key = $1`, [key]);
    expect((await introspect(own.admin.session, secret))['scope']).toBe('project:read');
    await sql(own, 'UPDATE api_tokens SET role_id = NULL WHERE id = $1', [id]);
    expect((await introspect(own.admin.session, secret))['scope']).toBe('');
  });

  it('of a creator who names no role has the creator\'s own', async () => {
    const { secret } = await mintKey(minter.session, { personal: 0 });
    expect((await seen(secret))['scope']).toBe(MINTER.join(' '));
  });
});

describe('the role of a token', () => {
  it.each(['ADMIN', 'MEMBER', 'EXTERNAL'])('may be any for an administrator: %s', async (role) => {
    const { secret } = await mintKey(tenant.admin.session, { organization_role: role, personal: false });
    expect((await call('GET', '/auth/me', { as: secret })).body.permissions).toEqual(
      (await call('GET', '/auth/me', { as: (await aMember(tenant, role)).session })).body.permissions,
    );
  });

  it.each(['ADMIN', 'MEMBER'])('is never above what the creator holds, named outright: %s', async (role) => {
    const before = await stored();
    const held = new Set(MINTER);
    const { permissions } = (await call('GET', '/auth/me', { as: (await aMember(tenant, role)).session })).body;
    const missing = permissions.filter((permission: string) => !held.has(permission));
    for (const personal of [true, false]) {
      for (const body of [{ organization_role: role, personal }, { role_id: await roleId(role), personal }, { organization_role: 'EXTERNAL', role_id: await roleId(role), personal }]) {
        const { status, body: answer } = await createKey(minter.session, body);
        expect([status, answer]).toEqual([403, refusal(`You cannot grant what you do not hold: ${missing.join(', ')}.`)]);
      }
    }
    expect(await stored()).toBe(before);
  });

  it('may be below what the creator holds', async () => {
    const { secret } = await mintKey(minter.session, { organization_role: 'EXTERNAL' });
    expect((await seen(secret))['scope']).toBe('profile:read');
  });

  it('is bounded by both where organization_role and role_id are named', async () => {
    const role_id = await roleId(await aRole(tenant, ['identity:write', 'profile:read', 'token:read']));
    const { secret, id } = await mintKey(tenant.admin.session, { organization_role: 'MEMBER', role_id });
    expect((await seen(secret))['scope']).toBe('profile:read token:read');
    expect(await listedKey(tenant, id)).toMatchObject({ organization_role: 'MEMBER', role_id });
  });

  it('reads a role id without dashes, in braces and as a URN', async () => {
    const id = await roleId('EXTERNAL');
    for (const role_id of [id.replaceAll('-', ''), `{${id.toUpperCase()}}`, `urn:uuid:${id}`, null]) {
      expect((await createKey(tenant.admin.session, { role_id })).status).toBe(200);
    }
  });

  it('must be one of the organization: another\'s is as absent as none at all', async () => {
    const before = await stored();
    for (const role_id of [UNKNOWN_ID, await roleId('MEMBER', stranger)]) {
      const { status, body } = await createKey(tenant.admin.session, { role_id });
      expect([status, body]).toEqual([404, refusal('There is no such role.')]);
    }
    expect(await stored()).toBe(before);
  });

  it('counts what it allows on the platform, too', async () => {
    const { app } = await theApp();
    const principal = {
      organizationId: tenant.id,
      organization: { id: tenant.id, slug: tenant.slug, name: tenant.slug, platform: true },
      actor: { kind: 'user' as const, id: tenant.admin.id, credential: null, origin: null },
      permissions: new Set<string>(TENANT_PERMISSIONS),
      narrowed: false,
      projects: 'all' as const,
      tokenId: null,
      user: { id: tenant.admin.id, email: tenant.admin.email, name: 'Ada Admin' },
      sessionId: null,
      token: null,
    };
    const request: OrganizationTokenRequest = { name: null, personal: false, secretPrefix: 'api_', expiresAt: 'never', builtInRole: 'ADMIN', roleId: null, projects: 'all' };
    await expect(app.get(OrganizationTokens).mint(principal, request)).rejects.toMatchObject({
      code: 'permission-exceeded',
      details: { permissions: [...PLATFORM_PERMISSIONS].sort() },
    });
  });
});

describe('the workspaces of a token', () => {
  let workspace: string;
  let workspaceId: string;
  beforeAll(async () => {
    workspace = await aProject(tenant);
    workspaceId = (await sql(tenant, 'SELECT id FROM projects WHERE key = $1', [workspace]))[0]?.['id'];
  });

  it('are named by name or id, and one named twice counts once', async () => {
    const { secret } = await mintKey(tenant.admin.session, { workspaces: [workspace, workspaceId, workspace, 'default'] });
    expect((await seen(secret))['projects']).toEqual(['default', workspace].sort());
  });

  it('limit it: it sees no other, and enters no route that is not about workspaces', async () => {
    const { secret } = await mintKey(tenant.admin.session, { workspaces: [workspaceId] });
    const { body } = await call('GET', '/api/v1/workspaces', { as: secret });
    expect(body.map(({ name }: { name: string }) => name)).toEqual([workspace]);
    const { status, body: refused } = await call('GET', `/api/v1/organization/${tenant.id}/roles`, { as: secret });
    expect([status, refused]).toEqual([403, refusal('This credential is limited to certain projects and cannot do this.')]);
  });

  it('are none where the list is empty, not all', async () => {
    const { secret } = await mintKey(tenant.admin.session, { workspaces: [] });
    expect((await seen(secret))['projects']).toEqual([]);
    expect((await call('GET', '/api/v1/workspaces', { as: secret })).text).toBe('[]');
  });

  it('must be of the organization: another\'s are as absent as none at all', async () => {
    const before = await stored();
    const foreign = await aProject(stranger);
    const foreignId = (await sql(stranger, 'SELECT id FROM projects WHERE key = $1', [foreign]))[0]?.['id'];
    for (const each of [foreign, foreignId, UNKNOWN_ID, '', 'a\u0000b', 'x'.repeat(10_000)]) {
      const { status, body } = await createKey(tenant.admin.session, `{"workspaces":["default",${JSON.stringify(each).replace('\\u0000', 'b')}]}`);
      expect([status, body]).toEqual([404, refusal('There is no such workspace.')]);
    }
    expect(await stored()).toBe(before);
  });
});

describe('DELETE /api/v1/token/{api_token_id}', () => {
  const remove = (id: string, as = tenant.admin.session): Promise<Answer> => call('DELETE', `${TOKENS}/${id}`, { as });

  it('answers 200 null; the token is dead and off the list at once', async () => {
    const { secret, id } = await mintKey(tenant.admin.session, {});
    const { status, headers, text } = await remove(id);
    expect([status, headers['content-type'], text]).toEqual([200, 'application/json; charset=utf-8', 'null']);
    expect(await seen(secret)).toEqual({ active: false });
    expect((await call('GET', '/api/v1/me', { as: secret })).status).toBe(401);
    expect((await call('GET', `${TOKENS}?limit=100`, { as: tenant.admin.session })).text).not.toContain(id);
  });

  it('writes who did it into the audit log, with the revocation', async () => {
    const { id } = await mintKey(tenant.admin.session, {});
    await remove(id);
    expect(await sql(tenant, `SELECT action, actor_id, details FROM audit_events WHERE target_id = $1 AND action = 'token.revoked'`, [id])).toEqual([
      { action: 'token.revoked', actor_id: tenant.admin.id, details: { reason: 'deleted' } },
    ]);
  });

  it('reads the id without dashes, too', async () => {
    const { id } = await mintKey(tenant.admin.session, {});
    expect((await remove(id.replaceAll('-', '').toUpperCase())).text).toBe('null');
  });

  it('answers 404 to an id that is unknown, another organization\'s, of another kind of token, or deleted before; nothing changes', async () => {
    const gone = await mintKey(tenant.admin.session, {});
    await remove(gone.id);
    const foreign = await mintKey(stranger.admin.session, {});
    const { body: ofUser } = await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: {} });
    const { jti } = await seen(ofUser.token);
    for (const id of [UNKNOWN_ID, foreign.id, jti, gone.id]) {
      const { status, body } = await remove(id);
      expect([status, body]).toEqual([404, refusal('There is no such API token.')]);
    }
    expect(await introspect(stranger.admin.session, foreign.secret)).toMatchObject({ active: true });
    expect(await seen(ofUser.token)).toMatchObject({ active: true });
  });

  it('lets no API token delete tokens, not even itself, and no member without the permission', async () => {
    const { secret, id } = await mintKey(tenant.admin.session, { organization_role: 'ADMIN' });
    const { status, body } = await remove(id, secret);
    expect([status, body]).toEqual([403, refusal('An API token cannot do this; log in instead.')]);
    expect((await remove(id, (await aMember(tenant)).session)).status).toBe(403);
    expect(await seen(secret)).toMatchObject({ active: true });
  });
});
