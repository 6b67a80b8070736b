import { beforeAll, describe, expect, it } from 'vitest';
import { theApp } from '../support/app.js';
import { aMember, aTenant, sql, type Person, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { ADMIN_TOKENS, aTokenOf, BACKEND, inPath, mintPersonal, mintToken, PERSONAL_TOKENS, wire } from '../support/unleash.js';

let tenant: TestTenant;
let person: Person;
beforeAll(async () => {
  tenant = await aTenant();
  person = await aMember(tenant);
});

const create = (body: unknown, as = person.session) => call('POST', PERSONAL_TOKENS, { as, body });
const list = async (as = person.session): Promise<Record<string, any>[]> => (await call('GET', PERSONAL_TOKENS, { as })).body.pats;
const remove = (id: number | string, as = person.session) => call('DELETE', inPath(PERSONAL_TOKENS, String(id)), { as });
const late = (name: string, message: string): object => ({ name, message, details: [{ message }] });

describe('POST /api/admin/user/tokens', () => {
  it('answers 201 with the members of Unleash, in their order, and without a Location', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const answer = await create({ description: 'laptop', expiresAt: '2031-01-02T03:04:05+02:00', secret: 'mine' });
    expect([answer.status, answer.headers['location']]).toEqual([201, undefined]);
    expect(answer.text).toBe(
      JSON.stringify({
        id: 1,
        description: 'laptop',
        expiresAt: '2031-01-02T01:04:05.000Z',
        userId: Number.parseInt(person.id.slice(0, 8), 16) >>> 1,
        createdAt: clock.now().toRfc3339(3),
        seenAt: null,
        secret: answer.body.secret,
      }),
    );
    expect(answer.body.secret).toMatch(/^user:[0-9A-Za-z]{49}$/);
  });

  it('mints a token of the person that may do what the person may do', async () => {
    const { secret } = await mintPersonal(person.session, 'mine');
    expect(await introspect(tenant.admin.session, secret)).toMatchObject({ active: true, owner_kind: 'user', owner_id: person.id, username: person.email, projects: ['*'] });
    expect((await call('GET', ADMIN_TOKENS, { headers: { authorization: secret } })).status).toBe(200);
    expect((await call('POST', ADMIN_TOKENS, { as: secret, body: BACKEND })).body.permissions).toContain('CREATE_CLIENT_API_TOKEN');
    await sql(tenant, `UPDATE memberships SET role_id = (SELECT id FROM roles WHERE key = 'EXTERNAL') WHERE user_id = $1`, [person.id]);
    expect((await call('GET', ADMIN_TOKENS, { as: secret })).status).toBe(403);
    await sql(tenant, `UPDATE memberships SET role_id = (SELECT id FROM roles WHERE key = 'MEMBER') WHERE user_id = $1`, [person.id]);
  });

  it('mints a token that is none for SDKs', async () => {
    const { secret } = await mintPersonal(tenant.admin.session, 'no SDK');
    for (const path of ['/api/client/features', '/api/frontend']) {
      expect(wire(await call('GET', path, { as: secret }))).toBe('403 {"message":"invalid token: expected a different token type for this endpoint"}');
    }
  });

  it.each([
    [{}, { path: '/body/description', message: 'The `/body/description` property is required. It was not present on the data you sent.' }],
    [{ description: 'x' }, { path: '/body/expiresAt', message: 'The `/body/expiresAt` property is required. It was not present on the data you sent.' }],
    [{ description: '', expiresAt: null }, { message: 'The `/body/expiresAt` property must match format "date-time". You sent "".', path: '/body/expiresAt' }],
    [{ description: {}, expiresAt: '2031-01-01T00:00:00Z' }, { message: 'The `/body/description` property must be string. You sent {}.', path: '/body/description' }],
  ])('refuses %j by its schema', async (body, detail) => {
    const answer = await create(body);
    expect([answer.status, Object.keys(answer.body), JSON.stringify(answer.body.details)]).toEqual([400, ['id', 'name', 'message', 'details'], JSON.stringify([detail])]);
  });

  it.each([
    [{ description: '', expiresAt: '2020-01-01T00:00:00Z' }, 'PAT description cannot be empty.'],
    [{ description: null, expiresAt: '2031-01-01T00:00:00Z' }, 'PAT description cannot be empty.'],
    [{ description: 'over', expiresAt: '2020-01-01T00:00:00Z' }, 'The expiry date should be in future.'],
  ])('refuses %j: %s', async (body, message) => {
    const expected = { ...late('BadDataError', message), message: `Request validation failed: your request body or params contain invalid data: ${message}` };
    expect(wire(await create(body))).toBe(`400 ${JSON.stringify(expected)}`);
  });

  it('refuses text that cannot be stored', async () => {
    for (const poison of ['a\\u0000b', '\\ud800']) {
      const { status, body } = await create(`{"description":"${poison}","expiresAt":"2031-01-01T00:00:00Z"}`);
      expect([status, body.details]).toEqual([400, [{ message: '"description" contains characters that cannot be stored.' }]]);
    }
  });

  it('refuses a description that a token of the same person has, until that token is deleted', async () => {
    const { id } = await mintPersonal(person.session, 'desk');
    const taken = `409 ${JSON.stringify(late('NameExistsError', 'PAT description already exists.'))}`;
    expect(wire(await create({ description: 'desk', expiresAt: '2032-01-01T00:00:00Z' }))).toBe(taken);
    const other = await aMember(tenant);
    expect((await mintPersonal(other.session, 'desk'))['id']).toBe(1);
    await remove(id);
    expect((await mintPersonal(person.session, 'desk'))['id']).toBe(id + 1);
  });

  it('lets a person have ten, however many are asked for at once', async () => {
    const other = await aMember(tenant);
    const expiresAt = '2031-01-01T00:00:00Z';
    const answers = await Promise.all(Array.from({ length: 14 }, (_, index) => create({ description: `token ${index}`, expiresAt }, other.session)));
    const refused = answers.filter(({ status }) => status === 403).map(wire);
    expect(refused).toEqual(Array.from({ length: 4 }, () => `403 ${JSON.stringify(late('OperationDeniedError', 'Too many PATs (10) already exist for this user.'))}`));
    expect((await list(other.session)).map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    await remove(4, other.session);
    expect((await mintPersonal(other.session, 'one more'))['id']).toBe(11);
  });

  it('does not count tokens of the person from other doors', async () => {
    const other = await aMember(tenant);
    await call('POST', '/user/api-tokens', { as: other.session, body: { description: 'elsewhere' } });
    expect((await mintPersonal(other.session, 'elsewhere'))['id']).toBe(1);
    expect((await list(other.session)).length).toBe(1);
  });

  it('hands on the limits of the token it is asked with', async () => {
    const own = await aTenant();
    const limited = await aTokenOf(own, { projects: ['default'] });
    const { id, secret } = await mintPersonal(limited, 'limited');
    expect(await introspect(own.admin.session, secret)).toMatchObject({ active: true, projects: ['default'] });
    const { id: whole } = await mintPersonal(own.admin.session, 'whole');
    expect((await list(limited)).map((token) => token['id'])).toEqual([id]);
    expect(wire(await remove(whole, limited))).toBe('200 ');
    expect((await list(own.admin.session)).map((token) => token['id'])).toEqual([id, whole]);
    const duplicate = await call('POST', PERSONAL_TOKENS, { as: limited, body: { description: 'whole', expiresAt: '2031-01-01T00:00:00Z' } });
    expect(duplicate.status).toBe(409);
  });

  it('is for people', async () => {
    const machine = await aTokenOf(tenant, { kind: 'organization' });
    const { secret: sdk } = await mintToken(tenant);
    const refusal = late('ForbiddenError', 'PATs require an authenticated user.');
    for (const [method, path] of [['POST', PERSONAL_TOKENS], ['GET', PERSONAL_TOKENS], ['DELETE', `${PERSONAL_TOKENS}/1`]] as const) {
      const body = method === 'POST' ? { description: 'x', expiresAt: '2031-01-01T00:00:00Z' } : undefined;
      expect(wire(await call(method, path, { as: machine, body }))).toBe(`403 ${JSON.stringify(refusal)}`);
      expect(wire(await call(method, path, { as: sdk, body }))).toBe('403 {"message":"invalid token: expected a different token type for this endpoint"}');
      expect((await call(method, path, { body })).body.name).toBe('AuthenticationRequired');
    }
    const { session } = await aMember(tenant, 'EXTERNAL');
    expect((await create({}, session)).body.permissions).toEqual(['user:api-token:write']);
  });
});

describe('GET /api/admin/user/tokens', () => {
  it('lists the tokens of the person who asks, by number, without secrets', async () => {
    const other = await aMember(tenant);
    const { clock } = await theApp();
    const [first, second, third] = [await mintPersonal(other.session, 'b'), await mintPersonal(other.session, 'a'), await mintPersonal(other.session, 'c', clock.now().plusSeconds(60).toRfc3339(3))];
    await remove(second['id'], other.session);
    clock.advance(61);
    const { text } = await call('GET', PERSONAL_TOKENS, { as: other.session });
    const shown = [first, third].map((token) => ({ id: token['id'], description: token['description'], expiresAt: token['expiresAt'], userId: token['userId'], createdAt: token['createdAt'], seenAt: null }));
    expect(text).toBe(JSON.stringify({ pats: shown }));
    expect(await list(tenant.admin.session)).not.toEqual(expect.arrayContaining([expect.objectContaining({ description: 'b' })]));
  });
});

describe('DELETE /api/admin/user/tokens/:id', () => {
  it('ends the token at once, and answers the same when it is gone', async () => {
    const { id, secret } = await mintPersonal(person.session, 'lost');
    for (let time = 0; time < 2; time += 1) {
      expect(wire(await remove(id))).toBe('200 ');
      expect(await introspect(tenant.admin.session, secret)).toEqual({ active: false });
      expect((await call('GET', ADMIN_TOKENS, { as: secret })).body.name).toBe('UnauthorizedError');
    }
  });

  it('ends no token of another person or organization that has the same number', async () => {
    const [other, stranger] = [await aMember(tenant), (await aTenant()).admin];
    const { id, secret } = await mintPersonal(other.session, 'keep');
    for (const session of [person.session, tenant.admin.session, stranger.session]) expect(wire(await remove(id, session))).toBe('200 ');
    expect((await list(other.session)).map((token) => token['id'])).toEqual([id]);
    expect(await introspect(tenant.admin.session, secret)).toMatchObject({ active: true });
  });

  it('reads whole numbers and answers 200 for those of no token', async () => {
    for (const id of ['999', '0', '-1', '9999999999', '9007199254740991', '1e3']) expect([id, wire(await remove(id))]).toEqual([id, '200 ']);
  });

  it.each(['abc', '1.5', '9007199254740993', '1e999', ' ', '\0', '00000000-0000-4000-8000-000000000000'])('refuses %j', async (id) => {
    const expected = {
      id: '<id>',
      name: 'BadDataError',
      message: 'Request validation failed: your request body or params contain invalid data. Refer to the `details` list for more information.',
      details: [{ message: `The \`/params/id\` property must be integer. You sent ${JSON.stringify(id)}.`, path: '/params/id' }],
    };
    expect(wire(await remove(id))).toBe(`400 ${JSON.stringify(expected)}`);
  });
});
