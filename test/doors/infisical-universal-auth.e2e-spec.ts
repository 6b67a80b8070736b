import { beforeAll, describe, expect, it } from 'vitest';
import { theApp } from '../support/app.js';
import { aMember, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { ABSENT, aClient, aMachine, done, freeze, IDENTITIES, login, ODD_IDS, probe, TOKEN_AUTH, UNIVERSAL_AUTH, wireExample } from '../support/machines.js';

let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});

const settingsAt = (identityId: string): string => `${UNIVERSAL_AUTH}/identities/${identityId}`;
const secretsAt = (identityId: string): string => `${settingsAt(identityId)}/client-secrets`;
const refusal = (status: number, error: string, message: unknown) => ({ reqId: expect.stringMatching(/^req-[0-9A-Za-z]{14}$/), statusCode: status, message, error });
const unauthorized = (message: string) => refusal(401, 'UnauthorizedError', message);
const badRequest = (message: string) => refusal(400, 'BadRequest', message);
const notFound = (message: string) => refusal(404, 'NotFound', message);
const WRONG = unauthorized('Invalid credentials');
const LOCKED = unauthorized('This identity auth method is temporarily locked, please try again later');

describe('Universal Auth configuration', () => {
  it('is attached with the documented defaults, in the documented shape', async () => {
    const now = await freeze();
    const identityId = await aMachine(tenant);
    const { status, text, body } = await call('POST', settingsAt(identityId), { as, body: { identityId } });
    const { id, clientId } = body.identityUniversalAuth;
    expect([status, text]).toEqual([200, await wireExample('universal-auth', { id, clientId, identityId, now })]);
    expect((await call('GET', settingsAt(identityId), { as })).text).toBe(text);
    expect((await call('POST', settingsAt(identityId), { as, body: {} })).body).toEqual(badRequest('Failed to add universal auth to already configured identity'));
  });

  it('is changed where it is named, by effective values, and left otherwise', async () => {
    const identityId = await aMachine(tenant);
    const before = await done(call('POST', settingsAt(identityId), { as, body: { accessTokenTTL: 60, accessTokenMaxTTL: 600, clientSecretTrustedIps: [{ ipAddress: '10.1.2.3/8' }] } }));
    (await theApp()).clock.advance(1);
    const change = { accessTokenMaxTTL: 300, accessTokenPeriod: 9, lockoutEnabled: false, lockoutThreshold: 30, lockoutDurationSeconds: 30, lockoutCounterResetSeconds: 3600, accessTokenTrustedIps: [{ ipAddress: '::1' }] };
    const { status, body } = await call('PATCH', settingsAt(identityId), { as, body: change });
    const updatedAt = (await theApp()).clock.now().toRfc3339(3);
    expect([status, body]).toEqual([200, { identityUniversalAuth: { ...before.identityUniversalAuth, ...change, accessTokenTrustedIps: [{ ipAddress: '::1', type: 'ipv6' }], updatedAt } }]);
    expect((await call('GET', settingsAt(identityId), { as })).body).toEqual(body);
    expect((await call('PATCH', settingsAt(identityId), { as, body: { accessTokenTTL: 301 } })).body).toEqual(badRequest('Access token TTL cannot be greater than max TTL'));
  });

  it('refuses numbers out of range and addresses that are none', async () => {
    const identityId = await aMachine(tenant);
    const { status, body } = await call('POST', settingsAt(identityId), {
      as,
      body: { lockoutThreshold: 31, lockoutDurationSeconds: 29, lockoutCounterResetSeconds: 4, lockoutEnabled: 1, accessTokenPeriod: -1, accessTokenTTL: 2, accessTokenMaxTTL: 1 },
    });
    expect([status, body.message.map(({ code, path }: any) => [code, ...path])]).toEqual([422, [
      ['custom'],
      ['too_small', 'accessTokenPeriod'],
      ['invalid_type', 'lockoutEnabled'],
      ['too_big', 'lockoutThreshold'],
      ['too_small', 'lockoutDurationSeconds'],
      ['too_small', 'lockoutCounterResetSeconds'],
    ]]);
    for (const field of ['clientSecretTrustedIps', 'accessTokenTrustedIps']) {
      expect((await call('POST', settingsAt(identityId), { as, body: { [field]: [{ ipAddress: 'x' }] } })).body).toEqual(badRequest('The IP is not a valid IPv4, IPv6, or CIDR block'));
    }
    expect((await call('GET', settingsAt(identityId), { as })).body).toEqual(notFound(`Failed to find universal auth for identity with ID ${identityId}`));
  });

  it('takes its client secrets and their tokens along when it is deleted, and nothing else', async () => {
    const client = await aClient(tenant);
    const obtained = (await login(client)).body.accessToken;
    await done(call('POST', `${TOKEN_AUTH}/identities/${client.identityId}`, { as, body: {} }));
    const minted = (await done(call('POST', `${TOKEN_AUTH}/identities/${client.identityId}/tokens`, { as, body: {} }))).accessToken;
    const before = (await call('GET', settingsAt(client.identityId), { as })).body;
    const { status, body } = await call('DELETE', settingsAt(client.identityId), { as, body: { identityId: client.identityId } });
    expect([status, body]).toEqual([200, before]);
    expect([await introspect(as, obtained), (await introspect(as, minted))['active']]).toEqual([{ active: false }, true]);
    expect((await login(client)).body).toEqual(WRONG);
    const absent = badRequest('The identity does not have universal auth');
    expect((await call('DELETE', settingsAt(client.identityId), { as })).body).toEqual(absent);
    expect((await call('PATCH', settingsAt(client.identityId), { as, body: {} })).body).toEqual(notFound(`Failed to find universal auth for identity with ID ${client.identityId}`));
    expect((await call('GET', secretsAt(client.identityId), { as })).body).toEqual(absent);
    expect((await call('POST', secretsAt(client.identityId), { as, body: {} })).body).toEqual(absent);
    expect((await call('POST', `${settingsAt(client.identityId)}/clear-lockouts`, { as })).body).toEqual(absent);
  });

  it('leaves Universal Auth\'s tokens alone when Token Auth is detached', async () => {
    const client = await aClient(tenant);
    await done(call('POST', `${TOKEN_AUTH}/identities/${client.identityId}`, { as, body: {} }));
    const obtained = (await login(client)).body.accessToken;
    await done(call('DELETE', `${TOKEN_AUTH}/identities/${client.identityId}`, { as }));
    expect((await probe(obtained)).status).toBe(200);
  });
});

