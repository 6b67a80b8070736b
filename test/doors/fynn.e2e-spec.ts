import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { Instant } from '../../src/kernel/instant.js';
import { OrganizationsService } from '../../src/organizations/organizations.service.js';
import { theApp } from '../support/app.js';
import { aMember, aProject, aRole, aTenant, PASSWORD, sql, type Person, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer, type CallOptions } from '../support/call.js';

const TYPE = 'https://tools.ietf.org/html/rfc2616#section-10';
const ABSENT = 'ZZZZZZZZZZZZZZZZZZZZ';

let tenant: TestTenant;
let admin: string;
beforeAll(async () => {
  tenant = await aTenant();
  admin = tenant.admin.session;
});

const create = (body: unknown, options: CallOptions = {}): Promise<Answer> => call('POST', '/user/api-tokens', { as: admin, body, ...options });
const list = (as = admin, query = ''): Promise<Answer> => call('GET', `/user/api-tokens${query}`, { as });
const get = (id: string, as = admin): Promise<Answer> => call('GET', `/user/api-tokens/${id}`, { as });
const remove = (id: string, as = admin): Promise<Answer> => call('DELETE', `/user/api-tokens/${id}`, { as });
const idsOf = ({ body }: Answer): string[] => body.data.map(({ id }: { id: string }) => id);
const wire = (name: string): any => JSON.parse(readFileSync(new URL(`wire/fynn/${name}.json`, import.meta.url), 'utf8'));

async function aToken(body: object = {}, as = admin): Promise<{ id: string; token: string }> {
  const answer = await create(body, { as });
  if (answer.status !== 201) throw new Error(`creation answered ${answer.status}: ${answer.text}`);
  return answer.body;
}

function expectProblem(answer: Answer, status: number, detail: string, members: object = {}): void {
  const body = JSON.stringify({ type: TYPE, title: 'An error occurred', detail, ...members });
  expect([answer.status, answer.text, answer.headers['content-type']]).toEqual([status, body, 'application/problem+json; charset=utf-8']);
}

function expectUnauthenticated(answer: Answer, message: string): void {
  const { status, text, headers } = answer;
  expect([status, text, headers['content-type'], headers['www-authenticate']]).toEqual([401, JSON.stringify({ code: 401, message }), 'application/json', 'Bearer']);
}

/** Stops the clock within this second and answers the second. */
async function stopClock(): Promise<string> {
  const { clock } = await theApp();
  const second = Instant.fromEpochSeconds(clock.now().epochSeconds + 1);
  clock.set(Instant.fromEpochMicros(second.epochMicros + 987_654n));
  return `${second.wallClock}+00:00`;
}

