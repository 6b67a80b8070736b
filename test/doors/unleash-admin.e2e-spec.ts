import { beforeAll, describe, expect, it } from 'vitest';
import { theApp } from '../support/app.js';
import { aMember, aProject, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { ADMIN_TOKENS, aTokenOf, BACKEND, featuresStatus, inPath, listed, mintToken, projectTokens, wire } from '../support/unleash.js';

let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
  for (const project of ['second', 'third']) await aProject(tenant, project);
});

const create = (body: unknown) => call('POST', ADMIN_TOKENS, { as, body });
const put = (identifier: string, body: unknown = { expiresAt: '2031-01-01T00:00:00Z' }, who = as) => call('PUT', inPath(ADMIN_TOKENS, identifier), { as: who, body });
const remove = (identifier: string, who = as) => call('DELETE', inPath(ADMIN_TOKENS, identifier), { as: who });

const ONE_OF = {
  message:
    'The "/body" property must match exactly one schema in oneOf. The data you provided matches more than one option in the schema. These options are mutually exclusive. Please refer back to the schema and remove any excess properties.',
  path: '/body',
};

describe('POST /api/admin/api-tokens', () => {
  it.each([
    [['second'], 'second', ['second']],
    [['second', 'default'], '[]', ['default', 'second']],
    [['*'], '*', ['*']],
    [['nope', '*', '*'], '*', ['*']],
    [undefined, '*', ['*']],
  ])('mints a token of the projects %j with the look `%s:…`', async (projects, look, named) => {
    const answer = await create({ ...BACKEND, projects });
    expect([answer.status, answer.headers['location']]).toEqual([201, 'api-tokens']);
    expect(answer.body).toEqual({ ...answer.body, projects: named, project: named.join(',') });
    expect(Object.keys(answer.body)).toEqual(['projects', 'tokenName', 'type', 'environment', 'createdAt', 'secure', 'secret', 'project']);
    expect(answer.body.secret.replace(/[0-9A-Za-z]{49}$/, '')).toBe(`${look}:development.`);
    expect(await introspect(as, answer.body.secret)).toMatchObject({ active: true, owner_kind: 'project', projects: named, environment: 'development', scope: 'project:backend:read' });
  });

  it('makes one project the owner of its token, and the organization the owner of any other', async () => {
    const ownerOf = async (projects: readonly string[]): Promise<string> => (await introspect(as, (await create({ ...BACKEND, projects })).body.secret))['owner_id'];
    const [second] = await sql(tenant, `SELECT id FROM projects WHERE key = 'second'`);
    expect([await ownerOf(['second']), await ownerOf(['default', 'second']), await ownerOf(['*'])]).toEqual([second?.['id'], tenant.id, tenant.id]);
  });

  it('takes the environment `default` where none is named', async () => {
    const { body } = await create({ tokenName: 'plain', type: 'client' });
    expect([body.environment, body.secret.split('.')[0], body.type]).toEqual(['default', '*:default', 'client']);
  });

  it.each([
    [{ projects: ['nope'] }, 'Project=nope does not exist'],
    [{ projects: ['default', 7] }, 'Project=7 does not exist'],
    [{ projects: ['default'], environment: 'nope' }, 'Environment=nope does not exist'],
    [{ environment: 'nope' }, 'Environment=nope does not exist'],
    [{ projects: ['third', 'default'], environment: 'production' }, 'Environment=production does not exist'],
    [{ environment: '*', type: 'frontend' }, 'Frontend token cannot be scoped to all environments'],
  ])('refuses %j: %s', async (body, message) => {
    await sql(tenant, `DELETE FROM environments WHERE key = 'production' AND project_id = (SELECT id FROM projects WHERE key = 'third')`);
    expect(wire(await create({ ...BACKEND, ...body }))).toBe(
      `400 ${JSON.stringify({ name: 'BadDataError', message: `Request validation failed: your request body or params contain invalid data: ${message}`, details: [{ message }] })}`,
    );
  });

  it.each([
    [{ projects: [] }, '"projects" must contain at least 1 items. You provided [].'],
    [{ projects: ['default', 'default'] }, '"projects[1]" contains a duplicate value. You provided "default".'],
    [{ projects: [''] }, '"projects[0]" is not allowed to be empty.'],
    [{ projects: ['a\0'] }, '"projects[0]" contains characters that cannot be stored.'],
  ])('refuses %j by its content', async (body, message) => {
    const answer = await create({ ...BACKEND, ...body });
    expect([answer.status, Object.keys(answer.body), answer.body.details]).toEqual([400, ['name', 'message', 'details'], [{ message }]]);
  });

  it.each([
    [{ ...BACKEND, projects: 'default' }, { message: 'The `/body/projects` property must be array. You sent "default".', path: '/body/projects' }],
    [{ ...BACKEND, projects: [['a']] }, { message: 'The `/body/projects/0` property must be string. You sent ["a"].', path: '/body/projects/0' }],
    [{}, { path: '/body/type', message: 'The `/body/type` property is required. It was not present on the data you sent.' }],
    [{ tokenName: 'x' }, { path: '/body/type', message: 'The `/body/type` property is required. It was not present on the data you sent.' }],
    [[], { message: 'The `/body` property must be object. You sent [].', path: '/body' }],
  ])('refuses %j by its schema, and adds the complaint of the oneOf', async (body, detail) => {
    const answer = await create(body);
    expect([answer.status, Object.keys(answer.body), JSON.stringify(answer.body.details)]).toEqual([400, ['id', 'name', 'message', 'details'], JSON.stringify([detail, ONE_OF])]);
  });

  it('loses a project of several with the environment there, and no other', async () => {
    const gone = await aProject(tenant);
    const { secret } = (await create({ ...BACKEND, projects: ['second', gone] })).body;
    await sql(tenant, `DELETE FROM environments WHERE key = 'development' AND project_id = (SELECT id FROM projects WHERE key = $1)`, [gone]);
    expect(await introspect(as, secret)).toMatchObject({ active: true, projects: ['second'] });
  });
});

