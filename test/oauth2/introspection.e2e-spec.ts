import { beforeAll, describe, expect, it } from 'vitest';
import { DataSource } from 'typeorm';
import { LastUse } from '../../src/tokens/last-use.js';
import { PUBLIC_URL, theApp } from '../support/app.js';
import { aMember, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';

let tenant: TestTenant;
let secret: string;
let id: string;
beforeAll(async () => {
  tenant = await aTenant();
  secret = await aUserToken(tenant.admin.session);
  id = (await introspect(tenant.admin.session, secret))['jti'];
});

async function aUserToken(as: string, body: object = {}): Promise<string> {
  return (await call('POST', '/user/api-tokens', { as, body })).body.token;
}

const ask = (form: Record<string, string>, as = tenant.admin.session) => call('POST', '/oauth2/introspect', { as, form });

describe('POST /oauth2/introspect', () => {
  it('answers what RFC 7662 names, with whose token it is', async () => {
    const own = await aUserToken(tenant.admin.session, { expiresAt: '2031-01-01T00:00:00+00:00' });
    const { status, headers, body } = await ask({ token: own });
    expect([status, headers['content-type'], headers['cache-control']]).toEqual([200, 'application/json; charset=utf-8', 'no-store']);
    expect(body).toEqual({
      active: true,
      scope: expect.stringContaining('user:api-token:write'),
      client_id: tenant.admin.id,
      username: tenant.admin.email,
      token_type: 'Bearer',
      exp: 1924992000,
      iat: expect.any(Number),
      sub: tenant.admin.id,
      iss: PUBLIC_URL,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      organization_id: tenant.id,
      owner_kind: 'user',
      owner_id: tenant.admin.id,
      projects: ['*'],
      environment: null,
    });
    expect(Math.abs(body.iat - Date.now() / 1000)).toBeLessThan(60);
  });

  it('says nothing but inactive of every string that is no live token of the organization', async () => {
    const foreign = await aUserToken((await aTenant()).admin.session);
    const strings = [foreign, 'x', `${secret} `, ` ${secret}`, secret.slice(0, -1), `${secret}0`, secret.toUpperCase(), tenant.admin.refreshToken, '\0', 'é'.repeat(300), 'x'.repeat(10_000)];
    for (const token of strings) {
      const { status, text } = await ask({ token });
      expect([status, text]).toEqual([200, '{"active":false}']);
    }
  });

  it('lets the platform\'s operator ask about any organization\'s token', async () => {
    const { app } = await theApp();
    const existing = await app.get(DataSource).query(`SELECT current_user AS name`);
    expect(existing).toEqual([{ name: 'gatehouse_app' }]);
    const platform = await aPlatformTenant();
    expect(await introspect(platform.admin.session, secret)).toMatchObject({ active: true, organization_id: tenant.id });
  });

  it('shrinks the token at once when its owner loses permissions, and kills it when the owner is disabled', async () => {
    const person = await aMember(tenant, 'ADMIN');
    const own = await aUserToken(person.session);
    expect((await introspect(tenant.admin.session, own))['scope']).toContain('token:write');
    await sql(tenant, `UPDATE memberships SET role_id = (SELECT id FROM roles WHERE key = 'EXTERNAL') WHERE user_id = $1`, [person.id]);
    expect((await introspect(tenant.admin.session, own))['scope']).toBe('profile:read');
    expect((await call('GET', '/v1/tokens', { as: own })).status).toBe(403);
    await sql(tenant, 'UPDATE memberships SET disabled_at = now() WHERE user_id = $1', [person.id]);
    expect(await introspect(tenant.admin.session, own)).toEqual({ active: false });
  });

  it('needs the permission to ask, and a credential at all', async () => {
    const member = await aMember(tenant);
    const lacking = await ask({ token: secret }, member.session);
    expect([lacking.status, lacking.body.error, lacking.body.permissions]).toEqual([403, 'insufficient_scope', ['token:introspect']]);
    const anonymous = await call('POST', '/oauth2/introspect', { form: { token: secret } });
    expect([anonymous.status, anonymous.headers['www-authenticate']]).toEqual([401, 'Bearer realm="gatehouse"']);
    expect(anonymous.body.active).toBeUndefined();
  });

  it('refuses a missing, empty or repeated parameter, another content type and another method', async () => {
    for (const body of ['', 'token=', 'x=y', `token=${secret}&token=${secret}`, `token=${secret}&token_type_hint=a&token_type_hint=b`]) {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const answer = await call('POST', '/oauth2/introspect', { as: tenant.admin.session, body, headers });
      expect([body, answer.status, answer.body.error]).toEqual([body, 400, 'invalid_request']);
      expect(answer.text).not.toContain(secret);
    }
    expect((await call('POST', '/oauth2/introspect', { as: tenant.admin.session, body: { token: secret } })).status).toBe(415);
    expect((await call('GET', '/oauth2/introspect', { as: tenant.admin.session })).status).toBe(405);
  });

  it('finds the token whatever is hinted', async () => {
    expect((await ask({ token: secret, token_type_hint: 'refresh_token' })).body.active).toBe(true);
  });
});

describe('last use', () => {
  it('is remembered apart from the request and written with count and address', async () => {
    const own = await aUserToken(tenant.admin.session);
    await call('GET', '/auth/me', { as: own, from: '198.51.100.7' });
    await call('GET', '/auth/me', { as: own, from: '198.51.100.8' });
    await (await theApp()).app.get(LastUse).flush();
    const jti = (await introspect(tenant.admin.session, own))['jti'];
    expect((await call('GET', `/v1/tokens/${jti}`, { as: tenant.admin.session })).body).toMatchObject({ use_count: 2, last_used_ip: '198.51.100.8' });
  });

  it('believes forwarded addresses from trusted proxies only', async () => {
    const own = await aUserToken(tenant.admin.session);
    const headers = { 'x-forwarded-for': '203.0.113.9' };
    const lastIp = async (from: string): Promise<string> => {
      await call('GET', '/auth/me', { as: own, from, headers });
      await (await theApp()).app.get(LastUse).flush();
      return (await sql(tenant, `SELECT last_used_ip FROM api_tokens ORDER BY last_used_at DESC NULLS LAST LIMIT 1`))[0]?.['last_used_ip'];
    };
    expect(await lastIp('198.51.100.9')).toBe('198.51.100.9');
    expect(await lastIp('10.255.255.1')).toBe('203.0.113.9');
  });
});

describe('GET /v1/tokens', () => {
  it('pages newest first with a cursor until null, without gaps or repeats', async () => {
    const own = await aTenant();
    for (let count = 0; count < 7; count += 1) await aUserToken(own.admin.session, { description: `token ${count}` });
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: Answer = await call('GET', `/v1/tokens?limit=3${cursor && `&cursor=${cursor}`}`, { as: own.admin.session });
      seen.push(...page.body.data.map(({ description }: { description: string }) => description));
      cursor = page.body.next_cursor;
    }
    expect(seen).toHaveLength(7);
    expect(new Set(seen).size).toBe(7);
  });

  it('filters by kind, owner, state and project', async () => {
    const own = await aTenant();
    const mine = await aUserToken(own.admin.session);
    await aUserToken(own.admin.session, { expiresAt: '2020-01-01T00:00:00+00:00' });
    await call('POST', '/oauth2/revoke', { as: own.admin.session, form: { token: mine } });
    const count = async (query: string): Promise<number> => (await call('GET', `/v1/tokens?${query}`, { as: own.admin.session })).body.data.length;
    expect(await count('kind=user')).toBe(2);
    expect(await count('kind=project')).toBe(0);
    expect(await count(`owner_id=${own.admin.id}`)).toBe(2);
    expect(await count(`owner_id=${own.id}`)).toBe(0);
    expect(await count('state=revoked')).toBe(1);
    expect(await count('state=expired')).toBe(1);
    expect(await count('state=active')).toBe(0);
    expect(await count('project=default')).toBe(0);
  });

  it.each(['limit=0', 'limit=101', 'limit=x', 'kind=robot', 'state=asleep', 'cursor=nonsense', 'kind=user&kind=project', 'owner_id=%00'])('refuses ?%s with 400', async (query) => {
    const { status, body } = await call('GET', `/v1/tokens?${query}`, { as: tenant.admin.session });
    expect([status, body.code]).toEqual([400, 'input-invalid']);
  });

  it.each(['', '%00', 'null', 'undefined', '*', '..%2f', "' OR 1=1 --", '{}', 'x'.repeat(900)])('knows no token of the id %j', async (strange) => {
    const { status } = await call('GET', `/v1/tokens/${strange === '' ? '%20' : encodeURIComponent(decodeURIComponent(strange))}`, { as: tenant.admin.session });
    expect(Math.floor(status / 100)).toBe(4);
  });

  it('finds a token by its id in any case', async () => {
    expect((await call('GET', `/v1/tokens/${id.toUpperCase()}`, { as: tenant.admin.session })).body.id).toBe(id);
  });
});

describe('the key set', () => {
  it('verifies a session\'s token offline and holds no private member', async () => {
    const { headers, body } = await call('GET', '/.well-known/jwks.json');
    expect(headers['cache-control']).toBe('public, max-age=300');
    const kid = JSON.parse(Buffer.from(tenant.admin.session.split('.')[0] ?? '', 'base64url').toString()).kid;
    const key = body.keys.find((each: { kid: string }) => each.kid === kid);
    expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  });
});

/** The one platform organization; whichever test asks first founds it. */
async function aPlatformTenant(): Promise<TestTenant> {
  const tenantOfPlatform = await aTenant({ slug: 'platform-of-tests', platform: true });
  return tenantOfPlatform;
}
