import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { KeptAnswers } from '../../src/idempotency/kept-answers.js';
import { MaintenanceRunner } from '../../src/kernel/maintenance/maintenance-runner.js';
import { theApp } from '../support/app.js';
import { aMember, aName, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { DOORS_UNDER_TEST } from '../support/doors.js';
import type { SettableClock } from '../support/settable-clock.js';

let tenant: TestTenant;
let as: string;
let clock: SettableClock;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
  ({ clock } = await theApp());
});
afterEach(() => clock.reset());

const post = (url: string, key: string, body: unknown, by = as): Promise<Answer> => call('POST', url, { as: by, body, headers: { 'idempotency-key': key } });
const count = async (table: string, of: { id: string } = tenant): Promise<number> => Number((await sql(of, `SELECT count(*) FROM ${table}`))[0]?.['count']);
/** All of an answer that a client can tell apart. */
const told = ({ status, text, headers }: Answer) => ({ status, text, type: headers['content-type'], location: headers['location'], etag: headers['etag'] });

describe.each(DOORS_UNDER_TEST)('creating a token at the $name door', (door) => {
  it('twice with one key answers the same secret twice, byte for byte, and mints one token', async () => {
    const [path, key, body] = [await door.creationPath(tenant), aName('key'), door.body()];
    const before = [await count('api_tokens'), await count('audit_events')];
    const first = await post(path, key, body);
    expect([first.status, first.headers['idempotent-replayed']]).toEqual([door.created, undefined]);
    const second = await post(path, key, body);
    expect(told(second)).toEqual(told(first));
    expect(second.headers['idempotent-replayed']).toBe('true');
    expect([await count('api_tokens'), await count('audit_events')]).toEqual([before[0] + 1, before[1] + 1]);
    expect(await introspect(as, door.secretOf(second.body))).toMatchObject({ active: true });
  });

  it('with a key that was used for another body, query or route is refused with 422 in the door\'s own words, and mints nothing', async () => {
    const [path, key] = [await door.creationPath(tenant), aName('key')];
    await post(path, key, door.body());
    const before = await count('api_tokens');
    const refusals = [await post(path, key, { ...door.body(), another: 'member' }), await post(`${path}?x=1`, key, door.body())];
    for (const { status, headers, text } of refusals) {
      expect([status, headers['idempotent-replayed']]).toEqual([422, undefined]);
      expect(text).toContain('Idempotency-Key');
    }
    const elsewhere = await post('/v1/projects', key, { key: aName('project'), name: aName('name') });
    expect([elsewhere.status, elsewhere.body.code]).toEqual([422, 'idempotency-mismatch']);
    expect(await count('api_tokens')).toBe(before);
  });

  it('with the key of another organization, person or session is a request of its own', async () => {
    const [path, key] = [await door.creationPath(tenant), aName('key')];
    const body = door.body();
    const first = door.secretOf((await post(path, key, body)).body);
    const stranger = await aTenant();
    const foreign = await post(await door.creationPath(stranger), key, body, stranger.admin.session);
    expect([foreign.status, foreign.headers['idempotent-replayed']]).toEqual([door.created, undefined]);
    const own = (await call('POST', '/auth/login', { body: { email: tenant.admin.email, password: tenant.admin.password } })).body.access_token;
    const person = await aMember(tenant, 'ADMIN');
    for (const session of [own, person.session]) {
      const { status, headers, body: answered } = await post(path, key, body, session);
      expect(headers['idempotent-replayed']).toBeUndefined();
      if (status === door.created) expect(door.secretOf(answered)).not.toBe(first);
    }
  });

  it('is answered again for 10 minutes, and not for an instant longer', async () => {
    const [path, key, body] = [await door.creationPath(tenant), aName('key'), door.body()];
    clock.set(clock.now());
    const first = await post(path, key, body);
    clock.advance(599.999999);
    expect(told(await post(path, key, body))).toEqual(told(first));
    clock.advance(0.000001);
    const later = await post(path, key, body);
    expect(later.headers['idempotent-replayed']).toBeUndefined();
    if (later.status === door.created) expect(door.secretOf(later.body)).not.toBe(door.secretOf(first.body));
  });

  it('that failed frees the key', async () => {
    const [path, key] = [await door.creationPath(tenant), aName('key')];
    expect((await post(path, key, '{"name":')).status).toBe(door.malformedStatus);
    const outsider = await aMember(tenant, 'EXTERNAL');
    expect((await post(path, key, door.body(), outsider.session)).status).toBe(403);
    expect((await post(path, key, door.body())).status).toBe(door.created);
  });

  it('leaves neither a token nor an answer where the answer cannot be kept, and the retry mints one', async () => {
    const [path, key, body] = [await door.creationPath(tenant), aName('key'), door.body()];
    const answers = (await theApp()).app.get(KeptAnswers);
    const keep = answers.keep.bind(answers);
    const before = [await count('api_tokens'), await count('audit_events')];
    answers.keep = () => Promise.reject(new Error('the process was killed'));
    try {
      expect((await post(path, key, body)).status).toBe(500);
    } finally {
      answers.keep = keep;
    }
    expect([await count('api_tokens'), await count('audit_events')]).toEqual(before);
    expect((await post(path, key, body)).status).toBe(door.created);
    expect(await count('api_tokens')).toBe(before[0] + 1);
  });

  it('takes keys of 1 to 255 visible ASCII characters and no others', async () => {
    const own = await aTenant();
    const path = await door.creationPath(own);
    const ask = async (key: string): Promise<number> => (await post(path, key, door.body(), own.admin.session)).status;
    for (const key of ['', 'two words', 'tab\there', 'k'.repeat(256), 'ä']) expect([key, await ask(key)]).toEqual([key, 400]);
    expect(await count('api_tokens', own)).toBe(0);
    for (const key of ['!', '"quoted"', '~'.repeat(255)]) expect([key, await ask(key)]).toEqual([key, door.created]);
  });
});

