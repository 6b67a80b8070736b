import { beforeAll, describe, expect, it } from 'vitest';
import { AuditLog } from '../../src/audit/audit-log.js';
import { ApiTokenRepository } from '../../src/tokens/api-token.repository.js';
import { LastUse } from '../../src/tokens/last-use.js';
import { TokenEngine } from '../../src/tokens/token-engine.js';
import { theApp } from '../support/app.js';
import { aMember, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { aMachine, aMachineToken, done, IDENTITIES, mintFor, principalOf, probe, TOKEN_AUTH } from '../support/machines.js';

let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});

const unauthorized = (message: string) => ({ reqId: expect.any(String), statusCode: 401, message, error: 'UnauthorizedError' });
const renew = (accessToken: unknown, options: object = {}) => call('POST', '/api/v1/auth/token/renew', { body: { accessToken }, ...options });
const revoke = (accessToken: unknown, options: object = {}) => call('POST', '/api/v1/auth/token/revoke', { body: { accessToken }, ...options });
const tokenData = async (id: string, session = as) => (await call('GET', `${TOKEN_AUTH}/tokens/${id}`, { as: session })).body.token;
const alive = async (secret: string) => (await probe(secret)).status === 200;

/** Moves the clock on for longer than a session lives, and logs in again. */
async function later(seconds: number): Promise<string> {
  const { clock } = await theApp();
  clock.advance(seconds);
  return (await call('POST', '/auth/login', { body: { email: tenant.admin.email, password: tenant.admin.password } })).body.access_token;
}

describe('a token\'s life', () => {
  it('is as long as expiresIn says, to the microsecond', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const { secret, answer } = await aMachineToken(tenant, { accessTokenTTL: 600, accessTokenMaxTTL: 3600 });
    expect([answer.expiresIn, answer.accessTokenMaxTTL, answer.tokenData.accessTokenTTL, answer.tokenData.accessTokenMaxTTL]).toEqual([600, 3600, 600, 3600]);
    clock.advance(599.999999);
    expect(await alive(secret)).toBe(true);
    clock.advance(0.000001);
    expect((await probe(secret)).body).toEqual(unauthorized('Your token has expired. Please re-authenticate.'));
  });

  it('has no end with a TTL and a maximum TTL of 0, and only then is expiresIn 0', async () => {
    const never = await aMachineToken(tenant, { accessTokenTTL: 0, accessTokenMaxTTL: 0 });
    expect([never.answer.expiresIn, never.answer.accessTokenMaxTTL, never.answer.tokenData.accessTokenTTL]).toEqual([0, 0, 0]);
    const capped = await aMachineToken(tenant, { accessTokenTTL: 0, accessTokenMaxTTL: 3600 });
    expect([capped.answer.expiresIn, capped.answer.accessTokenMaxTTL, capped.answer.tokenData.accessTokenTTL]).toEqual([3600, 3600, 3600]);
    await later(20 * 365 * 24 * 3600);
    expect([await alive(never.secret), await alive(capped.secret)]).toEqual([true, false]);
  });

  it('ends with its identity, with the identity\'s access to anything, and with the organization', async () => {
    const gone = await aMachineToken(tenant);
    await done(call('DELETE', `${IDENTITIES}/${gone.identityId}`, { as }));
    expect((await probe(gone.secret)).body).toEqual(unauthorized('Failed to authorize: token has been revoked'));
    expect((await call('GET', `/v1/tokens/${gone.id}`, { as })).body).toMatchObject({ state: 'revoked', revocation_reason: 'identity-deleted' });

    const demoted = await aMachineToken(tenant, {}, { role: 'admin' });
    expect((await introspect(as, demoted.secret))['scope']).toContain('identity:write');
    await done(call('PATCH', `${IDENTITIES}/${demoted.identityId}`, { as, body: { role: 'no-access' } }));
    expect((await introspect(as, demoted.secret))['scope']).toBe('');

    const other = await aTenant();
    const { secret } = await aMachineToken(other);
    await sql(other, 'UPDATE organizations SET suspended_at = now()');
    expect((await probe(secret)).body).toEqual(unauthorized('You are not allowed to access this resource'));
  });
});

