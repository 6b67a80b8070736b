import { beforeAll, describe, expect, it } from 'vitest';
import { theApp } from '../support/app.js';
import { aMember, aProject, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { LastUse } from '../../src/tokens/last-use.js';
import { ADMIN_TOKENS, aTokenOf, BACKEND, featuresStatus, inPath, listed, mintToken, projectTokens, wire } from '../support/unleash.js';

const PATH = projectTokens();

let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});

const create = (body: unknown, headers: Record<string, string> = {}) => call('POST', PATH, { as, body, headers });
const idOfProject = async (key: string): Promise<string> => (await sql(tenant, 'SELECT id FROM projects WHERE key = $1', [key]))[0]?.['id'];

describe('POST /api/admin/projects/:projectId/api-tokens', () => {
  it('answers 201 with the members of Unleash\'s secure mode, in their order', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const answer = await create({ tokenName: 'checkout', type: 'backend', environment: 'production', expiresAt: '2031-01-02T03:04:05.678901+02:00' });
    expect([answer.status, answer.headers['location'], answer.headers['content-type']]).toEqual([201, 'api-tokens', 'application/json; charset=utf-8']);
    expect(answer.text).toBe(
      JSON.stringify({
        projects: ['default'],
        tokenName: 'checkout',
        type: 'backend',
        environment: 'production',
        expiresAt: '2031-01-02T01:04:05.678Z',
        createdAt: clock.now().toRfc3339(3),
        secure: true,
        secret: answer.body.secret,
        project: 'default',
      }),
    );
    expect(answer.body.secret).toMatch(/^default:production\.[0-9A-Za-z]{49}$/);
  });

  it('mints a token that belongs to the project and may do nothing but read flags of one kind', async () => {
    const project = await idOfProject('default');
    const expected = { active: true, owner_kind: 'project', owner_id: project, sub: project, projects: ['default'], environment: 'development', organization_id: tenant.id };
    expect(await introspect(as, (await create(BACKEND)).body.secret)).toMatchObject({ ...expected, scope: 'project:backend:read' });
    expect(await introspect(as, (await create({ ...BACKEND, type: 'client' })).body.secret)).toMatchObject({ ...expected, scope: 'project:backend:read' });
    expect(await introspect(as, (await create({ ...BACKEND, type: 'frontend' })).body.secret)).toMatchObject({ ...expected, scope: 'project:frontend:read' });
  });

  it('takes the environment `default` where none is named', async () => {
    const { body } = await create({ tokenName: 'plain', type: 'backend' });
    expect([body.environment, body.secret.split('.')[0]]).toEqual(['default', 'default:default']);
    expect(await introspect(as, body.secret)).toMatchObject({ environment: 'default' });
  });

  it.each([
    ['CLIENT', 'client'],
    ['BackEnd', 'backend'],
    ['frontend', 'frontend'],
  ])('echoes the type %s in lower case when it creates and when it lists', async (asked, echoed) => {
    const name = `type ${asked}`;
    expect((await create({ ...BACKEND, tokenName: name, type: asked })).body.type).toBe(echoed);
    expect((await listed(tenant, name)).map(({ type }) => type)).toEqual([echoed]);
  });

  it('accepts one name twice: both tokens live', async () => {
    const [first, second] = [await create({ ...BACKEND, tokenName: 'twin' }), await create({ ...BACKEND, tokenName: 'twin' })];
    expect(first.body.secret).not.toBe(second.body.secret);
    expect([await featuresStatus(first.body.secret), await featuresStatus(second.body.secret)]).toEqual([200, 200]);
  });

  it('reads numbers, booleans and null as Unleash does, and drops what it does not know', async () => {
    const { status, body } = await create({ tokenName: 42, type: 'backend', environment: 'development', secret: 'mine', projects: ['*'], alias: 'x', username: 'x' });
    expect([status, body.tokenName, body.projects, body.alias]).toEqual([201, '42', ['default'], undefined]);
    expect(body.secret).not.toBe('mine');
    expect((await create({ ...BACKEND, tokenName: true })).body.tokenName).toBe('true');
  });

  it('keeps a name of any length and script', async () => {
    const tokenName = `${'長'.repeat(300)} 🙂 /\\"'`;
    expect((await create({ ...BACKEND, tokenName })).body.tokenName).toBe(tokenName);
    expect((await listed(tenant, tokenName)).map((token) => token['tokenName'])).toEqual([tokenName]);
  });

  it.each([
    ['2031-01-02t03:04:05z', '2031-01-02T03:04:05.000Z'],
    ['2031-01-02 03:04:05Z', '2031-01-02T03:04:05.000Z'],
    ['2031-01-02T03:04:05', '2031-01-02T03:04:05.000Z'],
    ['2031-01-02T03:04:05-0130', '2031-01-02T04:34:05.000Z'],
    ['2031-01-02T03:04:05+02', '2031-01-02T01:04:05.000Z'],
    ['2031-01-02T03:04:05.1239999Z', '2031-01-02T03:04:05.123Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
    ['2020-01-01T00:00:00Z', '2020-01-01T00:00:00.000Z'],
  ])('reads the time %s', async (sent, read) => {
    const { status, body } = await create({ ...BACKEND, expiresAt: sent });
    expect([status, body.expiresAt]).toEqual([201, read]);
  });

  it.each(['2031-01-02', '2031-02-30T00:00:00Z', '2031-01-02T03:04+02:00', '2031-01-02T25:00:00Z', '2031-01-02T23:59:60Z', '1924992000', '', 'soon', '2031-01-02T03:04:05+99:00'])(
    'refuses the time %j',
    async (expiresAt) => {
      const { status, body } = await create({ ...BACKEND, expiresAt });
      expect([status, body.details]).toEqual([
        400,
        [{ message: `The \`/body/expiresAt\` property must match format "date-time". You sent ${JSON.stringify(expiresAt)}.`, path: '/body/expiresAt' }],
      ]);
    },
  );

  it('tells the first fault of the schema only, what is missing first, and every fault of the content', async () => {
    expect((await create({ type: 'x', expiresAt: 5 })).body.details[0].path).toBe('/body/tokenName');
    expect((await create({ tokenName: ['a'], type: 'x' })).body.details).toEqual([expect.objectContaining({ path: '/body/type' })]);
    expect((await create({ tokenName: '', type: 'x' })).body.details[0].path).toBe('/body/type');
    expect((await create({ tokenName: null, type: 'backend', environment: '' })).body).toEqual({
      name: 'BadDataError',
      message: 'Request validation failed: your request body or params contain invalid data. Refer to the `details` list for more information.',
      details: [{ message: '"tokenName" is not allowed to be empty.' }, { message: '"environment" is not allowed to be empty.' }],
    });
    expect((await create({ ...BACKEND, environment: { a: 1 } })).body.details).toEqual([
      { message: 'The `/body/environment` property must be string. You sent {"a":1}.', path: '/body/environment' },
    ]);
  });

  it('refuses text that cannot be stored, wherever it is', async () => {
    for (const poison of ['a\\u0000b', '\\ud800']) {
      for (const property of ['tokenName', 'environment']) {
        const { status, body } = await create(JSON.stringify({ ...BACKEND, [property]: 'POISON' }).replace('POISON', poison));
        expect([status, body.details]).toEqual([400, [{ message: `"${property}" contains characters that cannot be stored.` }]]);
      }
    }
    for (const project of ['a%00b', '%ED%A0%80', 'x'.repeat(1025)]) {
      const { status } = await call('POST', projectTokens(project), { as, body: BACKEND });
      expect([project.slice(0, 9), [400, 404].includes(status)]).toEqual([project.slice(0, 9), true]);
    }
  });

  it('refuses all environments in the words for the type, and an environment that the project lacks', async () => {
    const refusal = async (body: object) => (await create({ ...BACKEND, ...body })).body.details[0].message;
    expect(await refusal({ environment: '*' })).toBe('Client token cannot be scoped to all environments');
    expect(await refusal({ environment: '*', type: 'Frontend' })).toBe('Frontend token cannot be scoped to all environments');
    await sql(tenant, `DELETE FROM environments WHERE key = 'production' AND project_id = $1`, [await idOfProject(await aProject(tenant, 'bare'))]);
    expect(wire(await call('POST', projectTokens('bare'), { as, body: { ...BACKEND, environment: 'production' } }))).toBe(
      '400 {"name":"BadDataError","message":"Request validation failed: your request body or params contain invalid data: Environment=production does not exist","details":[{"message":"Environment=production does not exist"}]}',
    );
  });

  it('outlives its creator and dies with its environment', async () => {
    const creator = await aMember(tenant, 'ADMIN');
    const project = await aProject(tenant);
    const { body } = await call('POST', projectTokens(project), { as: creator.session, body: BACKEND });
    await sql(tenant, `UPDATE memberships SET disabled_at = now() WHERE user_id = $1`, [creator.id]);
    expect(await featuresStatus(body.secret)).toBe(200);
    await sql(tenant, `DELETE FROM environments WHERE key = 'development' AND project_id = $1`, [await idOfProject(project)]);
    expect(await featuresStatus(body.secret)).toBe(401);
    expect(await introspect(as, body.secret)).toEqual({ active: false });
  });
});

