import { beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { TENANT_PERMISSIONS } from '../../src/tokens/permissions.js';
import { theApp } from '../support/app.js';
import { aMember, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { aClient, aMachine, aMachineToken, done, IDENTITIES, probe, TOKEN_AUTH, UNIVERSAL_AUTH } from '../support/machines.js';

let tenant: TestTenant;
let as: string;
let identityId: string;
let tokenId: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
  ({ identityId, id: tokenId } = await aMachineToken(tenant));
});

const refusal = (status: number, error: string, message: unknown) => ({ reqId: expect.stringMatching(/^req-[0-9A-Za-z]{14}$/), statusCode: status, message, error });
const tokensAt = (id = identityId): string => `${TOKEN_AUTH}/identities/${id}/tokens`;
const tokensStored = async (): Promise<number> => Number((await sql(tenant, 'SELECT count(*) FROM api_tokens'))[0]?.['count']);

describe('the envelope', () => {
  it('has the keys of the vendor\'s document in their order, and the id of the request', async () => {
    const { status, headers, text, body } = await call('GET', `${IDENTITIES}/x`, { as });
    expect([status, headers['content-type'], Object.keys(body)]).toEqual([404, 'application/json; charset=utf-8', ['reqId', 'statusCode', 'message', 'error']]);
    expect([text.includes(headers['x-request-id'] as string), body.reqId]).toEqual([true, headers['x-request-id']]);
  });
});

describe('a credential', () => {
  it('that is missing, wrong, of another scheme, expired or revoked is 401 in a sentence of its own', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const expired = await aMachineToken(tenant, { accessTokenTTL: 1, accessTokenMaxTTL: 1 });
    const revoked = await aMachineToken(tenant);
    await done(call('POST', `${TOKEN_AUTH}/tokens/${revoked.id}/revoke`, { as }));
    clock.advance(1);
    const unknown = 'No identity access token found';
    for (const [headers, message] of [
      [{}, 'Token missing'],
      [{ authorization: `Bearer ${expired.secret}` }, 'Your token has expired. Please re-authenticate.'],
      [{ authorization: `Bearer ${revoked.secret}` }, 'Failed to authorize: token has been revoked'],
      [{ authorization: 'Bearer x' }, unknown],
      [{ authorization: `Bearer idt_${'0'.repeat(49)}` }, unknown],
      [{ authorization: 'Bearer' }, unknown],
      [{ authorization: `Basic ${Buffer.from(`x:${revoked.secret}`).toString('base64')}` }, unknown],
      [{ authorization: as }, unknown],
      [{ authorization: `Bearer ${as.slice(0, -2)}` }, 'You are not allowed to access this resource'],
      [{ 'x-api-key': as, cookie: `token=${as}` }, 'Token missing'],
    ] as const) {
      const answer = await call('POST', tokensAt(), { headers, body: '{' });
      expect([headers, answer.status, answer.body]).toEqual([headers, 401, refusal(401, 'UnauthorizedError', message)]);
    }
  });

  it('is taken with the scheme in any case', async () => {
    const { secret } = await aMachineToken(tenant);
    for (const scheme of ['bearer', 'BEARER', 'Bearer ']) expect((await call('GET', `${IDENTITIES}/details`, { headers: { authorization: `${scheme} ${secret}` } })).status).toBe(200);
  });
});