describe('POST /user/api-tokens', () => {
  it('answers 201 with the fields of the vendor\'s document in their order and no other', async () => {
    const { status, headers, text, body } = await create({ description: 'My API token', expiresAt: '2031-01-01T00:00:00+00:00' });
    expect(status).toBe(201);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(body.id).toMatch(/^[A-Z0-9]{20}$/);
    expect(body.token).toMatch(/^api_[0-9A-Za-z]{49}$/);
    expect(text).toBe(`{"id":"${body.id}","token":"${body.token}","description":"My API token","expiresAt":"2031-01-01T00:00:00+00:00"}`);
  });

  it('requires nothing: an empty object is a token that never expires', async () => {
    for (const given of [{}, { description: null, expiresAt: null }, { name: 'unknown', organizationId: 5 }]) {
      const { status, body } = await create(given);
      expect([status, body.description, body.expiresAt]).toEqual([201, null, null]);
      expect(await introspect(admin, body.token)).toMatchObject({ active: true, owner_kind: 'user', owner_id: tenant.admin.id, projects: ['*'] });
    }
  });

  it('draws the id apart from the secret', async () => {
    const { id, token } = await aToken();
    expect(token).not.toContain(id);
  });

  it('reads application/json and text/html as JSON, and always answers JSON', async () => {
    for (const type of ['application/json', 'text/html', 'text/html; charset=UTF-8', 'Application/JSON;charset=utf-8']) {
      const { status, headers, body } = await create('{"description":"typed"}', { headers: { 'content-type': type, accept: 'text/html' } });
      expect([type, status, headers['content-type'], body.description]).toEqual([type, 201, 'application/json; charset=utf-8', 'typed']);
    }
  });

  it.each([
    ['2031-01-01T00:00:00Z', '2031-01-01T00:00:00+00:00'],
    ['2031-01-01T01:30:00+01:30', '2031-01-01T00:00:00+00:00'],
    ['2031-01-01T00:00:00.999Z', '2031-01-01T00:00:00+00:00'],
    ['2021-01-01T00:00:00+00:00', '2021-01-01T00:00:00+00:00'],
  ])('takes expiresAt %s and answers %s', async (given, answered) => {
    expect((await create({ expiresAt: given })).body.expiresAt).toBe(answered);
  });

  it('counts the length of a description in characters, not in UTF-16 units', async () => {
    expect((await create({ description: '\u{1f600}'.repeat(255) })).status).toBe(201);
    expect((await create({ description: '\u{1f600}'.repeat(256) })).status).toBe(422);
    expect((await create({ description: '\u{1f600}\u{1f600}' })).status).toBe(422);
  });

  it('answers a broken constraint with 422 and Symfony\'s code', async () => {
    const short = 'This value is too short. It should have 3 characters or more.';
    const long = 'This value is too long. It should have 255 characters or less.';
    for (const [description, message, code] of [
      ['', short, '9ff3fdc4-b214-49db-8718-39c315e33d45'],
      ['ab', short, '9ff3fdc4-b214-49db-8718-39c315e33d45'],
      ['x'.repeat(256), long, 'd94b19cc-114f-4f44-9cc4-4138e80a87b9'],
    ] as const) {
      expectProblem(await create({ description }), 422, `description: ${message}`, { violations: [{ propertyPath: 'description', message, code }] });
    }
  });

  it.each([
    ['{"description":5}', 'The type of the "description" attribute must be "string", "integer" given.'],
    ['{"description":1.5}', 'The type of the "description" attribute must be "string", "float" given.'],
    ['{"description":true}', 'The type of the "description" attribute must be "string", "bool" given.'],
    ['{"description":[]}', 'The type of the "description" attribute must be "string", "array" given.'],
    ['{"description":{}}', 'The type of the "description" attribute must be "string", "array" given.'],
    ['{"expiresAt":1700000000}', 'The type of the "expiresAt" attribute must be "string", "integer" given.'],
    ['{"expiresAt":"nonsense"}', 'DateTimeImmutable::__construct(): Failed to parse time string (nonsense) at position 0 (n): The timezone could not be found in the database'],
    ['{"expiresAt":"2031-02-30T00:00:00Z"}', 'The value of the "expiresAt" attribute is not a valid date-time: it must be like 2021-01-01T00:00:00+00:00.'],
    ['{"expiresAt":""}', 'The data is either not an string, an empty string, or null; you should pass a string that can be parsed with the passed format or a valid DateTime string.'],
    ['{"description":"ab","expiresAt":5}', 'The type of the "expiresAt" attribute must be "string", "integer" given.'],
    ['{"description":"a\\u0000b"}', 'The value of the "description" attribute is not valid text.'],
    ['{"description":"abc\\ud800"}', 'Single unpaired high surrogate in Unicode escape'],
    ['[]', 'The request body must be an object.'],
    ['"text"', 'The request body must be an object.'],
    ['null', 'The request body must be an object.'],
    ['{', 'Syntax error'],
    ['{"description":"a",}', 'Syntax error'],
    ['', 'Syntax error'],
    [`{"x":${'['.repeat(16)}${']'.repeat(16)}}`, 'Syntax error'],
  ])('answers 400 to %s, and stores nothing', async (body, detail) => {
    const before = await sql(tenant, 'SELECT count(*) FROM api_tokens');
    expectProblem(await create(body), 400, detail);
    expect(await sql(tenant, 'SELECT count(*) FROM api_tokens')).toEqual(before);
  });

  it('answers 415 to another content type and to none, 413 to more than 64 KB', async () => {
    expectProblem(
      await create('{}', { headers: { 'content-type': 'text/plain;charset=UTF-8' } }),
      415,
      'The content-type "text/plain;charset=UTF-8" is not supported. Supported MIME types are "application/json", "text/html".',
    );
    expectProblem(await call('POST', '/user/api-tokens', { as: admin }), 415, 'The "Content-Type" header must exist.');
    expectProblem(await create({ description: 'x'.repeat(66_000) }), 413, 'Content Too Large');
  });

  it('judges the caller before the body', async () => {
    for (const body of ['{', '', '{"description":5}']) expectUnauthenticated(await create(body, { as: 'nonsense' }), 'Invalid JWT Token');
  });
});