describe('POST /api/v1/auth/token/renew', () => {
  it('answers a new secret of the same token, and the old one works until it would have expired anyway', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const { id, secret } = await aMachineToken(tenant, { accessTokenTTL: 600, accessTokenMaxTTL: 6000 });
    clock.advance(400);
    const { status, headers, text, body } = await renew(` ${secret}\n`);
    expect([status, headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
    expect(text).toBe(JSON.stringify({ accessToken: body.accessToken, expiresIn: 600, accessTokenMaxTTL: 6000, tokenType: 'Bearer' }));
    expect(body.accessToken).toMatch(/^idt_[0-9A-Za-z]{49}$/);
    expect(body.accessToken).not.toBe(secret);
    const at = clock.now().toRfc3339(3);
    expect(await tokenData(id)).toMatchObject({ id, accessTokenLastRenewedAt: at, updatedAt: at, accessTokenTTL: 600 });
    const both = [secret, body.accessToken];
    for (const each of both) expect((await introspect(as, each))['jti']).toBe(id);
    clock.advance(199.999999);
    for (const each of both) expect(await alive(each)).toBe(true);
    clock.advance(0.000001);
    expect([await alive(secret), await alive(body.accessToken)]).toEqual([false, true]);
    expect((await probe(secret)).body).toEqual(unauthorized('Your token has expired. Please re-authenticate.'));
    clock.advance(400);
    expect(await alive(body.accessToken)).toBe(false);
  });

  it('never goes beyond the maximum TTL, and says how much is left', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const { secret } = await aMachineToken(tenant, { accessTokenTTL: 600, accessTokenMaxTTL: 1000 });
    clock.advance(599);
    const second = await renew(secret);
    expect(second.body.expiresIn).toBe(401);
    clock.advance(400.5);
    const third = await renew(second.body.accessToken);
    expect(third.body.expiresIn).toBe(1);
    clock.advance(0.499999);
    expect(await alive(third.body.accessToken)).toBe(true);
    clock.advance(0.000001);
    for (const each of [secret, second.body.accessToken, third.body.accessToken]) {
      expect(await alive(each)).toBe(false);
      expect((await renew(each)).status).toBe(401);
    }
  });

  it('is refused from the instant the secret expires, though the token may live on', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const { secret } = await aMachineToken(tenant, { accessTokenTTL: 600, accessTokenMaxTTL: 6000 });
    clock.advance(300);
    const { body } = await renew(secret);
    clock.advance(300);
    expect((await renew(secret)).body).toEqual(unauthorized('Your token has expired. Please re-authenticate.'));
    expect(await alive(body.accessToken)).toBe(true);
  });

  it('is refused after revocation, which ends every secret of the token', async () => {
    const { id, secret } = await aMachineToken(tenant);
    const { body } = await renew(secret);
    await done(call('POST', `${TOKEN_AUTH}/tokens/${id}/revoke`, { as }));
    for (const each of [secret, body.accessToken]) {
      expect(await introspect(as, each)).toEqual({ active: false });
      const again = await renew(each);
      expect([again.status, again.body]).toEqual([401, unauthorized('Cannot renew: token has been revoked')]);
    }
    expect((await tokenData(id)).isAccessTokenRevoked).toBe(true);
  });

  it('keeps a token without an end without one', async () => {
    const { secret } = await aMachineToken(tenant, { accessTokenTTL: 0, accessTokenMaxTTL: 0 });
    const { body } = await renew(secret);
    expect([body.expiresIn, body.accessTokenMaxTTL]).toEqual([0, 0]);
    await later(365 * 24 * 3600);
    expect([await alive(secret), await alive(body.accessToken)]).toEqual([true, true]);
  });

  it('does not undo an end that was set by hand', async () => {
    const { app, clock } = await theApp();
    clock.advance(0);
    const { id, secret } = await aMachineToken(tenant, { accessTokenTTL: 600, accessTokenMaxTTL: 6000 });
    await app.get(TokenEngine).update(await principalOf(as), id, { expiresAt: clock.now().plusSeconds(100) });
    clock.advance(50);
    const { body } = await renew(secret);
    expect(body.expiresIn).toBe(50);
    clock.advance(50);
    expect([await alive(secret), await alive(body.accessToken)]).toEqual([false, false]);
  });

  it('costs no use, and is refused when none is left', async () => {
    const { id, secret } = await aMachineToken(tenant, { accessTokenNumUsesLimit: 1 });
    const { body } = await renew(secret);
    expect((await tokenData(id)).accessTokenNumUses).toBe(0);
    expect([await alive(body.accessToken), await alive(secret)]).toEqual([true, false]);
    expect((await renew(secret)).body).toEqual(unauthorized('Cannot renew exhausted access token'));
  });

  it('refuses whatever is no token of a machine, and ignores the Authorization header', async () => {
    const { body } = await call('POST', '/user/api-tokens', { as, body: {} });
    const other = await renew(body.token);
    expect([other.status, other.body]).toEqual([400, { reqId: expect.any(String), statusCode: 400, message: 'Token is not an identity access token', error: 'BadRequest' }]);
    for (const text of ['x', '', as, 'idt_', `idt_${'0'.repeat(49)}`, 'a.b.c', 'é'.repeat(999), tenant.admin.refreshToken]) {
      expect((await renew(text)).body).toEqual(unauthorized('Cannot renew revoked or unknown access token'));
    }
    for (const header of ['Bearer stale', 'Basic eDp5', 'x']) {
      const { secret } = await aMachineToken(tenant);
      expect((await renew(secret, { headers: { authorization: header } })).status).toBe(200);
    }
    const { status, body: problem } = await renew(undefined);
    expect([status, problem.message]).toEqual([422, [{ code: 'invalid_type', expected: 'string', received: 'undefined', path: ['accessToken'], message: 'Required' }]]);
  });

  it('is refused when the secret or the token ended while the renewal was waiting', async () => {
    const { app } = await theApp();
    const tokens = app.get(ApiTokenRepository);
    for (const end of ['DELETE FROM token_secrets WHERE token_id = $1', 'UPDATE api_tokens SET revoked_at = now() WHERE id = $1']) {
      const { id, secret } = await aMachineToken(tenant);
      const lock = tokens.lock.bind(tokens);
      tokens.lock = async (scope, tokenId) => {
        await scope.manager.query(end, [id]);
        await lock(scope, tokenId);
      };
      try {
        expect((await renew(secret)).status).toBe(401);
      } finally {
        tokens.lock = lock;
      }
    }
  });

  it('gives each of several renewals at once a secret of its own, all of one token', async () => {
    const { id, secret } = await aMachineToken(tenant);
    const answers = await Promise.all(Array.from({ length: 8 }, () => renew(secret)));
    const secrets = new Set(answers.map(({ body }) => body.accessToken));
    expect([answers.every(({ status }) => status === 200), secrets.size]).toEqual([true, 8]);
    for (const each of secrets) expect((await introspect(as, each))['jti']).toBe(id);
  });

  it('keeps no secret that has expired, and no more than a hundred of one token', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const { id, secret } = await aMachineToken(tenant, { accessTokenTTL: 600, accessTokenMaxTTL: 6000 });
    await sql(tenant, `INSERT INTO token_secrets (secret_hash, pepper_id, organization_id, token_id, created_at, expires_at)
      SELECT sha256(n::text::bytea || uuid_send($1)), 'x', organization_id, id, now(), $2 FROM api_tokens, generate_series(1, 99) n WHERE id = $1`, [id, clock.now().plusSeconds(100)]);
    const { status, body } = await renew(secret);
    expect([status, body.error, body.message]).toEqual([400, 'BadRequest', 'The token has 100 secrets in force already; it can be renewed when one of them has expired.']);
    clock.advance(100);
    expect((await renew(secret)).status).toBe(200);
    expect(await sql(tenant, 'SELECT count(*)::int AS kept FROM token_secrets WHERE token_id = $1', [id])).toEqual([{ kept: 2 }]);
  });

  it('writes an audit event with the token as its own actor, and no secret anywhere', async () => {
    const { id, identityId, secret } = await aMachineToken(tenant);
    const { body } = await renew(secret, { headers: { 'user-agent': 'renewer/1' } });
    const events = await sql(tenant, `SELECT actor_kind, actor_id, credential_kind, credential_id, user_agent, concat(details, before, after) AS details FROM audit_events WHERE action = 'token.renewed' AND target_id = $1`, [id]);
    expect(events).toEqual([{ actor_kind: 'machine-identity', actor_id: identityId, credential_kind: 'token', credential_id: id, user_agent: 'renewer/1', details: expect.any(String) }]);
    const { log } = await theApp();
    for (const each of [secret, body.accessToken]) expect(events[0]?.['details'] + log.join('')).not.toContain(each.slice(4, 40));
    expect((await call('GET', `/v1/tokens/${id}`, { as })).body.hint).toBe(`idt_…${body.accessToken.slice(-4)}`);
  });

  it('renews nothing when the audit event cannot be written', async () => {
    const { app } = await theApp();
    const { id, secret } = await aMachineToken(tenant);
    const before = await tokenData(id);
    const audit = app.get(AuditLog);
    const append = audit.append.bind(audit);
    audit.append = () => Promise.reject(new Error('the audit log is full'));
    try {
      expect((await renew(secret)).status).toBe(500);
    } finally {
      audit.append = append;
    }
    expect(await tokenData(id)).toEqual(before);
  });
});

