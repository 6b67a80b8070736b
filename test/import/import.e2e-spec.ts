import { createHash, randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { LastUse } from '../../src/tokens/last-use.js';
import { SecretHasher } from '../../src/tokens/token-secret.js';
import { TokenVerifier } from '../../src/tokens/token-verifier.js';
import { theApp } from '../support/app.js';
import { aMember, aProject, aRole, aTenant, sql, type Person, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { aMachine, aTokenAuthMachine, freeze } from '../support/machines.js';
import { aReceiver } from '../support/receiver.js';
import { aWebhook, deliver } from '../support/webhooks.js';

let tenant: TestTenant;
beforeAll(async () => {
  tenant = await aTenant();
});

/** As Flipt draws them. */
const aSecret = (): string => randomBytes(32).toString('base64url') + '=';
const digest = (secret: string, encoding: 'hex' | 'base64' | 'base64url' = 'hex'): string => createHash('sha256').update(secret).digest(encoding);
const importAs = (as: string, tokens: unknown, more: object = {}, headers: Record<string, string> = {}): Promise<Answer> =>
  call('POST', '/v1/tokens/import', { as, headers, body: { tokens, ...more } });

/** The outcomes of rows that must be answered. */
async function imported(tokens: readonly unknown[], { as = tenant.admin.session, ...more }: { as?: string; dry_run?: boolean } = {}): Promise<any[]> {
  const { status, body, text } = await importAs(as, tokens, more);
  if (status !== 200) throw new Error(`the import answered ${status}: ${text}`);
  return body.results;
}

const aRow = (secret: string, row: object = {}): object => ({ hash: digest(secret), algorithm: 'sha256', kind: 'auth-method', permissions: ['token:read'], ...row });

/** The id of a token that is imported by its hash. */
async function bring(secret: string, row: object = {}, of = tenant): Promise<string> {
  const [result] = await imported([aRow(secret, row)], { as: of.admin.session });
  if (result.status !== 'imported') throw new Error(JSON.stringify(result));
  return result.id;
}

const isActive = async (secret: string, of = tenant): Promise<boolean> => (await introspect(of.admin.session, secret)).active;
const events = (action: string, of = tenant): Promise<any[]> => sql(of, 'SELECT target_id, actor_id, details FROM audit_events WHERE action = $1', [action]);

describe('an imported token', () => {
  it.each([
    ['sha256-hex', (secret: string) => digest(secret)],
    ['sha256-hex', (secret: string) => digest(secret).toUpperCase()],
    ['sha256-base64', (secret: string) => digest(secret, 'base64')],
    ['sha256-base64url', (secret: string) => digest(secret, 'base64url')],
    ['sha256-base64url', (secret: string) => `${digest(secret, 'base64url')}=`],
    ['SHA-256', (secret: string) => digest(secret)],
    ['sha256', (secret: string) => digest(secret, 'base64')],
    ['sha256', (secret: string) => `${digest(secret, 'base64url')}=`],
  ])('by its hash as %s verifies with the secret it has had', async (algorithm, hashOf) => {
    const secret = aSecret();
    const id = await bring(secret, { hash: hashOf(secret), algorithm, name: 'checkout' });
    expect(await introspect(tenant.admin.session, secret)).toMatchObject({ active: true, scope: 'token:read', owner_kind: 'auth-method', organization_id: tenant.id });
    expect((await call('GET', `/v1/tokens/${id}`, { as: secret })).body).toMatchObject({ id, name: 'checkout', state: 'active' });
  });

  it.each([['plain'], [undefined]])('by its secret (algorithm %s) verifies as well', async (algorithm) => {
    const secret = `default:production.${randomBytes(28).toString('hex')}`;
    const [result] = await imported([{ secret, algorithm, kind: 'project', projects: ['default'], environment: 'production', permissions: ['project:backend:read'] }]);
    expect(result).toMatchObject({ index: 0, status: 'imported', error: null });
    expect(await introspect(tenant.admin.session, secret)).toMatchObject({ active: true, projects: ['default'], environment: 'production', owner_kind: 'project' });
  });

  it('is known to every verifier', async () => {
    const secret = `default:production.${randomBytes(28).toString('hex')}`;
    await bring(secret, { kind: 'project', projects: ['default'], environment: 'production', permissions: ['project:backend:read'] });
    const unlimited = aSecret();
    await bring(unlimited);
    const [edge, client, self, forwarded, exchanged] = await Promise.all([
      call('POST', '/edge/validate', { body: { tokens: [secret] } }),
      call('GET', '/api/client/features', { headers: { authorization: secret } }),
      call('GET', '/auth/v1/self', { as: unlimited }),
      call('GET', '/v1/forward-auth?permission=project:backend:read', { as: secret }),
      call('POST', '/oauth2/token', { form: { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: secret, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' } }),
    ]);
    expect(edge.body.tokens).toEqual([{ token: secret, type: 'backend', projects: ['default'], environment: 'production' }]);
    expect([client.status, self.status, forwarded.status, exchanged.status]).toEqual([200, 200, 200, 200]);
  });

  it('is hashed to our form at its first use, and then found by that alone', async () => {
    const secret = aSecret();
    const id = await bring(secret);
    const row = async () => (await sql(tenant, 'SELECT secret_hash, pepper_id, imported_hash, hint FROM token_secrets WHERE token_id = $1', [id]))[0];
    const own = (await theApp()).app.get(SecretHasher).hash(secret);
    const before = await row();
    expect([before?.['secret_hash'].equals(own.hash), before?.['hint']]).toEqual([false, '…']);
    expect(before?.['imported_hash'].equals(Buffer.from(digest(secret), 'hex'))).toBe(false);
    expect(await isActive(secret)).toBe(true);
    const after = await row();
    expect([after?.['secret_hash'].equals(own.hash), after?.['pepper_id'], after?.['hint']]).toEqual([true, own.pepperId, `…${secret.slice(-4)}`]);
    expect((await call('GET', `/v1/tokens/${id}`, { as: tenant.admin.session })).body.hint).toBe(`…${secret.slice(-4)}`);
    expect(await isActive(secret)).toBe(true);
  });

  it('is hashed to our form whoever presents it first at once', async () => {
    const secret = aSecret();
    const id = await bring(secret);
    const answers = await Promise.all(Array.from({ length: 8 }, () => call('GET', `/v1/tokens/${id}`, { as: secret })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await sql(tenant, 'SELECT 1 FROM token_secrets WHERE token_id = $1', [id])).toHaveLength(1);
  });

  it('is live, and of the organization that was first, for whoever looks for it while another use hashes it to our form', async () => {
    const other = await aTenant();
    const secret = aSecret();
    await bring(secret);
    await bring(secret, {}, other);
    const { app } = await theApp();
    const database = app.get(Database);
    const asHolder = database.asHolder.bind(database);
    database.asHolder = async (...asked: Parameters<typeof asHolder>): Promise<any> => {
      database.asHolder = asHolder;
      const claims = await asHolder(...asked);
      await app.get(TokenVerifier).locate(secret);
      return claims;
    };
    expect(await introspect(tenant.admin.session, secret)).toMatchObject({ active: true, organization_id: tenant.id });
    expect(await isActive(secret, other)).toBe(false);
  });

  it('may look like anything: a JWT, or a short word of which a hint would say too much', async () => {
    const jwt = `${randomBytes(9).toString('base64url')}.${randomBytes(9).toString('base64url')}.${randomBytes(9).toString('base64url')}`;
    const short = `k-${randomBytes(3).toString('hex')}`;
    const ids = [await bring(jwt), await bring(short)];
    for (const [index, secret] of [jwt, short].entries()) expect((await call('GET', `/v1/tokens/${ids[index]}`, { as: secret })).status).toBe(200);
    expect((await call('GET', `/v1/tokens/${ids[1]}`, { as: tenant.admin.session })).body.hint).toBe('…');
  });

  it('never verifies by what was sent in the place of its secret', async () => {
    const secret = aSecret();
    const sha256 = createHash('sha256').update(secret).digest();
    await bring(secret, { hash: digest(secret, 'base64url'), algorithm: 'sha256-base64url' });
    const forms = [sha256.toString('hex'), sha256.toString('base64'), sha256.toString('base64url'), `${sha256.toString('base64url')}=`, sha256.toString('latin1'), digest(sha256.toString('hex')), secret.slice(0, -1), `${secret} `];
    for (const form of forms) expect(await isActive(form)).toBe(false);
    expect(await isActive(secret)).toBe(true);
  });

  it('is as any other: found, listed, used, narrowed, revoked and restored', async () => {
    await freeze();
    const secret = aSecret();
    const id = await bring(secret, { name: 'to be used', metadata: { source: 'flipt' }, expires_at: '2199-01-01T00:00:00Z' });
    const as = tenant.admin.session;
    expect((await call('POST', '/v1/tokens/lookup', { as, body: { token: secret } })).body).toMatchObject({ id, metadata: { source: 'flipt' }, created_by: tenant.admin.id, parent_id: null, expires_at: '2199-01-01T00:00:00.000000Z' });
    expect((await call('GET', '/auth/v1/tokens', { as })).body.authentications.map((each: { id: string }) => each.id)).toContain(id);
    await call('GET', '/auth/v1/self', { as: secret, from: '192.0.2.7' });
    await (await theApp()).app.get(LastUse).flush();
    expect((await call('GET', `/v1/tokens/${id}`, { as })).body).toMatchObject({ last_used_ip: '192.0.2.7', use_count: 1 });
    await call('PATCH', `/v1/tokens/${id}`, { as, body: { permissions: [] } });
    expect(await introspect(as, secret)).toMatchObject({ active: true, scope: '' });
    expect((await call('DELETE', `/v1/tokens/${id}`, { as })).status).toBe(204);
    expect(await isActive(secret)).toBe(false);
    expect((await call('POST', `/v1/tokens/${id}/restore`, { as })).status).toBe(200);
    expect(await isActive(secret)).toBe(true);
  });

  it('is rotated, used before or not: its old secret ends after the overlap', async () => {
    for (const usedBefore of [true, false]) {
      const secret = aSecret();
      const id = await bring(secret);
      if (usedBefore) await isActive(secret);
      const { body } = await call('POST', `/v1/tokens/${id}/rotate`, { as: tenant.admin.session, body: { overlap_seconds: 0 } });
      expect(await isActive(secret)).toBe(true);
      expect([await isActive(body.secret), await isActive(secret)]).toEqual([true, false]);
    }
  });

  it('keeps the look of its project when it is rotated', async () => {
    const secret = `default:production.${randomBytes(28).toString('hex')}`;
    const [{ id }] = await imported([{ secret, kind: 'project', projects: ['default'], environment: 'production', permissions: ['project:backend:read'] }]);
    const { body } = await call('POST', `/v1/tokens/${id}/rotate`, { as: tenant.admin.session });
    expect([body.hint, body.secret]).toEqual([`default:production.…${secret.slice(-4)}`, expect.stringMatching(/^default:production\.[0-9A-Za-z]{49}$/)]);
  });

  it('that is reported to have leaked is revoked, be it that nobody has used it', async () => {
    const secret = aSecret();
    const id = await bring(secret);
    expect((await call('POST', '/v1/tokens/report-leak', { body: { tokens: [{ token: secret }] } })).status).toBe(202);
    expect((await call('GET', `/v1/tokens/${id}`, { as: tenant.admin.session })).body.state).toBe('revoked');
  });

  it('leaves nothing of its secret, nor of its hash as it was sent, in the database or the log', async () => {
    const secret = aSecret();
    const plain = aSecret();
    const [first] = await imported([{ secret: plain, kind: 'auth-method' }, aRow(secret)]);
    expect(first.status).toBe('imported');
    await Promise.all([isActive(secret), isActive(plain)]);
    const { log } = await theApp();
    const tables = await sql<{ name: string }>(tenant, `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND has_table_privilege(oid, 'SELECT')`);
    const rows = await Promise.all(tables.map(({ name }) => sql(tenant, `SELECT t::text AS row FROM ${name} t`)));
    const everything = [...log, ...rows.flat().map(({ row }) => row as string)].join('\n');
    for (const trace of [secret, plain]) for (const form of [trace, digest(trace), digest(trace, 'base64'), digest(trace, 'base64url')]) expect(everything.includes(form)).toBe(false);
  });
});

describe('rows', () => {
  it('stand or fall each by itself, told by their place, and are recorded once', async () => {
    const own = await aTenant();
    const secrets = Array.from({ length: 4 }, aSecret);
    const rows = [
      aRow(secrets[0] ?? '', { name: 'first' }),
      aRow(secrets[1] ?? '', { kind: 'user' }),
      'no object',
      aRow(secrets[2] ?? '', { hash: 'deadbeef' }),
      aRow(secrets[2] ?? '', { expires_at: '2001-01-01T00:00:00Z' }),
      { kind: 'auth-method' },
      aRow(secrets[2] ?? '', { colour: 'red' }),
      aRow(secrets[2] ?? '', { permissions: ['moon:land'] }),
      aRow(secrets[3] ?? '', { name: 'last' }),
    ];
    const results = await imported(rows, { as: own.admin.session });
    expect(results.map(({ index, status }) => [index, status])).toEqual(rows.map((_, index) => [index, index === 0 || index === 8 ? 'imported' : 'refused']));
    expect(results.slice(1, 8).map(({ error }) => [error.code, error.reason ?? error.permissions ?? error.errors.map(({ path }: { path: string }) => path)])).toEqual([
      ['input-invalid', ['owner_id']],
      ['input-invalid', ['']],
      ['input-invalid', ['hash']],
      ['conflict', 'expired'],
      ['input-invalid', ['hash']],
      ['input-invalid', ['colour']],
      ['permission-exceeded', ['moon:land']],
    ]);
    const kept = await sql(own, 'SELECT id, name FROM api_tokens ORDER BY name');
    expect(kept).toEqual([{ id: results[0].id, name: 'first' }, { id: results[8].id, name: 'last' }]);
    const recorded = await events('token.imported', own);
    expect(recorded.map(({ target_id }) => target_id).sort()).toEqual([results[0].id, results[8].id].sort());
    expect(recorded[0]).toMatchObject({ actor_id: own.admin.id, details: { kind: 'auth-method', permissions: ['token:read'] } });
    expect(await Promise.all(secrets.map((secret) => isActive(secret, own)))).toEqual([true, false, false, true]);
  });

  it.each([
    ['both', { hash: digest('x'), secret: 'a-secret-of-some-length', algorithm: 'sha256' }, 'hash'],
    ['a hash of no algorithm', { hash: digest('x') }, 'algorithm'],
    ['a hash of one that is not known', { hash: digest('x'), algorithm: 'md5' }, 'algorithm'],
    ['a hash called plain', { hash: digest('x'), algorithm: 'plain' }, 'algorithm'],
    ['a secret called a hash', { secret: 'a-secret-of-some-length', algorithm: 'sha256' }, 'algorithm'],
    ['a short secret', { secret: 'fifteen-letters' }, 'secret'],
    ['a secret with a space', { secret: 'a secret of some length' }, 'secret'],
    ['a digest of another length', { hash: digest('x').slice(2), algorithm: 'sha256-hex' }, 'hash'],
    ['another encoding than is said', { hash: digest('x'), algorithm: 'sha256-base64' }, 'hash'],
    ['a digest with more bits than it has', { hash: `${'A'.repeat(42)}B`, algorithm: 'sha256-base64' }, 'hash'],
    ['an environment of something else', { secret: 'a-secret-of-some-length', environment: 'production' }, 'environment'],
  ])('with %s are refused', async (_, row, path) => {
    const [result] = await imported([{ kind: 'auth-method', ...row }]);
    expect([result.status, result.error.code, result.error.errors[0].path]).toEqual(['refused', 'input-invalid', path]);
    expect(JSON.stringify(result)).not.toContain(digest('x'));
  });

  it('of one secret are taken once: within a batch, in another encoding, by hash or secret, and ever after', async () => {
    const secret = aSecret();
    const again = [aRow(secret), aRow(secret, { hash: digest(secret, 'base64'), algorithm: 'sha256-base64' }), { secret, kind: 'auth-method' }];
    const reasons = async (): Promise<unknown[]> => (await imported(again)).map(({ status, error }) => error?.reason ?? status);
    expect(await reasons()).toEqual(['imported', 'repeated', 'repeated']);
    expect(await reasons()).toEqual(['already-imported', 'already-imported', 'already-imported']);
    await isActive(secret);
    expect(await reasons()).toEqual(['already-imported', 'already-imported', 'already-imported']);
    const { body } = await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: {} });
    const [own] = await imported([{ secret: body.token, kind: 'auth-method' }]);
    expect(own.error.reason).toBe('already-imported');
  });

  it('do not bring back what was ended: the secret of a revoked token is not imported anew', async () => {
    const secret = aSecret();
    await call('DELETE', `/v1/tokens/${await bring(secret)}`, { as: tenant.admin.session });
    expect((await imported([aRow(secret)]))[0].error.reason).toBe('already-imported');
    expect(await isActive(secret)).toBe(false);
  });

  it('are 1 to 1,000', async () => {
    for (const tokens of [[], Array.from({ length: 1001 }, () => ({})), {}, undefined]) expect((await importAs(tenant.admin.session, tokens)).status).toBe(400);
    const { status, body } = await importAs(tenant.admin.session, Array.from({ length: 1000 }, () => aRow(aSecret())));
    expect([status, body.imported, body.refused, new Set(body.results.map(({ id }: { id: string }) => id)).size]).toEqual([200, 1000, 0, 1000]);
  });

  it('come to nothing in a dry run, with the outcomes they would have had', async () => {
    const secret = aSecret();
    const before = await sql(tenant, 'SELECT count(*) FROM audit_events');
    expect(await imported([aRow(secret), aRow(secret), aRow(aSecret(), { permissions: ['moon:land'] })], { dry_run: true })).toMatchObject([
      { status: 'imported', id: null },
      { status: 'refused', error: { reason: 'repeated' } },
      { status: 'refused', error: { code: 'permission-exceeded' } },
    ]);
    expect([await isActive(secret), await sql(tenant, 'SELECT count(*) FROM audit_events')]).toEqual([false, before]);
    expect((await imported([aRow(secret)]))[0].status).toBe('imported');
  });

  it('that are sent again with the same Idempotency-Key are answered again', async () => {
    const secret = aSecret();
    const headers = { 'idempotency-key': aSecret() };
    const first = await importAs(tenant.admin.session, [aRow(secret), aRow(secret)], {}, headers);
    const second = await importAs(tenant.admin.session, [aRow(secret), aRow(secret)], {}, headers);
    expect(first.body).toMatchObject({ imported: 1, refused: 1 });
    expect([second.body, second.headers['idempotent-replayed']]).toEqual([first.body, 'true']);
    expect(await isActive(secret)).toBe(true);
  });
});

describe('webhooks', () => {
  it('are told once of each token that is imported: not of refused ones, dry runs or first uses', async () => {
    const own = await aTenant();
    const receiver = await aReceiver();
    try {
      const { path } = await aWebhook(own, receiver.url, ['token.created']);
      const secrets = [aSecret(), aSecret()];
      const rows = [...secrets.map((secret) => aRow(secret)), aRow(secrets[0] ?? ''), aRow(aSecret(), { permissions: ['moon:land'] })];
      await imported(rows, { as: own.admin.session, dry_run: true });
      const results = await imported(rows, { as: own.admin.session });
      await imported(rows, { as: own.admin.session });
      for (const secret of secrets) expect(await isActive(secret, own)).toBe(true);
      await deliver();
      await deliver();
      const told = receiver.received.map(({ body }) => JSON.parse(body) as { type: string; data: { token: { id: string; hint: string } } });
      expect(told.map(({ type, data }) => [type, data.token.id]).sort()).toEqual(results.slice(0, 2).map(({ id }) => ['token.created', id]).sort());
      for (const secret of secrets) for (const trace of [secret, digest(secret), digest(secret, 'base64url')]) expect(JSON.stringify(told)).not.toContain(trace);
      await call('DELETE', path, { as: own.admin.session });
    } finally {
      await receiver.close();
    }
  });
});

describe('owners', () => {
  it('are people, machines, projects or the organization, of each kind', async () => {
    const project = await aProject(tenant);
    const [{ id: projectId } = { id: '' }] = await sql<{ id: string }>(tenant, 'SELECT id FROM projects WHERE key = $1', [project]);
    const member = await aMember(tenant);
    const machine = await aTokenAuthMachine(tenant);
    const cases: readonly [object, object][] = [
      [{ kind: 'user', owner_id: tenant.admin.id, permissions: undefined }, { owner_id: tenant.admin.id, owner_kind: 'user', scope: expect.stringContaining('role:write') }],
      [{ kind: 'user', owner_id: member.id, permissions: ['profile:read'] }, { owner_id: member.id, owner_kind: 'user', sub: member.id, scope: 'profile:read' }],
      [{ kind: 'organization', owner_id: member.id, permissions: ['profile:read'] }, { owner_id: member.id, scope: 'profile:read' }],
      [{ kind: 'organization', owner_id: tenant.id }, { owner_id: tenant.id, owner_kind: 'organization' }],
      [{ kind: 'organization', permissions: undefined }, { owner_id: tenant.id, scope: '' }],
      [{ kind: 'machine-identity', owner_id: machine, permissions: undefined }, { owner_id: machine, owner_kind: 'machine-identity' }],
      [{ kind: 'project', owner_id: projectId, environment: 'production' }, { owner_id: projectId, projects: [project], environment: 'production' }],
      [{ kind: 'project', projects: [project], environment: 'production' }, { owner_id: projectId, projects: [project] }],
      [{ kind: 'project', projects: [project, 'default'], environment: 'production' }, { owner_id: tenant.id, projects: ['default', project].sort() }],
      [{ kind: 'project', projects: ['*'], environment: 'production' }, { owner_id: tenant.id, environment: 'production' }],
      [{ kind: 'auth-method', projects: [project] }, { owner_id: tenant.id, projects: [project] }],
    ];
    for (const [row, facts] of cases) {
      const secret = aSecret();
      await bring(secret, row);
      expect(await introspect(tenant.admin.session, secret)).toMatchObject({ active: true, ...facts });
    }
  });

  it('that are not there, were removed, or are another organization’s are refused alike', async () => {
    const other = await aTenant();
    const removed = await aMember(tenant);
    await sql(tenant, 'UPDATE memberships SET removed_at = now() WHERE user_id = $1', [removed.id]);
    const [foreignProject] = await sql<{ id: string }>(other, 'SELECT id FROM projects');
    const absent = '00000000-0000-4000-8000-000000000000';
    const refusals = async (kind: string, ids: readonly (string | undefined)[]): Promise<unknown[]> =>
      (await imported(ids.map((id) => aRow(aSecret(), { kind, owner_id: id })))).map(({ error }) => error);
    for (const [kind, ids] of [
      ['user', [absent, other.admin.id, removed.id]],
      ['organization', [absent, other.admin.id, other.id]],
      ['project', [absent, foreignProject?.id, other.id]],
      ['machine-identity', [absent, await aMachine(other)]],
      ['auth-method', [absent, other.id]],
    ] as const) {
      const answers = await refusals(kind, ids);
      expect(answers[0]).toMatchObject({ code: 'not-found' });
      expect(new Set(answers.map((each) => JSON.stringify(each))).size).toBe(1);
    }
    expect((await refusals('machine-identity', [await aMachine(tenant)]))[0]).toMatchObject({ code: 'conflict', reason: 'not-attached' });
    expect((await imported([aRow(aSecret(), { kind: 'project', projects: ['default'], environment: 'staging' })]))[0].error).toMatchObject({ code: 'not-found' });
  });
});

describe('nobody imports', () => {
  let clerk: Person;
  beforeAll(async () => {
    clerk = await aMember(tenant, await aRole(tenant, ['profile:read', 'token:read', 'token:write', 'auth-method:token:write', 'user:api-token:write']));
  });
  const refused = async (as: string, row: object): Promise<any> => (await imported([aRow(aSecret(), row)], { as }))[0].error;

  it('without the right to write tokens, with a credential that is limited to projects, or without a credential', async () => {
    const member = await aMember(tenant);
    expect((await importAs(member.session, [aRow(aSecret())])).status).toBe(403);
    const limited = aSecret();
    await bring(limited, { permissions: ['token:write', 'auth-method:token:write'], projects: ['default'] });
    expect((await importAs(limited, [aRow(aSecret())])).status).toBe(403);
    expect((await call('POST', '/v1/tokens/import', { body: { tokens: [] } })).status).toBe(401);
  });

  it('a kind they may not mint', async () => {
    expect(await refused(clerk.session, { kind: 'organization' })).toMatchObject({ code: 'permission-missing', permissions: ['organization:api-token:write'] });
    expect(await refused(clerk.session, { kind: 'project', projects: ['*'] })).toMatchObject({ code: 'permission-missing' });
  });

  it('a permission they do not hold', async () => {
    expect(await refused(clerk.session, { permissions: ['token:read', 'role:write'] })).toMatchObject({ code: 'permission-exceeded', permissions: ['role:write'] });
    expect(await refused(clerk.session, { permissions: ['token:*'] })).toMatchObject({ code: 'permission-exceeded' });
    expect(await refused(clerk.session, {})).toBeNull();
  });

  it.each([['user'], ['organization']])('a token of the kind %s that would grow with the role of another person', async (kind) => {
    const member = await aMember(tenant);
    for (const permissions of [undefined, null]) {
      expect(await refused(tenant.admin.session, { kind, owner_id: member.id, permissions })).toMatchObject({
        code: 'input-invalid', errors: [{ path: 'permissions', message: 'must be listed for a token of another person' }],
      });
      expect(await refused(tenant.admin.session, { kind, owner_id: tenant.admin.id, permissions })).toBeNull();
    }
    expect(await refused(tenant.admin.session, { kind, owner_id: member.id, permissions: [] })).toBeNull();
  });

  it('a token of a person, or of a machine, who may do more than they', async () => {
    expect(await refused(clerk.session, { kind: 'user', owner_id: tenant.admin.id, permissions: ['role:write'] })).toMatchObject({ code: 'permission-exceeded' });
    expect(await refused(clerk.session, { kind: 'user', owner_id: clerk.id, permissions: undefined })).toBeNull();
    const machine = await aTokenAuthMachine(tenant, {}, { role: 'admin' });
    const keeper = await aMember(tenant, await aRole(tenant, ['profile:read', 'token:write', 'identity:token:write']));
    expect(await refused(keeper.session, { kind: 'machine-identity', owner_id: machine, permissions: undefined })).toMatchObject({ code: 'permission-exceeded' });
  });

  it('what a policy forbids', async () => {
    const own = await aTenant();
    const policy = { allowed_kinds: ['auth-method'], expiry_required: true, longest_lifetime_seconds: { 'auth-method': 3600 }, active_tokens_max: 2 };
    expect((await call('PUT', '/v1/policy', { as: own.admin.session, body: policy })).status).toBe(200);
    const soon = (await theApp()).clock.now().plusSeconds(1_800).toRfc3339();
    const rows = [{ kind: 'organization', expires_at: soon }, {}, { expires_at: '2199-01-01T00:00:00Z' }, { expires_at: soon }, { expires_at: soon }, { expires_at: soon }];
    const results = await imported(rows.map((row) => aRow(aSecret(), row)), { as: own.admin.session });
    expect(results.map(({ status, error }) => error?.rules ?? status)).toEqual([['kind-not-allowed'], ['expiry-required', 'lifetime-too-long'], ['lifetime-too-long'], 'imported', 'imported', ['too-many-tokens']]);
  });

  it('past the end of the token they import with', async () => {
    const [importer, secret] = [aSecret(), aSecret()];
    const id = await bring(importer, { permissions: ['token:read', 'token:write', 'auth-method:token:write'] });
    expect((await imported([aRow(secret)], { as: importer }))[0].status).toBe('imported');
    expect(await isActive(secret)).toBe(true);
    await call('DELETE', `/v1/tokens/${id}`, { as: tenant.admin.session });
    expect(await isActive(secret)).toBe(false);
  });
});

describe('the same secret in two organizations', () => {
  it('is taken by both with one answer, and is of the one that was first, until that token is revoked', async () => {
    const other = await aTenant();
    const secret = aSecret();
    const id = await bring(secret);
    const [second, fresh] = await imported([aRow(secret), aRow(aSecret())], { as: other.admin.session });
    expect([second.status, second.error]).toEqual([fresh.status, fresh.error]);
    expect([await isActive(secret), await isActive(secret, other)]).toEqual([true, false]);
    await call('DELETE', `/v1/tokens/${id}`, { as: tenant.admin.session });
    expect([await isActive(secret), await isActive(secret, other)]).toEqual([false, true]);
  });

  it('is of whoever is alone with a live token, and at once', async () => {
    const other = await aTenant();
    const secret = aSecret();
    await call('DELETE', `/v1/tokens/${await bring(secret)}`, { as: tenant.admin.session });
    expect(await isActive(secret)).toBe(false);
    await bring(secret, {}, other);
    expect([await isActive(secret), await isActive(secret, other)]).toEqual([false, true]);
  });

  it('is of the one whose token lives, however many others imported it before and revoked theirs', async () => {
    const secret = aSecret();
    const others = await Promise.all(Array.from({ length: 21 }, () => aTenant()));
    for (const other of others) await call('DELETE', `/v1/tokens/${await bring(secret, {}, other)}`, { as: other.admin.session });
    expect(await isActive(secret)).toBe(false);
    await bring(secret);
    expect(await isActive(secret)).toBe(true);
  });

  it('stays with the one that drew it: who imports the secret of a token gets nothing by it', async () => {
    const other = await aTenant();
    const { body } = await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: {} });
    const results = await imported([{ secret: body.token, kind: 'auth-method', permissions: ['token:read'] }], { as: other.admin.session });
    expect(results[0].status).toBe('imported');
    expect([await isActive(body.token), await isActive(body.token, other)]).toEqual([true, false]);
  });

  it.each([['imported before'], ['imported after']])('is of nobody once the token that drew it is revoked, be it %s', async (when) => {
    const other = await aTenant();
    const { body } = await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: {} });
    const { jti: id } = await introspect(tenant.admin.session, body.token);
    const revoke = async (): Promise<void> => expect((await call('DELETE', `/v1/tokens/${id}`, { as: tenant.admin.session })).status).toBe(204);
    if (when === 'imported after') await revoke();
    await bring(body.token, {}, other);
    if (when === 'imported before') await revoke();
    expect((await call('GET', '/auth/v1/self', { as: body.token })).status).toBe(401);
    expect([await isActive(body.token), await isActive(body.token, other)]).toEqual([false, false]);
  });
});

describe('garbage', () => {
  it('costs no query while nothing is imported meanwhile, however many imported tokens there are', async () => {
    await bring(aSecret());
    await isActive(aSecret());
    const database = (await theApp()).app.get(Database);
    const query = database.query.bind(database);
    let queries = 0;
    database.query = (...asked: Parameters<typeof query>) => {
      queries += 1;
      return query(...asked) as Promise<any>;
    };
    try {
      for (let count = 0; count < 200; count += 1) expect((await call('GET', '/auth/v1/self', { as: aSecret() })).status).toBe(401);
      expect(queries).toBe(0);
    } finally {
      database.query = query;
    }
  });
});