describe('the order of checks', () => {
  const outsider = (): Promise<string> => aMember(tenant, 'EXTERNAL').then(({ session }) => session);

  it('is: JSON and size, credential, type of token, permission, content type, schema, content, project, environment', async () => {
    const huge = JSON.stringify({ ...BACKEND, tokenName: 'x'.repeat(66_000) });
    const { secret: sdk } = await mintToken(tenant);
    const member = await outsider();
    const ask = async (options: Parameters<typeof call>[2], path = PATH): Promise<string> => {
      const { status, body } = await call('POST', path, options);
      return `${status} ${body.name ?? body.message}`;
    };
    const text = { 'content-type': 'text/plain' };
    expect(await ask({ body: '{"tokenName":' })).toBe('400 Unexpected end of JSON input');
    expect(await ask({ body: huge })).toBe('413 request entity too large');
    expect(await ask({ body: '{}', headers: text })).toBe('401 AuthenticationRequired');
    expect(await ask({ as: sdk, body: '{}', headers: text })).toBe('403 invalid token: expected a different token type for this endpoint');
    expect(await ask({ as: member, body: '{}', headers: text })).toBe('403 PermissionError');
    expect(await ask({ as, body: '{}', headers: text }, projectTokens('nope'))).toBe('415 ContentTypeError');
    expect(await ask({ as, body: { tokenName: '' } }, projectTokens('nope'))).toBe('400 BadDataError');
    expect(await ask({ as, body: { ...BACKEND, tokenName: '' } }, projectTokens('nope'))).toBe('400 BadDataError');
    expect(await ask({ as, body: { ...BACKEND, environment: 'nope' } }, projectTokens('nope'))).toBe('404 NotFoundError');
  });
});

