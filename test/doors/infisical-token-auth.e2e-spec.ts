import { beforeAll, describe, expect, it } from 'vitest';
import { theApp } from '../support/app.js';
import { aMember, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { ABSENT, aMachine, aMachineToken, aTokenAuthMachine, done, freeze, mintFor, ODD_IDS, probe, TOKEN_AUTH, wireExample } from '../support/machines.js';

let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});

const settingsAt = (identityId: string): string => `${TOKEN_AUTH}/identities/${identityId}`;
const tokensAt = (identityId: string): string => `${settingsAt(identityId)}/tokens`;
const refusal = (status: number, error: string, message: unknown) => ({ reqId: expect.stringMatching(/^req-[0-9A-Za-z]{14}$/), statusCode: status, message, error });
const notFound = (message: string) => refusal(404, 'NotFound', message);
const badRequest = (message: string) => refusal(400, 'BadRequest', message);

describe('POST /api/v1/auth/token-auth/identities/{identityId}', () => {
  it('attaches Token Auth with the documented defaults, in the documented shape', async () => {
    const now = await freeze();
    const identityId = await aMachine(tenant);
    const { status, text, body } = await call('POST', settingsAt(identityId), { as, body: {} });
    expect([status, text]).toEqual([200, await wireExample('token-auth', { id: body.identityTokenAuth.id, identityId, now })]);
  });

  it('keeps trusted addresses in their order, with their host bits, and answers them reformatted', async () => {
    const identityId = await aMachine(tenant);
    const given = ['10.1.2.3/8', ' 192.168.0.7 ', '2001:db8::1/32', '::1', '0.0.0.0/0', '1.2.3.4/32'];
    const { body } = await call('POST', settingsAt(identityId), { as, body: { accessTokenTrustedIps: given.map((ipAddress) => ({ ipAddress })) } });
    const expected = [
      { ipAddress: '10.1.2.3', type: 'ipv4', prefix: 8 },
      { ipAddress: '192.168.0.7', type: 'ipv4' },
      { ipAddress: '2001:db8::1', type: 'ipv6', prefix: 32 },
      { ipAddress: '::1', type: 'ipv6' },
      { ipAddress: '0.0.0.0', type: 'ipv4', prefix: 0 },
      { ipAddress: '1.2.3.4', type: 'ipv4', prefix: 32 },
    ];
    expect(body.identityTokenAuth.accessTokenTrustedIps).toEqual(expected);
    expect((await call('GET', settingsAt(identityId), { as })).body.identityTokenAuth.accessTokenTrustedIps).toEqual(expected);
  });

  it('refuses to attach twice, also when two attach at once', async () => {
    const identityId = await aTokenAuthMachine(tenant);
    const { status, body } = await call('POST', settingsAt(identityId), { as, body: {} });
    expect([status, body]).toEqual([400, badRequest('Failed to add Token Auth to already configured identity')]);
    const fresh = await aMachine(tenant);
    const both = await Promise.all([0, 1].map(() => call('POST', settingsAt(fresh), { as, body: {} })));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 400]);
    expect(both.find((answer) => answer.status === 400)?.body).toEqual(badRequest('Failed to add Token Auth to already configured identity'));
  });

  it('refuses what is no address or range in a sentence, and a wrong shape as issues', async () => {
    const identityId = await aMachine(tenant);
    const attach = (accessTokenTrustedIps: unknown) => call('POST', settingsAt(identityId), { as, body: { accessTokenTrustedIps } });
    for (const ipAddress of ['x', '1.2.3', '1.2.3.4/33', '::/129', '1.2.3.4/', '01.2.3.4', 'fe80::1%eth0', '', '1.2.3.4/8/8']) {
      const { status, body } = await attach([{ ipAddress }]);
      expect([ipAddress, status, body]).toEqual([ipAddress, 400, badRequest('The IP is not a valid IPv4, IPv6, or CIDR block')]);
    }
    expect((await attach([])).body.message).toEqual([{ code: 'too_small', minimum: 1, type: 'array', inclusive: true, exact: false, message: 'Array must contain at least 1 element(s)', path: ['accessTokenTrustedIps'] }]);
    expect((await attach([{ ipAddress: '::1' }, {}, 'x'])).body.message).toEqual([
      { code: 'invalid_type', expected: 'string', received: 'undefined', path: ['accessTokenTrustedIps', 1, 'ipAddress'], message: 'Required' },
      { code: 'invalid_type', expected: 'object', received: 'string', path: ['accessTokenTrustedIps', 2], message: 'Expected object, received string' },
    ]);
    expect((await attach(Array.from({ length: 257 }, () => ({ ipAddress: '::1' })))).body.message[0]).toMatchObject({ code: 'too_big', maximum: 256 });
    expect((await call('GET', settingsAt(identityId), { as })).status).toBe(404);
  });

  it('refuses a TTL above the maximum TTL, counting defaults, and 0 as any other number', async () => {
    const identityId = await aMachine(tenant);
    const issue = [{ code: 'custom', message: 'Access Token TTL cannot be greater than Access Token Max TTL.', path: [] }];
    for (const body of [{ accessTokenTTL: 20, accessTokenMaxTTL: 10 }, { accessTokenTTL: 2_592_001 }, { accessTokenMaxTTL: 2_591_999 }, { accessTokenTTL: 3600, accessTokenMaxTTL: 0 }]) {
      const answer = await call('POST', settingsAt(identityId), { as, body });
      expect([body, answer.status, answer.body]).toEqual([body, 422, refusal(422, 'ValidationFailure', issue)]);
    }
    expect((await call('POST', settingsAt(identityId), { as, body: { accessTokenTTL: 0, accessTokenMaxTTL: 0 } })).status).toBe(200);
  });

  it('judges every number as zod does', async () => {
    const identityId = await aMachine(tenant);
    const { status, body } = await call('POST', settingsAt(identityId), {
      as,
      body: { accessTokenTTL: -1, accessTokenMaxTTL: 315_360_001, accessTokenNumUsesLimit: 1.5, accessTokenTrustedIps: 'x' },
    });
    expect([status, JSON.stringify(body.message)]).toEqual([422, JSON.stringify([
      { code: 'too_small', minimum: 0, type: 'number', inclusive: true, exact: false, message: 'Number must be greater than or equal to 0', path: ['accessTokenTTL'] },
      { code: 'too_big', maximum: 315_360_000, type: 'number', inclusive: true, exact: false, message: 'Number must be less than or equal to 315360000', path: ['accessTokenMaxTTL'] },
      { code: 'invalid_type', expected: 'integer', received: 'float', message: 'Expected integer, received float', path: ['accessTokenNumUsesLimit'] },
      { code: 'invalid_type', expected: 'array', received: 'string', path: ['accessTokenTrustedIps'], message: 'Expected array, received string' },
    ])]);
    const types = await call('POST', settingsAt(identityId), { as, body: { accessTokenTTL: '60', accessTokenMaxTTL: null, accessTokenNumUsesLimit: 1e30 } });
    expect(types.body.message).toMatchObject([
      { code: 'invalid_type', expected: 'number', received: 'string', message: 'Expected number, received string' },
      { code: 'invalid_type', expected: 'number', received: 'null', message: 'Expected number, received null' },
      { code: 'too_big', maximum: Number.MAX_SAFE_INTEGER },
    ]);
  });

  it('ignores keys it does not know', async () => {
    const identityId = await aMachine(tenant);
    expect((await call('POST', settingsAt(identityId), { as, body: { identityId, accessTokenPeriod: 60, x: {} } })).body.identityTokenAuth.accessTokenPeriod).toBe(0);
  });
});

