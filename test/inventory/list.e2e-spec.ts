import { beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/kernel/ids.js';
import { LastUse } from '../../src/tokens/last-use.js';
import { theApp } from '../support/app.js';
import { aMember, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';

let tenant: TestTenant;
const ids: Record<string, string> = {};
const secrets: Record<string, string> = {};

beforeAll(async () => {
  tenant = await aTenant();
  for (const door of DOORS_UNDER_TEST) {
    const { secret } = await mint(door, tenant);
    secrets[door.kind] = secret;
    // Introspection would be a use.
    ids[door.kind] = (await call('POST', '/v1/tokens/lookup', { as: tenant.admin.session, body: { token: secret } })).body.id;
  }
});

async function list(query = '', as = tenant.admin.session): Promise<{ status: number; kinds: string[]; body: any }> {
  const { status, body } = await call('GET', `/v1/tokens?${query}`, { as });
  return { status, body, kinds: status === 200 ? body.data.map(({ kind }: { kind: string }) => kind).sort() : [] };
}

/** A tenant with tokens as they are written here, in the order they were minted. */
async function aTenantWith(...tokens: readonly Record<string, unknown>[]): Promise<TestTenant> {
  const own = await aTenant();
  const defaults = { organization_id: own.id, kind: 'auth-method', all_projects: true, hint: 'x', created_by: own.admin.id, attributes: {} };
  for (const [index, token] of tokens.entries()) {
    const at = new Date(Date.UTC(2026, 0, 1, 0, index)).toISOString();
    const row = { ...defaults, id: newId(), created_at: at, updated_at: at, ...token };
    const columns = Object.keys(row);
    await sql(own, `INSERT INTO api_tokens (${columns.join()}) VALUES (${columns.map((_, place) => `$${place + 1}`).join()})`, Object.values(row));
  }
  return own;
}

const namesOf = async (own: TestTenant, query: string): Promise<(string | null)[]> =>
  (await list(query, own.admin.session)).body.data.map(({ name }: { name: string | null }) => name);

/** All names, page by page. */
async function walk(own: TestTenant, query: string, limit: number): Promise<(string | null)[]> {
  const names: (string | null)[] = [];
  let cursor: string | null = '';
  for (let pages = 0; cursor !== null; pages += 1) {
    const { body }: { body: any } = await list(`${query}&limit=${limit}${cursor && `&cursor=${cursor}`}`, own.admin.session);
    names.push(...body.data.map(({ name }: { name: string | null }) => name));
    cursor = body.next_cursor;
    if (pages > 50) throw new Error('the pages do not end');
  }
  return names;
}

describe('the inventory', () => {
  it('holds the tokens of all five doors, newest first, and shows neither secret nor hash', async () => {
    const { body } = await list();
    expect(body.data.map(({ id }: { id: string }) => id)).toEqual(DOORS_UNDER_TEST.map(({ kind }) => ids[kind]).reverse());
    const text = JSON.stringify(body);
    for (const secret of Object.values(secrets)) expect(text).not.toContain(secret.slice(-20));
    expect(Object.keys(body.data[0])).toEqual(
      expect.arrayContaining(['id', 'kind', 'name', 'description', 'owner_id', 'projects', 'environment', 'permissions', 'state', 'hint', 'created_at', 'created_by', 'expires_at',
        'last_used_at', 'last_used_ip', 'use_count', 'revoked_at', 'revoked_by', 'revocation_reason', 'metadata', 'updated_at', 'parent_id']),
    );
  });

  it('counts all that match only on request', async () => {
    expect((await list('limit=2')).body).not.toHaveProperty('total');
    const { body } = await list('limit=2&total=true');
    expect([body.total, body.data.length]).toEqual([5, 2]);
    expect((await list('kind=user&total=true')).body.total).toBe(1);
  });

  it.each([
    ['kind=project', ['project']],
    ['environment=development', ['project']],
    ['project=default', ['project']],
    ['project=nothing-like-it', []],
    ['q=of%20a%20PERSON', ['user']],
    ['q=of%20a', ['machine-identity', 'user']],
    ['q=%25', []],
    ['q=_', []],
    ['q=%5C', []],
    ['state=unused', ['auth-method', 'machine-identity', 'organization', 'project', 'user']],
    ['state=revoked', []],
    ['state=expiring', ['machine-identity']],
    ['permission=project:backend:read', ['organization', 'project', 'user']],
    ['permission=project:frontend:read', ['organization', 'user']],
    ['permission=auth-method:token:write', ['auth-method', 'organization', 'user']],
    ['permission=user:api-token:write', ['machine-identity', 'organization', 'user']],
    ['created_after=2020-01-01T00:00:00Z', ['auth-method', 'machine-identity', 'organization', 'project', 'user']],
    ['created_before=2020-01-01T00:00:00Z', []],
    ['expires_before=2999-01-01T00:00:00Z&kind=machine-identity', ['machine-identity']],
    ['expires_after=2999-01-01T00:00:00Z', []],
    ['unused_since=2020-01-01T00:00:00Z', []],
    ['unused_since=2999-01-01T00:00:00Z&kind=user', ['user']],
    ['last_used_before=2999-01-01T00:00:00Z', []],
    ['kind=user&state=unused&q=person&sort=name', ['user']],
  ])('filtered by %s lists %j', async (query, kinds) => {
    const { status, kinds: found } = await list(query);
    expect([status, found]).toEqual([200, kinds]);
  });

  it('filters by owner and by creator', async () => {
    const { admin } = tenant;
    expect((await list(`owner_id=${admin.id}`)).kinds).toEqual(['user']);
    expect((await list(`owner_id=${tenant.id.toUpperCase()}`)).kinds).toEqual(['auth-method', 'organization']);
    expect((await list(`created_by=${admin.id}`)).kinds).toHaveLength(5);
    expect((await list(`created_by=${newId()}`)).kinds).toEqual([]);
  });

  it('resolves the wildcards of tokens and roles by segment, never by a part of a word', async () => {
    const own = await aTenantWith(
      { name: 'exact', permissions: ['invoice:read'] },
      { name: 'all of invoices', permissions: ['invoice:*'] },
      { name: 'all reads', permissions: ['*:read'] },
      { name: 'longer word', permissions: ['invoices:read', 'invoice:reader'] },
      { name: 'three segments', permissions: ['invoice:line:read', 'invoice:*:read'] },
      { name: 'nothing', permissions: [] },
    );
    expect((await namesOf(own, 'permission=invoice:read')).sort()).toEqual(['all of invoices', 'all reads', 'exact']);
    expect((await namesOf(own, 'permission=invoice:line:read')).sort()).toEqual(['three segments']);
    const [{ id: roleId } = {}] = await sql(own, 'SELECT id FROM roles WHERE key = $1', [await aRole(own, ['*:read'])]);
    await sql(own, `UPDATE api_tokens SET role_id = $1 WHERE name IN ('nothing', 'all of invoices')`, [roleId]);
    expect((await namesOf(own, 'permission=invoice:read')).sort()).toEqual(['all of invoices', 'all reads', 'exact']);
    await sql(own, `UPDATE api_tokens SET permissions = NULL WHERE name = 'nothing'`);
    expect(await namesOf(own, 'permission=invoice:read')).toContain('nothing');
    expect(await namesOf(own, 'permission=invoice:write')).toEqual([]);
  });

  it('walks page by page in every sort and both directions, each token once, ties and absences included', async () => {
    const time = '2026-06-01T00:00:00.123456Z';
    const own = await aTenantWith(
      { name: 'Beta', expires_at: time, last_used_at: null },
      { name: 'alpha', expires_at: time, last_used_at: time },
      { name: null, expires_at: null, last_used_at: time },
      { name: 'ALPHA 2', expires_at: null, last_used_at: null },
      { name: 'ärger', expires_at: '2031-01-01T00:00:00Z', last_used_at: '2026-07-01T00:00:00Z' },
      { name: 'alpha', expires_at: '2031-01-01T00:00:00.000001Z', last_used_at: '2026-07-01T00:00:00.000001Z' },
    );
    for (const sort of ['created_at', 'expires_at', 'last_used_at', 'name']) {
      const upwards = await namesOf(own, `sort=${sort}&direction=asc`);
      expect(upwards).toHaveLength(6);
      for (const limit of [1, 2, 4]) {
        expect([sort, limit, await walk(own, `sort=${sort}&direction=asc`, limit)]).toEqual([sort, limit, upwards]);
        expect([sort, limit, await walk(own, `sort=${sort}&direction=desc`, limit)]).toEqual([sort, limit, [...upwards].reverse()]);
      }
    }
    expect(await namesOf(own, 'sort=name')).toEqual([null, 'alpha', 'alpha', 'ALPHA 2', 'Beta', 'ärger']);
    expect((await namesOf(own, 'sort=expires_at')).slice(2)).toEqual(expect.arrayContaining(['ärger', 'alpha', null, 'ALPHA 2']));
    expect((await namesOf(own, 'sort=last_used_at')).slice(0, 2)).toEqual(['alpha', 'ärger']);
    expect((await namesOf(own, 'sort=last_used_at')).slice(-2).sort()).toEqual(['ALPHA 2', 'Beta']);
    expect(await namesOf(own, '')).toEqual(['alpha', 'ärger', 'ALPHA 2', null, 'alpha', 'Beta']);
    expect(await walk(own, 'q=alpha&sort=name', 1)).toEqual(['alpha', 'alpha', 'ALPHA 2']);
  });

  it('refuses a cursor of another sort or direction, and one that is none, with 400', async () => {
    const { body } = await list('limit=1&sort=name');
    for (const query of ['sort=created_at', 'sort=name&direction=desc', 'sort=expires_at', '']) {
      expect([query, (await list(`${query}&cursor=${body.next_cursor}`)).status]).toEqual([query, 400]);
    }
    const forge = (...parts: unknown[]): string => Buffer.from(JSON.stringify(parts)).toString('base64url');
    const id = newId();
    for (const cursor of ['x', forge(), forge('createdAt', true, '1', id), forge('createdAt', true, `'; DROP`, id), forge('createdAt', true, '2026-01-01T00:00:00Z', 'x'), forge('name', true, 1, id), '%00']) {
      expect([cursor, (await list(`cursor=${cursor}`)).status]).toEqual([cursor, 400]);
    }
    expect((await list(`sort=name&cursor=${forge('name', false, 'a\0', id)}`)).status).toBe(400);
  });

  it.each(['limit=0', 'limit=101', 'limit=x', 'sort=id', 'sort=created_at;', 'direction=up', 'kind=x', 'state=x', 'owner_id=x', 'created_by=1', 'permission=*', 'permission=x', 'created_after=yesterday',
    'expires_before=2026', 'total=1', 'q=', `q=${'x'.repeat(101)}`, 'q=%00', 'sort=name&sort=name', `cursor=${'x'.repeat(1_001)}`])('refuses %s with 400', async (query) => {
    expect((await list(query)).status).toBe(400);
  });

  it('shows a caller limited to projects the tokens within them, and counts no other', async () => {
    const { body } = await call('POST', '/api/v1/token', { as: tenant.admin.session, body: { name: 'limited', personal: false, workspaces: ['default'] } });
    const limited = await list('total=true', body.api_token);
    expect([limited.kinds, limited.body.total]).toEqual([['organization', 'project'], 2]);
  });

  it('keeps revoked and expired tokens, with who, when and why', async () => {
    const own = await aTenant();
    const [door] = DOORS_UNDER_TEST;
    const { secret } = await mint(door, own);
    const id = (await introspect(own.admin.session, secret))['jti'];
    await call('DELETE', `/v1/tokens/${id}?reason=superseded`, { as: own.admin.session });
    const { body } = await list('state=revoked', own.admin.session);
    expect(body.data).toEqual([expect.objectContaining({ id, state: 'revoked', revoked_by: own.admin.id, revocation_reason: 'superseded', revoked_at: expect.stringMatching(/^20/) })]);
  });
});

describe('text', () => {
  it('is found where it is rare among many more tokens than are looked at in one go', async () => {
    const own = await aTenant();
    await sql(
      own,
      `INSERT INTO api_tokens (organization_id, id, kind, name, all_projects, hint, created_at, created_by, updated_at)
       SELECT $1, gen_random_uuid(), 'auth-method', CASE WHEN i IN (5, 20500) THEN '100%_rare' ELSE 'common' END, true, 'x', timestamptz '2026-01-01' + i * interval '1 second', $2, now()
         FROM generate_series(1, 21000) i`,
      [own.id, own.admin.id],
    );
    expect(await walk(own, 'q=%25_RARE', 100)).toEqual(['100%_rare', '100%_rare']);
    expect((await list('q=%25_rare&total=true', own.admin.session)).body.total).toBe(2);
    expect((await list('q=common&limit=3', own.admin.session)).body.data).toHaveLength(3);
  });
});

describe('looking a token up by its secret', () => {
  it.each(DOORS_UNDER_TEST)('finds that of the $name door, counts no use and keeps the secret nowhere', async ({ kind }) => {
    const { app, log } = await theApp();
    const before = log.length;
    const { status, body } = await call('POST', '/v1/tokens/lookup', { as: tenant.admin.session, body: { token: secrets[kind] } });
    expect([status, body.id, body.kind]).toEqual([200, ids[kind], kind]);
    await app.get(LastUse).flush();
    const [row] = await sql(tenant, 'SELECT use_count, last_used_at FROM api_tokens WHERE id = $1', [ids[kind]]);
    expect(row).toEqual({ use_count: '0', last_used_at: null });
    expect(log.slice(before).join('')).not.toContain(secrets[kind]);
  });

  it('answers alike for a secret of nobody, of another organization and beyond the projects of the caller', async () => {
    const stranger = await aTenant();
    const answers = [];
    for (const [as, token] of [[stranger.admin.session, secrets['user']], [tenant.admin.session, `${secrets['user'].slice(0, -1)}!`], [tenant.admin.session, 'nonsense']]) {
      const { status, body } = await call('POST', '/v1/tokens/lookup', { as: as, body: { token } });
      answers.push([status, { ...body, request_id: 0 }]);
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]?.[0]).toBe(404);
  });

  it('asks for token:read and for a string', async () => {
    const outsider = await aMember(tenant, 'EXTERNAL');
    expect((await call('POST', '/v1/tokens/lookup', { as: outsider.session, body: { token: secrets['user'] } })).status).toBe(403);
    for (const token of [undefined, 1, '', 'x'.repeat(2_001), ['a']]) {
      expect((await call('POST', '/v1/tokens/lookup', { as: tenant.admin.session, body: { token } })).status).toBe(400);
    }
  });
});