describe('GET /api/admin/api-tokens', () => {
  it('lists all tokens of projects in the organization, those of all projects too, and no other kind', async () => {
    const own = await aTenant();
    await aProject(own, 'second');
    const { clock } = await theApp();
    await mintToken(own, { tokenName: 'one' });
    clock.advance(1);
    await mintToken(own, { tokenName: 'two', projects: ['default', 'second'] }, ADMIN_TOKENS);
    clock.advance(1);
    await mintToken(own, { tokenName: 'all', expiresAt: '2020-01-01T00:00:00Z' }, ADMIN_TOKENS);
    await call('POST', '/user/api-tokens', { as: own.admin.session, body: {} });
    const { status, body } = await call('GET', ADMIN_TOKENS, { as: own.admin.session });
    expect(status).toBe(200);
    expect(body.tokens.map(({ tokenName, project }: { tokenName: string; project: string }) => [tokenName, project])).toEqual([['one', 'default'], ['two', 'default,second'], ['all', '*']]);
    expect(Object.keys(body.tokens[2])).toEqual(['secret', 'tokenName', 'type', 'projects', 'project', 'environment', 'expiresAt', 'createdAt', 'secure']);
  });

  it('shows a token that came another way by what it may do', async () => {
    const own = await aTenant();
    for (const type of ['frontend', 'backend']) await mintToken(own, { tokenName: type, type }, ADMIN_TOKENS);
    await sql(own, `UPDATE api_tokens SET attributes = '{}'`);
    const { tokens } = (await call('GET', ADMIN_TOKENS, { as: own.admin.session })).body;
    expect(tokens.map(({ tokenName, type }: { tokenName: string; type: string }) => tokenName === type)).toEqual([true, true]);
  });
});

describe('GET /api/admin/api-tokens/:name', () => {
  it('lists the tokens of exactly this name', async () => {
    for (const tokenName of ['Ünï/cödé 1', 'Ünï/cödé 1', 'ünï/cödé 1', 'Ünï']) await mintToken(tenant, { tokenName });
    expect((await listed(tenant, 'Ünï/cödé 1')).map((token) => token['tokenName'])).toEqual(['Ünï/cödé 1', 'Ünï/cödé 1']);
  });

  it('is an empty list for a name of no token, and refuses one that cannot be', async () => {
    for (const name of ['none', '*', '%25', 'x'.repeat(1000)]) expect([name, wire(await call('GET', `${ADMIN_TOKENS}/${name}`, { as }))]).toEqual([name, '200 {"tokens":[]}']);
    expect((await call('GET', `${ADMIN_TOKENS}/a%00b`, { as })).status).toBe(400);
  });
});