describe('PATCH /api/v1/auth/token-auth/identities/{identityId}', () => {
  it('changes what is named and leaves the rest', async () => {
    const identityId = await aTokenAuthMachine(tenant, { accessTokenTTL: 60, accessTokenMaxTTL: 600, accessTokenNumUsesLimit: 3, accessTokenTrustedIps: [{ ipAddress: '::1' }] });
    const before = (await call('GET', settingsAt(identityId), { as })).body.identityTokenAuth;
    (await theApp()).clock.advance(1);
    const { status, body } = await call('PATCH', settingsAt(identityId), { as, body: { identityId, accessTokenTTL: 120 } });
    const updatedAt = (await theApp()).clock.now().toRfc3339(3);
    expect([status, body]).toEqual([200, { identityTokenAuth: { ...before, accessTokenTTL: 120, updatedAt } }]);
    expect((await call('GET', settingsAt(identityId), { as })).body).toEqual(body);
  });

  it('compares the TTL and the maximum TTL as they would be afterwards', async () => {
    const identityId = await aTokenAuthMachine(tenant, { accessTokenTTL: 60, accessTokenMaxTTL: 600 });
    const patch = (body: object) => call('PATCH', settingsAt(identityId), { as, body });
    expect((await patch({ accessTokenMaxTTL: 300 })).body.identityTokenAuth).toMatchObject({ accessTokenTTL: 60, accessTokenMaxTTL: 300 });
    expect((await patch({ accessTokenMaxTTL: 59 })).body).toEqual(badRequest('Access token TTL cannot be greater than max TTL'));
    expect((await patch({ accessTokenTTL: 301 })).body).toEqual(badRequest('Access token TTL cannot be greater than max TTL'));
    expect((await patch({ accessTokenTTL: 301, accessTokenMaxTTL: 300 })).body).toEqual(
      refusal(422, 'ValidationFailure', [{ code: 'custom', message: 'Access Token TTL cannot be greater than Access Token Max TTL.', path: [] }]),
    );
    expect((await patch({ accessTokenTTL: 301, accessTokenMaxTTL: 0 })).body.identityTokenAuth).toMatchObject({ accessTokenTTL: 301, accessTokenMaxTTL: 0 });
  });

  it('does not touch the life of tokens that exist', async () => {
    const { id, identityId, answer } = await aMachineToken(tenant, { accessTokenTTL: 60, accessTokenMaxTTL: 600, accessTokenNumUsesLimit: 9 });
    await done(call('PATCH', settingsAt(identityId), { as, body: { accessTokenTTL: 600, accessTokenNumUsesLimit: 1 } }));
    expect((await call('GET', `${TOKEN_AUTH}/tokens/${id}`, { as })).body.token).toEqual(answer.tokenData);
  });

  it('answers 400 in its own spelling where there is no Token Auth', async () => {
    const { status, body } = await call('PATCH', settingsAt(await aMachine(tenant)), { as, body: {} });
    expect([status, body]).toEqual([400, badRequest('The identity does not have token auth')]);
  });
});