describe('a user\'s token', () => {
  it('may do what its user may do at the time of its use', async () => {
    const member = await aMember(tenant, await aRole(tenant, ['user:api-token:write', 'user:api-token:read', 'token:read']));
    const { token } = await aToken({}, member.session);
    expect((await introspect(admin, token))['scope']).toBe('token:read user:api-token:read user:api-token:write');
    expect((await call('GET', '/v1/tokens', { as: token })).status).toBe(200);
    await sql(tenant, `UPDATE memberships SET role_id = (SELECT id FROM roles WHERE key = 'EXTERNAL') WHERE user_id = $1`, [member.id]);
    expect((await call('GET', '/v1/tokens', { as: token })).status).toBe(403);
    await sql(tenant, 'UPDATE memberships SET disabled_at = now() WHERE user_id = $1', [member.id]);
    expectUnauthenticated(await list(token), 'Invalid JWT Token');
  });

  it('mints tokens of the same user, which are no more than it is', async () => {
    const { token } = await aToken();
    const child = await aToken({ description: 'child' }, token);
    expect(await introspect(admin, child.token)).toMatchObject({ owner_id: tenant.admin.id });
    expect((await get(child.id, token)).body.description).toBe('child');
  });
});

describe('GET /user/api-tokens', () => {
  it('answers the envelope of the vendor\'s page, the secret redacted', async () => {
    const member = await aMember(tenant);
    const created = await stopClock();
    const { id, token } = await aToken({ description: 'My API token', expiresAt: '2031-01-01T00:00:00+00:00' }, member.session);
    const { status, headers, text } = await list(member.session);
    const expected = wire('token-page');
    Object.assign(expected.data[0], { id, createdAt: created, updatedAt: created });
    expect([status, headers['content-type'], text]).toEqual([200, 'application/json; charset=utf-8', JSON.stringify(expected)]);
    expect(text).not.toContain(token);
  });

  it('has only the current user\'s own tokens that are not deleted, oldest first, expired ones too', async () => {
    const member = await aMember(tenant);
    await aToken();
    await call('POST', '/auth/v1/method/token', { as: admin, body: {} });
    const made = [await aToken({ expiresAt: '2021-01-01T00:00:00Z' }, member.session), await aToken({}, member.session), await aToken({}, member.session)];
    await remove(made[1]?.id ?? '', member.session);
    expect(idsOf(await list(member.session))).toEqual([made[0]?.id, made[2]?.id]);
    expect(idsOf(await list(made[2]?.token))).toEqual([made[0]?.id, made[2]?.id]);
    const nobody = await aMember(tenant);
    const empty = { totalItems: 0, itemsPerPage: 30, currentPage: 1, lastPage: 1, pageTotalItems: 0 };
    expect((await list(nobody.session)).body).toEqual({ data: [], meta: { pagination: empty } });
  });

  describe('in pages', () => {
    let member: Person;
    let ids: string[];
    beforeAll(async () => {
      member = await aMember(tenant);
      ids = [];
      for (let number = 0; number < 31; number += 1) ids.push((await aToken({}, member.session)).id);
    });

    it.each([
      ['', 0, 30, { totalItems: 31, itemsPerPage: 30, currentPage: 1, lastPage: 2, pageTotalItems: 30 }],
      ['?page=2', 30, 31, { totalItems: 31, itemsPerPage: 30, currentPage: 2, lastPage: 2, pageTotalItems: 1 }],
      ['?page=3', 31, 31, { totalItems: 31, itemsPerPage: 30, currentPage: 3, lastPage: 2, pageTotalItems: 0 }],
      ['?page=2&limit=10', 10, 20, { totalItems: 31, itemsPerPage: 10, currentPage: 2, lastPage: 4, pageTotalItems: 10 }],
      ['?limit=101', 0, 31, { totalItems: 31, itemsPerPage: 100, currentPage: 1, lastPage: 1, pageTotalItems: 31 }],
      ['?limit=0', 0, 0, { totalItems: 31, itemsPerPage: 0, currentPage: 1, lastPage: 1, pageTotalItems: 0 }],
      ['?page=&limit=', 0, 30, { totalItems: 31, itemsPerPage: 30, currentPage: 1, lastPage: 2, pageTotalItems: 30 }],
      ['?page=999999999999999&limit=100', 31, 31, { totalItems: 31, itemsPerPage: 100, currentPage: 999999999999999, lastPage: 1, pageTotalItems: 0 }],
      ['?order[createdAt]=desc&itemsPerPage=1', 0, 30, { totalItems: 31, itemsPerPage: 30, currentPage: 1, lastPage: 2, pageTotalItems: 30 }],
    ])('%s is one of them', async (query, from, to, pagination) => {
      const answer = await list(member.session, query);
      expect([answer.status, idsOf(answer), answer.body.meta]).toEqual([200, ids.slice(from, to), { pagination }]);
      expect(Object.keys(answer.body.meta.pagination)).toEqual(Object.keys(pagination));
    });

    it.each([
      ['page=0', 'Page should not be less than 1'],
      ['page=-1', 'Page should not be less than 1'],
      ['page=x', 'Page should not be less than 1'],
      ['page=1.5', 'Page should not be less than 1'],
      ['page=1&page=2', 'Page should not be less than 1'],
      ['page=99999999999999999999', 'Page should not be less than 1'],
      ['page=2&limit=0', 'Page should not be greater than 1 if limit is equal to 0'],
      ['limit=-1', 'Limit should not be less than 0'],
      ['limit=x', 'Limit should not be less than 0'],
      ['limit=%00', 'Limit should not be less than 0'],
    ])('?%s is none', async (query, detail) => {
      expectProblem(await list(member.session, `?${query}`), 400, detail);
    });
  });
});

