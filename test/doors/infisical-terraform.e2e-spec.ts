import { beforeAll, describe, expect, it } from 'vitest';
import { aRole, aTenant, type TestTenant } from '../support/builders.js';
import { call, type Answer } from '../support/call.js';
import { aMachineToken, done } from '../support/machines.js';

/**
 * The bodies that Infisical's Terraform provider (commit e64b1b7) sends, byte for byte in their keys: ids of the path
 * again in the body, DELETE with a body, and nothing for zero values.
 */
let tenant: TestTenant;
let token: string;
beforeAll(async () => {
  tenant = await aTenant();
  ({ secret: token } = await aMachineToken(tenant, {}, { role: 'admin' }));
});

const terraform = (method: string, path: string, body?: object): Promise<Answer> =>
  call(method, `/${path}`, { as: token, body, headers: { 'user-agent': 'terraform', accept: 'application/json' } });

/** Go's decoder: an int64 takes no string, a time must be RFC 3339, a string takes no number. */
function expectGoReadable(value: object, shape: Record<string, 'int64' | 'string' | 'time' | 'bool' | 'null-or-time' | 'null-or-string'>): void {
  const fields = value as Record<string, unknown>;
  for (const [name, type] of Object.entries(shape)) {
    const field = fields[name];
    const fits = {
      'int64': Number.isInteger(field),
      'string': typeof field === 'string',
      'bool': typeof field === 'boolean',
      'time': isTime(field),
      'null-or-time': field === null || isTime(field),
      'null-or-string': field === null || typeof field === 'string',
    }[type];
    expect([name, field, fits]).toEqual([name, field, true]);
  }
}

function isTime(field: unknown): boolean {
  return typeof field === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(field);
}

describe('resource infisical_identity', () => {
  it('is created, read, updated and deleted', async () => {
    const role = await aRole(tenant, ['token:read']);
    const created = await done(terraform('POST', 'api/v1/identities', {
      name: 'machine-tf',
      hasDeleteProtection: false,
      organizationId: tenant.id,
      role,
      metadata: [{ key: 'env', value: 'prod' }],
    }));
    const { id } = created.identity;
    expectGoReadable(created.identity, { id: 'string', name: 'string', createdAt: 'time', updatedAt: 'time', hasDeleteProtection: 'bool', orgId: 'string' });

    const read = await done(terraform('GET', `api/v1/identities/${id}`));
    expect([read.identity.role, read.identity.customRole.slug, read.identity.metadata.map(({ key, value }: any) => [key, value])]).toEqual(['custom', role, [['env', 'prod']]]);
    expect(read.identity.identity).toMatchObject({ id, name: 'machine-tf', hasDeleteProtection: false, authMethods: [] });

    await done(terraform('PATCH', `api/v1/identities/${id}`, { identityId: id, name: 'machine-tf-2', hasDeleteProtection: true, role: 'no-access', metadata: [] }));
    const reread = await done(terraform('GET', `api/v1/identities/${id}`));
    expect(reread.identity).toMatchObject({ role: 'no-access', metadata: [], identity: { name: 'machine-tf-2', hasDeleteProtection: true } });

    const refused = await terraform('DELETE', `api/v1/identities/${id}`, { identityId: id });
    expect([refused.status, refused.body.message, typeof refused.body.reqId]).toEqual([400, 'Identity has delete protection', 'string']);
    await done(terraform('PATCH', `api/v1/identities/${id}`, { identityId: id, hasDeleteProtection: false, metadata: [] }));
    await done(terraform('DELETE', `api/v1/identities/${id}`, { identityId: id }));
    expect((await terraform('GET', `api/v1/identities/${id}`)).status).toBe(404);
  });
});

describe('resource infisical_identity_token_auth', () => {
  it('leaves zero values out and gets the defaults, with trusted addresses in their order', async () => {
    const { identity } = await done(terraform('POST', 'api/v1/identities', { name: 'tf', hasDeleteProtection: false, organizationId: tenant.id, role: 'member' }));
    const path = `api/v1/auth/token-auth/identities/${identity.id}`;
    const missing = await terraform('GET', path);
    expect([missing.status, missing.body.message]).toEqual([404, 'Token Auth configuration not found for identity']);

    const sent = [{ ipAddress: '10.1.2.3/8' }, { ipAddress: '::/0' }, { ipAddress: '192.0.2.1' }];
    const { identityTokenAuth } = await done(terraform('POST', path, { identityId: identity.id, accessTokenMaxTTL: 2592000, accessTokenTrustedIps: sent }));
    expectGoReadable(identityTokenAuth, { id: 'string', accessTokenTTL: 'int64', accessTokenMaxTTL: 'int64', accessTokenNumUsesLimit: 'int64', createdAt: 'time', updatedAt: 'time' });
    // As the provider rebuilds the list for its state, and compares it in order.
    const rebuilt = identityTokenAuth.accessTokenTrustedIps.map(({ ipAddress, prefix }: any) => ({ ipAddress: prefix === undefined ? ipAddress : `${ipAddress}/${prefix}` }));
    expect(rebuilt).toEqual(sent);

    const patched = await done(terraform('PATCH', path, { identityId: identity.id, accessTokenTTL: 3600 }));
    expect(patched.identityTokenAuth).toMatchObject({ accessTokenTTL: 3600, accessTokenTrustedIps: identityTokenAuth.accessTokenTrustedIps });
    await done(terraform('DELETE', path, { identityId: identity.id }));
    expect((await terraform('GET', path)).status).toBe(404);
  });
});