describe('a body', () => {
  it.each([
    ['{"a":}', `Unexpected token '}', "{"a":}" is not valid JSON`],
    ['null', `Unexpected token 'n', "null" is not valid JSON`],
    ['"a text that goes on and on"', `Unexpected token '"', ""a text th"... is not valid JSON`],
  ])('of malformed JSON %s is refused in the words of the parser', async (body, message) => {
    expect(wire(await create(body))).toBe(`400 ${JSON.stringify({ message })}`);
  });

  it('larger than 64 KB is refused', async () => {
    expect(wire(await create({ ...BACKEND, tokenName: 'x'.repeat(66_000) }))).toBe('413 {"message":"request entity too large"}');
  });

  it('nested deeper than 16 levels is refused', async () => {
    expect(wire(await create(`{"tokenName":${'['.repeat(16)}${']'.repeat(16)}}`))).toBe('400 {"message":"the body is nested deeper than 16 levels"}');
  });

  it('that is not UTF-8 is refused', async () => {
    const { app } = await theApp();
    const headers = { authorization: `Bearer ${as}`, 'content-type': 'application/json' };
    const { statusCode, body } = await app.inject({ method: 'POST', url: PATH, headers, payload: Buffer.from([0x7b, 0xff, 0x7d]) });
    expect([statusCode, body]).toEqual([400, '{"message":"the body is not UTF-8 text"}']);
  });

  it('that does not say what it is, or that there is none, is an unsupported content type', async () => {
    const { app } = await theApp();
    const message =
      "We do not accept the content-type you provided (you didn't provide one). Try using one of the content-types we do accept instead (application/json) and make sure the body is in the corresponding format.";
    const expected = { id: '<id>', name: 'ContentTypeError', message, details: [{ message }] };
    for (const payload of [JSON.stringify(BACKEND), undefined]) {
      const { statusCode, body } = await app.inject({ method: 'POST', url: PATH, headers: { authorization: `Bearer ${as}` }, payload });
      expect(wire({ status: statusCode, text: body, headers: {}, body: null })).toBe(`415 ${JSON.stringify(expected)}`);
    }
  });

  it('is read as JSON with parameters of its media type, and a form is not', async () => {
    expect((await create(BACKEND, { 'content-type': 'Application/JSON; charset=utf-8' })).status).toBe(201);
    const { status, body } = await call('POST', PATH, { as, form: { tokenName: 'x', type: 'backend' } });
    expect([status, body.message.includes('(application/x-www-form-urlencoded)')]).toEqual([415, true]);
  });
});