describe('GET /api/v1/auth/token-auth/identities/{identityId}', () => {
  it('answers 404 where there is no Token Auth, for Terraform looks for it', async () => {
    const { status, body } = await call('GET', settingsAt(await aMachine(tenant)), { as });
    expect([status, body]).toEqual([404, notFound('Token Auth configuration not found for identity')]);
  });
});

describe('DELETE /api/v1/auth/token-auth/identities/{identityId}', () => {
  it('answers what was deleted and ends every token that was minted, with whatever body it is sent', async () => {
    for (const sent of [{}, { body: { identityId: 'x' } }, { body: '' }, { body: '{' }, { body: 'x', headers: { 'content-type': 'text/plain' } }]) {
      const { identityId, secret, id } = await aMachineToken(tenant);
      const before = (await call('GET', settingsAt(identityId), { as })).body;
      const { status, body } = await call('DELETE', settingsAt(identityId), { as, ...sent });
      expect([status, body]).toEqual([200, before]);
      expect(await introspect(as, secret)).toEqual({ active: false });
      expect((await probe(secret)).body).toEqual(refusal(401, 'UnauthorizedError', 'Failed to authorize: token has been revoked'));
      expect((await call('GET', `/v1/tokens/${id}`, { as })).body).toMatchObject({ state: 'revoked', revocation_reason: 'token-auth-detached', revoked_by: tenant.admin.id });
      expect((await call('DELETE', settingsAt(identityId), { as })).body).toEqual(badRequest('The identity does not have Token Auth'));
    }
  });

  it('does not bring old tokens back when Token Auth is attached anew', async () => {
    const { identityId, secret } = await aMachineToken(tenant);
    await done(call('DELETE', settingsAt(identityId), { as }));
    await done(call('POST', settingsAt(identityId), { as, body: {} }));
    expect(await introspect(as, secret)).toEqual({ active: false });
  });
});