describe('PUT /api/admin/api-tokens/:token', () => {
  it('changes when a token expires, by its secret or by what the list shows, from that moment on', async () => {
    const { clock } = await theApp();
    const { secret } = await mintToken(tenant, { tokenName: 'renewed' }, ADMIN_TOKENS);
    const selector = (await listed(tenant, 'renewed'))[0]?.['secret'];
    const soon = clock.now().plusSeconds(60);
    expect(wire(await put(secret, { expiresAt: soon.toRfc3339(3) }))).toBe('200 ');
    expect((await listed(tenant, 'renewed'))[0]?.['expiresAt']).toBe(soon.toRfc3339(3));
    expect(await introspect(as, secret)).toMatchObject({ active: true, exp: soon.epochSeconds });
    expect(wire(await put(selector, { expiresAt: '2020-01-01T00:00:00Z', tokenName: 'ignored' }))).toBe('200 ');
    expect([await featuresStatus(secret), await introspect(as, secret)]).toEqual([401, { active: false }]);
    expect(wire(await put(selector, { expiresAt: '2031-01-01T00:00:00' }))).toBe('200 ');
    expect(await featuresStatus(secret)).toBe(200);
  });

  it.each([
    [{}, { path: '/body/expiresAt', message: 'The `/body/expiresAt` property is required. It was not present on the data you sent.' }],
    [{ expiresAt: null }, { message: 'The `/body/expiresAt` property must match format "date-time". You sent "".', path: '/body/expiresAt' }],
    [{ expiresAt: 'soon' }, { message: 'The `/body/expiresAt` property must match format "date-time". You sent "soon".', path: '/body/expiresAt' }],
    [{ expiresAt: ['soon'] }, { message: 'The `/body/expiresAt` property must be string. You sent ["soon"].', path: '/body/expiresAt' }],
  ])('refuses %j, and changes nothing', async (body, detail) => {
    const { secret } = await mintToken(tenant);
    const answer = await put(secret, body);
    expect([answer.status, JSON.stringify(answer.body.details)]).toEqual([400, JSON.stringify([detail])]);
    expect(await featuresStatus(secret)).toBe(200);
  });

  it('lengthens no life of a token that its caller could not create, and says which permission is missing; shortens it', async () => {
    const { session } = await aMember(tenant, await aRole(tenant, ['project:api-token:read', 'project:api-token:write', 'project:frontend:read']));
    const { secret } = await mintToken(tenant, { expiresAt: '2031-01-01T00:00:00Z' });
    const refused = await put(secret, { expiresAt: '2041-01-01T00:00:00Z' }, session);
    expect([refused.status, refused.body.permissions]).toEqual([403, ['project:backend:read']]);
    expect((await put(secret, { expiresAt: '2030-01-01T00:00:00Z' }, session)).status).toBe(200);
    expect((await introspect(as, secret))['exp']).toBe(Date.parse('2030-01-01T00:00:00Z') / 1000);
  });

  it('answers 200 for a token that is not there, was revoked or is of another kind, and changes nothing', async () => {
    const { secret: revoked } = await mintToken(tenant, { tokenName: 'revoked' });
    await remove(revoked);
    const personal = await aTokenOf(tenant, {});
    for (const identifier of [revoked, personal, 'nope', '*', 'AAAAAAAAAAAAAAAAAAAAAA', '\0']) expect(wire(await put(identifier, { expiresAt: '2020-01-01T00:00:00Z' }))).toBe('200 ');
    expect(await introspect(as, personal)).toMatchObject({ active: true });
    expect(await introspect(as, revoked)).toEqual({ active: false });
  });
});

describe('DELETE /api/admin/api-tokens/:token', () => {
  it.each([[['default']], [['default', 'second']], [['*']]])('ends a token of %j at once, and answers the same when it is gone', async (projects) => {
    const { secret } = await mintToken(tenant, { projects }, ADMIN_TOKENS);
    expect(await featuresStatus(secret)).toBe(200);
    for (let time = 0; time < 2; time += 1) {
      expect(wire(await remove(secret))).toBe('200 ');
      expect([await featuresStatus(secret), await introspect(as, secret)]).toEqual([401, { active: false }]);
    }
  });

  it('ends a token named by what the list shows of it', async () => {
    const { secret } = await mintToken(tenant, { tokenName: 'shown' }, ADMIN_TOKENS);
    await remove((await listed(tenant, 'shown'))[0]?.['secret']);
    expect(await featuresStatus(secret)).toBe(401);
  });

  it('answers 200 for whatever names no token of a project, and ends nothing', async () => {
    const personal = await aTokenOf(tenant, {});
    for (const identifier of ['nope', personal, 'x'.repeat(400), '%2F', '*:*']) expect(wire(await remove(identifier))).toBe('200 ');
    expect(await introspect(as, personal)).toMatchObject({ active: true });
  });
});