describe('a permission', () => {
  it('that is missing is named, with the dialect\'s action', async () => {
    const { session } = await aMember(tenant, 'EXTERNAL');
    const [identity, token] = [`${TOKEN_AUTH}/identities/${identityId}`, `${TOKEN_AUTH}/tokens/${tokenId}`];
    const client = `${UNIVERSAL_AUTH}/identities/${identityId}`;
    const expected = [
      ['POST', IDENTITIES, 'create', 'identity:write'],
      ['GET', `${IDENTITIES}?orgId=${tenant.id}`, 'read', 'identity:read'],
      ['POST', `${IDENTITIES}/search`, 'read', 'identity:read'],
      ['GET', `${IDENTITIES}/${identityId}`, 'read', 'identity:read'],
      ['PATCH', `${IDENTITIES}/${identityId}`, 'edit', 'identity:write'],
      ['DELETE', `${IDENTITIES}/${identityId}`, 'delete', 'identity:write'],
      ['GET', `${IDENTITIES}/${identityId}/identity-memberships`, 'read', 'identity:read'],
      ['POST', identity, 'create', 'identity:write'],
      ['PATCH', identity, 'edit', 'identity:write'],
      ['GET', identity, 'read', 'identity:read'],
      ['DELETE', identity, 'edit', 'identity:write'],
      ['POST', `${identity}/tokens`, 'create-token', 'identity:token:write'],
      ['GET', `${identity}/tokens`, 'read', 'identity:token:read'],
      ['GET', `${identity}/tokens/${tokenId}`, 'read', 'identity:token:read'],
      ['GET', token, 'read', 'identity:token:read'],
      ['PATCH', token, 'edit', 'identity:token:write'],
      ['POST', `${token}/revoke`, 'edit', 'identity:token:write'],
      ['POST', client, 'create', 'identity:write'],
      ['PATCH', client, 'edit', 'identity:write'],
      ['GET', client, 'read', 'identity:read'],
      ['DELETE', client, 'edit', 'identity:write'],
      ['POST', `${client}/client-secrets`, 'create-token', 'identity:token:write'],
      ['GET', `${client}/client-secrets`, 'read', 'identity:token:read'],
      ['GET', `${client}/client-secrets/x`, 'read', 'identity:token:read'],
      ['POST', `${client}/client-secrets/x/revoke`, 'edit', 'identity:token:write'],
      ['POST', `${client}/clear-lockouts`, 'edit', 'identity:write'],
    ] as const;
    for (const [method, path, action, permission] of expected) {
      // Refused before the body is looked at, however broken it is.
      const { status, body } = await call(method, path, { as: session, body: method === 'GET' ? undefined : '{' });
      const rule = { action: permission.split(':').at(-1), inverted: true, subject: permission.replace(/:[a-z]+$/, '') };
      expect([method, path, status, body]).toEqual([method, path, 403, { ...refusal(403, 'PermissionDenied', `You are not allowed to ${action} on identity`), details: [rule] }]);
    }
    expect((await call('GET', token, { as })).body.token.isAccessTokenRevoked).toBe(false);
  });

  it('to read does not let anyone write, nor that of tokens touch identities', async () => {
    const reader = await aMember(tenant, await aRole(tenant, ['identity:read', 'identity:token:read']));
    expect((await call('GET', tokensAt(), { as: reader.session })).status).toBe(200);
    for (const [method, path] of [['POST', tokensAt()], ['PATCH', `${TOKEN_AUTH}/tokens/${tokenId}`], ['POST', `${TOKEN_AUTH}/tokens/${tokenId}/revoke`], ['DELETE', `${IDENTITIES}/${identityId}`]] as const) {
      expect([method, path, (await call(method, path, { as: reader.session, body: {} })).status]).toEqual([method, path, 403]);
    }
    const minter = await aMember(tenant, await aRole(tenant, ['identity:token:write']));
    expect((await call('PATCH', `${IDENTITIES}/${identityId}`, { as: minter.session, body: {} })).status).toBe(403);
  });
});