describe('POST /api/v1/auth/token-auth/identities/{identityId}/tokens', () => {
  it('answers the vendor\'s document key by key', async () => {
    const now = await freeze();
    const identityId = await aTokenAuthMachine(tenant);
    const { status, headers, text, body } = await call('POST', tokensAt(identityId), { as, body: { name: 'deploy-bot', identityId, tokenId: 'x' } });
    expect([status, headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
    expect(body.accessToken).toMatch(/^idt_[0-9A-Za-z]{49}$/);
    expect(text).toBe(await wireExample('created-token', { secret: body.accessToken, tokenId: body.tokenData.id, identityId, now }));
  });

  it('makes a token that acts as the machine with its role, and nothing of the caller', async () => {
    const { secret, identityId } = await aMachineToken(tenant, {}, { role: 'no-access' });
    expect(await introspect(as, secret)).toMatchObject({ active: true, scope: '', owner_kind: 'machine-identity', owner_id: identityId, projects: ['*'] });
    expect((await probe(secret)).body).toEqual({ identityDetails: { organization: { id: tenant.id, name: tenant.slug, slug: tenant.slug } } });
    expect((await call('GET', tokensAt(identityId), { as: secret })).status).toBe(403);
  });

  it('names the token or not', async () => {
    const identityId = await aTokenAuthMachine(tenant);
    for (const [sent, name] of [[{}, null], [{ name: '' }, ''], [{ name: ' Zoë 🚀 ' }, ' Zoë 🚀 ']] as const) {
      expect((await mintFor(tenant, identityId, sent)).answer.tokenData.name).toBe(name);
    }
    for (const name of [null, 1, true, ['x'], {}]) {
      const { status, body } = await call('POST', tokensAt(identityId), { as, body: { name } });
      expect([status, body.message[0].code, body.message[0].path]).toEqual([422, 'invalid_type', ['name']]);
    }
  });

  it('needs a body: an empty object will do, nothing will not', async () => {
    const identityId = await aTokenAuthMachine(tenant);
    const required = refusal(422, 'ValidationFailure', [{ code: 'invalid_type', expected: 'object', received: 'undefined', path: [], message: 'Required' }]);
    for (const options of [{}, { body: '' }]) expect((await call('POST', tokensAt(identityId), { as, ...options })).body).toEqual(required);
    expect((await call('POST', tokensAt(identityId), { as, body: '[]' })).body.message).toEqual([{ code: 'invalid_type', expected: 'object', received: 'array', path: [], message: 'Expected object, received array' }]);
  });

  it('stamps the last login of the identity', async () => {
    const { identityId } = await aMachineToken(tenant);
    const { identity } = (await call('GET', `/api/v1/identities/${identityId}`, { as })).body;
    expect([identity.lastLoginAuthMethod, Math.abs(Date.parse(identity.lastLoginTime) - Date.now()) < 60_000]).toEqual(['token-auth', true]);
  });

  it('checks in this order: the identity, its Token Auth, then the boundary', async () => {
    const { session } = await aMember(tenant, await aRole(tenant, ['identity:token:write']));
    expect((await call('POST', tokensAt(ABSENT), { as: session, body: {} })).body).toEqual(notFound(`Failed to find identity with ID ${ABSENT}`));
    const bare = await aMachine(tenant, { role: 'admin' });
    expect((await call('POST', tokensAt(bare), { as: session, body: {} })).body).toEqual(badRequest('The identity does not have Token Auth'));
    const attached = await aTokenAuthMachine(tenant, {}, { role: 'admin' });
    expect((await call('POST', tokensAt(attached), { as: session, body: {} })).body.error).toBe('PermissionBoundaryError');
  });
});

describe('GET /api/v1/auth/token-auth/identities/{identityId}/tokens', () => {
  it('lists the last changed first, dead ones too, without secrets, and pages with a total', async () => {
    const { clock } = await theApp();
    const identityId = await aTokenAuthMachine(tenant, { accessTokenTTL: 1, accessTokenMaxTTL: 1 });
    const minted = [];
    for (const name of ['first', 'second', 'third']) {
      clock.advance(1);
      minted.push(await mintFor(tenant, identityId, { name }));
    }
    clock.advance(1);
    await done(call('POST', `${TOKEN_AUTH}/tokens/${minted[0]?.id}/revoke`, { as }));
    const { status, headers, text, body } = await call('GET', tokensAt(identityId), { as });
    const at = clock.now().toRfc3339(3);
    const first = { ...minted[0]?.answer.tokenData, isAccessTokenRevoked: true, updatedAt: at };
    expect([status, headers['x-total-count'], body]).toEqual([200, '3', { tokens: [first, minted[2]?.answer.tokenData, minted[1]?.answer.tokenData] }]);
    expect(Object.keys(body.tokens[0])).toEqual(Object.keys(minted[0]?.answer.tokenData));
    for (const { secret } of minted) expect(text).not.toContain(secret);
    const page = await call('GET', `${tokensAt(identityId)}?limit=1&offset=1`, { as });
    expect([page.headers['x-total-count'], page.body.tokens.map(({ name }: { name: string }) => name)]).toEqual(['3', ['third']]);
    expect((await call('GET', `${tokensAt(identityId)}?offset=101`, { as })).body).toEqual({ tokens: [] });
  });

  it('answers 20 unless asked for another number from 1 to 100', async () => {
    const identityId = await aTokenAuthMachine(tenant);
    for (let count = 0; count < 21; count += 1) await mintFor(tenant, identityId);
    const list = async (query: string) => (await call('GET', tokensAt(identityId) + query, { as })).body;
    expect([(await list('')).tokens.length, (await list('?limit=21')).tokens.length, (await list('?offset=20')).tokens.length]).toEqual([20, 21, 1]);
    expect((await list('?limit=0')).message).toEqual([{ code: 'too_small', minimum: 1, type: 'number', inclusive: true, exact: false, message: 'Number must be greater than or equal to 1', path: ['limit'] }]);
    expect((await list('?limit=101&offset=-1')).message.map(({ code }: { code: string }) => code)).toEqual(['too_small', 'too_big']);
    expect((await list('?limit=x')).message).toEqual([{ code: 'invalid_type', expected: 'number', received: 'nan', path: ['limit'], message: 'Expected number, received nan' }]);
    expect((await list('?limit=1&limit=2')).statusCode).toBe(422);
    expect((await list('?offset=1.5')).message[0].received).toBe('float');
  });

  it('does not list what the identity obtained in another way', async () => {
    const { identityId } = await aMachineToken(tenant);
    await sql(tenant, 'UPDATE api_tokens SET client_secret_id = $1 WHERE identity_id = $2', [ABSENT, identityId]);
    expect((await call('GET', tokensAt(identityId), { as })).body).toEqual({ tokens: [] });
  });
});

describe('one token', () => {
  it('is answered at both of its paths, whatever identity the deprecated one names', async () => {
    const { id, identityId, answer } = await aMachineToken(tenant);
    for (const path of [`${TOKEN_AUTH}/tokens/${id}`, `${tokensAt(identityId)}/${id}`, `${tokensAt('x')}/${id}`]) {
      const { status, body } = await call('GET', path, { as });
      expect([status, body]).toEqual([200, { token: answer.tokenData }]);
    }
  });

  it('PATCH /api/v1/auth/token-auth/tokens/{tokenId} renames it', async () => {
    const { clock } = await theApp();
    const { id, answer } = await aMachineToken(tenant);
    clock.advance(5);
    const { status, body } = await call('PATCH', `${TOKEN_AUTH}/tokens/${id}`, { as, body: { tokenId: id, name: 'new name' } });
    expect([status, body]).toEqual([200, { token: { ...answer.tokenData, name: 'new name', updatedAt: clock.now().toRfc3339(3) } }]);
    expect((await call('PATCH', `${TOKEN_AUTH}/tokens/${id}`, { as, body: {} })).body.token.name).toBe('new name');
    expect((await call('PATCH', `${TOKEN_AUTH}/tokens/${id}`, { as, body: { name: null } })).status).toBe(422);
  });

  it('POST /api/v1/auth/token-auth/tokens/{tokenId}/revoke ends it at once, once, with whatever body', async () => {
    for (const sent of [{}, { body: { identityId: 'x', tokenId: 'y' } }, { body: '' }]) {
      const { id, secret } = await aMachineToken(tenant);
      const { status, body } = await call('POST', `${TOKEN_AUTH}/tokens/${id}/revoke`, { as, ...sent });
      expect([status, body]).toEqual([200, { message: 'Successfully revoked access token' }]);
      expect(await introspect(as, secret)).toEqual({ active: false });
      expect((await probe(secret)).status).toBe(401);
      expect((await call('GET', `${TOKEN_AUTH}/tokens/${id}`, { as })).body.token.isAccessTokenRevoked).toBe(true);
      expect((await call('POST', `${TOKEN_AUTH}/tokens/${id}/revoke`, { as, ...sent })).body).toEqual(notFound(`Token with ID ${id} not found or already revoked`));
      const events = await sql(tenant, `SELECT actor_id, details FROM audit_events WHERE action = 'token.revoked' AND target_id = $1`, [id]);
      expect(events).toEqual([{ actor_id: tenant.admin.id, details: { reason: 'unspecified' } }]);
    }
  });
});

describe('ids that name nothing, and those of another organization', () => {
  const bodies: Record<string, object | undefined> = { POST: {}, PATCH: {}, GET: undefined, DELETE: undefined };

  it('are the same 404 at every route, and change nothing', async () => {
    const stranger = await aTenant();
    const foreign = await aMachineToken(stranger);
    const before = await call('GET', tokensAt(foreign.identityId), { as: stranger.admin.session });
    for (const id of [...ODD_IDS, foreign.identityId]) {
      for (const [method, path] of [['POST', ''], ['PATCH', ''], ['GET', ''], ['DELETE', ''], ['POST', '/tokens'], ['GET', '/tokens']] as const) {
        const { status, body } = await call(method, settingsAt(id) + path, { as, body: bodies[method] });
        expect([method, path, status, body]).toEqual([method, path, 404, notFound(`Failed to find identity with ID ${decodeURIComponent(id)}`)]);
      }
    }
    for (const id of [...ODD_IDS, foreign.id]) {
      const text = `Token with ID ${decodeURIComponent(id)} not found`;
      for (const [method, path, message] of [['GET', '', text], ['PATCH', '', text], ['POST', '/revoke', `${text} or already revoked`]] as const) {
        const { status, body } = await call(method, `${TOKEN_AUTH}/tokens/${id}${path}`, { as, body: bodies[method] });
        expect([method, path, status, body]).toEqual([method, path, 404, notFound(message)]);
      }
      expect((await call('GET', `${tokensAt(foreign.identityId)}/${id}`, { as })).body).toEqual(notFound(text));
    }
    const after = await call('GET', tokensAt(foreign.identityId), { as: stranger.admin.session });
    expect(after.body).toEqual(before.body);
    expect(await introspect(stranger.admin.session, foreign.secret)).toMatchObject({ active: true });
  });

  it('of tokens of other kinds are no tokens here', async () => {
    const { body } = await call('POST', '/user/api-tokens', { as, body: {} });
    const id = (await introspect(as, body.token))['jti'];
    for (const shown of [id, body.id]) expect((await call('GET', `${TOKEN_AUTH}/tokens/${shown}`, { as })).body).toEqual(notFound(`Token with ID ${shown} not found`));
    expect((await call('POST', `${TOKEN_AUTH}/tokens/${id}/revoke`, { as })).status).toBe(404);
    expect(await introspect(as, body.token)).toMatchObject({ active: true });
  });
});
