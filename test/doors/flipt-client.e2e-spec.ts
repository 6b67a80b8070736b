import { FliptApiClient, FliptApiError } from '@flipt-io/flipt';
import { beforeAll, describe, expect, it } from 'vitest';
import { theApp } from '../support/app.js';
import { aMember, aProject, aTenant, type TestTenant } from '../support/builders.js';
import { introspect } from '../support/call.js';

let environment: string;
let tenant: TestTenant;
let admin: FliptApiClient;
beforeAll(async () => {
  const { app } = await theApp();
  if (!app.getHttpServer().listening) await app.listen(0, '127.0.0.1');
  environment = `http://127.0.0.1:${(app.getHttpServer().address() as { port: number }).port}`;
  tenant = await aTenant();
  admin = clientOf(tenant.admin.session);
});

const clientOf = (token?: string): FliptApiClient => new FliptApiClient({ environment, token });

/** What the vendor's own client throws; everything it answers it has read with its strict schema before. */
async function refusalOf(call: Promise<unknown>): Promise<{ statusCode: number | undefined; body: unknown }> {
  const error = await call.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof FliptApiError)) throw new Error(`the client threw no FliptApiError but ${String(error)}`);
  return { statusCode: error.statusCode, body: error.body };
}

const UNAUTHENTICATED = { statusCode: 401, body: { code: 16, message: 'request was not authenticated', details: [] } };
const MISSING = { statusCode: 404, body: { code: 5, message: 'getting authentication by token: reading authentication: resource not found', details: [] } };

describe('the client of Flipt', () => {
  it('creates a token, finds it, lists it and deletes it', async () => {
    const expiresAt = new Date('2031-01-01T00:00:00.250Z');
    const { clientToken, authentication } = await admin.authMethodToken.createToken({ name: 'access_all_areas', description: 'keys to the castle', expiresAt });
    expect(authentication).toMatchObject({
      method: 'METHOD_TOKEN',
      expiresAt,
      metadata: { 'io.flipt.auth.token.name': 'access_all_areas', 'io.flipt.auth.token.description': 'keys to the castle' },
    });
    expect(authentication.createdAt).toEqual(authentication.updatedAt);
    expect(await introspect(tenant.admin.session, clientToken)).toMatchObject({ active: true, jti: authentication.id });

    expect(await admin.auth.getToken(authentication.id)).toEqual(authentication);
    expect(await admin.auth.listTokens()).toEqual({ authentications: [authentication], nextPageToken: '' });

    await admin.auth.deleteToken(authentication.id);
    await admin.auth.deleteToken(authentication.id);
    expect(await refusalOf(admin.auth.getToken(authentication.id))).toEqual(MISSING);
    expect(await admin.auth.listTokens()).toEqual({ authentications: [], nextPageToken: '' });
    expect(await refusalOf(clientOf(clientToken).auth.getSelf())).toEqual(UNAUTHENTICATED);
  });

  it('reads a token that never expires', async () => {
    const { authentication } = await admin.authMethodToken.createToken({ name: 'forever', description: '' });
    expect(authentication.expiresAt).toBeUndefined();
    expect(authentication.metadata).toEqual({ 'io.flipt.auth.token.name': 'forever' });
  });

  it('works with the token it created: self, a token of that token, an end at a time and an end now', async () => {
    const { clientToken, authentication } = await admin.authMethodToken.createToken({ name: 'worker', description: 'works' });
    const worker = clientOf(clientToken);
    expect(await worker.auth.getSelf()).toEqual(authentication);
    const child = await worker.authMethodToken.createToken({ name: 'child', description: 'of the worker' });
    expect((await clientOf(child.clientToken).auth.getSelf()).id).toBe(child.authentication.id);

    const expiresAt = new Date('2031-06-01T00:00:00.000Z');
    await worker.auth.expireSelf({ expiresAt });
    expect((await worker.auth.getSelf()).expiresAt).toEqual(expiresAt);
    expect(await refusalOf(worker.auth.expireSelf({ expiresAt: new Date('2032-01-01T00:00:00.000Z') }))).toEqual({
      statusCode: 403,
      body: { code: 7, message: 'permission denied', details: [] },
    });
    await worker.auth.expireSelf();
    expect(await refusalOf(worker.auth.getSelf())).toEqual(UNAUTHENTICATED);
  });

  it('is refused with a token limited to a namespace', async () => {
    const namespaceKey = await aProject(tenant);
    const { clientToken, authentication } = await admin.authMethodToken.createToken({ name: 'scoped', description: 'one namespace', namespaceKey });
    expect(authentication.metadata).toMatchObject({ 'io.flipt.auth.token.namespace': namespaceKey });
    const scoped = clientOf(clientToken);
    expect(await refusalOf(scoped.auth.getSelf())).toEqual(UNAUTHENTICATED);
    expect(await refusalOf(scoped.auth.listTokens())).toEqual(UNAUTHENTICATED);
    expect(await refusalOf(scoped.authMethodToken.createToken({ name: 'n', description: 'd' }))).toEqual(UNAUTHENTICATED);
  });

  it('is told 401 without a token, 403 without the permission and 404 for a token of others', async () => {
    expect(await refusalOf(clientOf().auth.listTokens())).toEqual(UNAUTHENTICATED);
    expect(await refusalOf(clientOf('nonsense').auth.listTokens())).toEqual(UNAUTHENTICATED);
    const outsider = clientOf((await aMember(tenant, 'EXTERNAL')).session);
    expect((await refusalOf(outsider.auth.listTokens())).statusCode).toBe(403);
    const stranger = clientOf((await aTenant()).admin.session);
    const { authentication } = await admin.authMethodToken.createToken({ name: 'ours', description: 'not theirs' });
    expect(await refusalOf(stranger.auth.getToken(authentication.id))).toEqual(MISSING);
    await stranger.auth.deleteToken(authentication.id);
    expect(await admin.auth.getToken(authentication.id)).toEqual(authentication);
  });

  it('reads who a session is', async () => {
    const member = await aMember(tenant);
    const self = await clientOf(member.session).auth.getSelf();
    expect(self).toMatchObject({ method: 'METHOD_JWT', metadata: { 'io.flipt.auth.jwt.email': member.email } });
  });
});