describe('GET and DELETE /user/api-tokens/{id}', () => {
  it('shows one token as it is listed, bare', async () => {
    const member = await aMember(tenant);
    const { id } = await aToken({ description: 'one' }, member.session);
    const { status, body } = await get(id, member.session);
    expect([status, body]).toEqual([200, (await list(member.session)).body.data[0]]);
  });

  it('deleting answers 204 without a body, and the token is dead at once and not found any more', async () => {
    const { id, token } = await aToken();
    expect((await list(token)).status).toBe(200);
    const { status, text, headers } = await remove(id);
    expect([status, text, headers['content-type']]).toEqual([204, '', undefined]);
    expectUnauthenticated(await list(token), 'Invalid JWT Token');
    expect(await introspect(admin, token)).toEqual({ active: false });
    for (const answer of [await get(id), await remove(id)]) expectProblem(answer, 404, 'Not Found');
    const actions = await sql(tenant, `SELECT e.action FROM audit_events e JOIN api_tokens t ON t.id = e.target_id WHERE t.short_id = $1 ORDER BY e.occurred_at`, [id]);
    expect(actions).toEqual([{ action: 'token.minted' }, { action: 'token.revoked' }]);
  });

  it('a token may delete itself', async () => {
    const { id, token } = await aToken();
    expect((await remove(id, token)).status).toBe(204);
    expectUnauthenticated(await list(token), 'Invalid JWT Token');
  });

  it('what is absent, another person\'s, another organization\'s or of another kind is not found, and stays', async () => {
    const { id, token } = await aToken();
    const member = await aMember(tenant, 'ADMIN');
    const stranger = await aTenant();
    const other = await call('POST', '/auth/v1/method/token', { as: admin, body: {} });
    for (const [wanted, as] of [[id, member.session], [id, stranger.admin.session], [ABSENT, admin], [other.body.authentication.id, admin]] as const) {
      for (const answer of [await get(wanted, as), await remove(wanted, as)]) expectProblem(answer, 404, 'Not Found');
    }
    expect(await introspect(admin, token)).toMatchObject({ active: true });
    expect(await introspect(admin, other.body.clientToken)).toMatchObject({ active: true });
  });

  it('ids of any shape are not found', async () => {
    const { id } = await aToken();
    for (const each of [id.toLowerCase(), `${id}x`, 'x', '%00', '%F0%9F%98%80', '%27%20OR%201=1', '..%2F..', 'a'.repeat(900), '00000000-0000-4000-8000-000000000000']) {
      for (const answer of [await get(each), await remove(each)]) expectProblem(answer, 404, 'Not Found');
    }
  });
});