describe('a credential', () => {
  it.each(['%s', 'Bearer %s', 'bearer   %s', 'BEARER %s  '])('is read as `%s`', async (spelling) => {
    const { status } = await call('GET', PATH, { headers: { authorization: spelling.replace('%s', as) } });
    expect(status).toBe(200);
  });

  it('that is missing is told from one that is not good', async () => {
    const log = 'You must log in to use Unleash. Your request had no authorization header, so we could not authorize you. Try logging in at /auth/simple/login';
    const missing = { id: '<id>', name: 'AuthenticationRequired', message: log, details: [{ message: log }], path: '/auth/simple/login', type: 'password', defaultHidden: false };
    const bad = { id: '<id>', name: 'UnauthorizedError', message: 'You must log in to use Unleash.', details: [{ message: 'You must log in to use Unleash.' }] };
    const expired = (await mintToken(tenant, { expiresAt: '2020-01-01T00:00:00Z' }))['secret'];
    const { secret: revoked } = await mintToken(tenant);
    await call('DELETE', inPath(PATH, revoked), { as });
    for (const method of ['GET', 'POST']) {
      const body = method === 'POST' ? BACKEND : undefined;
      expect(wire(await call(method, PATH, { body }))).toBe(`401 ${JSON.stringify(missing)}`);
      expect(wire(await call(method, PATH, { body, headers: { authorization: '' } }))).toBe(`401 ${JSON.stringify(missing)}`);
      for (const authorization of ['Bearer', 'nonsense', 'Bearer a b', 'Basic YTpi', `Basic ${as}`, expired, revoked, `${revoked}x`]) {
        expect(wire(await call(method, PATH, { body, headers: { authorization } }))).toBe(`401 ${JSON.stringify(bad)}`);
      }
    }
  });

  it('that lacks the permission is told which one, in both vocabularies', async () => {
    const { session } = await aMember(tenant, 'EXTERNAL');
    const refusal = (names: readonly string[], needed: string): string => {
      const message = `You don't have the required permissions to perform this operation. To perform this action, you need ${needed}.`;
      return `403 ${JSON.stringify({ id: '<id>', name: 'PermissionError', message, details: [{ message }], permissions: names })}`;
    };
    for (const [method, name] of [['POST', 'CREATE_PROJECT_API_TOKEN'], ['GET', 'READ_PROJECT_API_TOKEN'], ['DELETE', 'DELETE_PROJECT_API_TOKEN']] as const) {
      const answer = await call(method, method === 'DELETE' ? `${PATH}/x` : PATH, { as: session, body: method === 'POST' ? BACKEND : undefined });
      expect(wire(answer)).toBe(refusal([name], `the "${name}" permission`));
      const ours = `project:api-token:${method === 'GET' ? 'read' : 'write'}`;
      expect(answer.headers['www-authenticate']).toBe(`Bearer realm="gatehouse", error="insufficient_scope", scope="${ours}"`);
    }
  });

  it('mints no more than it holds', async () => {
    const role = await aRole(tenant, ['project:api-token:write', 'project:frontend:read']);
    const { session } = await aMember(tenant, role);
    const mint = (type: string) => call('POST', PATH, { as: session, body: { ...BACKEND, type } });
    expect((await mint('frontend')).status).toBe(201);
    const refused = await mint('backend');
    expect([refused.status, refused.body.name, refused.body.permissions]).toEqual([403, 'PermissionError', ['project:backend:read']]);
  });

  it('limited to projects acts within them, and sees nothing beyond', async () => {
    const [mine, theirs] = [await aProject(tenant), await aProject(tenant)];
    const limited = await aTokenOf(tenant, { projects: [mine] });
    const foreign = await mintToken(tenant, {}, projectTokens(theirs));
    const shared = await mintToken(tenant, { projects: [mine, theirs], tokenName: 'shared' }, ADMIN_TOKENS);
    const own = await call('POST', projectTokens(mine), { as: limited, body: BACKEND });
    expect([own.status, own.body.projects]).toEqual([201, [mine]]);
    const unknown = wire(await call('GET', projectTokens('nope'), { as: limited }));
    expect(unknown).toBe('404 {"name":"NotFoundError","message":"No project found","details":[{"message":"No project found"}]}');
    for (const method of ['GET', 'POST']) {
      expect(wire(await call(method, projectTokens(theirs), { as: limited, body: method === 'POST' ? BACKEND : undefined }))).toBe(unknown);
    }
    expect(wire(await call('DELETE', inPath(projectTokens(theirs), foreign['secret']), { as: limited }))).toBe(unknown);
    for (const { secret } of [foreign, shared] as { secret: string }[]) {
      expect(wire(await call('DELETE', inPath(projectTokens(mine), secret), { as: limited }))).toBe('404 ');
      expect(await featuresStatus(secret)).toBe(200);
    }
    const { body } = await call('GET', projectTokens(mine), { as: limited });
    expect(body.tokens.map(({ projects }: { projects: string[] }) => projects)).toEqual([[mine]]);
    expect((await call('DELETE', inPath(projectTokens(mine), own.body.secret), { as: limited })).status).toBe(200);
  });
});

