import { beforeAll, describe, expect, it } from 'vitest';
import { AuditLog } from '../../src/audit/audit-log.js';
import { theApp } from '../support/app.js';
import { aMember, aName, aRole, aTenant, PASSWORD, sql, type TestTenant } from '../support/builders.js';
import { call, type CallOptions } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';
import { ownInstallation } from '../support/installation.js';

const installation = ownInstallation();
let tenant: TestTenant;
beforeAll(async () => {
  tenant = await aTenant();
});

interface Recorded {
  readonly action: string;
  readonly [column: string]: unknown;
}

const COLUMNS = 'action, actor_kind, actor_id, credential_kind, credential_id, target_kind, target_id, details, before, after, ip, user_agent, request_id';

/** What the work adds to the organization's record. */
async function recordedBy(where: { id: string }, work: () => Promise<unknown>): Promise<Recorded[]> {
  const before = new Set((await sql<{ id: string }>(where, 'SELECT id FROM audit_events')).map(({ id }) => id));
  await work();
  const rows = await sql<Recorded & { id: string }>(where, `SELECT id, ${COLUMNS} FROM audit_events ORDER BY occurred_at, id`);
  return rows.filter(({ id }) => !before.has(id)).map((row) => Object.fromEntries(Object.entries(row).filter(([column]) => column !== 'id')) as unknown as Recorded);
}

/** The same, of a single call: its answer as well. */
async function recordedByCall(where: { id: string }, method: string, url: string, options: CallOptions) {
  const asked = { answer: await Promise.resolve(null as Awaited<ReturnType<typeof call>> | null) };
  const events = await recordedBy(where, async () => {
    asked.answer = await call(method, url, { ...options, from: '203.0.113.9', headers: { ...options.headers, 'user-agent': 'curl/8.1' } });
  });
  if (!asked.answer) throw new Error('no answer');
  return { answer: asked.answer, events };
}

const sessionIdOf = (session: string): string => (JSON.parse(Buffer.from(session.split('.')[1] ?? '', 'base64url').toString()) as { sid: string }).sid;

describe.each(DOORS_UNDER_TEST.map((door) => [door.name, door] as const))('at the %s door', (_, door) => {
  it('a refused access is recorded once: who, with which credential, what was asked and what is missing, from where', async () => {
    const person = await aMember(tenant, 'EXTERNAL');
    const path = await door.creationPath(tenant);
    const { answer, events } = await recordedByCall(tenant, 'POST', path, { as: person.session, body: door.body() });
    expect(answer.status).toBe(403);
    expect(events).toEqual([
      {
        action: 'access.refused',
        actor_kind: 'user',
        actor_id: person.id,
        credential_kind: 'session',
        credential_id: sessionIdOf(person.session),
        target_kind: 'route',
        target_id: null,
        details: { method: 'POST', route: expect.stringMatching(/^\/[\w/:-]+$/), code: 'permission-missing', permissions: [door.permission] },
        before: null,
        after: null,
        ip: '203.0.113.9',
        user_agent: 'curl/8.1',
        request_id: answer.headers['x-request-id'],
      },
    ]);
  });

  it('a change is recorded once, and neither a reading nor a call without a credential at all', async () => {
    const path = await door.creationPath(tenant);
    const minted = await recordedByCall(tenant, 'POST', path, { as: tenant.admin.session, body: door.body() });
    expect(minted.events.map(({ action }) => action)).toEqual(['token.minted']);
    const rest = await recordedBy(tenant, async () => {
      await call('GET', '/v1/tokens', { as: tenant.admin.session });
      await call('POST', path, { body: door.body() });
      await call('POST', path, { as: 'nonsense', body: door.body() });
    });
    expect(rest).toEqual([]);
  });

  it('a refused token is the credential that is recorded', async () => {
    const { secret } = await mint(door, tenant);
    const { events, answer } = await recordedByCall(tenant, 'POST', '/auth/logout', { as: secret });
    expect(answer.status).toBe(403);
    const [minted] = await sql<{ target_id: string }>(tenant, `SELECT target_id FROM audit_events WHERE action = 'token.minted' ORDER BY occurred_at DESC LIMIT 1`);
    expect(events).toMatchObject([
      { action: 'access.refused', credential_kind: 'token', credential_id: minted?.target_id, details: { method: 'POST', route: '/auth/logout', code: 'caller-refused', reason: 'session-required' } },
    ]);
  });
});