describe('GET /user/tenants', () => {
  const tenants = (as: string, query = ''): Promise<Answer> => call('GET', `/user/tenants${query}`, { as });

  async function join(person: Person, organization: TestTenant): Promise<string> {
    const { app } = await theApp();
    await app.get(Database).inOrganization(organization.id, (scope) => app.get(OrganizationsService).addMember(scope, person.id, 'MEMBER'));
    const login = await call('POST', '/auth/login', { body: { email: person.email, password: PASSWORD, organization: organization.slug } });
    return login.body.access_token;
  }

  it('needs a login and nothing more, and answers the envelope of the vendor\'s page', async () => {
    const member = await aMember(tenant, 'EXTERNAL');
    const { status, text } = await tenants(member.session);
    const expected = wire('tenant-page');
    expected.data[0] = { id: tenant.id, name: tenant.slug, username: tenant.slug, legalCompanyName: tenant.slug };
    expect([status, text]).toEqual([200, JSON.stringify(expected)]);
    expectUnauthenticated(await call('GET', '/user/tenants'), 'JWT Token not found');
  });

  it('has the organizations the person may enter, in the order they joined, whichever the session is in', async () => {
    const [second, closed, removed, suspended, deleted] = [await aTenant(), await aTenant(), await aTenant(), await aTenant(), await aTenant()];
    const member = await aMember(tenant);
    const session = await join(member, second);
    for (const organization of [closed, removed, suspended, deleted]) await join(member, organization);
    await sql(closed, 'UPDATE memberships SET disabled_at = now() WHERE user_id = $1', [member.id]);
    await sql(removed, 'UPDATE memberships SET removed_at = now() WHERE user_id = $1', [member.id]);
    await sql(suspended, 'UPDATE organizations SET suspended_at = now()');
    await sql(deleted, 'UPDATE organizations SET deleted_at = now()');
    for (const as of [member.session, session]) expect(idsOf(await tenants(as))).toEqual([tenant.id, second.id]);
    const page = await tenants(session, '?page=2&limit=1');
    expect(page.body).toEqual({
      data: [{ id: second.id, name: second.slug, username: second.slug, legalCompanyName: second.slug }],
      meta: { pagination: { totalItems: 2, itemsPerPage: 1, currentPage: 2, lastPage: 2, pageTotalItems: 1 } },
    });
    expectProblem(await tenants(session, '?page=0'), 400, 'Page should not be less than 1');
  });

  it('tells a token of no organization but its own', async () => {
    const second = await aTenant();
    const member = await aMember(tenant);
    const session = await join(member, second);
    const { token } = await aToken({}, session);
    expect(idsOf(await tenants(token))).toEqual([second.id]);
  });

  it('is for people: a token without one is refused', async () => {
    const created = await call('POST', '/auth/v1/method/token', { as: admin, body: {} });
    expectProblem(await tenants(created.body.clientToken), 403, 'Access Denied.');
  });
});