describe('repeating a rotation', () => {
  async function aToken(): Promise<{ id: string; secret: string }> {
    const { body } = await call('POST', '/api/v1/token', { as, body: { name: aName('key'), personal: false } });
    return { id: (await introspect(as, body.api_token))['jti'], secret: body.api_token };
  }

  it('answers the same secret and cancels nothing', async () => {
    const [one, other] = [await aToken(), await aToken()];
    for (const { url, by, id } of [{ url: `/v1/tokens/${one.id}/rotate`, by: as, id: one.id }, { url: '/v1/tokens/self/rotate', by: other.secret, id: other.id }]) {
      const key = aName('key');
      const [first, second] = [await post(url, key, { overlap_seconds: 60 }, by), await post(url, key, { overlap_seconds: 60 }, by)];
      expect([first.status, told(second)]).toEqual([200, told(first)]);
      expect((await post(url, key, { overlap_seconds: 61 }, by)).status).toBe(422);
      expect(await introspect(as, second.body.secret)).toMatchObject({ active: true, jti: id });
    }
  });

  it('also without a body', async () => {
    const { id } = await aToken();
    const key = aName('key');
    const [first, second] = [await post(`/v1/tokens/${id}/rotate`, key, undefined), await post(`/v1/tokens/${id}/rotate`, key, undefined)];
    expect([first.status, second.text]).toEqual([200, first.text]);
  });
});