describe('the privilege boundary', () => {
  it('keeps whoever holds less from every change of a machine\'s Token Auth and tokens but revocation', async () => {
    const { session } = await aMember(tenant, await aRole(tenant, ['identity:write', 'identity:read', 'identity:token:write', 'identity:token:read']));
    const bare = await aMachine(tenant, { role: 'admin' });
    const admin = await aMachineToken(tenant, {}, { role: 'admin' });
    const identity = `${TOKEN_AUTH}/identities/${admin.identityId}`;
    const before = await tokensStored();
    const attempts = [
      ['POST', `${TOKEN_AUTH}/identities/${bare}`, 'Failed to attach token auth to identity with more privileged role'],
      ['PATCH', identity, 'Failed to update token auth of identity with more privileged role'],
      ['DELETE', identity, 'Failed to revoke token auth of identity with more privileged role'],
      ['POST', `${identity}/tokens`, 'Failed to create token for identity with more privileged role'],
      ['PATCH', `${TOKEN_AUTH}/tokens/${admin.id}`, 'Failed to update token for identity with more privileged role'],
    ] as const;
    for (const [method, path, message] of attempts) {
      const { status, body } = await call(method, path, { as: session, body: { name: 'mine' } });
      expect([method, status, body.error, body.message]).toEqual([method, 403, 'PermissionBoundaryError', message]);
      expect(Object.keys(body)).toEqual(['reqId', 'statusCode', 'message', 'details', 'error']);
      expect(body.details.missingPermissions).toContainEqual({ action: 'write', subject: 'token' });
      expect(body.details.missingPermissions).not.toContainEqual({ action: 'write', subject: 'identity' });
    }
    expect(await tokensStored()).toBe(before);
    expect((await probe(admin.secret)).status).toBe(200);
    expect((await call('POST', `${TOKEN_AUTH}/tokens/${admin.id}/revoke`, { as: session })).status).toBe(200);
  });

  it('counts what a role may come to allow: all that can be held today is less than everything', async () => {
    const { session } = await aMember(tenant, await aRole(tenant, TENANT_PERMISSIONS));
    const { status, body } = await call('POST', IDENTITIES, { as: session, body: { name: 'x', organizationId: tenant.id, role: 'admin' } });
    expect([status, body.error, body.details]).toEqual([403, 'PermissionBoundaryError', { missingPermissions: [{ action: '*', subject: '*' }] }]);
    expect((await call('POST', IDENTITIES, { as: session, body: { name: 'x', organizationId: tenant.id, role: 'member' } })).status).toBe(200);
  });

  it('is judged by what the caller\'s own token allows, not by what its owner may', async () => {
    const admin = await aMachineToken(tenant, {}, { role: 'admin' });
    await sql(tenant, `UPDATE api_tokens SET permissions = '{identity:token:write}' WHERE id = $1`, [admin.id]);
    const { status, body } = await call('POST', tokensAt(), { as: admin.secret, body: {} });
    expect([status, body.error]).toEqual([403, 'PermissionBoundaryError']);
    const nobody = await aMachine(tenant, { role: 'no-access' });
    await done(call('POST', `${TOKEN_AUTH}/identities/${nobody}`, { as, body: {} }));
    expect((await call('POST', tokensAt(nobody), { as: admin.secret, body: {} })).status).toBe(200);
  });
});

describe('a body', () => {
  const routes = (): [method: string, path: string, as?: string][] => [
    ['POST', IDENTITIES, as],
    ['PATCH', `${IDENTITIES}/${identityId}`, as],
    ['POST', `${IDENTITIES}/search`, as],
    ['POST', tokensAt(), as],
    ['PATCH', `${TOKEN_AUTH}/identities/${identityId}`, as],
    ['PATCH', `${TOKEN_AUTH}/tokens/${tokenId}`, as],
    ['POST', '/api/v1/auth/token/renew'],
    ['POST', '/api/v1/auth/token/revoke'],
    ['POST', `${UNIVERSAL_AUTH}/login`],
  ];

  it('that is no JSON, too large, too deep or of another type is refused in the envelope, and nothing changes', async () => {
    const before = await tokensStored();
    const malformed = refusal(400, 'BadRequest', 'The request body is not valid JSON');
    const bodies = [
      ['{"name":', {}, 400, malformed],
      ['{"name":"x"} x', {}, 400, malformed],
      ["{'name':'x'}", {}, 400, malformed],
      [`{"a":${'['.repeat(17)}${']'.repeat(17)}}`, {}, 400, malformed],
      [`{"name":"${'x'.repeat(66_000)}"}`, {}, 413, refusal(413, 'PayloadTooLarge', 'Request body is too large')],
      ['name=x', { 'content-type': 'application/x-www-form-urlencoded' }, 415, refusal(415, 'UnsupportedMediaType', 'Unsupported Media Type: application/x-www-form-urlencoded')],
      ['{}', { 'content-type': 'text/plain' }, 415, refusal(415, 'UnsupportedMediaType', 'Unsupported Media Type: text/plain')],
      ['"x"', {}, 422, refusal(422, 'ValidationFailure', [{ code: 'invalid_type', expected: 'object', received: 'string', path: [], message: 'Expected object, received string' }])],
      ['null', {}, 422, refusal(422, 'ValidationFailure', [{ code: 'invalid_type', expected: 'object', received: 'null', path: [], message: 'Expected object, received null' }])],
    ] as const;
    for (const [method, path, session] of routes()) {
      for (const [body, headers, status, expected] of bodies) {
        const answer = await call(method, path, { as: session, headers, body });
        expect([method, path, body.slice(0, 20), answer.status, answer.body]).toEqual([method, path, body.slice(0, 20), status, expected]);
      }
    }
    expect(await tokensStored()).toBe(before);
  });

  it('may be 16 levels deep, and call its type with a charset', async () => {
    const body = `{"name":"x","a":${'['.repeat(15)}${']'.repeat(15)}}`;
    expect((await call('POST', tokensAt(), { as, body, headers: { 'content-type': 'Application/JSON; charset=utf-8' } })).status).toBe(200);
  });

  it('with text that cannot be stored is 422 where it stands', async () => {
    const unstorable = (...path: unknown[]) => refusal(422, 'ValidationFailure', [{ code: 'custom', message: 'String must not contain NUL or unpaired surrogates', path }]);
    for (const poison of ['a\\u0000b', '\\ud800', '\\udc00x']) {
      const send = (method: string, path: string, body: string, session?: string) => call(method, path, { as: session, body: body.replace('POISON', poison) });
      expect((await send('POST', tokensAt(), '{"name":"POISON"}', as)).body).toEqual(unstorable('name'));
      expect((await send('PATCH', `${TOKEN_AUTH}/tokens/${tokenId}`, '{"name":"POISON"}', as)).body).toEqual(unstorable('name'));
      expect((await send('PATCH', `${IDENTITIES}/${identityId}`, '{"metadata":[{"key":"k","value":"POISON"}]}', as)).body).toEqual(unstorable('metadata', 0, 'value'));
      expect((await send('PATCH', `${IDENTITIES}/${identityId}`, '{"role":"POISON"}', as)).body).toEqual(unstorable('role'));
      expect((await send('POST', '/api/v1/auth/token/renew', '{"accessToken":"POISON"}')).body).toEqual(unstorable('accessToken'));
      expect((await send('POST', `${UNIVERSAL_AUTH}/login`, '{"clientId":"POISON","clientSecret":"x"}')).body).toEqual(unstorable('clientId'));
    }
  });

  it('holds nothing but its own fields: __proto__ and constructor are ignored', async () => {
    const { status, body } = await call('POST', tokensAt(), { as, body: '{"__proto__":{"name":"evil"},"constructor":{"prototype":{"x":1}}}' });
    expect([status, body.tokenData.name]).toEqual([200, null]);
  });
});