describe('GET /api/admin/projects/:projectId/api-tokens', () => {
  it('lists tokens of the project, oldest first, by what identifies them without their secrets', async () => {
    const project = await aProject(tenant);
    const path = projectTokens(project);
    const { app, clock } = await theApp();
    clock.set('2031-03-04T05:06:07.089Z');
    const admin = { ...tenant.admin, ...(await fresh()) };
    const now = { ...tenant, admin };
    const plain = await mintToken(now, { tokenName: 'plain', type: 'client' }, path);
    clock.advance(1);
    const late = await mintToken(now, { tokenName: 'late', expiresAt: '2020-01-01T00:00:00Z' }, path);
    clock.advance(1);
    const both = await mintToken(now, { tokenName: 'both', projects: ['default', project] }, ADMIN_TOKENS);
    await mintToken(now, { tokenName: 'all' }, ADMIN_TOKENS);
    const { secret: gone } = await mintToken(now, { tokenName: 'gone' }, path);
    await call('DELETE', inPath(path, gone), { as: admin.session });
    clock.set('2031-03-04T05:10:00.5Z');
    expect(await featuresStatus(plain['secret'])).toBe(200);
    await app.get(LastUse).flush();
    const answer = await call('GET', path, { as: admin.session });
    const selectors = answer.body.tokens.map(({ secret }: { secret: string }) => secret);
    expect(selectors).toEqual([0, 1, 2].map(() => expect.stringMatching(/^[\w-]{22}$/)));
    expect(answer.text).toBe(
      JSON.stringify({
        tokens: [
          {
            secret: selectors[0],
            tokenName: 'plain',
            type: 'client',
            projects: [project],
            project,
            environment: 'development',
            createdAt: '2031-03-04T05:06:07.089Z',
            seenAt: '2031-03-04T05:10:00.500Z',
            secure: true,
          },
          {
            secret: selectors[1],
            tokenName: 'late',
            type: 'backend',
            projects: [project],
            project,
            environment: 'development',
            expiresAt: '2020-01-01T00:00:00.000Z',
            createdAt: '2031-03-04T05:06:08.089Z',
            secure: true,
          },
          {
            secret: selectors[2],
            tokenName: 'both',
            type: 'backend',
            projects: ['default', project],
            project: `default,${project}`,
            environment: 'development',
            createdAt: '2031-03-04T05:06:09.089Z',
            secure: true,
          },
        ],
      }),
    );
    for (const { secret } of [plain, late, both] as { secret: string }[]) expect(answer.text).not.toContain(secret);
  });

  /** Logs in at the time the clock is set to. */
  async function fresh(): Promise<{ session: string }> {
    const { body } = await call('POST', '/auth/login', { body: { email: tenant.admin.email, password: tenant.admin.password, organization: tenant.slug } });
    return { session: body.access_token };
  }

  it('has an entity tag that changes with the list, and answers 304 to whoever knows it', async () => {
    const path = projectTokens(await aProject(tenant));
    const empty = await call('GET', path, { as });
    expect([empty.text, empty.headers['etag']]).toEqual(['{"tokens":[]}', expect.stringMatching(/^W\/"d-[\w-]{27}"$/)]);
    const headers = { 'if-none-match': `"other", ${String(empty.headers['etag'])}` };
    const unchanged = await call('GET', path, { as, headers });
    expect([unchanged.status, unchanged.text, unchanged.headers['content-type']]).toEqual([304, '', undefined]);
    await mintToken(tenant, {}, path);
    expect((await call('GET', path, { as, headers })).status).toBe(200);
  });

  it('answers HEAD, a trailing slash and doubled slashes', async () => {
    const { text, headers } = await call('GET', PATH, { as });
    const head = await call('HEAD', PATH, { as });
    expect([head.status, head.text, head.headers['content-length']]).toEqual([200, '', headers['content-length']]);
    for (const path of [`${PATH}/`, `/${PATH}`, PATH.replaceAll('/', '//')]) expect((await call('GET', path, { as })).text).toBe(text);
  });

  it('reads on where one page of the engine ends', async () => {
    const path = projectTokens(await aProject(tenant));
    await mintToken(tenant, { tokenName: 'first' }, path);
    await sql(
      tenant,
      `INSERT INTO api_tokens (organization_id, id, kind, name, project_id, permissions, all_projects, environment, hint, created_at, created_by, updated_at, attributes)
       SELECT organization_id, gen_random_uuid(), kind, 'copy', project_id, permissions, all_projects, environment, hint, created_at, created_by, updated_at, attributes
         FROM api_tokens, generate_series(1, 1200) WHERE id = (SELECT token_id FROM token_projects WHERE project_id = $1)`,
      [await idOfProject(path.split('/')[4] ?? '')],
    );
    await sql(
      tenant,
      `INSERT INTO token_projects SELECT t.organization_id, t.id, t.project_id, l.environment_id FROM api_tokens t JOIN token_projects l USING (project_id)
        WHERE t.project_id = $1 AND t.name = 'copy'`,
      [await idOfProject(path.split('/')[4] ?? '')],
    );
    const { tokens } = (await call('GET', path, { as })).body;
    expect(new Set(tokens.map(({ secret }: { secret: string }) => secret)).size).toBe(1201);
  });
});

