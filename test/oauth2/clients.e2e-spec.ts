import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import express from 'express';
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer';
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose';
import * as oauth4webapi from 'oauth4webapi';
import * as openid from 'openid-client';
import { ClientCredentials } from 'simple-oauth2';
import tokenIntrospection from 'token-introspection';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApplication } from '../../src/application.js';
import type { OpenDatabase } from '../../src/kernel/database/open-database.js';
import { FirstStart } from '../../src/organizations/first-start.js';
import { anEmptyDatabase } from '../support/instance.js';

/** Real clients over real sockets, against an issuer whose public URL is where it listens. */
const ADMIN = { email: 'admin@localhost', password: 'correct horse battery staple' };

let database: OpenDatabase;
let app: NestFastifyApplication;
let issuer: string;
let session: string;
let clientId: string;
let clientSecret: string;
let identityId: string;

beforeAll(async () => {
  database = await anEmptyDatabase();
  const port = await aFreePort();
  issuer = `http://127.0.0.1:${port}`;
  app = await createApplication({
    config: { logLevel: 'silent', publicUrl: issuer, trustedProxies: [] },
    secretKeys: ['test-key-0123456789-abcdefghijklmnopqrstuvwxyz'],
    database,
  });
  await app.get(FirstStart).run(ADMIN);
  await app.listen(port, '127.0.0.1');
  const { access_token: own, organization } = await post('/auth/login', ADMIN, null);
  session = own;
  identityId = (await post('/api/v1/identities', { name: 'caller', role: 'admin', organizationId: organization.id })).identity.id;
  clientId = (await post(`/api/v1/auth/universal-auth/identities/${identityId}`, {})).identityUniversalAuth.clientId;
  clientSecret = (await post(`/api/v1/auth/universal-auth/identities/${identityId}/client-secrets`, {})).clientSecret;
});
afterAll(async () => {
  await app.close();
  await database.close();
});

async function aFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

