import { beforeAll, describe, expect, it } from 'vitest';
import { aName, aProject, aTenant, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';

/** What the vendor's Go client sends: no Bearer, its own application header, exactly these bodies. */
let tenant: TestTenant;
beforeAll(async () => {
  tenant = await aTenant();
});

function provider(method: string, path: string, body?: object): Promise<Answer> {
  return call(method, path, { headers: { authorization: tenant.admin.session, 'x-unleash-appname': 'terraform-provider-unleash', accept: 'application/json' }, body });
}

/** Go's url.PathEscape leaves ':' as it is and escapes '*', '[' and ']'. */
const pathEscape = (secret: string): string => encodeURIComponent(secret).replace(/%3A/g, ':').replace(/\*/g, '%2A');

/** The Go client fails to decode an answer that lacks one of these keys. */
const DECODED_KEYS = ['secret', 'tokenName', 'type', 'projects', 'createdAt'];

describe('the Unleash Terraform provider', () => {
  it.each([
    ['one project', (own: string) => [own], (own: string) => `${own}:development.`],
    ['several projects', (own: string) => ['default', own], () => '[]:development.'],
    ['all projects', () => ['*'], () => '*:development.'],
  ])('creates, prolongs and deletes a token of %s by its secret, in its own spelling', async (_, projectsOf, prefixOf) => {
    const own = await aProject(tenant);
    const tokenName = aName('terraform');
    const body = { environment: 'development', expiresAt: '2024-12-31T23:59:59Z', projects: projectsOf(own), tokenName, type: 'client' };
    const created = await provider('POST', '/api/admin/api-tokens', body);
    expect(created.status).toBe(201);
    expect(Object.keys(created.body)).toEqual(expect.arrayContaining([...DECODED_KEYS, 'environment', 'project', 'expiresAt']));
    const { secret } = created.body;
    expect([created.body.type, created.body.expiresAt, secret.startsWith(prefixOf(own))]).toEqual(['client', '2024-12-31T23:59:59.000Z', true]);
    expect(await introspect(tenant.admin.session, secret)).toEqual({ active: false });

    const updated = await provider('PUT', `/api/admin/api-tokens/${pathEscape(secret)}`, { expiresAt: '2099-12-31T23:59:59Z' });
    expect([updated.status, updated.text]).toEqual([200, '']);
    expect(await introspect(tenant.admin.session, secret)).toMatchObject({ active: true, environment: 'development' });

    const listed = (await provider('GET', '/api/admin/api-tokens')).body.tokens.find((token: { tokenName: string }) => token.tokenName === tokenName);
    expect(DECODED_KEYS.filter((key) => !(key in listed))).toEqual([]);
    expect(listed.type).toBe('client');

    expect((await provider('DELETE', `/api/admin/api-tokens/${pathEscape(secret)}`)).status).toBe(200);
    expect(await introspect(tenant.admin.session, secret)).toEqual({ active: false });
  });

  it('may name the token twice over, as the Kubernetes operator does, and find it by name', async () => {
    const tokenName = aName('operator');
    const body = { username: tokenName, tokenName, type: 'CLIENT', environment: 'development', projects: ['default'] };
    expect((await provider('POST', '/api/admin/api-tokens', body)).status).toBe(201);
    const found = await provider('GET', `/api/admin/api-tokens/${tokenName}`);
    expect(found.body.tokens.map((token: { tokenName: string }) => token.tokenName)).toEqual([tokenName]);
  });
});