describe('DELETE /api/admin/projects/:projectId/api-tokens/:token', () => {
  it.each([
    ['the secret as it is', (secret: string) => secret],
    ['the secret, percent-encoded', (secret: string) => encodeURIComponent(secret)],
  ])('ends a token named by %s, at once', async (_, spell) => {
    const { secret } = await mintToken(tenant);
    expect(await featuresStatus(secret)).toBe(200);
    expect(wire(await call('DELETE', `${PATH}/${spell(secret)}`, { as }))).toBe('200 ');
    expect(await featuresStatus(secret)).toBe(401);
    expect(await introspect(as, secret)).toEqual({ active: false });
    expect(wire(await call('DELETE', `${PATH}/${spell(secret)}`, { as }))).toBe('404 ');
  });

  it('ends a token named by what the list shows of it', async () => {
    const { secret } = await mintToken(tenant, { tokenName: 'selected' });
    const [entry] = await listed(tenant, 'selected');
    expect(wire(await call('DELETE', inPath(PATH, entry?.['secret']), { as }))).toBe('200 ');
    expect(await introspect(as, secret)).toEqual({ active: false });
    expect(await listed(tenant, 'selected')).toEqual([]);
  });

  it('keeps a secret that stands in a path out of the log and the audit log', async () => {
    const { secret } = await mintToken(tenant);
    for (const method of ['PUT', 'GET', 'OPTIONS', 'DELETE', 'DELETE']) await call(method, `${PATH}/${secret}`, { as, body: method === 'PUT' ? {} : undefined });
    await call('PUT', inPath(ADMIN_TOKENS, secret), { as, body: { expiresAt: secret } });
    const events = await sql(tenant, 'SELECT details::text FROM audit_events');
    const written = (await theApp()).log.join('') + JSON.stringify(events);
    expect(written).not.toContain(secret.slice(-49, -37));
  });

  it('remembers who ended it', async () => {
    const { secret } = await mintToken(tenant);
    const { jti } = await introspect(as, secret);
    await call('DELETE', inPath(PATH, secret), { as });
    expect((await call('GET', `/v1/tokens/${jti}`, { as })).body).toMatchObject({ state: 'revoked', revoked_by: tenant.admin.id });
  });

  it('ends an expired token too', async () => {
    const { secret } = await mintToken(tenant, { tokenName: 'stale', expiresAt: '2020-01-01T00:00:00Z' });
    expect(wire(await call('DELETE', inPath(PATH, secret), { as }))).toBe('200 ');
    expect(await listed(tenant, 'stale')).toEqual([]);
  });

  it('answers 400 without a body, and ends nothing, where the token is of other projects', async () => {
    const other = await aProject(tenant);
    const tokens = [
      await mintToken(tenant, {}, projectTokens(other)),
      await mintToken(tenant, { projects: ['default', other] }, ADMIN_TOKENS),
      await mintToken(tenant, { projects: ['*'] }, ADMIN_TOKENS),
    ];
    for (const { secret } of tokens as unknown as { secret: string }[]) {
      expect(wire(await call('DELETE', inPath(PATH, secret), { as }))).toBe('400 ');
      expect(await featuresStatus(secret)).toBe(200);
    }
  });

  it('answers 404 without a body for whatever names no token of a project', async () => {
    const personal = await aTokenOf(tenant, {});
    const { jti } = await introspect(as, personal);
    const selector = Buffer.from(jti.replaceAll('-', ''), 'hex').toString('base64url');
    const shapes = ['nope', 'a/b', '*', '%', '\0', 'x'.repeat(300), 'AAAAAAAAAAAAAAAAAAAAAA', 'AAAAAAAAAAAAAAAAAAAAAB', '00000000-0000-4000-8000-000000000000', jti, personal, selector, `${personal} `];
    for (const shape of shapes) expect([shape, wire(await call('DELETE', inPath(PATH, shape), { as }))]).toEqual([shape, '404 ']);
    expect(await introspect(as, personal)).toMatchObject({ active: true });
  });
});

describe('other paths and verbs', () => {
  it.each([
    ['GET', `${PATH}/x`],
    ['PUT', `${PATH}/x`],
    ['PUT', PATH],
    ['PATCH', PATH],
    ['DELETE', PATH],
    ['GET', '/api/admin/nope?secret=1'],
    ['GET', '/api/client/nope'],
    ['GET', '/edge/validate'],
    ['GET', '/API/ADMIN/api-tokens'],
  ])('%s %s is not there', async (method, url) => {
    const message = `The path you were looking for (${url.split('?')[0]}) is not available.`;
    expect(wire(await call(method, url, { as }))).toBe(`404 ${JSON.stringify({ id: '<id>', name: 'NotFoundError', message, details: [{ message }] })}`);
  });
});