describe('client secrets', () => {
  it('are shown once, listed without it, and stored as hashes', async () => {
    const now = await freeze();
    const { identityId } = await aClient(tenant);
    const { status, text, body } = await call('POST', secretsAt(identityId), { as, body: { description: ' for the build server ', numUsesLimit: 5, ttl: 3600 } });
    const { clientSecret, clientSecretData } = body;
    expect(clientSecret).toMatch(/^ics_[0-9A-Za-z]{49}$/);
    const values = { secret: clientSecret, id: clientSecretData.id, prefix: clientSecret.slice(0, 8), settingsId: clientSecretData.identityUAId, now };
    expect([status, text]).toEqual([200, await wireExample('created-client-secret', values)]);
    const listed = await call('GET', secretsAt(identityId), { as });
    expect([listed.status, listed.body.clientSecretData.length]).toEqual([200, 2]);
    expect(listed.body.clientSecretData).toContainEqual(clientSecretData);
    expect((await call('GET', `${secretsAt(identityId)}/${clientSecretData.id}`, { as })).body).toEqual({ clientSecretData });
    const stored = JSON.stringify(await sql(tenant, 'SELECT to_jsonb(s) FROM client_secrets s'));
    const { log } = await theApp();
    for (const trace of [clientSecret, clientSecret.slice(8, 30), Buffer.from(clientSecret).toString('hex')]) expect(listed.text + stored + log.join('')).not.toContain(trace);
  });

  it('are no bearer tokens', async () => {
    const { clientSecret } = await aClient(tenant);
    expect((await probe(clientSecret)).body).toEqual(unauthorized('No identity access token found'));
    expect(await introspect(as, clientSecret)).toEqual({ active: false });
  });

  it('stop at once when they are revoked, with their tokens, and stay listed', async () => {
    const client = await aClient(tenant);
    const other = await done(call('POST', secretsAt(client.identityId), { as, body: {} }));
    const own = (await login(client)).body.accessToken;
    const others = (await login({ ...client, clientSecret: other.clientSecret })).body.accessToken;
    const revoke = () => call('POST', `${secretsAt(client.identityId)}/${client.clientSecretId}/revoke`, { as });
    const { status, body } = await revoke();
    expect([status, body.clientSecretData]).toMatchObject([200, { id: client.clientSecretId, isClientSecretRevoked: true, clientSecretNumUses: 1 }]);
    expect([await introspect(as, own), (await introspect(as, others))['active']]).toEqual([{ active: false }, true]);
    expect((await login(client)).body).toEqual(WRONG);
    expect((await revoke()).body).toEqual(body);
    expect((await call('GET', secretsAt(client.identityId), { as })).body.clientSecretData.map(({ isClientSecretRevoked }: any) => isClientSecretRevoked)).toEqual([true, false]);
  });

  it('judge their fields as zod does', async () => {
    const { identityId } = await aClient(tenant);
    const { status, body } = await call('POST', secretsAt(identityId), { as, body: { description: 1, numUsesLimit: -1, ttl: 315_360_001 } });
    expect([status, body.message.map(({ code, path }: any) => [code, ...path])]).toEqual([422, [['invalid_type', 'description'], ['too_small', 'numUsesLimit'], ['too_big', 'ttl']]]);
  });

  it('that name nothing, or belong to another identity or organization, are the same 404', async () => {
    const [own, other, foreign] = [await aClient(tenant), await aClient(tenant), await aClient(await aTenant())];
    for (const id of [...ODD_IDS, other.clientSecretId, foreign.clientSecretId]) {
      for (const [method, path] of [['GET', ''], ['POST', '/revoke']] as const) {
        const { status, body } = await call(method, `${secretsAt(own.identityId)}/${id}${path}`, { as });
        expect([method, status, body]).toEqual([method, 404, notFound(`Client secret with ID ${decodeURIComponent(id)} not found`)]);
      }
    }
    for (const id of [...ODD_IDS, foreign.identityId]) {
      for (const [method, path] of [['POST', ''], ['PATCH', ''], ['GET', ''], ['DELETE', ''], ['POST', '/client-secrets'], ['GET', '/client-secrets'], ['POST', '/clear-lockouts']] as const) {
        const { status, body } = await call(method, settingsAt(id) + path, { as, body: path === '/clear-lockouts' || method === 'GET' || method === 'DELETE' ? undefined : {} });
        expect([method, path, status, body]).toEqual([method, path, 404, notFound(`Failed to find identity with ID ${decodeURIComponent(id)}`)]);
      }
    }
    expect((await login(foreign)).status).toBe(200);
  });
});