describe('a path', () => {
  it('below the door that is none is 404 in the envelope, whoever asks; so is a verb that is not served', async () => {
    for (const [method, path] of [
      ['GET', `${TOKEN_AUTH}`],
      ['GET', `${TOKEN_AUTH}/x`],
      ['GET', `${UNIVERSAL_AUTH}/login`],
      ['GET', '/api/v1/auth/token/renew'],
      ['PUT', tokensAt()],
      ['DELETE', `${TOKEN_AUTH}/tokens/${tokenId}`],
      ['POST', `${IDENTITIES}/${identityId}`],
      ['PUT', IDENTITIES],
      ['GET', `${IDENTITIES}/a/b/c`],
    ] as const) {
      for (const session of [undefined, as]) {
        const { status, body } = await call(method, path, { as: session });
        expect([method, path, status, body]).toEqual([method, path, 404, refusal(404, 'NotFound', `Route ${method}:${path} not found`)]);
      }
    }
  });

  it('may end in a slash or double one', async () => {
    for (const path of [`${tokensAt()}/`, tokensAt().replace('/tokens', '//tokens'), `${IDENTITIES}/?orgId=${tenant.id}`]) expect([path, (await call('GET', path, { as })).status]).toEqual([path, 200]);
  });

  it('answers HEAD where it answers GET, without a body', async () => {
    const get = await call('GET', tokensAt(), { as });
    const head = await call('HEAD', tokensAt(), { as });
    expect([head.status, head.text, head.headers['x-total-count']]).toEqual([200, '', get.headers['x-total-count']]);
    expect((await call('HEAD', tokensAt())).status).toBe(401);
  });
});

it('is 503 with Retry-After while the database cannot answer, and never a refusal', async () => {
  const { app } = await theApp();
  const database = app.get(Database);
  const client = await aClient(tenant);
  const { secret } = await aMachineToken(tenant);
  const [query, statement, inOrganization] = [database.query.bind(database), database.statement.bind(database), database.inOrganization.bind(database)];
  const outage = () => Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
  Object.assign(database, { query: outage, statement: outage, inOrganization: outage });
  try {
    for (const answer of [
      await probe(secret),
      await call('POST', `${UNIVERSAL_AUTH}/login`, { body: client }),
      await call('POST', '/api/v1/auth/token/renew', { body: { accessToken: secret } }),
    ]) {
      expect([answer.status, answer.headers['retry-after'], answer.body]).toEqual([503, '1', refusal(503, 'ServiceUnavailable', 'The service cannot answer right now')]);
    }
  } finally {
    Object.assign(database, { query, statement, inOrganization });
  }
  expect((await probe(secret)).status).toBe(200);
});
