import { afterEach, describe, expect, it } from 'vitest';
import { TokenEngine } from '../../src/tokens/token-engine.js';
import { MaintenanceRunner } from '../../src/kernel/maintenance/maintenance-runner.js';
import { theApp } from '../support/app.js';
import { aMember, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { ownInstallation } from '../support/installation.js';
import { admit, aSubOrganization, aTokenAuthMachine, mintFor, principalOf, probe } from '../support/machines.js';

const installation = ownInstallation();

const read = (of: TestTenant): Promise<Answer> => call('GET', '/v1/policy', { as: of.admin.session });
const put = (of: TestTenant, body: unknown, headers: Record<string, string> = {}): Promise<Answer> => call('PUT', '/v1/policy', { as: of.admin.session, body, headers });
const mint = (of: TestTenant): Promise<Answer> => call('POST', '/user/api-tokens', { as: of.admin.session, body: { description: 'a token of a person' } });
const isActive = async (of: TestTenant, { body }: Answer): Promise<boolean> => (await introspect(of.admin.session, body.token))['active'];

afterEach(async () => {
  await put(installation.platform, {});
});

describe('the platform\'s policy', () => {
  it('is a ceiling for every organization: what exists is blocked, what breaks it is not minted, and nobody can loosen it', async () => {
    const { platform } = installation;
    const tenant = await aTenant();
    const child = await aSubOrganization(tenant);
    const all = [platform, tenant, child];
    const before = await Promise.all(all.map(mint));
    expect((await put(platform, { expiry_required: true, longest_lifetime_seconds: { user: 60 }, idle_days: 9 })).status).toBe(200);
    for (const [place, each] of all.entries()) {
      expect(await isActive(each, before[place])).toBe(false);
      expect((await mint(each)).body.rules).toEqual(['expiry-required', 'lifetime-too-long']);
    }
    const loosened = await put(tenant, { expiry_required: false, longest_lifetime_seconds: { user: 3600, project: 5 }, idle_days: 30 });
    expect(loosened.body).toMatchObject({ expiry_required: false, idle_days: 30, longest_lifetime_seconds: { user: 3600 } });
    expect(loosened.body.effective).toMatchObject({ expiry_required: true, idle_days: 9, longest_lifetime_seconds: { user: 60, project: 5, organization: null } });
    expect((await mint(tenant)).status).toBe(403);
    await put(platform, {});
    expect([await isActive(platform, before[0]), await isActive(tenant, before[1])]).toEqual([true, false]);
    await put(tenant, {});
    for (const [place, each] of all.entries()) expect(await isActive(each, before[place])).toBe(true);
  });

  it('has the last word on what follows a leak: where it says revoke, a tenant that says flag is not heard', async () => {
    const { platform } = installation;
    const tenant = await aTenant();
    const leak = async (): Promise<boolean> => {
      const token = await mint(tenant);
      await call('POST', '/v1/tokens/report-leak', { body: { tokens: [{ token: token.body.token }] } });
      return isActive(tenant, token);
    };
    await put(tenant, { on_exposure: 'flag' });
    await put(platform, { idle_days: 9 });
    expect([(await read(tenant)).body.effective.on_exposure, await leak()]).toEqual(['flag', true]);
    await put(platform, { on_exposure: 'revoke' });
    expect([(await read(tenant)).body, await leak()]).toMatchObject([{ on_exposure: 'flag', effective: { on_exposure: 'revoke' } }, false]);
    await put(platform, { on_exposure: 'flag' });
    await put(tenant, {});
    expect([(await read(tenant)).body, await leak()]).toMatchObject([{ on_exposure: null, effective: { on_exposure: 'flag' } }, true]);
    await put(tenant, { on_exposure: 'revoke' });
    expect(await leak()).toBe(false);
  });

  it('changes what tenants see: an entity tag from before is stale', async () => {
    const tenant = await aTenant();
    const { headers } = await read(tenant);
    const etag = String(headers['etag']);
    await put(installation.platform, { idle_days: 5 });
    const again = await read(tenant);
    expect([again.body.effective.idle_days, again.headers['etag'] === etag]).toEqual([5, false]);
    expect((await put(tenant, {}, { 'if-match': etag })).status).toBe(412);
  });

  it('is changed only with platform:policy:write, which no wildcard stands for', async () => {
    const { platform } = installation;
    const person = await aMember(platform, await aRole(platform, ['policy:*', 'organization:*']));
    const { status, body } = await call('PUT', '/v1/policy', { as: person.session, body: { idle_days: 1 } });
    expect([status, body.permissions]).toEqual([403, ['platform:policy:write']]);
    expect((await read(platform)).body.idle_days).toBeNull();
  });

  it('cannot be written by a tenant, nor in its own transaction, whatever that says', async () => {
    const tenant = await aTenant();
    await put(installation.platform, { idle_days: 5 });
    const [, changed] = (await sql(tenant, `UPDATE policies SET rules = '{}' WHERE platform`)) as unknown as [unknown, number];
    expect(changed).toBe(0);
    const plant = `INSERT INTO policies (organization_id, platform, rules, updated_at, updated_by) VALUES ($1, $2, '{}', now(), $1)`;
    await expect(sql(tenant, plant, [tenant.id, true])).rejects.toThrow('row-level security');
    await expect(sql(tenant, plant, [installation.platform.id, false])).rejects.toThrow('row-level security');
    expect((await read(tenant)).body.effective.idle_days).toBe(5);
  });
});

describe('an organization\'s policy', () => {
  it('binds its sub-organizations, and not the other way round', async () => {
    const [tenant, stranger] = [await aTenant(), await aTenant()];
    const [child, sibling] = [await aSubOrganization(tenant), await aSubOrganization(tenant)];
    await put(tenant, { idle_days: 7 });
    await put(child, { allowed_kinds: ['project'], idle_days: 30 });
    expect((await read(child)).body.effective).toMatchObject({ idle_days: 7, allowed_kinds: ['project'] });
    for (const each of [tenant, sibling]) expect((await read(each)).body.effective).toMatchObject({ idle_days: 7, allowed_kinds: null });
    expect((await read(stranger)).body.effective).toMatchObject({ idle_days: null, allowed_kinds: null });
    expect([(await mint(child)).status, (await mint(tenant)).status, (await mint(sibling)).status]).toEqual([403, 201, 201]);
  });

  it('binds the machines of its parent where they act in it', async () => {
    const { app, clock } = await theApp();
    const tenant = await aTenant();
    const child = await aSubOrganization(tenant);
    const machine = await aTokenAuthMachine(tenant);
    await admit(child, machine);
    const [there, home] = [await mintFor(tenant, machine, { organizationSlug: child.slug }), await mintFor(tenant, machine)];
    await put(child, { allowed_kinds: ['user'] });
    expect([(await probe(there.secret)).status, (await probe(home.secret)).status]).toEqual([401, 200]);
    await expect(mintFor(tenant, machine, { organizationSlug: child.slug })).rejects.toThrow('403');
    await put(child, { idle_days: 2 });
    const caller = await principalOf(tenant.admin.session);
    clock.advance(2 * 24 * 3600);
    expect(await app.get(MaintenanceRunner).run('tokens.revoke-idle', [tenant.id])).toBe(1);
    const engine = app.get(TokenEngine);
    expect([(await engine.find(caller, there.id)).revocationReason, (await engine.find(caller, home.id)).revokedAt]).toEqual(['idle', null]);
  });
});