describe('other creations', () => {
  it.each([
    ['/v1/projects', () => ({ key: aName('project'), name: aName('name') }), 'projects'],
    ['/v1/projects/default/environments', () => ({ key: aName('env'), name: aName('name') }), 'environments'],
    ['/v1/roles', () => ({ key: aName('role'), name: aName('name'), permissions: ['token:read'] }), 'roles'],
    ['/v1/invitations', () => ({ email: `${aName('guest')}@example.test`, role: 'MEMBER' }), 'invitations'],
    ['/v1/machine-identities', () => ({ name: aName('machine') }), 'machine_identities'],
    ['/v1/organization/children', () => ({ slug: aName('child'), name: aName('child') }), 'audit_events'],
  ])('at %s are made once however often they are asked for', async (url, body, table) => {
    const [key, asked] = [aName('key'), body()];
    const before = await count(table);
    const first = await post(url, key, asked);
    expect([first.status, first.text]).toEqual([201, first.text]);
    for (let time = 0; time < 2; time += 1) expect(told(await post(url, key, asked))).toEqual(told(first));
    expect(await count(table)).toBe(before + 1);
  });

  it('that are refused for what is there already stay refused, and take nothing else back', async () => {
    const role = { key: aName('role'), name: aName('name'), permissions: [] };
    expect((await post('/v1/roles', aName('key'), role)).status).toBe(201);
    for (let time = 0; time < 2; time += 1) expect((await post('/v1/roles', 'the-same', role)).status).toBe(409);
    expect((await call('GET', `/v1/roles/${role.key}`, { as })).status).toBe(200);
  });
});

describe('the key', () => {
  it('changes nothing of a login, an introspection or a reading', async () => {
    const headers = { 'idempotency-key': aName('key') };
    const login = () => call('POST', '/auth/login', { headers, body: { email: tenant.admin.email, password: tenant.admin.password } });
    expect((await login()).body.access_token).not.toBe((await login()).body.access_token);
    const { body } = await call('POST', '/api/v1/token', { as, body: { name: aName('key'), personal: false } });
    const ask = () => call('POST', '/oauth2/introspect', { as, headers, form: { token: body.api_token } });
    const { jti } = (await ask()).body;
    await call('DELETE', `/v1/tokens/${jti}`, { as });
    expect((await ask()).body).toEqual({ active: false });
    expect((await call('GET', '/v1/roles', { as, headers: { 'idempotency-key': 'two words' } })).status).toBe(200);
  });

  it('opens nothing to whom the route is closed by now', async () => {
    const person = await aMember(tenant, 'ADMIN');
    const [key, body] = [aName('key'), { name: aName('key'), personal: false }];
    expect((await post('/api/v1/token', key, body, person.session)).status).toBe(200);
    await sql(tenant, `UPDATE memberships SET role_id = (SELECT id FROM roles WHERE key = 'EXTERNAL') WHERE user_id = $1`, [person.id]);
    expect((await post('/api/v1/token', key, body, person.session)).status).toBe(403);
  });

  it('and the answer are kept nowhere as they are, and not for longer than they serve', async () => {
    const own = await aTenant();
    const key = aName('recognisable');
    clock.set(clock.now());
    const { body } = await post('/api/v1/token', key, { name: aName('key'), personal: false }, own.admin.session);
    const rows = async (): Promise<string> => JSON.stringify(await sql(own, 'SELECT to_jsonb(k) AS row, encode(sealed_answer, \'escape\') AS text FROM kept_answers k'));
    const stored = await rows();
    for (const trace of [key, body.api_token, Buffer.from(key).toString('hex'), Buffer.from(body.api_token).toString('hex').slice(0, 60)]) expect(stored).not.toContain(trace);
    const { app } = await theApp();
    const forget = () => app.get(MaintenanceRunner).run('idempotency.forget-answers', [own.id]);
    clock.advance(599);
    expect(await forget()).toBe(0);
    clock.advance(1);
    expect(await forget()).toBe(1);
    expect(await rows()).toBe('[]');
  });

  it('is described wherever it is honoured', async () => {
    const { paths } = (await call('GET', '/openapi.json')).body;
    const honoured = Object.entries<any>(paths).flatMap(([path, { post: operation }]) => (operation?.parameters?.some(({ name }: { name: string }) => name === 'Idempotency-Key') ? [path] : []));
    expect(honoured).toEqual(expect.arrayContaining(['/v1/tokens/{id}/rotate', '/v1/tokens/self/rotate', '/v1/roles', '/api/v1/token', '/user/api-tokens', '/auth/v1/method/token']));
    expect(honoured).not.toContain('/oauth2/introspect');
    expect(honoured).not.toContain('/auth/login');
  });
});