describe('resource infisical_identity_token_auth_token', () => {
  it('is created, read, renamed, deleted, and gone once it is revoked', async () => {
    const { identity } = await done(terraform('POST', 'api/v1/identities', { name: 'tf', hasDeleteProtection: false, organizationId: tenant.id, role: 'member' }));
    await done(terraform('POST', `api/v1/auth/token-auth/identities/${identity.id}`, { identityId: identity.id }));
    const created = await done(terraform('POST', `api/v1/auth/token-auth/identities/${identity.id}/tokens`, { identityId: identity.id, name: 'ci' }));
    const { id } = created.tokenData;
    expectGoReadable(created, { accessToken: 'string', expiresIn: 'int64', accessTokenMaxTTL: 'int64', tokenType: 'string' });
    expectGoReadable(created.tokenData, {
      id: 'string',
      accessTokenTTL: 'int64',
      accessTokenMaxTTL: 'int64',
      accessTokenNumUses: 'int64',
      accessTokenNumUsesLimit: 'int64',
      accessTokenLastUsedAt: 'null-or-time',
      accessTokenLastRenewedAt: 'null-or-time',
      isAccessTokenRevoked: 'bool',
      identityUAClientSecretId: 'null-or-string',
      identityId: 'string',
      createdAt: 'time',
      updatedAt: 'time',
      name: 'string',
      authMethod: 'string',
      accessTokenPeriod: 'int64',
      subOrganizationId: 'null-or-string',
    });
    expect((await done(terraform('GET', `api/v1/auth/token-auth/tokens/${id}`))).token).toEqual(created.tokenData);
    expect((await done(terraform('PATCH', `api/v1/auth/token-auth/tokens/${id}`, { tokenId: id, name: 'ci-2' }))).token.name).toBe('ci-2');
    await done(terraform('POST', `api/v1/auth/token-auth/tokens/${id}/revoke`, { identityId: identity.id, tokenId: id }));
    expect((await done(terraform('GET', `api/v1/auth/token-auth/tokens/${id}`))).token.isAccessTokenRevoked).toBe(true);
    expect((await terraform('POST', `api/v1/auth/token-auth/tokens/${id}/revoke`, { identityId: identity.id, tokenId: id })).status).toBe(404);
  });
});

describe('resources infisical_identity_universal_auth and _client_secret', () => {
  it('are created, read, updated and deleted', async () => {
    const { identity } = await done(terraform('POST', 'api/v1/identities', { name: 'tf', hasDeleteProtection: false, organizationId: tenant.id, role: 'member' }));
    const path = `api/v1/auth/universal-auth/identities/${identity.id}`;
    const everywhere = [{ ipAddress: '0.0.0.0/0' }, { ipAddress: '::/0' }];
    const created = await done(terraform('POST', path, { identityId: identity.id, clientSecretTrustedIps: everywhere, accessTokenTrustedIps: everywhere, accessTokenTTL: 2592000, accessTokenMaxTTL: 2592000 }));
    expectGoReadable(created.identityUniversalAuth, { id: 'string', clientId: 'string', accessTokenTTL: 'int64', accessTokenMaxTTL: 'int64', accessTokenNumUsesLimit: 'int64', createdAt: 'time', updatedAt: 'time' });
    await done(terraform('PATCH', path, { identityId: identity.id, accessTokenTTL: 60 }));

    const secret = await done(terraform('POST', `${path}/client-secrets`, { identityId: identity.id, description: 'tf', ttl: 3600 }));
    const { id } = secret.clientSecretData;
    expectGoReadable(secret.clientSecretData, { id: 'string', description: 'string', clientSecretPrefix: 'string', clientSecretNumUses: 'int64', clientSecretNumUsesLimit: 'int64', clientSecretTTL: 'int64', isClientSecretRevoked: 'bool', createdAt: 'time' });
    expect((await done(terraform('GET', `${path}/client-secrets/${id}`))).clientSecretData).toEqual(secret.clientSecretData);
    const login = await call('POST', '/api/v1/auth/universal-auth/login', { body: { clientId: created.identityUniversalAuth.clientId, clientSecret: secret.clientSecret } });
    expect([login.status, login.body.expiresIn]).toEqual([200, 60]);
    await done(terraform('POST', `${path}/client-secrets/${id}/revoke`, { identityId: identity.id, clientSecretId: id }));
    expect((await done(terraform('GET', `${path}/client-secrets/${id}`))).clientSecretData.isClientSecretRevoked).toBe(true);
    await done(terraform('DELETE', path, { identityId: identity.id }));
  });
});

describe('data infisical_identity_details', () => {
  it('names the organization of the provider\'s own token', async () => {
    expect((await done(terraform('GET', 'api/v1/identities/details'))).identityDetails.organization).toEqual({ id: tenant.id, name: tenant.slug, slug: tenant.slug });
  });
});

it('prints what went wrong: a sentence and the request\'s id, or the whole 422', async () => {
  const invalid = await terraform('POST', 'api/v1/identities', { name: 'x', hasDeleteProtection: false, organizationId: tenant.id, role: '' });
  expect([invalid.status, invalid.text.includes('"path":["role"]')]).toEqual([422, true]);
  const absent = await terraform('GET', 'api/v1/identities/00000000-0000-4000-8000-000000000000');
  expect([typeof absent.body.message, absent.body.reqId.startsWith('req-')]).toEqual(['string', true]);
});