describe('a refused access', () => {
  it('that only the handler finds out is recorded once as well', async () => {
    const person = await aMember(tenant, await aRole(tenant, ['identity:write']));
    const body = { name: aName('machine'), organizationId: tenant.id, role: 'admin' };
    const { answer, events } = await recordedByCall(tenant, 'POST', '/api/v1/identities', { as: person.session, body });
    expect(answer.status).toBe(403);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ action: 'access.refused', actor_id: person.id, details: { method: 'POST', route: '/api/v1/identities', code: 'permission-exceeded' } });
    const { permissions } = events[0]?.['details'] as { permissions: string[] };
    expect(permissions).toContain('token:write');
    expect(JSON.stringify(events)).not.toContain(body.name);
  });

  it('names the route by its pattern: what stands in the path may be a secret', async () => {
    const person = await aMember(tenant, 'EXTERNAL');
    const secret = 'default:development.0123456789abcdef0123456789abcdef';
    const { answer, events } = await recordedByCall(tenant, 'DELETE', `/api/admin/projects/default/api-tokens/${secret}`, { as: person.session });
    expect(answer.status).toBe(403);
    expect(events).toMatchObject([{ details: { method: 'DELETE', route: '/api/admin/projects/:projectId/api-tokens/:token' } }]);
    expect(JSON.stringify(events)).not.toContain(secret);
  });

  it('is recorded each time, however many come at once', async () => {
    const person = await aMember(tenant, 'EXTERNAL');
    const events = await recordedBy(tenant, () => Promise.all(Array.from({ length: 20 }, () => call('GET', '/v1/tokens', { as: person.session }))));
    expect(events.map(({ action }) => action)).toEqual(Array.from({ length: 20 }, () => 'access.refused'));
    expect(new Set(events.map(({ request_id: id }) => id)).size).toBe(20);
  });

  it('stays refused, in the same words, when it cannot be recorded; the log says so', async () => {
    const { app, log } = await theApp();
    const person = await aMember(tenant, 'EXTERNAL');
    const expected = await call('GET', '/v1/tokens', { as: person.session });
    const audit = app.get(AuditLog);
    const append = audit.append.bind(audit);
    const already = log.length;
    audit.append = () => Promise.reject(new Error('the disk is full'));
    try {
      const { status, body } = await call('GET', '/v1/tokens', { as: person.session });
      expect([status, { ...body, request_id: '' }]).toEqual([403, { ...expected.body, request_id: '' }]);
    } finally {
      audit.append = append;
    }
    const lines = log.slice(already).filter((line) => line.includes('a refusal could not be recorded: the disk is full'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('"route":"/v1/tokens"');
  });

  it('is in the record of its own organization and in no other', async () => {
    const other = await aTenant();
    const events = await recordedBy(other, async () => {
      await call('GET', '/v1/tokens', { as: (await aMember(tenant, 'EXTERNAL')).session });
    });
    expect(events).toEqual([]);
  });
});

