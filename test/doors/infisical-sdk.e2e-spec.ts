import { InfisicalSDK } from '@infisical/sdk';
import { beforeAll, describe, expect, it } from 'vitest';
import { theApp } from '../support/app.js';
import { aTenant, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { aClient, admit, aMachineToken, aSubOrganization, done, TOKEN_AUTH, UNIVERSAL_AUTH } from '../support/machines.js';

/** The vendor's own client for Node.js, over a real socket. */
let siteUrl: string;
let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  const { app } = await theApp();
  if (!app.getHttpServer().listening) await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as { port: number };
  siteUrl = `http://127.0.0.1:${port}`;
  tenant = await aTenant();
  as = tenant.admin.session;
});

const anSdk = () => new InfisicalSDK({ siteUrl });
/** The client wraps what a renewal says once more than what a login says. */
const failed = (path: string, status: number, message: string) => ({
  name: path === RENEW ? 'InfisicalSDKError' : 'InfisicalSDKRequestError',
  message: `[URL=${siteUrl}${path}] [Method=POST] [StatusCode=${status}] ${message}`,
});
const LOGIN = '/api/v1/auth/universal-auth/login';
const RENEW = '/api/v1/auth/token/renew';

describe('@infisical/sdk', () => {
  it('logs in, renews again and again, and its tokens are live tokens of the machine', async () => {
    const { clientId, clientSecret, identityId } = await aClient(tenant);
    const sdk = anSdk();
    expect(sdk.auth().getAccessToken()).toBeNull();
    await sdk.auth().universalAuth.login({ clientId, clientSecret });
    const seen = [sdk.auth().getAccessToken()];
    for (let round = 0; round < 3; round += 1) {
      await sdk.auth().universalAuth.renew();
      seen.push(sdk.auth().getAccessToken());
    }
    expect(new Set(seen).size).toBe(4);
    const facts = await Promise.all(seen.map((token) => introspect(as, token ?? '')));
    expect(facts.map(({ active, owner_id, jti }) => [active, owner_id, jti])).toEqual(seen.map(() => [true, identityId, facts[0]?.['jti']]));
  });

  it('extends a token\'s life by renewing it, within its maximum', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const { clientId, clientSecret } = await aClient(tenant, { accessTokenTTL: 100, accessTokenMaxTTL: 250 });
    const sdk = await anSdk().auth().universalAuth.login({ clientId, clientSecret });
    for (let round = 0; round < 4; round += 1) {
      clock.advance(60);
      await sdk.auth().universalAuth.renew();
    }
    clock.advance(10);
    await expect(sdk.auth().universalAuth.renew()).rejects.toMatchObject(failed(RENEW, 401, 'Your token has expired. Please re-authenticate.'));
  });

  it('logs in anew with a stale bearer in its headers', async () => {
    const { clientId, clientSecret } = await aClient(tenant);
    const sdk = anSdk().auth().accessToken('idt_stale');
    await sdk.auth().universalAuth.login({ clientId, clientSecret });
    expect((await introspect(as, sdk.auth().getAccessToken() ?? ''))['active']).toBe(true);
  });

  it('uses a Token Auth token as its bearer, and renews it', async () => {
    const { secret, id } = await aMachineToken(tenant);
    const sdk = anSdk().auth().accessToken(secret);
    expect(sdk.auth().getAccessToken()).toBe(secret);
    await sdk.auth().universalAuth.renew();
    expect((await introspect(as, sdk.auth().getAccessToken() ?? ''))['jti']).toBe(id);
    await done(call('POST', `${TOKEN_AUTH}/tokens/${id}/revoke`, { as }));
    await expect(sdk.auth().universalAuth.renew()).rejects.toMatchObject(failed(RENEW, 401, 'Cannot renew: token has been revoked'));
  });

  it('passes organizationSlug on, and tells of a sub-organization that is none', async () => {
    const sub = await aSubOrganization(tenant);
    const { identityId, clientId, clientSecret } = await aClient(tenant);
    const login = (organizationSlug: string) => anSdk().auth().universalAuth.login({ clientId, clientSecret, organizationSlug } as { clientId: string; clientSecret: string });
    await expect(login('none-such')).rejects.toMatchObject(failed(LOGIN, 404, 'Sub organization with slug none-such not found'));
    await expect(login(sub.slug)).rejects.toMatchObject(failed(LOGIN, 401, `Identity not authorized to access sub organization ${sub.slug}`));
    await admit(sub, identityId);
    const sdk = await login(sub.slug);
    expect((await introspect(sub.admin.session, sdk.auth().getAccessToken() ?? ''))['organization_id']).toBe(sub.id);
  });

  it('shows what a 401, a 403 and a 422 say', async () => {
    const { identityId, clientId, clientSecret } = await aClient(tenant);
    await expect(anSdk().auth().universalAuth.login({ clientId, clientSecret: 'wrong' })).rejects.toMatchObject(failed(LOGIN, 401, 'Invalid credentials'));
    await done(call('PATCH', `${UNIVERSAL_AUTH}/identities/${identityId}`, { as, body: { clientSecretTrustedIps: [{ ipAddress: '192.0.2.1' }] } }));
    await expect(anSdk().auth().universalAuth.login({ clientId, clientSecret })).rejects.toMatchObject(
      failed(LOGIN, 403, 'You are not allowed to access this resource from the current IP address'),
    );
    // The client shows only sentences, and the dialect's 422 carries a list.
    await expect(anSdk().auth().universalAuth.login({ clientId } as { clientId: string; clientSecret: string })).rejects.toMatchObject({ name: 'InfisicalSDKError', message: 'Request failed with status 422' });
    await expect(anSdk().auth().accessToken('x').auth().universalAuth.renew()).rejects.toMatchObject(failed(RENEW, 401, 'Cannot renew revoked or unknown access token'));
  });
});