describe('POST /api/v1/auth/universal-auth/login', () => {
  it('answers a token of the machine, whatever stale bearer comes along', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const client = await aClient(tenant, { accessTokenTTL: 600, accessTokenMaxTTL: 6000 });
    for (const options of [{}, { as: 'stale' }]) {
      const { status, text, body } = await login({ clientId: ` ${client.clientId} `, clientSecret: `${client.clientSecret}\n` }, options);
      expect([status, text]).toEqual([200, JSON.stringify({ accessToken: body.accessToken, expiresIn: 600, accessTokenMaxTTL: 6000, tokenType: 'Bearer' })]);
      expect(body.accessToken).toMatch(/^idt_[0-9A-Za-z]{49}$/);
      expect(await introspect(as, body.accessToken)).toMatchObject({ active: true, owner_kind: 'machine-identity', owner_id: client.identityId });
    }
    expect((await call('GET', `${IDENTITIES}/${client.identityId}`, { as })).body.identity).toMatchObject({ lastLoginAuthMethod: 'universal-auth', lastLoginTime: clock.now().toRfc3339(3) });
    const [event] = await sql(tenant, `SELECT actor_kind, actor_id, credential_kind, credential_id FROM audit_events WHERE action = 'token.minted' AND actor_id = $1`, [client.identityId]);
    expect(event).toEqual({ actor_kind: 'machine-identity', actor_id: client.identityId, credential_kind: 'client-secret', credential_id: client.clientSecretId });
  });

  it('gives periodic tokens, which may be renewed for ever', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const client = await aClient(tenant, { accessTokenPeriod: 100, accessTokenTTL: 600, accessTokenMaxTTL: 600 });
    const first = (await login(client)).body;
    expect([first.expiresIn, first.accessTokenMaxTTL]).toEqual([100, 1_000_000_000]);
    let accessToken = first.accessToken;
    for (let round = 0; round < 20; round += 1) {
      clock.advance(99);
      const { body } = await call('POST', '/api/v1/auth/token/renew', { body: { accessToken } });
      expect([body.expiresIn, body.accessTokenMaxTTL]).toEqual([100, 1_000_000_000]);
      accessToken = body.accessToken;
    }
    expect((await probe(accessToken)).status).toBe(200);
    clock.advance(100);
    expect((await probe(accessToken)).status).toBe(401);
  });

  it('answers the same to an unknown client, a wrong, a foreign and a revoked secret', async () => {
    const [client, other] = [await aClient(tenant, { lockoutEnabled: false }), await aClient(tenant)];
    const { clientId, clientSecret } = client;
    const attempts = [
      { clientId: ABSENT, clientSecret },
      { clientId: 'x', clientSecret },
      { clientId: other.clientId, clientSecret },
      { clientId, clientSecret: other.clientSecret },
      { clientId, clientSecret: `${clientSecret}x` },
      { clientId, clientSecret: clientSecret.slice(0, -1) },
      { clientId, clientSecret: '' },
      { clientId, clientSecret: 'é'.repeat(2000) },
    ];
    for (const attempt of attempts) {
      const { status, body } = await login(attempt);
      expect([status, body]).toEqual([401, WRONG]);
    }
    expect((await login(client)).status).toBe(200);
  });

  it('is open only from where client secrets are trusted', async () => {
    const client = await aClient(tenant, { clientSecretTrustedIps: [{ ipAddress: '10.0.0.0/8' }], accessTokenTrustedIps: [{ ipAddress: '11.0.0.0/8' }] });
    const outside = await login(client, { from: '192.0.2.1' });
    expect([outside.status, outside.body]).toEqual([403, refusal(403, 'ForbiddenError', 'You are not allowed to access this resource from the current IP address')]);
    const { body } = await login(client, { from: '10.0.0.1' });
    expect([(await probe(body.accessToken, '10.0.0.1')).status, (await probe(body.accessToken, '11.0.0.1')).status]).toEqual([403, 200]);
  });

  it('ends a client secret at its TTL and after its uses, exactly, however many log in at once', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const aged = await aClient(tenant, {}, { ttl: 100 });
    clock.advance(99.999999);
    expect((await login(aged)).status).toBe(200);
    clock.advance(0.000001);
    expect((await login(aged)).body).toEqual(unauthorized('Access denied due to expired client secret'));
    expect((await call('GET', secretsAt(aged.identityId), { as })).body.clientSecretData[0]).toMatchObject({ isClientSecretRevoked: false, clientSecretNumUses: 1 });

    const limited = await aClient(tenant, {}, { numUsesLimit: 4 });
    const answers = await Promise.all(Array.from({ length: 10 }, () => login(limited)));
    expect([200, 401].map((wanted) => answers.filter(({ status }) => status === wanted).length)).toEqual([4, 6]);
    expect((await login(limited)).body).toEqual(unauthorized('Access denied due to client secret usage limit reached'));
    expect((await call('GET', secretsAt(limited.identityId), { as })).body.clientSecretData[0]).toMatchObject({ clientSecretNumUses: 4 });
  });

  it('judges its fields as zod does', async () => {
    const { status, body } = await call('POST', `${UNIVERSAL_AUTH}/login`, { body: { clientSecret: 1, organizationSlug: 'No_Slug' } });
    expect([status, body.message]).toEqual([422, [
      { code: 'invalid_type', expected: 'string', received: 'undefined', path: ['clientId'], message: 'Required' },
      { code: 'invalid_type', expected: 'string', received: 'number', path: ['clientSecret'], message: 'Expected string, received number' },
      { code: 'custom', message: 'Slug field can only contain letters, numbers, and hyphens', path: ['organizationSlug'] },
    ]]);
    expect((await call('POST', `${UNIVERSAL_AUTH}/login`)).status).toBe(422);
  });
});

