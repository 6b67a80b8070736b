import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { TENANT_PERMISSIONS } from '../../src/tokens/permissions.js';
import { TokenEngine } from '../../src/tokens/token-engine.js';
import { TokenVerifier } from '../../src/tokens/token-verifier.js';
import type { Caller, MintRequest, ProjectRef } from '../../src/tokens/token.js';
import { theApp } from '../support/app.js';
import { administratorOf, aProject, aTenant, sql, type TestTenant } from '../support/builders.js';
import { introspect } from '../support/call.js';

let tenant: TestTenant;
let engine: TokenEngine;
let verifier: TokenVerifier;
let projects: ProjectRef[];
beforeAll(async () => {
  tenant = await aTenant();
  const { app } = await theApp();
  [engine, verifier] = [app.get(TokenEngine), app.get(TokenVerifier)];
  for (let count = 0; count < 3; count += 1) await aProject(tenant);
  projects = await sql<ProjectRef>(tenant, 'SELECT id, key FROM projects ORDER BY key');
});

const aCaller = (limits: Partial<Caller>): Caller => ({ ...administratorOf(tenant), ...limits });

const aRequest = (wishes: Partial<MintRequest>): MintRequest => ({ kind: 'organization', owner: { organization: true }, secretPrefix: 'api_', permissions: [], ...wishes });

const somePermissions = fc.uniqueArray(fc.constantFrom<string>(...TENANT_PERMISSIONS, 'invoice:write', 'platform:token:introspect'), { maxLength: 6 });

/** Neither what is not registered nor what is the operator's is worth anything in a tenant. */
const isKnown = (permission: string): boolean => (TENANT_PERMISSIONS as readonly string[]).includes(permission);

describe('minting', () => {
  it('succeeds exactly when every permission asked for is held, and names exactly those that are not', async () => {
    await fc.assert(
      fc.asyncProperty(somePermissions, somePermissions, async (held, asked) => {
        const missing = asked.filter((permission) => !held.includes(permission)).sort();
        const minting = engine.mint(aCaller({ permissions: new Set(held) }), aRequest({ permissions: asked }));
        if (missing.length > 0) await expect(minting).rejects.toMatchObject({ code: 'permission-exceeded', details: { permissions: missing } });
        else expect(new Set((await introspect(tenant.admin.session, (await minting).secret))['scope'].split(' ').filter(Boolean))).toEqual(new Set(asked.filter(isKnown)));
      }),
      { numRuns: 40 },
    );
  });

  it('with a narrowed credential hands on no more than that credential, even for "whatever the owner may do"', async () => {
    const caller = aCaller({ permissions: new Set(['token:read']), narrowed: true });
    const { secret } = await engine.mint(caller, aRequest({ kind: 'user', owner: { userId: tenant.admin.id }, permissions: 'owner' }));
    expect((await introspect(tenant.admin.session, secret))['scope']).toBe('token:read');
  });

  it('with a credential limited to projects stays within them', async () => {
    const [own, other] = projects as [ProjectRef, ProjectRef];
    const caller = aCaller({ projects: [own] });
    const keysOf = async (wishes: Partial<MintRequest>): Promise<string[]> =>
      (await introspect(tenant.admin.session, (await engine.mint(caller, aRequest(wishes))).secret))['projects'];
    expect(await keysOf({})).toEqual([own.key]);
    expect(await keysOf({ projects: 'all' })).toEqual([own.key]);
    expect(await keysOf({ projects: [own] })).toEqual([own.key]);
    expect(await keysOf({ projects: [] })).toEqual([]);
    await expect(engine.mint(caller, aRequest({ projects: [own, other] }))).rejects.toMatchObject({ code: 'caller-refused' });
  });

  it('remembers the token it was done with', async () => {
    const parent = (await engine.mint(aCaller({}), aRequest({}))).token;
    const { token } = await engine.mint(aCaller({ tokenId: parent.id }), aRequest({}));
    expect(token.parentId).toBe(parent.id);
  });
});

describe('a credential limited to projects', () => {
  it('sees, counts and revokes the tokens of its projects only', async () => {
    const [own, other] = projects as [ProjectRef, ProjectRef];
    const mint = async (wishes: Partial<MintRequest>): Promise<string> => (await engine.mint(aCaller({}), aRequest(wishes))).token.id;
    const ids = { own: await mint({ projects: [own] }), both: await mint({ projects: [own, other] }), other: await mint({ projects: [other] }), all: await mint({}) };
    const caller = aCaller({ projects: [own] });
    const listed = (await engine.list(caller, {}, { order: 'newest-first', limit: 100 })).map(({ id }) => id);
    expect(listed).toContain(ids.own);
    for (const hidden of [ids.both, ids.other, ids.all]) {
      expect(listed).not.toContain(hidden);
      await expect(engine.find(caller, hidden)).rejects.toMatchObject({ code: 'not-found' });
      await expect(engine.revoke(caller, hidden)).rejects.toMatchObject({ code: 'not-found' });
    }
    expect(await engine.count(caller, {})).toBe(listed.length);
  });
});