describe('POST /api/v1/auth/token/revoke', () => {
  it('ends the token of whoever holds it, and answers the same when it is ended again', async () => {
    const { id, identityId, secret } = await aMachineToken(tenant);
    for (let time = 0; time < 2; time += 1) {
      const { status, text } = await revoke(secret, { headers: { authorization: 'Bearer stale' } });
      expect([status, text]).toEqual([200, '{"message":"Successfully revoked access token"}']);
      expect(await introspect(as, secret)).toEqual({ active: false });
    }
    expect((await call('GET', `/v1/tokens/${id}`, { as })).body).toMatchObject({ state: 'revoked', revoked_by: identityId, revocation_reason: 'revoked-by-holder' });
    expect(await sql(tenant, `SELECT count(*)::int AS events FROM audit_events WHERE action = 'token.revoked' AND target_id = $1`, [id])).toEqual([{ events: 1 }]);
  });

  it('refuses whatever is no token of a machine', async () => {
    const { body } = await call('POST', '/user/api-tokens', { as, body: {} });
    expect((await revoke(body.token)).body.message).toBe('Token is not an identity access token');
    expect(await introspect(as, body.token)).toMatchObject({ active: true });
    expect((await revoke('x')).body).toEqual(unauthorized('No identity access token found'));
    expect((await revoke(1)).status).toBe(422);
  });
});