async function post(path: string, body: object, as: string | null = session): Promise<any> {
  const response = await fetch(`${issuer}${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...(as && { authorization: `Bearer ${as}` }) }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

const aToken = async (): Promise<string> => (await post('/user/api-tokens', {})).token;

describe('openid-client', () => {
  const discover = (authentication?: openid.ClientAuth) =>
    openid.discovery(new URL(issuer), clientId, undefined, authentication ?? openid.ClientSecretBasic(clientSecret), { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] });

  it('discovers us and logs in by secret in the header, by secret in the body and by key', async () => {
    const byHeader = await openid.clientCredentialsGrant(await discover(), { scope: 'token:introspect' });
    expect(byHeader).toMatchObject({ token_type: 'bearer', scope: 'token:introspect' });
    const byBody = await openid.clientCredentialsGrant(await discover(openid.ClientSecretPost(clientSecret)));
    expect(byBody.access_token).toMatch(/^idt_/);
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    await post(`/v1/machine-identities/${identityId}/client-keys`, { name: 'key', jwk: await exportJWK(publicKey) });
    const byKey = await openid.clientCredentialsGrant(await discover(openid.PrivateKeyJwt(privateKey)));
    expect(byKey.access_token).toMatch(/^idt_/);
    await expect(openid.clientCredentialsGrant(await discover(openid.ClientSecretBasic('wrong')))).rejects.toMatchObject({ name: 'WWWAuthenticateChallengeError', status: 401 });
  });

  it('introspects and revokes as the client it logs in as', async () => {
    const config = await discover();
    const token = await aToken();
    expect(await openid.tokenIntrospection(config, token)).toMatchObject({ active: true, token_type: 'Bearer', iss: issuer });
    await openid.tokenRevocation(config, token);
    expect(await openid.tokenIntrospection(config, token)).toEqual({ active: false });
  });
});

describe('oauth4webapi', () => {
  it('exchanges a token for a JWT and validates it by our key set', async () => {
    const options = { [oauth4webapi.allowInsecureRequests]: true };
    const url = new URL(issuer);
    const server = await oauth4webapi.processDiscoveryResponse(url, await oauth4webapi.discoveryRequest(url, { algorithm: 'oauth2', ...options }));
    const parameters = new URLSearchParams({ subject_token: await aToken(), subject_token_type: 'urn:ietf:params:oauth:token-type:access_token', audience: 'https://billing.example', scope: 'profile:read' });
    const client = { client_id: randomUUID() };
    const response = await oauth4webapi.genericTokenEndpointRequest(server, client, oauth4webapi.None(), 'urn:ietf:params:oauth:grant-type:token-exchange', parameters, options);
    const exchanged = await oauth4webapi.processGenericTokenEndpointResponse(server, client, response);
    expect(exchanged).toMatchObject({ expires_in: 300, scope: 'profile:read', issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' });
    const request = new Request('https://billing.example/', { headers: { authorization: `Bearer ${exchanged.access_token}` } });
    expect(await oauth4webapi.validateJwtAccessToken(server, request, 'https://billing.example', options)).toMatchObject({ scope: 'profile:read', iss: issuer });
    const revocation = await oauth4webapi.revocationRequest(server, { client_id: clientId }, oauth4webapi.ClientSecretBasic(clientSecret), await aToken(), options);
    expect(await oauth4webapi.processRevocationResponse(revocation)).toBeUndefined();
  });
});

describe('token-introspection', () => {
  it('asks about tokens by client id and secret', async () => {
    const ask = tokenIntrospection({ endpoint: `${issuer}/oauth2/introspect`, client_id: clientId, client_secret: clientSecret });
    expect(await ask(await aToken(), 'access_token')).toMatchObject({ active: true, iss: issuer });
    await expect(ask('nothing', 'access_token')).rejects.toThrow('Token is not active');
  });
});

describe('simple-oauth2', () => {
  it('gets a token, and revokes it', async () => {
    const client = new ClientCredentials({ client: { id: clientId, secret: clientSecret }, auth: { tokenHost: issuer, tokenPath: '/oauth2/token', revokePath: '/oauth2/revoke' } });
    const token = await client.getToken({ scope: 'token:read' });
    expect(token.expired()).toBe(false);
    await token.revoke('access_token');
    expect((await fetch(`${issuer}/auth/me`, { headers: { authorization: `Bearer ${String(token.token['access_token'])}` } })).status).toBe(401);
  });
});

describe('express-oauth2-jwt-bearer and jose', () => {
  const AUDIENCE = 'https://billing.example';
  let service: Server;
  let url: string;
  beforeAll(async () => {
    const guarded = express();
    guarded.use(auth({ issuer, audience: AUDIENCE, jwksUri: `${issuer}/.well-known/jwks.json`, tokenSigningAlg: 'ES256', strict: true }));
    guarded.get('/', requiredScopes('token:read'), (request, response) => {
      response.json(request.auth?.payload);
    });
    await new Promise<void>((listening) => (service = guarded.listen(0, '127.0.0.1', () => listening())));
    url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/`;
  });
  afterAll(() => new Promise((closed) => service.close(closed)));

  async function anExchanged(parameters: Record<string, string>): Promise<string> {
    const body = new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: await aToken(), subject_token_type: 'urn:ietf:params:oauth:token-type:access_token', ...parameters });
    return ((await (await fetch(`${issuer}/oauth2/token`, { method: 'POST', body })).json()) as { access_token: string }).access_token;
  }
  const visit = (jwt: string) => fetch(url, { headers: { authorization: `Bearer ${jwt}` } });

  it('a service lets in whoever exchanged a token for it with the scope it asks for, and nobody else', async () => {
    const good = await visit(await anExchanged({ audience: AUDIENCE }));
    expect([good.status, await good.json()]).toEqual([200, expect.objectContaining({ iss: issuer, aud: AUDIENCE, owner_kind: 'user' })]);
    expect((await visit(await anExchanged({ audience: AUDIENCE, scope: 'profile:read' }))).status).toBe(403);
    expect((await visit(await anExchanged({ audience: 'https://other.example' }))).status).toBe(401);
    expect((await visit(session)).status).toBe(401);
  });

  it('jose verifies by the remote key set', async () => {
    const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
    const { payload, protectedHeader } = await jwtVerify(await anExchanged({ audience: AUDIENCE }), keys, { issuer, audience: AUDIENCE, typ: 'at+jwt' });
    expect([protectedHeader.alg, payload['owner_kind']]).toEqual(['ES256', 'user']);
  });
});