describe('a failed login', () => {
  const login = (body: object): Promise<unknown> => call('POST', '/auth/login', { body, from: '203.0.113.9', headers: { 'user-agent': 'curl/8.1' } });
  const failed = (userId: string | null, reason: string) => ({
    action: 'login.failed',
    actor_kind: 'anonymous',
    actor_id: null,
    credential_kind: null,
    credential_id: null,
    target_kind: 'user',
    target_id: userId,
    details: { reason },
    before: null,
    after: null,
    ip: '203.0.113.9',
    user_agent: 'curl/8.1',
    request_id: expect.stringMatching(/^req-\w{14}$/),
  });

  it('of a member is recorded once, without what was typed', async () => {
    const { email, id } = tenant.admin;
    const events = await recordedBy(tenant, () => login({ email: ` ${email.toUpperCase()}`, password: 'a-wrong-password', organization: tenant.slug }));
    expect(events).toEqual([failed(id, 'credentials')]);
    const { log } = await theApp();
    expect(JSON.stringify(events) + log.join('')).not.toContain('a-wrong-password');
  });

  it('is recorded in the organization that was asked for, by slug or id, where the person belongs to it', async () => {
    const [first, second] = [await aTenant(), await aTenant()];
    await sql(second, `INSERT INTO memberships (organization_id, id, user_id, role_id, created_at, updated_at)
      SELECT $1, gen_random_uuid(), $2, id, now(), now() FROM roles WHERE key = 'MEMBER'`, [second.id, first.admin.id]);
    const { email, id } = first.admin;
    for (const organization of [second.slug, second.id]) {
      expect(await recordedBy(second, () => login({ email, password: 'wrong', organization }))).toEqual([failed(id, 'credentials')]);
    }
    expect(await recordedBy(first, () => login({ email, password: 'wrong' }))).toEqual([failed(id, 'credentials')]);
    expect(await recordedBy(second, () => login({ email, password: 'wrong' }))).toEqual([]);
  });

  it('of a member who asks for a foreign organization is their own organization\'s affair: strangers write in nobody\'s record', async () => {
    const other = await aTenant();
    const { email, id } = tenant.admin;
    const attempt = () => login({ email, password: PASSWORD, organization: other.slug });
    expect(await recordedBy(other, attempt)).toEqual([]);
    expect(await recordedBy(tenant, attempt)).toEqual([failed(id, 'organization')]);
  });

  it('with the right password is one where the membership is disabled or the organization suspended', async () => {
    for (const change of ['UPDATE memberships SET disabled_at = now()', 'UPDATE organizations SET suspended_at = now()']) {
      const own = await aTenant();
      await sql(own, change);
      expect(await recordedBy(own, () => login({ email: own.admin.email, password: PASSWORD }))).toEqual([failed(own.admin.id, 'organization')]);
    }
  });

  it('of nobody known is recorded in the platform\'s organization, without the address that was typed', async () => {
    const events = await recordedBy(installation.platform, () => login({ email: 'hunter2@nowhere.test', password: 'wrong' }));
    expect(events).toEqual([failed(null, 'credentials')]);
    expect(JSON.stringify(events)).not.toContain('hunter2');
    const asked = await recordedBy(tenant, () => login({ email: 'hunter2@nowhere.test', password: 'wrong', organization: tenant.slug }));
    expect(asked).toEqual([]);
  });

  it('stays a 401 when it cannot be recorded', async () => {
    const { app } = await theApp();
    const audit = app.get(AuditLog);
    const append = audit.append.bind(audit);
    audit.append = () => Promise.reject(new Error('the disk is full'));
    try {
      expect((await call('POST', '/auth/login', { body: { email: tenant.admin.email, password: 'wrong' } })).status).toBe(401);
    } finally {
      audit.append = append;
    }
  });

  it('of a machine is recorded once, in the organization whose machine it is', async () => {
    const as = tenant.admin.session;
    const created = await call('POST', '/api/v1/identities', { as, body: { name: aName('machine'), organizationId: tenant.id, role: 'member' } });
    const { id } = created.body.identity;
    const attached = await call('POST', `/api/v1/auth/universal-auth/identities/${id}`, { as, body: {} });
    const { clientId } = attached.body.identityUniversalAuth;
    const attempt = () => call('POST', '/api/v1/auth/universal-auth/login', { body: { clientId, clientSecret: 'a-wrong-secret' }, from: '203.0.113.9', headers: { 'user-agent': 'curl/8.1' } });
    expect(await recordedBy(tenant, attempt)).toEqual([{ ...failed(id, 'client'), target_kind: 'identity' }]);
  });

  it('is no refused input: that is answered 400 and recorded nowhere', async () => {
    expect(await recordedBy(tenant, () => login({ email: tenant.admin.email }))).toEqual([]);
  });
});

describe('a refresh token that is used again', () => {
  const refresh = (refresh_token: string) => call('POST', '/auth/refresh', { body: { refresh_token } });

  it('is recorded each time: as the end of its session, then as the attempt that it is', async () => {
    const person = await aMember(tenant);
    await refresh(person.refreshToken);
    const session = sessionIdOf(person.session);
    const events = await recordedBy(tenant, async () => {
      for (let time = 0; time < 3; time += 1) expect((await refresh(person.refreshToken)).status).toBe(401);
    });
    const who = { actor_kind: 'user', actor_id: person.id, credential_kind: 'session', credential_id: session, target_kind: 'session', target_id: session };
    const actions = ['session.ended', 'session.refresh-refused', 'session.refresh-refused'];
    expect(events.map(({ action }) => action).sort()).toEqual(actions);
    for (const event of events) expect(event).toMatchObject({ ...who, details: { reason: 'refresh-token-reuse' } });
  });

  it('is recorded as often as it comes, however many come at once', async () => {
    const person = await aMember(tenant);
    await refresh(person.refreshToken);
    const events = await recordedBy(tenant, () => Promise.all(Array.from({ length: 5 }, () => refresh(person.refreshToken))));
    expect(events.map(({ action }) => action).sort()).toEqual(['session.ended', ...Array.from({ length: 4 }, () => 'session.refresh-refused')]);
  });
});