describe('lockout', () => {
  const guess = (client: { clientId: string }, from: string) => login({ ...client, clientSecret: 'wrong' }, { from });

  it('locks a source out after the threshold, and nobody else', async () => {
    const client = await aClient(tenant, { lockoutThreshold: 3 });
    for (let time = 0; time < 3; time += 1) expect((await guess(client, '192.0.2.1')).body).toEqual(WRONG);
    expect((await guess(client, '192.0.2.1')).body).toEqual(LOCKED);
    expect((await login(client, { from: '192.0.2.1' })).body).toEqual(LOCKED);
    expect((await login(client, { from: '::ffff:192.0.2.1' })).body).toEqual(LOCKED);
    for (const from of ['192.0.2.2', '::1']) expect([from, (await login(client, { from })).status]).toEqual([from, 200]);
    const { identity } = (await call('GET', `${IDENTITIES}/${client.identityId}`, { as })).body.identity;
    expect(identity.activeLockoutAuthMethods).toEqual(['universal-auth']);
    expect(await sql(tenant, `SELECT details FROM audit_events WHERE action = 'client.locked-out' AND target_id = $1`, [client.identityId])).toEqual([{ details: { clientId: client.clientId } }]);
  });

  it('takes an IPv6 network of 64 bits for one source', async () => {
    const client = await aClient(tenant, { lockoutThreshold: 2 });
    for (const from of ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9']) expect((await guess(client, from)).body).toEqual(WRONG);
    expect((await login(client, { from: '2001:db8:1:2::ffff' })).body).toEqual(LOCKED);
    expect((await login(client, { from: '2001:db8:1:3::1' })).status).toBe(200);
  });

  it('ends after its time, and counting begins anew after a pause or a success', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const client = await aClient(tenant, { lockoutThreshold: 2, lockoutDurationSeconds: 60, lockoutCounterResetSeconds: 10 });
    const from = '192.0.2.7';
    await guess(client, from);
    clock.advance(10);
    expect((await guess(client, from)).body).toEqual(WRONG);
    expect((await login(client, { from })).status).toBe(200);
    expect((await guess(client, from)).body).toEqual(WRONG);
    expect((await guess(client, from)).body).toEqual(WRONG);
    clock.advance(59.999);
    expect((await login(client, { from })).body).toEqual(LOCKED);
    clock.advance(0.001);
    expect((await login(client, { from })).status).toBe(200);
    expect((await call('GET', `${IDENTITIES}/${client.identityId}`, { as })).body.identity.identity.activeLockoutAuthMethods).toEqual([]);
  });

  it('holds however many guess at once: guesses beyond the threshold are not even compared', async () => {
    const client = await aClient(tenant, { lockoutThreshold: 3 });
    const answers = await Promise.all(Array.from({ length: 12 }, () => guess(client, '192.0.2.9')));
    expect(answers.every(({ status }) => status === 401)).toBe(true);
    expect((await login(client, { from: '192.0.2.9' })).body).toEqual(LOCKED);
    expect(await sql(tenant, `SELECT count(*)::int AS events FROM audit_events WHERE action = 'client.locked-out' AND target_id = $1`, [client.identityId])).toEqual([{ events: 1 }]);
  });

  it('is cleared by POST /api/v1/auth/universal-auth/identities/{identityId}/clear-lockouts', async () => {
    const client = await aClient(tenant, { lockoutThreshold: 1 });
    for (const from of ['192.0.2.1', '192.0.2.2']) await guess(client, from);
    const clear = () => call('POST', `${settingsAt(client.identityId)}/clear-lockouts`, { as });
    expect([(await clear()).text, (await clear()).text]).toEqual(['{"deleted":2}', '{"deleted":0}']);
    expect(await sql(tenant, `SELECT details FROM audit_events WHERE action = 'client-lockouts.cleared' AND target_id = $1`, [client.identityId])).toEqual([{ details: { cleared: 2 } }]);
    expect((await login(client, { from: '192.0.2.1' })).status).toBe(200);
  });

  it('can be switched off', async () => {
    const client = await aClient(tenant, { lockoutThreshold: 1 });
    await guess(client, '192.0.2.1');
    await done(call('PATCH', settingsAt(client.identityId), { as, body: { lockoutEnabled: false } }));
    expect((await login(client, { from: '192.0.2.1' })).status).toBe(200);
    for (let time = 0; time < 3; time += 1) expect((await guess(client, '192.0.2.1')).body).toEqual(WRONG);
  });
});

