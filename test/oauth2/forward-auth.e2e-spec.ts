import { beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { theApp } from '../support/app.js';
import { aMember, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type CallOptions } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';
import { watchFacts } from '../support/watched-facts.js';

let tenant: TestTenant;
let secret: string;
beforeAll(async () => {
  tenant = await aTenant();
  secret = await aUserToken();
});

async function aUserToken(as = tenant.admin.session, body: object = {}): Promise<string> {
  return (await call('POST', '/user/api-tokens', { as, body })).body.token;
}

const ask = (query: string, options: CallOptions = { as: secret }, method = 'GET') => call(method, `/v1/forward-auth${query}`, options);

function identityOf(headers: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).flatMap(([name, value]) => (name.startsWith('x-gatehouse-') ? [[name.slice('x-gatehouse-'.length), value]] : [])));
}

describe('GET /v1/forward-auth', () => {
  it('lets any live credential pass, with an empty body that nobody may keep', async () => {
    const { status, headers, text } = await ask('');
    expect([status, text, headers['content-length'], headers['cache-control']]).toEqual([200, '', '0', 'no-store']);
    expect((await ask('', { as: tenant.admin.session })).status).toBe(200);
  });

  it.each(DOORS_UNDER_TEST.map((door) => [door.name, door] as const))('tells of a token from the %s door what introspection tells', async (_, door) => {
    const { secret: own } = await mint(door, tenant, { expiresAt: '2031-01-01T00:00:00.000Z' });
    const told = await introspect(tenant.admin.session, own);
    expect(identityOf((await ask('', { as: own })).headers)).toEqual({
      'organization-id': tenant.id,
      'owner-kind': told['owner_kind'],
      'owner-id': told['owner_id'],
      ...(told['username'] && { username: told['username'] }),
      'token-id': told['jti'],
      scope: told['scope'],
      projects: told['projects'].join(','),
      ...(told['environment'] && { environment: told['environment'] }),
    });
  });

  it('tells the holder when the token ends', async () => {
    const own = await aUserToken(tenant.admin.session, { expiresAt: '2031-01-01T00:00:00+00:00' });
    expect((await ask('', { as: own })).headers['token-expires-at']).toBe('2031-01-01T00:00:00.000000Z');
  });

  it('needs the permission that is asked for, and says in the header what is missing', async () => {
    const { session: member } = await aMember(tenant, 'EXTERNAL');
    expect((await ask('?permission=token:introspect')).status).toBe(200);
    expect((await ask('?permission=profile:read', { as: member })).status).toBe(200);
    const { status, headers } = await ask('?permission=token:introspect', { as: member });
    expect([status, headers['www-authenticate']]).toEqual([403, 'Bearer realm="gatehouse", error="insufficient_scope", scope="token:introspect"']);
    expect(identityOf(headers)).toEqual({});
    expect((await ask('?permission=nobody:registered')).status).toBe(403);
  });

  it('records who was refused what', async () => {
    const member = await aMember(tenant, 'EXTERNAL');
    await ask('?permission=audit:read', { as: member.session });
    const events = await sql(tenant, `SELECT details FROM audit_events WHERE action = 'access.refused' AND actor_id = $1`, [member.id]);
    expect(events).toEqual([{ details: { method: 'GET', route: '/v1/forward-auth', code: 'permission-missing', permissions: ['audit:read'] } }]);
  });

  it.each([
    ['no credential', {}, 'Bearer realm="gatehouse"'],
    ['another scheme', { authorization: 'Digest x' }, 'Bearer realm="gatehouse", error="invalid_token"'],
    ['garbage', { authorization: 'Bearer x' }, 'Bearer realm="gatehouse", error="invalid_token"'],
    ['an empty credential', { authorization: '' }, 'Bearer realm="gatehouse", error="invalid_token"'],
  ])('asks for a credential with 401 where there is %s', async (_, headers, challenge) => {
    const answer = await ask('', { headers });
    expect([answer.status, answer.headers['www-authenticate'], identityOf(answer.headers)]).toEqual([401, challenge, {}]);
  });

  it('refuses a token as soon as it is revoked, and another organization\'s never knows of it', async () => {
    const own = await aUserToken();
    expect((await ask('', { as: own })).status).toBe(200);
    await call('POST', '/oauth2/revoke', { as: tenant.admin.session, form: { token: own } });
    expect((await ask('', { as: own })).status).toBe(401);
  });

  it.each(['?permission=', '?permission=token', '?permission=*', '?permission=token:*', '?permission=token:read&permission=profile:read', '?permisson=token:read', '?permission[]=token:read', '?permission=token:read%20'])(
    'passes nobody where the proxy asks %s',
    async (query) => {
      expect((await ask(query)).status).toBe(400);
    },
  );

  it('judges the address that a trusted proxy forwards, and believes no other', async () => {
    const own = await aUserToken();
    await sql(tenant, `UPDATE api_tokens SET allowed_addresses = '{203.0.113.0/24}' WHERE id = $1`, [(await introspect(tenant.admin.session, own))['jti']]);
    const from = async (peer: string, forwarded: string): Promise<number> => (await ask('', { as: own, from: peer, headers: { 'x-forwarded-for': forwarded } })).status;
    expect([await from('10.255.255.1', '203.0.113.9'), await from('10.255.255.1', '198.51.100.9'), await from('198.51.100.9', '203.0.113.9')]).toEqual([200, 401, 401]);
  });

  it('answers HEAD like GET, and no other method', async () => {
    const head = await ask('', { as: secret }, 'HEAD');
    expect([head.status, identityOf(head.headers)['organization-id']]).toEqual([200, tenant.id]);
    expect((await ask('', {}, 'HEAD')).status).toBe(401);
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const { status, headers } = await ask('', { as: secret }, method);
      expect([method, status, headers['allow']]).toEqual([method, 405, 'GET, HEAD']);
    }
  });

  it('is an outage where the database cannot say, never a refusal', async () => {
    const cold = await aUserToken();
    const { app } = await theApp();
    const facts = watchFacts(app.get(Database));
    const mend = facts.fail();
    const { status, headers } = await ask('', { as: cold });
    mend();
    facts.stop();
    expect([status, headers['retry-after'], identityOf(headers)]).toEqual([503, '1', {}]);
    expect((await ask('', { as: cold })).status).toBe(200);
  });
});