describe('a token\'s uses', () => {
  it('are exactly as many as its limit says, however many are tried at once', async () => {
    const { id, secret } = await aMachineToken(tenant, { accessTokenNumUsesLimit: 7 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => probe(secret)));
    const counts = [200, 401].map((wanted) => answers.filter(({ status }) => status === wanted).length);
    expect(counts).toEqual([7, 13]);
    expect(answers.find(({ status }) => status === 401)?.body).toEqual(unauthorized('Failed to authorize: token usage limit reached'));
    expect(await tokenData(id)).toMatchObject({ accessTokenNumUses: 7, accessTokenNumUsesLimit: 7 });
  });

  it('end after the limit: with 2, the third is refused', async () => {
    const { secret } = await aMachineToken(tenant, { accessTokenNumUsesLimit: 2 });
    expect([(await probe(secret)).status, (await probe(secret)).status, (await probe(secret)).status]).toEqual([200, 200, 401]);
  });

  it('are not spent by requests that are refused for another reason', async () => {
    const { id, secret } = await aMachineToken(tenant, { accessTokenNumUsesLimit: 1, accessTokenTrustedIps: [{ ipAddress: '10.0.0.0/8' }] });
    for (let time = 0; time < 3; time += 1) expect((await probe(secret, '192.0.2.1')).status).toBe(403);
    expect((await tokenData(id)).accessTokenNumUses).toBe(0);
    expect((await probe(secret, '10.9.9.9')).status).toBe(200);
  });

  it('are counted without a limit too, with the time of the last', async () => {
    const { app, clock } = await theApp();
    clock.advance(0);
    const { id, secret } = await aMachineToken(tenant);
    for (let time = 0; time < 3; time += 1) await probe(secret);
    const at = clock.now().toRfc3339(3);
    await app.get(LastUse).flush();
    expect(await tokenData(id)).toMatchObject({ accessTokenNumUses: 3, accessTokenNumUsesLimit: 0, accessTokenLastUsedAt: at });
    expect((await tokenData(id)).updatedAt).toBe((await tokenData(id)).createdAt);
  });
});

