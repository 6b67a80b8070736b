import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, jwtVerify, SignJWT, createLocalJWKSet, type CryptoKey } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { PUBLIC_URL, theApp } from '../support/app.js';
import { aName, aRole, aTenant, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { aClient, done, login, UNIVERSAL_AUTH, type Client } from '../support/machines.js';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

let tenant: TestTenant;
let client: Client;
beforeAll(async () => {
  tenant = await aTenant();
  client = await aClient(tenant, {}, {}, { role: await aRole(tenant, ['profile:read', 'token:introspect', 'token:read']) });
});

const ask = (form: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> => call('POST', '/oauth2/token', { form, headers });
const basic = (id: string, secret: string) => ({ authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}` });
const grant = (form: Record<string, string> = {}, { clientId, clientSecret }: Pick<Client, 'clientId' | 'clientSecret'> = client) =>
  ask({ grant_type: 'client_credentials', ...form }, basic(clientId, clientSecret));
const exchange = (subject: string, form: Record<string, string> = {}) => ask({ grant_type: EXCHANGE, subject_token: subject, subject_token_type: ACCESS_TOKEN, ...form });
const refusal = ({ status, body }: Answer) => [status, body.error];

async function aUserToken(body: object = {}): Promise<string> {
  return (await call('POST', '/user/api-tokens', { as: tenant.admin.session, body })).body.token;
}

describe('client_credentials', () => {
  it('gives the machine a token that lives and may do as its settings and its role say', async () => {
    const own = await aClient(tenant, { accessTokenTTL: 600, accessTokenMaxTTL: 3600 }, {}, { role: await aRole(tenant, ['profile:read', 'token:read']) });
    const { status, headers, body } = await grant({}, own);
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    expect(body).toEqual({ access_token: expect.stringMatching(/^idt_/), token_type: 'Bearer', expires_in: 600, scope: 'profile:read token:read' });
    expect(await introspect(tenant.admin.session, body.access_token)).toMatchObject({ active: true, owner_kind: 'machine-identity', owner_id: own.identityId, scope: 'profile:read token:read' });
  });

  it('takes the secret in the body too, and a client that says who it is twice, once', async () => {
    const { clientId: client_id, clientSecret: client_secret } = client;
    expect((await ask({ grant_type: 'client_credentials', client_id, client_secret })).status).toBe(200);
    expect((await grant({ client_id })).status).toBe(200);
    expect(refusal(await grant({ client_id: randomUUID() }))).toEqual([400, 'invalid_request']);
    expect(refusal(await grant({ client_id, client_secret }))).toEqual([400, 'invalid_request']);
  });

  it('narrows the token to the scope that is asked for, and never widens it', async () => {
    const { status, body } = await grant({ scope: 'token:read' });
    expect([status, body.scope]).toEqual([200, 'token:read']);
    expect(await introspect(tenant.admin.session, body.access_token)).toMatchObject({ scope: 'token:read' });
    for (const scope of ['token:write', 'token:read member:write', 'platform:organization:write', '*']) {
      expect(refusal(await grant({ scope }))).toEqual([400, 'invalid_scope']);
    }
    expect(refusal(await grant({ scope: 'a  b' }))).toEqual([400, 'invalid_scope']);
  });

  it('asks whoever is not the client to prove it, in one answer for all', async () => {
    const foreign = await aClient(await aTenant());
    const wrong = [basic(client.clientId, foreign.clientSecret), basic(randomUUID(), client.clientSecret), basic('x', 'y'), { authorization: 'Basic !' }, {}];
    for (const headers of wrong) {
      const answer = await ask({ grant_type: 'client_credentials' }, headers);
      expect([...refusal(answer), answer.headers['www-authenticate']]).toEqual([401, 'invalid_client', 'Basic realm="gatehouse"']);
    }
  });

  it('refuses grants and parameters it does not know how to take', async () => {
    for (const grant_type of ['password', 'authorization_code', 'implicit', 'refresh_token', 'CLIENT_CREDENTIALS']) {
      expect(refusal(await ask({ grant_type }, basic(client.clientId, client.clientSecret)))).toEqual([400, 'unsupported_grant_type']);
    }
    expect(refusal(await ask({}))).toEqual([400, 'invalid_request']);
    expect(refusal(await call('POST', '/oauth2/token', { body: { grant_type: 'client_credentials' } }))).toEqual([415, 'invalid_request']);
    const twice = await call('POST', '/oauth2/token', { body: 'grant_type=client_credentials&grant_type=client_credentials', headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    expect(refusal(twice)).toEqual([400, 'invalid_request']);
  });
});

describe('private_key_jwt', () => {
  let pair: { privateKey: CryptoKey; publicKey: CryptoKey };
  let keyId: string;
  const keysOf = ({ identityId }: Client) => `/v1/machine-identities/${identityId}/client-keys`;
  beforeAll(async () => {
    pair = await generateKeyPair('ES256', { extractable: true });
    const { status, body } = await call('POST', keysOf(client), { as: tenant.admin.session, body: { name: 'laptop', jwk: await exportJWK(pair.publicKey) } });
    expect([status, body.client_id, body.algorithm]).toEqual([201, client.clientId, 'ES256']);
    keyId = body.id;
  });

  async function anAssertion(claims: object = {}, key: CryptoKey = pair.privateKey, alg = 'ES256'): Promise<string> {
    const { clock } = await theApp();
    const now = clock.now().epochSeconds;
    const all = { iss: client.clientId, sub: client.clientId, aud: `${PUBLIC_URL}/oauth2/token`, jti: randomUUID(), iat: now, exp: now + 60, ...claims };
    return new SignJWT(all).setProtectedHeader({ alg }).sign(key);
  }
  const prove = (client_assertion: string, form: Record<string, string> = {}) => ask({ grant_type: 'client_credentials', client_assertion_type: ASSERTION, client_assertion, ...form });

  it('lets the machine in by an assertion of its key for our issuer or token endpoint', async () => {
    for (const aud of [`${PUBLIC_URL}/oauth2/token`, PUBLIC_URL, [PUBLIC_URL, 'https://other.example']]) {
      const { status, body } = await prove(await anAssertion({ aud }));
      expect([status, body.scope]).toEqual([200, 'profile:read token:introspect token:read']);
    }
    const listed = await call('GET', keysOf(client), { as: tenant.admin.session });
    expect(listed.body.data).toEqual([expect.objectContaining({ id: keyId, name: 'laptop', last_used_at: expect.any(String) })]);
    expect(listed.text).not.toContain('"x"');
  });

  it('takes an assertion once', async () => {
    const assertion = await anAssertion();
    expect((await prove(assertion)).status).toBe(200);
    expect(refusal(await prove(assertion))).toEqual([401, 'invalid_client']);
  });

  it('refuses assertions that are stale, for others, by others, or endless', async () => {
    const { clock } = await theApp();
    const now = clock.now().epochSeconds;
    const other = await generateKeyPair('ES256', { extractable: true });
    const odd = [
      await anAssertion({ exp: now - 60 }),
      await anAssertion({ exp: now + 3600 }),
      await anAssertion({ exp: undefined }),
      await anAssertion({ jti: undefined }),
      await anAssertion({ nbf: now + 600 }),
      await anAssertion({ aud: 'https://other.example' }),
      await anAssertion({ aud: undefined }),
      await anAssertion({ iss: randomUUID() }),
      await anAssertion({ sub: randomUUID() }),
      await anAssertion({}, other.privateKey),
      (await anAssertion()).replace(/\.[^.]*$/, '.'),
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await anAssertion()).split('.')[1]}.`,
      'x',
      'a.b.c',
      `${'a'.repeat(9000)}.b.c`,
    ];
    for (const assertion of odd) expect([assertion.slice(0, 20), ...refusal(await prove(assertion))]).toEqual([assertion.slice(0, 20), 401, 'invalid_client']);
    expect(refusal(await prove(await anAssertion(), { client_assertion_type: 'x' }))).toEqual([400, 'invalid_request']);
    expect(refusal(await prove(await anAssertion(), { client_id: client.clientId, client_secret: client.clientSecret }))).toEqual([400, 'invalid_request']);
    await done(call('POST', `${UNIVERSAL_AUTH}/identities/${client.identityId}/clear-lockouts`, { as: tenant.admin.session, body: {} }));
  });

  it('knows RSA, EdDSA and P-384 keys, and no private, symmetric or weak ones', async () => {
    const own = await aClient(tenant);
    const add = (jwk: object) => call('POST', keysOf(own), { as: tenant.admin.session, body: { name: aName('key'), jwk } });
    for (const [alg, options] of [['RS256', {}], ['PS256', {}], ['ES384', {}], ['EdDSA', { crv: 'Ed25519' }]] as const) {
      const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true, ...options });
      const jwk = { ...(await exportJWK(publicKey)), alg };
      expect([alg, (await add(jwk)).status]).toEqual([alg, 201]);
      expect((await add(jwk)).status).toBe(409);
      const { clock } = await theApp();
      const now = clock.now().epochSeconds;
      const claims = { iss: own.clientId, sub: own.clientId, aud: PUBLIC_URL, jti: randomUUID(), exp: now + 60 };
      expect([alg, (await prove(await new SignJWT(claims).setProtectedHeader({ alg }).sign(privateKey))).status]).toEqual([alg, 200]);
    }
    const ec = await generateKeyPair('ES256', { extractable: true });
    const odd = [await exportJWK(ec.privateKey), { kty: 'oct', k: 'c2VjcmV0' }, {}, { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }, { kty: 'RSA', n: 'AQAB', e: 'AQAB' }, { ...(await exportJWK(ec.publicKey)), crv: 'secp256k1' }];
    for (const jwk of odd) {
      const { status, text } = await add(jwk);
      expect([status, text.includes((jwk as { d?: string }).d ?? 'no private half')]).toEqual([400, false]);
    }
  });

  it('ends what a key obtained when the key is removed', async () => {
    const { body } = await prove(await anAssertion());
    expect(await introspect(tenant.admin.session, body.access_token)).toMatchObject({ active: true });
    expect((await call('DELETE', `${keysOf(client)}/${keyId}`, { as: tenant.admin.session })).status).toBe(204);
    expect(await introspect(tenant.admin.session, body.access_token)).toEqual({ active: false });
    expect(refusal(await prove(await anAssertion()))).toEqual([401, 'invalid_client']);
    expect((await call('DELETE', `${keysOf(client)}/${keyId}`, { as: tenant.admin.session })).status).toBe(404);
  });
});

