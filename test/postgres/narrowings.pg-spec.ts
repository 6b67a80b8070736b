import { setTimeout as pause } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createApplication } from '../../src/application.js';
import { openServer } from '../../src/kernel/database/open-database.js';
import { PUBLIC_URL, replaceApp, SECRET_KEY } from '../support/app.js';
import { aMember, aName, aProject, aRole, aTenant, PASSWORD, sql, type Person, type TestTenant } from '../support/builders.js';
import { call, type Answer } from '../support/call.js';
import { aScratchDatabase, TEST_SERVER_URL, type ScratchDatabase } from '../support/database.js';
import { aClient, aMachineToken, aSubOrganization, done, login, mintFor, aTokenAuthMachine, TOKEN_AUTH, UNIVERSAL_AUTH } from '../support/machines.js';
import { mintToken, projectTokens } from '../support/unleash.js';

/** What is narrowed on one replica, and what it does to those that live on another. */
interface Narrowing {
  readonly credentials: readonly string[];
  readonly narrow: () => Promise<Answer>;
  /** The permission that they lose; where none is named, they die. */
  readonly loses?: string;
}

const PRODUCT = 'invoice:read';

let scratch: ScratchDatabase;
let other: NestFastifyApplication;
let operator: TestTenant;
let putBack: () => Promise<void>;
beforeAll(async () => {
  scratch = await aScratchDatabase(TEST_SERVER_URL ?? '');
  putBack = await replaceApp(await openServer(scratch.url));
  operator = await aTenant({ slug: 'operator', platform: true });
  other = await createApplication({
    config: { logLevel: 'silent', publicUrl: PUBLIC_URL, trustedProxies: [] },
    secretKeys: [SECRET_KEY],
    database: await openServer(scratch.url),
    background: false,
  });
}, 120_000);
// What binds all organizations does not bind the next test.
afterEach(() => call('PUT', '/v1/policy', { as: operator.admin.session, body: {} }));
afterAll(async () => {
  await other.close();
  await putBack();
  await scratch.drop();
});

/** What the other replica lets the credential do; null where it is not let in. */
async function permissionsOnTheOther(credential: string): Promise<readonly string[] | null> {
  const answer = await other.inject({ method: 'GET', url: '/auth/me', headers: { authorization: `Bearer ${credential}` } });
  return answer.statusCode === 200 ? answer.json<{ permissions: string[] }>().permissions : null;
}

async function aUserToken(person: Person): Promise<string> {
  const { status, text, body } = await call('POST', '/user/api-tokens', { as: person.session, body: {} });
  if (status !== 201) throw new Error(`minting answered ${status}: ${text}`);
  return body.token;
}

const idOf = async (tenant: TestTenant, token: string): Promise<string> => (await done(call('POST', '/v1/tokens/lookup', { as: tenant.admin.session, body: { token } }))).id;
const membershipOf = async (tenant: TestTenant, person: Person): Promise<string> => (await sql(tenant, 'SELECT id FROM memberships WHERE user_id = $1', [person.id]))[0]?.['id'] as string;

/** A person with a role of their own, with a session and a token of theirs. */
async function somebody(tenant: TestTenant): Promise<{ person: Person; role: string; credentials: string[]; member: string }> {
  const role = await aRole(tenant, ['token:read', 'user:api-token:write', PRODUCT]);
  const person = await aMember(tenant, role);
  return { person, role, credentials: [person.session, await aUserToken(person)], member: `/v1/members/${await membershipOf(tenant, person)}` };
}