describe('who may', () => {
  it('is told which permissions would do', async () => {
    const { session } = await aMember(tenant, 'EXTERNAL');
    const asks: readonly [string, string, string][] = [
      ['POST', ADMIN_TOKENS, 'CREATE'],
      ['GET', ADMIN_TOKENS, 'READ'],
      ['GET', `${ADMIN_TOKENS}/x`, 'READ'],
      ['PUT', `${ADMIN_TOKENS}/x`, 'UPDATE'],
      ['DELETE', `${ADMIN_TOKENS}/x`, 'DELETE'],
    ];
    for (const [method, path, verb] of asks) {
      const names = ['ADMIN', `${verb}_CLIENT_API_TOKEN`, `${verb}_FRONTEND_API_TOKEN`];
      const message = `You don't have the required permissions to perform this operation. To perform this action, you need one of the following permissions: ${names.map((name) => `"${name}"`).join(', ')}.`;
      const body = ['POST', 'PUT'].includes(method) ? {} : undefined;
      expect(wire(await call(method, path, { as: session, body }))).toBe(
        `403 ${JSON.stringify({ id: '<id>', name: 'PermissionError', message, details: [{ message }], permissions: names })}`,
      );
    }
  });

  it('reads with the permission to read, and no more', async () => {
    const { session } = await aMember(tenant, await aRole(tenant, ['project:api-token:read']));
    expect((await call('GET', ADMIN_TOKENS, { as: session })).status).toBe(200);
    expect((await call('POST', ADMIN_TOKENS, { as: session, body: BACKEND })).status).toBe(403);
    const { secret } = await mintToken(tenant);
    expect([(await put(secret, undefined, session)).status, (await remove(secret, session)).status]).toEqual([403, 403]);
    expect(await featuresStatus(secret)).toBe(200);
  });

  it('is not a token of a project, and not one that is limited to projects', async () => {
    const { secret } = await mintToken(tenant);
    const limited = await aTokenOf(tenant, { projects: ['default'] });
    const message = 'This credential is limited to certain projects and cannot do this.';
    for (const [method, path] of [['POST', ADMIN_TOKENS], ['GET', ADMIN_TOKENS], ['GET', `${ADMIN_TOKENS}/x`], ['PUT', `${ADMIN_TOKENS}/x`], ['DELETE', `${ADMIN_TOKENS}/x`]] as const) {
      const body = ['POST', 'PUT'].includes(method) ? {} : undefined;
      expect(wire(await call(method, path, { as: secret, body }))).toBe('403 {"message":"invalid token: expected a different token type for this endpoint"}');
      expect(wire(await call(method, path, { as: limited, body }))).toBe(`403 ${JSON.stringify({ id: '<id>', name: 'ForbiddenError', message, details: [{ message }] })}`);
    }
  });

  it('may be any other token that holds the permission', async () => {
    for (const kind of ['user', 'organization'] as const) {
      const { status, body } = await call('POST', ADMIN_TOKENS, { headers: { authorization: await aTokenOf(tenant, { kind }) }, body: BACKEND });
      expect([status, body.project]).toEqual([201, '*']);
    }
  });
});

describe('another organization', () => {
  it('answers for foreign tokens, projects and environments as for unknown ones, and changes nothing of them', async () => {
    const stranger = await aTenant();
    await aProject(stranger, 'mine');
    await sql(stranger, `UPDATE environments SET key = 'staging' WHERE key = 'production'`);
    const theirs = await mintToken(stranger, { tokenName: 'theirs' }, projectTokens('mine'));
    const selector = (await listed(stranger, 'theirs'))[0]?.['secret'];
    const [project, unknown] = [await call('POST', projectTokens('mine'), { as, body: BACKEND }), await call('POST', projectTokens('nope'), { as, body: BACKEND })];
    expect(wire(project)).toBe(wire(unknown));
    expect(wire(await call('GET', projectTokens('mine'), { as }))).toBe(wire(await call('GET', projectTokens('nope'), { as })));
    expect((await create({ ...BACKEND, projects: ['mine'] })).body.details).toEqual([{ message: 'Project=mine does not exist' }]);
    expect((await create({ ...BACKEND, environment: 'staging' })).body.details).toEqual([{ message: 'Environment=staging does not exist' }]);
    for (const identifier of [theirs['secret'], selector]) {
      expect(wire(await call('DELETE', inPath(projectTokens(), identifier), { as }))).toBe('404 ');
      expect(wire(await put(identifier, { expiresAt: '2020-01-01T00:00:00Z' }))).toBe('200 ');
      expect(wire(await remove(identifier))).toBe('200 ');
    }
    expect((await call('GET', ADMIN_TOKENS, { as })).text).not.toContain('theirs');
    expect(await listed(tenant, 'theirs')).toEqual([]);
    expect(await listed(stranger, 'theirs')).toEqual([{ ...(await listed(stranger, 'theirs'))[0], tokenName: 'theirs', secret: selector }]);
    expect((await listed(stranger, 'theirs'))[0]?.['expiresAt']).toBeUndefined();
    expect(await featuresStatus(theirs['secret'])).toBe(200);
  });
});
