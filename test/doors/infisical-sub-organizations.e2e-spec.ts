import { beforeAll, describe, expect, it } from 'vitest';
import { AdmissionsService } from '../../src/machine-identities/admissions.service.js';
import { SubOrganizations } from '../../src/organizations/sub-organizations.service.js';
import { LastUse } from '../../src/tokens/last-use.js';
import { theApp } from '../support/app.js';
import { aMember, aName, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { admit, aClient, aMachine, aMachineToken, aSubOrganization, aTokenAuthMachine, done, IDENTITIES, login, principalOf, probe, TOKEN_AUTH, UNIVERSAL_AUTH } from '../support/machines.js';

let parent: TestTenant;
let sub: TestTenant;
let as: string;
beforeAll(async () => {
  parent = await aTenant();
  sub = await aSubOrganization(parent);
  as = parent.admin.session;
});

const mintIn = (identityId: string, organizationSlug: unknown, session = as) => call('POST', `${TOKEN_AUTH}/identities/${identityId}/tokens`, { as: session, body: { name: 'scoped', organizationSlug } });
const refusal = (status: number, error: string, message: unknown) => ({ reqId: expect.any(String), statusCode: status, message, error });

/** An identity of the parent that is admitted, and its token for the sub-organization. */
async function anAdmitted(role: string | null = 'MEMBER', settings: object = {}): Promise<{ identityId: string; id: string; secret: string; answer: any }> {
  const identityId = await aTokenAuthMachine(parent, settings, { role: 'no-access' });
  await admit(sub, identityId, role);
  const answer = await done(mintIn(identityId, sub.slug));
  return { identityId, id: answer.tokenData.id, secret: answer.accessToken, answer };
}

describe('a token for a sub-organization', () => {
  it('acts there, with the role the identity has there, and nowhere else', async () => {
    const { identityId, id, secret, answer } = await anAdmitted('MEMBER');
    expect(answer.tokenData).toMatchObject({ identityId, subOrganizationId: sub.id, name: 'scoped' });
    expect((await probe(secret)).body).toEqual({ identityDetails: { organization: { id: sub.id, name: sub.slug, slug: sub.slug } } });
    expect(await introspect(sub.admin.session, secret)).toMatchObject({ active: true, organization_id: sub.id, owner_id: identityId, jti: id, projects: ['*'], scope: expect.stringContaining('user:api-token:write') });
    expect(await introspect(as, secret)).toEqual({ active: false });
    expect((await call('GET', `${IDENTITIES}?orgId=${parent.id}`, { as: secret })).status).toBe(403);
    expect((await call('GET', `${IDENTITIES}?orgId=${sub.id}`, { as: secret })).body).toEqual({ identities: [], totalCount: 0 });
  });

  it('is kept, listed, counted and revoked by the organization the identity belongs to', async () => {
    const { identityId, id, secret } = await anAdmitted('MEMBER', { accessTokenNumUsesLimit: 2 });
    expect([(await probe(secret)).status, (await probe(secret)).status, (await probe(secret)).status]).toEqual([200, 200, 401]);
    await (await theApp()).app.get(LastUse).flush();
    const listed = await call('GET', `${TOKEN_AUTH}/identities/${identityId}/tokens`, { as });
    expect(listed.body.tokens).toMatchObject([{ id, accessTokenNumUses: 2, subOrganizationId: sub.id, accessTokenLastUsedAt: expect.any(String) }]);
    for (const [session, status] of [[sub.admin.session, 404], [as, 200]] as const) {
      expect((await call('POST', `${TOKEN_AUTH}/tokens/${id}/revoke`, { as: session })).status).toBe(status);
    }
    expect((await probe(secret)).status).toBe(401);
  });

  it('can be renewed and ended by its holder', async () => {
    const { id, secret } = await anAdmitted();
    const { body } = await call('POST', '/api/v1/auth/token/renew', { body: { accessToken: secret } });
    expect((await introspect(sub.admin.session, body.accessToken))['jti']).toBe(id);
    expect((await call('POST', '/oauth2/revoke', { as: body.accessToken, form: { token: body.accessToken } })).status).toBe(200);
    for (const each of [secret, body.accessToken]) expect((await probe(each)).status).toBe(401);
    const other = await anAdmitted();
    await done(call('POST', '/api/v1/auth/token/revoke', { body: { accessToken: other.secret } }));
    expect((await probe(other.secret)).status).toBe(401);
  });

  it('is obtained by login as well', async () => {
    const client = await aClient(parent, {}, {}, { role: 'no-access' });
    await admit(sub, client.identityId, 'ADMIN');
    const { status, body } = await login(client, { organizationSlug: ` ${sub.slug.toUpperCase()} ` });
    expect([status, (await probe(body.accessToken)).body.identityDetails.organization.id]).toEqual([200, sub.id]);
    expect((await introspect(sub.admin.session, body.accessToken))['scope']).toContain('identity:write');
  });

  it('shrinks and dies with what the sub-organization grants', async () => {
    const { identityId, secret } = await anAdmitted('ADMIN');
    await admit(sub, identityId, null);
    expect(await introspect(sub.admin.session, secret)).toMatchObject({ active: true, scope: '' });
    const { app } = await theApp();
    await app.get(AdmissionsService).dismiss(await principalOf(sub.admin.session), identityId);
    expect((await probe(secret)).body).toEqual(refusal(401, 'UnauthorizedError', 'Failed to authorize: Identity is not a member of the organization'));
    await admit(sub, identityId, 'MEMBER');
    expect((await probe(secret)).status).toBe(200);
  });

  it('dies with its identity, and with the suspension of either organization', async () => {
    const gone = await anAdmitted();
    await done(call('DELETE', `${IDENTITIES}/${gone.identityId}`, { as }));
    expect((await probe(gone.secret)).status).toBe(401);
    expect(await sql(sub, 'SELECT 1 FROM identity_admissions WHERE identity_id = $1', [gone.identityId])).toEqual([]);

    const ownParent = await aTenant();
    const ownSub = await aSubOrganization(ownParent);
    const identityId = await aTokenAuthMachine(ownParent);
    await admit(ownSub, identityId);
    const { accessToken } = await done(mintIn(identityId, ownSub.slug, ownParent.admin.session));
    for (const suspended of [ownSub, ownParent]) {
      await sql(suspended, 'UPDATE organizations SET suspended_at = now() WHERE id = $1', [suspended.id]);
      expect((await probe(accessToken)).status).toBe(401);
      await sql(suspended, 'UPDATE organizations SET suspended_at = NULL WHERE id = $1', [suspended.id]);
      expect((await probe(accessToken)).status).toBe(200);
    }
  });

  it('mints in its turn within the sub-organization only', async () => {
    const { secret, id } = await anAdmitted('ADMIN');
    const created = await call('POST', IDENTITIES, { as: secret, body: { name: 'child', organizationId: sub.id, role: 'member' } });
    expect([created.status, created.body.identity.orgId]).toEqual([200, sub.id]);
    const child = created.body.identity.id;
    await done(call('POST', `${TOKEN_AUTH}/identities/${child}`, { as: secret, body: {} }));
    const { status, body } = await mintIn(child, undefined, secret);
    expect([status, body.tokenData.subOrganizationId]).toEqual([200, sub.id]);
    const [event] = await sql(sub, `SELECT credential_id FROM audit_events WHERE action = 'token.minted' AND target_id = $1`, [body.tokenData.id]);
    expect(event).toEqual({ credential_id: id });
    expect((await call('POST', IDENTITIES, { as: secret, body: { name: 'x', organizationId: parent.id } })).status).toBe(403);
  });

  it('is given to nobody who holds less than the identity may do there', async () => {
    const identityId = await aTokenAuthMachine(parent, {}, { role: 'no-access' });
    await admit(sub, identityId, await aRole(sub, ['token:write', 'token:read']));
    const { session } = await aMember(parent, await aRole(parent, ['identity:token:write', 'token:read']));
    const { status, body } = await mintIn(identityId, sub.slug, session);
    expect([status, body.error, body.details]).toEqual([403, 'PermissionBoundaryError', { missingPermissions: [{ action: 'write', subject: 'token' }] }]);
    expect((await mintIn(identityId, undefined, session)).status).toBe(200);
  });
});

describe('organizationSlug', () => {
  it('of no sub-organization of one\'s own is 404', async () => {
    const stranger = await aSubOrganization(await aTenant());
    const identityId = await aTokenAuthMachine(parent);
    const client = await aClient(parent);
    for (const slug of [stranger.slug, parent.slug, 'none-such', 'default']) {
      const expected = refusal(404, 'NotFound', `Sub organization with slug ${slug} not found`);
      expect((await mintIn(identityId, slug)).body).toEqual(expected);
      expect((await login(client, { organizationSlug: slug })).body).toEqual(expected);
    }
    expect((await call('GET', `${UNIVERSAL_AUTH}/identities/${client.identityId}/client-secrets`, { as })).body.clientSecretData[0].clientSecretNumUses).toBe(0);
  });

  it('where the identity is not admitted is 401', async () => {
    const identityId = await aTokenAuthMachine(parent);
    const expected = refusal(401, 'UnauthorizedError', `Identity not authorized to access sub organization ${sub.slug}`);
    const { status, body } = await mintIn(identityId, sub.slug);
    expect([status, body]).toEqual([401, expected]);
    expect((await login(await aClient(parent), { organizationSlug: sub.slug })).body).toEqual(expected);
  });

  it('is a slug of 1 to 64 characters, in any case', async () => {
    const { identityId } = await anAdmitted();
    expect((await mintIn(identityId, ` ${sub.slug.toUpperCase()}\n`)).status).toBe(200);
    const letters = { code: 'custom', message: 'Slug field can only contain letters, numbers, and hyphens', path: ['organizationSlug'] };
    for (const slug of ['a_b', 'a b', 'a--b', '-a', 'a-', 'ä', '\u212a', 'a/b']) expect([slug, (await mintIn(identityId, slug)).body.message]).toEqual([slug, [letters]]);
    expect((await mintIn(identityId, ' ')).body.message).toMatchObject([{ code: 'too_small', minimum: 1 }]);
    expect((await mintIn(identityId, 'a'.repeat(65))).body.message).toMatchObject([{ code: 'too_big', maximum: 64 }]);
    expect((await mintIn(identityId, null)).body.message).toMatchObject([{ code: 'invalid_type', received: 'null' }]);
  });

  it('is ignored for an identity that lives in a sub-organization: its tokens stay there', async () => {
    const identityId = await aTokenAuthMachine(sub);
    for (const slug of [undefined, 'none-such', sub.slug]) {
      const { status, body } = await mintIn(identityId, slug, sub.admin.session);
      expect([status, body.tokenData.subOrganizationId]).toEqual([200, sub.id]);
      expect((await introspect(sub.admin.session, body.accessToken))['organization_id']).toBe(sub.id);
    }
    const listed = (await call('GET', `${TOKEN_AUTH}/identities/${identityId}/tokens`, { as: sub.admin.session })).body.tokens;
    expect(listed.map(({ subOrganizationId }: any) => subOrganizationId)).toEqual([sub.id, sub.id, sub.id]);
  });
});

describe('a sub-organization', () => {
  it('may see the parent\'s identities it admits, but not change them', async () => {
    const { identityId } = await anAdmitted();
    const session = sub.admin.session;
    const forbidden = refusal(403, 'ForbiddenError', 'Sub organization not authorized to access this identity');
    for (const [method, path] of [['POST', ''], ['PATCH', ''], ['GET', ''], ['DELETE', ''], ['POST', '/tokens'], ['GET', '/tokens']] as const) {
      for (const base of path === '' ? [TOKEN_AUTH, UNIVERSAL_AUTH] : [TOKEN_AUTH]) {
        const { status, body } = await call(method, `${base}/identities/${identityId}${path}`, { as: session, body: method === 'POST' || method === 'PATCH' ? {} : undefined });
        expect([method, path, status, body]).toEqual([method, path, 403, forbidden]);
      }
    }
    expect((await call('DELETE', `${IDENTITIES}/${identityId}`, { as: session })).status).toBe(403);
    const unadmitted = await aMachine(parent);
    expect((await call('GET', `${TOKEN_AUTH}/identities/${unadmitted}`, { as: session })).status).toBe(404);
  });

  it('is a tenant of its own: the parent\'s sessions and tokens are nobody there', async () => {
    const child = await aMachineToken(sub);
    const own = await aMachineToken(parent, {}, { role: 'admin' });
    for (const session of [as, own.secret]) {
      expect((await call('GET', `${TOKEN_AUTH}/tokens/${child.id}`, { as: session })).status).toBe(404);
      expect((await call('GET', `${IDENTITIES}/${child.identityId}`, { as: session })).status).toBe(404);
      expect(await introspect(session, child.secret)).toEqual({ active: false });
    }
    expect((await introspect(sub.admin.session, own.secret))['active']).toBe(false);
  });

  it('admits no identity but the parent\'s, and gives none more than its administrator holds', async () => {
    const { app } = await theApp();
    const admissions = app.get(AdmissionsService);
    const session = await principalOf(sub.admin.session);
    const foreign = await aMachine(await aTenant());
    for (const id of [foreign, await aMachine(sub), 'x', '00000000-0000-4000-8000-000000000000']) await expect(admissions.admit(session, id, 'MEMBER')).rejects.toMatchObject({ code: 'not-found' });
    await expect(admissions.admit(await principalOf(as), await aMachine(parent), 'MEMBER')).rejects.toMatchObject({ code: 'not-found' });
    await expect(admissions.dismiss(session, foreign)).rejects.toMatchObject({ code: 'not-found' });
    const weak = await aMember(sub, await aRole(sub, ['identity:write']));
    await expect(admissions.admit(await principalOf(weak.session), await aMachine(parent), 'MEMBER')).rejects.toMatchObject({ code: 'permission-exceeded' });
  });

  it('lets nobody take from an identity, or send away, what may do more there than they', async () => {
    const { app } = await theApp();
    const admissions = app.get(AdmissionsService);
    const identityId = await aMachine(parent);
    const [session, weak] = [await principalOf(sub.admin.session), await principalOf((await aMember(sub, await aRole(sub, ['identity:write']))).session)];
    await admissions.admit(session, identityId, 'MEMBER');
    for (const role of [null, 'EXTERNAL']) await expect(admissions.admit(weak, identityId, role)).rejects.toMatchObject({ code: 'permission-exceeded' });
    await expect(admissions.dismiss(weak, identityId)).rejects.toMatchObject({ code: 'permission-exceeded' });
    await admissions.admit(session, identityId, null);
    await admissions.dismiss(weak, identityId);
    const events = await sql(sub, 'SELECT action, before, after FROM audit_events WHERE target_id = $1 ORDER BY occurred_at', [identityId]);
    expect(events).toEqual([
      { action: 'identity.admitted', before: null, after: null },
      { action: 'identity.admitted', before: { role: 'MEMBER' }, after: { role: null } },
      { action: 'identity.dismissed', before: null, after: null },
    ]);
  });

  it('has a slug of its own, roles, a project and its founder as administrator; and no sub-organizations', async () => {
    const { app } = await theApp();
    const subs = app.get(SubOrganizations);
    const founder = await principalOf(as);
    await expect(subs.create(founder, { slug: sub.slug, name: 'again' })).rejects.toMatchObject({ code: 'conflict', details: { reason: 'taken' } });
    await expect(subs.create(await principalOf(sub.admin.session), { slug: aName('deep'), name: 'deep' })).rejects.toMatchObject({ code: 'conflict', details: { reason: 'nested' } });
    expect(await sql(sub, 'SELECT key FROM roles WHERE built_in ORDER BY key')).toEqual([{ key: 'ADMIN' }, { key: 'EXTERNAL' }, { key: 'MEMBER' }]);
    expect(await sql(sub, 'SELECT key FROM projects')).toEqual([{ key: 'default' }]);
    const [event] = await sql(sub, `SELECT actor_id, details FROM audit_events WHERE action = 'organization.created'`);
    expect(event).toEqual({ actor_id: parent.admin.id, details: { slug: sub.slug, name: sub.slug, parent: parent.id } });
  });

  it('is kept apart by the database itself', async () => {
    const { identityId } = await anAdmitted();
    expect(await sql(sub, 'SELECT 1 FROM machine_identities WHERE id = $1', [identityId])).toEqual([]);
    expect(await sql(sub, 'SELECT 1 FROM api_tokens WHERE identity_id = $1', [identityId])).toEqual([]);
    expect(await sql(parent, 'SELECT 1 FROM roles WHERE organization_id = $1', [sub.id])).toEqual([]);
    expect(await sql(parent, 'SELECT slug FROM organizations WHERE parent_id = $1 AND id = $2', [parent.id, sub.id])).toEqual([{ slug: sub.slug }]);
    expect(await sql(parent, 'UPDATE organizations SET name = $1 WHERE id = $2 RETURNING id', ['taken over', sub.id])).toEqual([[], 0]);
    const stranger = await aTenant();
    expect(await sql(stranger, 'SELECT 1 FROM organizations WHERE id = ANY ($1)', [[parent.id, sub.id]])).toEqual([]);
    const foreignSub = await aSubOrganization(stranger);
    const scope = sql(parent, 'UPDATE api_tokens SET sub_organization_id = $1 WHERE identity_id = $2', [foreignSub.id, identityId]);
    await expect(scope).rejects.toMatchObject({ driverError: { code: '23503' } });
  });
});