describe('a token', () => {
  it('without any bound may do nothing: an absent list never means everything', async () => {
    const { secret } = await engine.mint(aCaller({}), aRequest({ permissions: 'owner' }));
    expect((await introspect(tenant.admin.session, secret))['scope']).toBe('');
  });

  it('cannot prolong its own life, and others can within theirs', async () => {
    const { clock } = await theApp();
    const soon = clock.now().plusSeconds(60);
    const { token } = await engine.mint(aCaller({}), aRequest({ expiresAt: soon }));
    const itself = aCaller({ tokenId: token.id });
    for (const later of [null, soon.plusSeconds(1)]) {
      await expect(engine.update(itself, token.id, { expiresAt: later })).rejects.toMatchObject({ code: 'caller-refused', details: { reason: 'own-life' } });
    }
    expect((await engine.update(itself, token.id, { expiresAt: soon.plusSeconds(-1) })).expiresAt).toEqual(soon.plusSeconds(-1));
    expect((await engine.update(aCaller({}), token.id, { expiresAt: null })).expiresAt).toBeNull();
  });

  it('is given a longer life by nobody who could not mint it, in an hour or when it has ended; a shorter one and a name it is', async () => {
    const { clock } = await theApp();
    const soon = clock.now().plusSeconds(60);
    const { token, secret } = await engine.mint(aCaller({}), aRequest({ permissions: ['token:read', 'policy:write'], expiresAt: soon }));
    const lesser = aCaller({ permissions: new Set(['token:read', 'token:write', 'project:api-token:write']) });
    const prolong = (caller: Caller): Promise<unknown> => engine.update(caller, token.id, { expiresAt: soon.plusSeconds(3600) });
    await expect(prolong(lesser)).rejects.toMatchObject({ code: 'permission-exceeded', details: { permissions: ['policy:write'] } });
    await engine.update(lesser, token.id, { name: 'renamed', expiresAt: soon.plusSeconds(-30) });
    clock.advance(40);
    await expect(prolong(lesser)).rejects.toMatchObject({ code: 'permission-exceeded' });
    expect((await verifier.inspect(secret)).active).toBe(false);
    await prolong(aCaller({ permissions: new Set(['token:read', 'policy:write']) }));
    expect((await verifier.inspect(secret)).active).toBe(true);
  });

  it('keeps the microseconds of its expiry', async () => {
    const { clock } = await theApp();
    clock.set('2031-01-01T00:00:00.123456Z');
    const { token } = await engine.mint(aCaller({}), aRequest({ expiresAt: clock.now().plusSeconds(0.000001) }));
    expect((await engine.find(aCaller({}), token.id)).expiresAt?.toRfc3339()).toBe('2031-01-01T00:00:00.123457Z');
  });

  it('with a use limit works exactly so often, however many ask at once, and a refusal costs no use', async () => {
    const { secret } = await engine.mint(aCaller({}), aRequest({ usesLimit: 5, allowedAddresses: ['192.0.2.0/24'] }));
    const from = (ip: string) => verifier.verify(secret, { ip, userAgent: null });
    for (let time = 0; time < 3; time += 1) expect(await from('198.51.100.1')).toEqual({ active: false, reason: 'address-not-allowed' });
    const verdicts = await Promise.all(Array.from({ length: 20 }, async () => from('192.0.2.1')));
    expect(verdicts.filter(({ active }) => active)).toHaveLength(5);
    expect(await from('192.0.2.1')).toEqual({ active: false, reason: 'uses-spent' });
  });

  it('dies with its environment, and one re-created under the same name does not revive it', async () => {
    const [project] = projects as [ProjectRef];
    const [environment] = await sql(tenant, `SELECT id FROM environments WHERE project_id = $1 AND key = 'production'`, [project.id]);
    const link = { ...project, environmentId: environment?.['id'] as string };
    const { secret } = await engine.mint(aCaller({}), aRequest({ kind: 'project', owner: { projectId: project.id }, projects: [link], environment: 'production' }));
    expect((await verifier.inspect(secret)).active).toBe(true);
    await sql(tenant, 'DELETE FROM environments WHERE id = $1', [environment?.['id']]);
    await sql(tenant, `INSERT INTO environments (organization_id, id, project_id, key, name, name_folded, created_at, updated_at) VALUES ($1, $2, $3, 'production', 'x', 'x', now(), now())`, [tenant.id, randomUUID(), project.id]);
    expect(await verifier.inspect(secret)).toEqual({ active: false, reason: 'environment-gone' });
  });
});