describe('token exchange', () => {
  const keySet = async () => createLocalJWKSet((await call('GET', '/.well-known/jwks.json')).body);
  async function read(jwt: string, audience = PUBLIC_URL) {
    const { clock } = await theApp();
    return jwtVerify(jwt, await keySet(), { issuer: PUBLIC_URL, audience, typ: 'at+jwt', algorithms: ['ES256'], currentDate: new Date(clock.now().epochSeconds * 1000) });
  }

  it('gives whoever holds any live token a JWT of five minutes that our key set verifies offline', async () => {
    const subject = await aUserToken();
    const { status, headers, body } = await exchange(subject);
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    const facts = await introspect(tenant.admin.session, subject);
    expect(body).toEqual({ access_token: expect.any(String), issued_token_type: ACCESS_TOKEN, token_type: 'Bearer', expires_in: 300, scope: facts['scope'] });
    const { payload } = await read(body.access_token);
    expect(payload).toEqual({
      iss: PUBLIC_URL,
      aud: PUBLIC_URL,
      sub: tenant.admin.id,
      client_id: tenant.admin.id,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      iat: expect.any(Number),
      exp: (payload.iat ?? 0) + 300,
      scope: facts['scope'],
      token_id: facts['jti'],
      organization_id: tenant.id,
      owner_kind: 'user',
      projects: ['*'],
      environment: null,
    });
  });

  it('counts as a use of the token, and what is refused for its scope as none', async () => {
    const once = await aClient(tenant, { accessTokenNumUsesLimit: 1 }, {}, { role: await aRole(tenant, ['profile:read', 'token:read']) });
    const subject = (await grant({}, once)).body.access_token;
    expect(refusal(await exchange(subject, { scope: 'token:read token:write' }))).toEqual([400, 'invalid_scope']);
    expect((await exchange(subject, { scope: 'token:read' })).status).toBe(200);
    expect(refusal(await exchange(subject))).toEqual([400, 'invalid_request']);
  });

  it('names the audience that was asked for, and narrows the scope, never beyond the parent', async () => {
    const subject = (await login(client)).body.accessToken;
    const { body } = await exchange(subject, { audience: 'https://billing.example', scope: 'token:read', requested_token_type: 'urn:ietf:params:oauth:token-type:jwt' });
    expect(body).toMatchObject({ issued_token_type: 'urn:ietf:params:oauth:token-type:jwt', scope: 'token:read' });
    expect((await read(body.access_token, 'https://billing.example')).payload['scope']).toBe('token:read');
    await expect(read(body.access_token)).rejects.toThrow('aud');
    expect(refusal(await exchange(subject, { scope: 'token:read token:write' }))).toEqual([400, 'invalid_scope']);
    expect(refusal(await exchange(subject, { audience: 'no spaces' }))).toEqual([400, 'invalid_target']);
    const several = await call('POST', '/oauth2/token', {
      body: new URLSearchParams([['grant_type', EXCHANGE], ['subject_token', subject], ['subject_token_type', ACCESS_TOKEN], ['audience', 'one'], ['audience', 'two'], ['resource', 'https://three.example']]).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect((await read(several.body.access_token, 'two')).payload.aud).toEqual(['one', 'two', 'https://three.example']);
  });

  it('ends no later than its parent', async () => {
    const { clock } = await theApp();
    const expiresAt = clock.now().plusSeconds(90);
    const { body } = await exchange(await aUserToken({ expiresAt: expiresAt.toRfc3339(0).replace('Z', '+00:00') }));
    expect(body.expires_in).toBeLessThanOrEqual(90);
    expect((await read(body.access_token)).payload.exp).toBe(expiresAt.epochSeconds);
  });

  it('is no way into our own API, and nothing to exchange or introspect', async () => {
    const { access_token: jwt } = (await exchange(await aUserToken())).body;
    expect((await call('GET', '/auth/me', { as: jwt })).status).toBe(401);
    expect(refusal(await exchange(jwt))).toEqual([400, 'invalid_request']);
    expect(await introspect(tenant.admin.session, jwt)).toEqual({ active: false });
  });

  it('refuses dead and unknown tokens alike, and whatever RFC 8693 leaves to others', async () => {
    const dead = await aUserToken();
    await call('POST', '/oauth2/revoke', { as: tenant.admin.session, form: { token: dead } });
    const answers = await Promise.all([exchange(dead), exchange('x'), exchange(tenant.admin.session), exchange(tenant.admin.refreshToken)]);
    const says = answers.map(({ status, body: { error, error_description, errors } }) => [status, error, error_description, errors]);
    expect(new Set(says.map((said) => JSON.stringify(said))).size).toBe(1);
    expect(says[0]?.slice(0, 2)).toEqual([400, 'invalid_request']);
    const live = await aUserToken();
    const left: Record<string, string>[] = [{ actor_token: live }, { subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' }, { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }];
    for (const form of left) {
      expect(refusal(await exchange(live, form))).toEqual([400, 'invalid_request']);
    }
    expect(refusal(await ask({ grant_type: EXCHANGE, subject_token: live, subject_token_type: ACCESS_TOKEN }, basic(client.clientId, client.clientSecret)))).toEqual([400, 'invalid_request']);
  });

  it('is a use of the parent, and is recorded where the parent is kept', async () => {
    const own = await aClient(tenant, { accessTokenNumUsesLimit: 2 });
    const subject = (await login(own)).body.accessToken;
    expect((await exchange(subject)).status).toBe(200);
    expect((await exchange(subject)).status).toBe(200);
    expect((await exchange(subject)).status).toBe(400);
    const events = (await call('GET', '/v1/audit-events?action=token.exchanged', { as: tenant.admin.session })).body.data;
    expect(events.filter((event: { actor_id: string }) => event.actor_id === own.identityId)).toHaveLength(2);
    expect(JSON.stringify(events)).not.toContain('eyJ');
  });
});

describe('GET /.well-known/oauth-authorization-server', () => {
  it('says what there is and where, by the public URL and not by the request', async () => {
    const { status, body } = await call('GET', '/.well-known/oauth-authorization-server', { headers: { host: 'evil.example', 'x-forwarded-host': 'evil.example' } });
    expect([status, body.issuer, body.token_endpoint, body.jwks_uri]).toEqual([200, PUBLIC_URL, `${PUBLIC_URL}/oauth2/token`, `${PUBLIC_URL}/.well-known/jwks.json`]);
    for (const url of [body.token_endpoint, body.introspection_endpoint, body.revocation_endpoint, body.jwks_uri]) {
      const path = String(url).slice(PUBLIC_URL.length);
      expect([path, (await call('POST', path)).status === 404]).toEqual([path, false]);
    }
  });
});