describe('a caller', () => {
  it('without a good credential is told in the words of the firewall', async () => {
    const { token } = await aToken({ expiresAt: '2021-01-01T00:00:00Z' });
    expectUnauthenticated(await call('GET', '/user/api-tokens'), 'JWT Token not found');
    for (const authorization of ['Bearer nonsense', 'Bearer', 'Basic YTpi', `Bearer ${admin.slice(0, -4)}AAAA`, 'Bearer a.b.c']) {
      expectUnauthenticated(await call('GET', '/user/api-tokens', { headers: { authorization } }), 'Invalid JWT Token');
    }
    expectUnauthenticated(await list(token), 'Expired JWT Token');
    expect((await call('GET', '/user/api-tokens', { headers: { authorization: `bearer ${admin}` } })).status).toBe(200);
  });

  it('whose session\'s JWT has run out is told so', async () => {
    const { clock } = await theApp();
    const { session } = await aMember(tenant);
    clock.advance(15 * 60);
    expectUnauthenticated(await list(session), 'Expired JWT Token');
  });

  it('with two Authorization headers is refused', async () => {
    const { app } = await theApp();
    const answer = await app.inject({ method: 'GET', url: '/user/api-tokens', headers: { authorization: [`Bearer ${admin}`, `Bearer ${admin}`] as unknown as string } });
    expect([answer.statusCode, answer.json().detail]).toEqual([400, 'The request carries more than one credential.']);
  });

  it('without the permission is told which', async () => {
    const { session } = await aMember(tenant, 'EXTERNAL');
    for (const [method, path, action] of [['POST', '', 'write'], ['GET', '', 'read'], ['GET', `/${ABSENT}`, 'read'], ['DELETE', `/${ABSENT}`, 'write']] as const) {
      const answer = await call(method, `/user/api-tokens${path}`, { as: session });
      expectProblem(answer, 403, 'Access Denied.', { permissions: [`user:api-token:${action}`] });
    }
  });

  it('without a person is refused', async () => {
    const { body } = await call('POST', '/auth/v1/method/token', { as: admin, body: {} });
    await sql(tenant, `UPDATE api_tokens SET permissions = '{user:api-token:read,user:api-token:write}' WHERE id = $1`, [body.authentication.id]);
    const as = body.clientToken;
    for (const answer of [await create({}, { as }), await list(as), await get(ABSENT, as), await remove(ABSENT, as)]) expectProblem(answer, 403, 'Access Denied.');
  });

  it('limited to projects keeps to them', async () => {
    const key = await aProject(tenant);
    const member = await aMember(tenant);
    const [unlimited, limited] = [await aToken({}, member.session), await aToken({}, member.session)];
    const inTenant = [tenant.id, limited.id];
    await sql(tenant, 'UPDATE api_tokens SET all_projects = false WHERE organization_id = $1 AND short_id = $2', inTenant);
    await sql(
      tenant,
      `INSERT INTO token_projects (organization_id, token_id, project_id)
       SELECT t.organization_id, t.id, p.id FROM api_tokens t, projects p WHERE t.organization_id = $1 AND t.short_id = $2 AND p.key = $3`,
      [...inTenant, key],
    );
    const child = await aToken({}, limited.token);
    expect((await introspect(admin, child.token))['projects']).toEqual([key]);
    expect(idsOf(await list(limited.token))).toEqual([limited.id, child.id]);
    expectProblem(await remove(unlimited.id, limited.token), 404, 'Not Found');
    expect(await introspect(admin, unlimited.token)).toMatchObject({ active: true });
  });
});

describe('a path below /user', () => {
  it('that nothing is served at answers 404', async () => {
    expectProblem(await call('GET', '/user', { as: admin }), 404, 'No route found for "GET /user"');
    expectProblem(await call('GET', '/user/api-tokens/a/b', { as: admin }), 404, 'No route found for "GET /user/api-tokens/a/b"');
    expectProblem(await call('POST', '/user/nothing', { as: admin, body: '{' }), 404, 'No route found for "POST /user/nothing"');
  });

  it('answers 405 to a verb it does not know, with those it knows', async () => {
    const answer = await call('PATCH', '/user/api-tokens', { as: admin, body: {} });
    const allowed = String(answer.headers['allow']).split(', ');
    expect([...allowed].sort()).toEqual(['GET', 'HEAD', 'POST']);
    expectProblem(answer, 405, `No route found for "PATCH /user/api-tokens": Method Not Allowed (Allow: ${allowed.join(', ')})`);
    expect((await call('PUT', `/user/api-tokens/${ABSENT}`, { as: admin, body: {} })).status).toBe(405);
    expect((await call('POST', '/user/tenants', { as: admin, body: {} })).status).toBe(405);
  });

  it('is the same with a slash at its end, and answers HEAD as GET', async () => {
    expect((await call('GET', '/user/api-tokens/', { as: admin })).status).toBe(200);
    for (const [path, as] of [['api-tokens', admin], [`api-tokens/${ABSENT}`, admin], ['tenants', 'nonsense']] as const) {
      const [head, whole] = [await call('HEAD', `/user/${path}`, { as }), await call('GET', `/user/${path}`, { as })];
      expect([head.status, head.text]).toEqual([whole.status, '']);
    }
  });
});