describe('the privilege boundary', () => {
  it('keeps whoever holds less from every change of Universal Auth and its secrets', async () => {
    const { session } = await aMember(tenant, await aRole(tenant, ['identity:write', 'identity:read', 'identity:token:write', 'identity:token:read']));
    const bare = await aMachine(tenant, { role: 'admin' });
    const client = await aClient(tenant, {}, {}, { role: 'admin' });
    const attempts = [
      ['POST', settingsAt(bare), {}, 'Failed to attach universal auth to identity with more privileged role'],
      ['PATCH', settingsAt(client.identityId), {}, 'Failed to update universal auth of identity with more privileged role'],
      ['DELETE', settingsAt(client.identityId), undefined, 'Failed to revoke universal auth of identity with more privileged role'],
      ['POST', secretsAt(client.identityId), {}, 'Failed to create client secret for identity.'],
      ['POST', `${secretsAt(client.identityId)}/${client.clientSecretId}/revoke`, undefined, 'Failed to revoke identity client secret with more privileged role'],
    ] as const;
    for (const [method, path, body, message] of attempts) {
      const answer = await call(method, path, { as: session, body });
      expect([answer.status, answer.body.error, answer.body.message]).toEqual([403, 'PermissionBoundaryError', message]);
      expect(answer.body.details.missingPermissions).toContainEqual({ action: 'write', subject: 'project' });
    }
    expect((await login(client)).status).toBe(200);
    for (const path of [settingsAt(client.identityId), secretsAt(client.identityId)]) expect((await call('GET', path, { as: session })).status).toBe(200);
  });
});