describe('trusted addresses', () => {
  it('are judged at every use by the list as it is then', async () => {
    const { identityId, secret } = await aMachineToken(tenant, { accessTokenTrustedIps: [{ ipAddress: '10.1.2.3/8' }, { ipAddress: '2001:db8::/32' }] });
    for (const ip of ['10.0.0.1', '10.255.255.255', '::ffff:10.3.3.3', '2001:db8::7']) expect([ip, (await probe(secret, ip)).status]).toEqual([ip, 200]);
    for (const ip of ['11.0.0.1', '127.0.0.1', '::1', '2001:db9::']) {
      const { status, body } = await probe(secret, ip);
      const message = 'You are not allowed to access this resource from the current IP address';
      expect([ip, status, body]).toEqual([ip, 403, { reqId: expect.any(String), statusCode: 403, message, error: 'ForbiddenError' }]);
    }
    await done(call('PATCH', `${TOKEN_AUTH}/identities/${identityId}`, { as, body: { accessTokenTrustedIps: [{ ipAddress: '11.0.0.1' }] } }));
    expect([(await probe(secret, '10.0.0.1')).status, (await probe(secret, '11.0.0.1')).status]).toEqual([403, 200]);
    expect([(await renew(secret, { from: '10.0.0.1' })).status, (await renew(secret, { from: '11.0.0.1' })).status]).toEqual([403, 200]);
  });

  it('believe X-Forwarded-For from the trusted proxy alone', async () => {
    const { secret } = await aMachineToken(tenant, { accessTokenTrustedIps: [{ ipAddress: '10.0.0.1' }] });
    const headers = { 'x-forwarded-for': '10.0.0.1' };
    const ask = (from: string) => call('GET', `${IDENTITIES}/details`, { as: secret, headers, from });
    expect([(await ask('192.0.2.1')).status, (await ask('10.255.255.1')).status]).toEqual([403, 200]);
  });
});

describe('a token minted by a token', () => {
  it('goes no further than the role of the machine that mints it', async () => {
    const minter = await aMachineToken(tenant, {}, { role: 'admin' });
    const { body } = await call('POST', `${TOKEN_AUTH}/identities/${await aMachineWithTokenAuth()}/tokens`, { as: minter.secret, body: {} });
    expect((await introspect(as, body.accessToken))['scope']).not.toContain('identity:write');
    expect((await call('GET', `/v1/tokens/${body.tokenData.id}`, { as })).body.created_by).toBe(minter.identityId);
  });

  it('of a caller limited to projects is limited to the same', async () => {
    const { app } = await theApp();
    const [project] = await sql<{ id: string; key: string }>(tenant, 'SELECT id, key FROM projects');
    const limited = await app.get(TokenEngine).mint(await principalOf(as), {
      kind: 'organization',
      owner: { organization: true },
      secretPrefix: 'api_',
      permissions: ['identity:token:write', 'identity:token:read', 'identity:read'],
      projects: project ? [project] : [],
    });
    const identityId = await aMachineWithTokenAuth({ role: 'no-access' });
    const { status, body } = await call('POST', `${TOKEN_AUTH}/identities/${identityId}/tokens`, { as: limited.secret, body: {} });
    expect(status).toBe(200);
    expect(await introspect(as, body.accessToken)).toMatchObject({ active: true, projects: ['default'], scope: '' });
    expect((await call('GET', `${TOKEN_AUTH}/identities/${identityId}/tokens`, { as: limited.secret })).body.tokens).toHaveLength(1);
    const whole = await mintFor(tenant, identityId);
    expect((await call('GET', `${TOKEN_AUTH}/tokens/${whole.id}`, { as: limited.secret })).status).toBe(404);
    expect((await call('GET', `${IDENTITIES}/${identityId}`, { as: limited.secret })).body).toMatchObject({ statusCode: 403, error: 'ForbiddenError' });
  });

  async function aMachineWithTokenAuth(body: object = {}): Promise<string> {
    const id = await aMachine(tenant, body);
    await done(call('POST', `${TOKEN_AUTH}/identities/${id}`, { as, body: {} }));
    return id;
  }
});

describe('minting and detaching at once', () => {
  it('leaves no token alive', async () => {
    const { session } = await aMember(tenant, 'ADMIN');
    for (let round = 0; round < 5; round += 1) {
      const { identityId } = await aMachineToken(tenant);
      const mints = Array.from({ length: 6 }, () => call('POST', `${TOKEN_AUTH}/identities/${identityId}/tokens`, { as, body: {} }));
      const [detached, ...minted] = await Promise.all([call('DELETE', `${TOKEN_AUTH}/identities/${identityId}`, { as: session }), ...mints]);
      expect(detached.status).toBe(200);
      for (const { status, body } of minted) {
        expect([200, 400]).toContain(status);
        if (status === 200) expect(await introspect(as, body.accessToken)).toEqual({ active: false });
      }
    }
  });
});