const CASES: Readonly<Record<string, (tenant: TestTenant) => Promise<Narrowing>>> = {
  'an organization is suspended': async (tenant) => {
    const { credentials } = await somebody(tenant);
    return { credentials, narrow: () => call('POST', `/v1/organizations/${tenant.id}/suspend`, { as: operator.admin.session }) };
  },
  'an organization is deleted': async (tenant) => {
    const { credentials } = await somebody(tenant);
    return { credentials, narrow: () => call('DELETE', `/v1/organizations/${tenant.id}`, { as: operator.admin.session }) };
  },
  'the organization it is within is suspended': async (tenant) => {
    const { admin } = await aSubOrganization(tenant);
    return { credentials: [admin.session, await aUserToken(admin)], narrow: () => call('POST', `/v1/organizations/${tenant.id}/suspend`, { as: operator.admin.session }) };
  },
  'a parent suspends it': async (tenant) => {
    const { id, admin } = await aSubOrganization(tenant);
    return { credentials: [admin.session, await aUserToken(admin)], narrow: () => call('POST', `/v1/organization/children/${id}/suspend`, { as: tenant.admin.session }) };
  },
  'a member is disabled': async (tenant) => {
    const { credentials, member } = await somebody(tenant);
    return { credentials, narrow: () => call('PATCH', member, { as: tenant.admin.session, body: { status: 'disabled' } }) };
  },
  'a member is removed': async (tenant) => {
    const { credentials, member } = await somebody(tenant);
    return { credentials, narrow: () => call('DELETE', member, { as: tenant.admin.session }) };
  },
  'a member gets a lesser role': async (tenant) => {
    const { credentials, member } = await somebody(tenant);
    return { credentials, loses: 'token:read', narrow: () => call('PATCH', member, { as: tenant.admin.session, body: { role: 'EXTERNAL' } }) };
  },
  'a role is cut': async (tenant) => {
    const { credentials, role } = await somebody(tenant);
    return { credentials, loses: 'token:read', narrow: () => call('PATCH', `/v1/roles/${role}`, { as: tenant.admin.session, body: { permissions: ['user:api-token:write'] } }) };
  },
  'a permission is retired': async (tenant) => {
    const as = operator.admin.session;
    await call('POST', '/v1/permissions', { as, body: { key: PRODUCT, description: 'See invoices.' } });
    const { credentials } = await somebody(tenant);
    return { credentials, loses: PRODUCT, narrow: () => call('DELETE', `/v1/permissions/${PRODUCT}`, { as }) };
  },
  'a password is changed': async (tenant) => {
    const { person, credentials } = await somebody(tenant);
    const { access_token: as } = await done(call('POST', '/auth/login', { body: { email: person.email, password: PASSWORD, organization: tenant.slug } }));
    const body = { current_password: PASSWORD, new_password: 'kettle drum wander tortoise' };
    return { credentials: credentials.slice(0, 1), narrow: () => call('POST', '/auth/password', { as, body }) };
  },
  'a session is ended by an administrator': async (tenant) => {
    const { person, credentials } = await somebody(tenant);
    return { credentials: credentials.slice(0, 1), narrow: () => call('DELETE', `/v1/sessions?user=${person.id}`, { as: tenant.admin.session }) };
  },
  'somebody logs out': async (tenant) => {
    const { person, credentials } = await somebody(tenant);
    return { credentials: credentials.slice(0, 1), narrow: () => call('POST', '/auth/logout', { as: person.session }) };
  },
  'a policy forbids the kind': async (tenant) => {
    const token = await aUserToken(tenant.admin);
    return { credentials: [token], narrow: () => call('PUT', '/v1/policy', { as: tenant.admin.session, body: { allowed_kinds: ['project'] } }) };
  },
  'a policy forbids a permission': async (tenant) => {
    const token = await aUserToken(tenant.admin);
    return { credentials: [token], loses: 'token:read', narrow: () => call('PUT', '/v1/policy', { as: tenant.admin.session, body: { allowed_permissions: ['role:read'] } }) };
  },
  'the platform\'s policy forbids a permission': async (tenant) => {
    const token = await aUserToken(tenant.admin);
    return { credentials: [token], loses: 'token:read', narrow: () => call('PUT', '/v1/policy', { as: operator.admin.session, body: { allowed_permissions: ['role:read'] } }) };
  },
  'a project is deleted': async (tenant) => {
    const project = await aProject(tenant);
    const { secret } = await mintToken(tenant, {}, projectTokens(project));
    return { credentials: [secret], narrow: () => call('DELETE', `/v1/projects/${project}`, { as: tenant.admin.session }) };
  },
  'an environment is deleted': async (tenant) => {
    const project = await aProject(tenant);
    const { secret } = await mintToken(tenant, {}, projectTokens(project));
    return { credentials: [secret], narrow: () => call('DELETE', `/v1/projects/${project}/environments/development`, { as: tenant.admin.session }) };
  },
  'a machine identity is deleted': async (tenant) => {
    const { identityId, secret } = await aMachineToken(tenant);
    return { credentials: [secret], narrow: () => call('DELETE', `/v1/machine-identities/${identityId}`, { as: tenant.admin.session }) };
  },
  'a machine identity loses its role': async (tenant) => {
    const { identityId, secret } = await aMachineToken(tenant);
    return { credentials: [secret], loses: 'token:read', narrow: () => call('PATCH', `/v1/machine-identities/${identityId}`, { as: tenant.admin.session, body: { role: null } }) };
  },
  'a machine identity is bound to other addresses': async (tenant) => {
    const identityId = await aTokenAuthMachine(tenant);
    const { secret } = await mintFor(tenant, identityId);
    return { credentials: [secret], narrow: () => call('PATCH', `${TOKEN_AUTH}/identities/${identityId}`, { as: tenant.admin.session, body: { accessTokenTrustedIps: [{ ipAddress: '192.0.2.0/24' }] } }) };
  },
  'a client secret is revoked': async (tenant) => {
    const client = await aClient(tenant);
    const { accessToken } = await done(login(client));
    return { credentials: [accessToken], narrow: () => call('POST', `${UNIVERSAL_AUTH}/identities/${client.identityId}/client-secrets/${client.clientSecretId}/revoke`, { as: tenant.admin.session }) };
  },
  'a token is cut': async (tenant) => {
    const token = await aUserToken(tenant.admin);
    const id = await idOf(tenant, token);
    return { credentials: [token], loses: 'token:read', narrow: () => call('PATCH', `/v1/tokens/${id}`, { as: tenant.admin.session, body: { permissions: ['role:read'] } }) };
  },
  'a token is bound to other addresses': async (tenant) => {
    const token = await aUserToken(tenant.admin);
    const id = await idOf(tenant, token);
    return { credentials: [token], narrow: () => call('PATCH', `/v1/tokens/${id}`, { as: tenant.admin.session, body: { allowed_addresses: ['192.0.2.7'] } }) };
  },
  'the secret that replaces it is in use': async (tenant) => {
    const token = await aUserToken(tenant.admin);
    const { secret } = await done(call('POST', `/v1/tokens/${await idOf(tenant, token)}/rotate`, { as: tenant.admin.session, body: { overlap_seconds: 0 } }));
    return { credentials: [token], narrow: () => call('GET', '/auth/me', { as: secret }) };
  },
};

describe('on another replica, tokens and sessions shrink or die at the latest a second and a half after the answer, when', () => {
  it.each(Object.entries(CASES))('%s', async (_, prepare) => {
    const { credentials, loses, narrow } = await prepare(await aTenant({ slug: aName('org') }));
    for (const credential of credentials) expect(await permissionsOnTheOther(credential)).toEqual(loses === undefined ? expect.any(Array) : expect.arrayContaining([loses]));
    const { status, text } = await narrow();
    expect([status, text].join(' ')).toMatch(/^2/);
    const began = performance.now();
    for (const credential of credentials) {
      for (;;) {
        const left = await permissionsOnTheOther(credential);
        if (loses === undefined ? left === null : left !== null && !left.includes(loses)) break;
        expect(performance.now() - began).toBeLessThan(1_500);
        await pause(5);
      }
    }
  });
});
