import { beforeAll, describe, expect, it, vi } from 'vitest';
import { AuditLog } from '../../src/audit/audit-log.js';
import { newId } from '../../src/kernel/ids.js';
import { theApp } from '../support/app.js';
import { aMember, aName, aProject, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { aTokenOf, BACKEND, projectTokens } from '../support/unleash.js';

const PROJECTS = '/v1/projects';
const environmentsOf = (project: string): string => `${PROJECTS}/${project}/environments`;

let tenant: TestTenant;
let as: string;
let stranger: TestTenant;
beforeAll(async () => {
  [tenant, stranger] = [await aTenant(), await aTenant()];
  as = tenant.admin.session;
});

const create = (body: unknown, who = as) => call('POST', PROJECTS, { as: who, body });
const createIn = (project: string, body: unknown, who = as) => call('POST', environmentsOf(project), { as: who, body });
const problem = ({ status, headers, body }: Answer): unknown[] => [status, headers['content-type'], body.code, body.errors?.map(({ path }: { path: string }) => path)];
const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** What happened to one thing, oldest first, without who and when. */
const happened = (id: string) => sql(tenant, 'SELECT action, target_kind, actor_id, details, before, after FROM audit_events WHERE target_id = $1 ORDER BY occurred_at, id', [id]);
const keysOf = ({ body }: Answer): string[] => body.data.map(({ key }: { key: string }) => key);

describe('POST /v1/projects', () => {
  it('creates a project with its first environments, and records it once', async () => {
    const { clock } = await theApp();
    clock.advance(0.000001);
    const at = clock.now().toRfc3339();
    const key = aName('shop');
    const { status, body } = await create({ key, name: `The ${key}` });
    expect([status, body]).toEqual([201, { id: body.id, key, name: `The ${key}`, created_at: at, updated_at: at }]);
    expect((await call('GET', `${PROJECTS}/${key}`, { as })).body).toEqual(body);
    expect(keysOf(await call('GET', environmentsOf(key), { as }))).toEqual(['default', 'development', 'production']);
    expect(await happened(body.id)).toEqual([
      {
        action: 'project.created',
        target_kind: 'project',
        actor_id: tenant.admin.id,
        details: { key, name: `The ${key}`, environments: ['default', 'development', 'production'] },
        before: null,
        after: null,
      },
    ]);
    expect((await call('POST', projectTokens(key), { as, body: BACKEND })).body.secret).toMatch(new RegExp(`^${key}:development\\.`));
  });

  it.each(['a.b', 'a_b', 'a-b', '7', `x${'y'.repeat(99)}`])('takes the key %j', async (key) => {
    expect((await create({ key, name: key })).status).toBe(201);
  });

  it.each([
    undefined, null, 7, true, {}, ['a'], '', ' ', 'A', 'Shop', 'a b', '-a', '.', '..', 'a/b', 'a:b', '*', 'a*', '[]', 'a\n', 'a\0', 'ä', 'а', 'ａ', 'a\u200d', '\ud800', 'x'.repeat(101), 'null', 'undefined', 'all', 'admin', 'new', newId(),
  ])('refuses the key %j and creates nothing', async (key) => {
    const before = await sql(tenant, 'SELECT count(*) FROM projects');
    expect(problem(await create({ key, name: aName('name') }))).toEqual([400, PROBLEM_TYPE, 'input-invalid', ['key']]);
    expect(await sql(tenant, 'SELECT count(*) FROM projects')).toEqual(before);
  });

  it.each(['Büro 24/7', 'Продажи', '営業チーム', '🚀', '=cmd', '<b>x</b>', 'x'.repeat(100)])('takes the name %j as it is', async (name) => {
    const key = aName('named');
    expect((await create({ key, name })).body).toMatchObject({ key, name });
  });

  it.each([undefined, null, 7, [], '', ' a', 'a ', 'a\nb', 'a\0b', 'a\u200db', '\u202eevil', '\ud800', 'Сaфе', 'x'.repeat(101)])('refuses the name %j', async (name) => {
    expect(problem(await create({ key: aName('named'), name }))).toEqual([400, PROBLEM_TYPE, 'input-invalid', ['name']]);
  });

  it('tells of every fault at once, and takes nothing but key and name: whatever else the body has is refused by its name, and nothing is created', async () => {
    expect(problem(await create({}))).toEqual([400, PROBLEM_TYPE, 'input-invalid', ['key', 'name']]);
    const key = aName('claims');
    const claims = { id: newId(), organization_id: stranger.id, organizationId: stranger.id, created_at: '2000-01-01T00:00:00Z', deleted_at: '2000-01-01T00:00:00Z' };
    expect(problem(await create({ ...claims, key, name: key }))).toEqual([400, PROBLEM_TYPE, 'input-invalid', Object.keys(claims)]);
    for (const each of [tenant, stranger]) expect(await sql(each, 'SELECT FROM projects WHERE key = $1', [key])).toEqual([]);
  });

  it.each([
    ['no body', {}, 400, 'input-invalid'],
    ['a list', { body: [] }, 400, 'input-invalid'],
    ['no JSON', { body: '{' }, 400, 'body-malformed'],
    ['another type', { body: 'x', headers: { 'content-type': 'text/plain' } }, 415, 'content-type-unsupported'],
    ['more than 64 KB', { body: { key: 'a', name: 'x'.repeat(65_537) } }, 413, 'body-too-large'],
    ['too deep a nesting', { body: `${'['.repeat(40)}${']'.repeat(40)}` }, 400, 'body-malformed'],
  ])('refuses %s', async (_, options, status, code) => {
    expect(problem(await call('POST', PROJECTS, { as, ...options })).slice(0, 3)).toEqual([status, PROBLEM_TYPE, code]);
  });

  it('refuses a key or a name that is in use, whatever its case or form; another organization may have it', async () => {
    const key = aName('taken');
    await create({ key, name: `Straße ${key}` });
    for (const body of [{ key, name: 'Other' }, { key: aName('other'), name: `STRASSE ${key}` }, { key: aName('other'), name: `ｓｔｒａｓｓｅ ${key}` }]) {
      const answer = await create(body);
      expect(problem(answer).slice(0, 3)).toEqual([409, PROBLEM_TYPE, 'conflict']);
      expect(answer.body.detail).toBe('A project of this key or name exists already.');
    }
    expect((await create({ key, name: `Straße ${key}` }, stranger.admin.session)).status).toBe(201);
  });

  it('gives a key to exactly one of many who ask at once, and a name too', async () => {
    const key = aName('race');
    const sameKey = await Promise.all(Array.from({ length: 8 }, (_, each) => create({ key, name: `${key} ${each}` })));
    expect(sameKey.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(7).fill(409)]);
    const sameName = await Promise.all(Array.from({ length: 8 }, (_, each) => create({ key: `${key}-${each}`, name: `Race ${key}` })));
    expect(sameName.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(7).fill(409)]);
  });

  it('has room for a thousand in an organization, exactly, and says so', async () => {
    const full = await aTenant();
    await sql(
      full,
      `INSERT INTO projects (organization_id, id, key, name, name_folded, created_at, updated_at)
       SELECT $1, gen_random_uuid(), 'p' || n, 'p' || n, 'p' || n, now(), now() FROM generate_series(1, 998) n`,
      [full.id],
    );
    const answers = await Promise.all(['one', 'two', 'three'].map((key) => create({ key, name: key }, full.admin.session)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 403, 403]);
    const refused = answers.find(({ status }) => status === 403)?.body;
    expect([refused.code, refused.detail]).toEqual(['limit-exceeded', 'An organization may have no more than 1000 projects.']);
  });
});

describe('GET /v1/projects', () => {
  it('lists them oldest first, page by page, each once', async () => {
    const own = await aTenant();
    const keys = ['default', 'zebra', 'apple', 'mango', 'kiwi'];
    for (const key of keys.slice(1)) await create({ key, name: key }, own.admin.session);
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await call('GET', `${PROJECTS}?limit=2${cursor}`, { as: own.admin.session });
      expect([page.status, Object.keys(page.body)]).toEqual([200, ['data', 'next_cursor']]);
      seen.push(...keysOf(page));
      cursor = page.body.next_cursor === null ? '' : `&cursor=${page.body.next_cursor}`;
    } while (cursor);
    expect(seen).toEqual(keys);
  });

  it.each(['limit=0', 'limit=101', 'limit=-1', 'limit=1.5', 'limit=x', 'limit=', 'limit=1&limit=2', 'cursor=x', 'cursor=', 'cursor=%00'])('refuses ?%s', async (query) => {
    for (const path of [PROJECTS, environmentsOf('default')]) expect([path, (await call('GET', `${path}?${query}`, { as })).status]).toEqual([path, 400]);
  });

  it('shows nothing of another organization, whatever cursor it is asked with', async () => {
    await aProject(stranger, aName('canary'));
    const { body } = await call('GET', `${PROJECTS}?limit=1`, { as: stranger.admin.session });
    const { text } = await call('GET', `${PROJECTS}?limit=100&cursor=${body.next_cursor}`, { as });
    expect(text).not.toContain('canary');
  });
});

describe('PATCH /v1/projects/{key}', () => {
  it('renames the project, keeps the rest, and records both names', async () => {
    const key = aName('old');
    const { body: before } = await create({ key, name: `Old ${key}` });
    const { clock } = await theApp();
    clock.advance(60);
    const { status, body } = await call('PATCH', `${PROJECTS}/${key}`, { as, body: { name: `New ${key}` } });
    expect([status, body]).toEqual([200, { ...before, name: `New ${key}`, updated_at: clock.now().toRfc3339() }]);
    expect((await call('GET', `${PROJECTS}/${key}`, { as })).body).toEqual(body);
    const [, renamed] = await happened(before.id);
    expect(renamed).toEqual({ action: 'project.updated', target_kind: 'project', actor_id: tenant.admin.id, details: { key }, before: { name: `Old ${key}` }, after: { name: `New ${key}` } });
  });

  it('changes and records nothing where nothing is new, and may change the case of a name', async () => {
    const key = aName('same');
    const { body } = await create({ key, name: key });
    for (const change of [{}, { name: key }]) expect((await call('PATCH', `${PROJECTS}/${key}`, { as, body: change })).body).toEqual(body);
    expect(await happened(body.id)).toHaveLength(1);
    expect((await call('PATCH', `${PROJECTS}/${key}`, { as, body: { name: key.toUpperCase() } })).body.name).toBe(key.toUpperCase());
  });

  it('refuses another key, a name in use, and what is no name', async () => {
    const key = aName('patched');
    await create({ key, name: key });
    const patch = (body: unknown) => call('PATCH', `${PROJECTS}/${key}`, { as, body });
    expect(problem(await patch({ key: 'other', name: 'Other' }))).toEqual([400, PROBLEM_TYPE, 'input-invalid', ['key']]);
    expect(problem(await patch({ name: null }))).toEqual([400, PROBLEM_TYPE, 'input-invalid', ['name']]);
    expect(problem(await patch({ name: 'DEFAULT' })).slice(0, 3)).toEqual([409, PROBLEM_TYPE, 'conflict']);
    expect((await patch('[')).status).toBe(400);
    expect((await patch(undefined)).status).toBe(400);
  });
});

describe('environments of a project', () => {
  it('are created, shown, renamed and deleted under it, each change recorded once', async () => {
    const project = aName('shop');
    await create({ key: project, name: project });
    const { clock } = await theApp();
    clock.advance(1);
    const created = await createIn(project, { key: 'staging', name: 'Staging' });
    const at = clock.now().toRfc3339();
    expect([created.status, created.body]).toEqual([201, { id: created.body.id, key: 'staging', name: 'Staging', created_at: at, updated_at: at }]);
    const path = `${environmentsOf(project)}/staging`;
    expect((await call('GET', path, { as })).body).toEqual(created.body);
    expect(keysOf(await call('GET', environmentsOf(project), { as }))).toEqual(['default', 'development', 'production', 'staging']);
    clock.advance(1);
    const renamed = await call('PATCH', path, { as, body: { name: 'Stage' } });
    expect([renamed.status, renamed.body]).toEqual([200, { ...created.body, name: 'Stage', updated_at: clock.now().toRfc3339() }]);
    clock.advance(1);
    const deleted = await call('DELETE', path, { as });
    expect([deleted.status, deleted.text]).toEqual([204, '']);
    expect((await call('GET', path, { as })).status).toBe(404);
    expect((await call('DELETE', path, { as })).status).toBe(404);
    const common = { target_kind: 'environment', actor_id: tenant.admin.id, before: null, after: null };
    expect(await happened(created.body.id)).toEqual([
      { ...common, action: 'environment.created', details: { project, key: 'staging', name: 'Staging' } },
      { ...common, action: 'environment.updated', details: { project, key: 'staging' }, before: { name: 'Staging' }, after: { name: 'Stage' } },
      { ...common, action: 'environment.deleted', details: { project, key: 'staging', name: 'Stage', tokensRevoked: 0 } },
    ]);
  });

  it('have keys and names of their own in each project, once, also where many ask at once', async () => {
    const [one, other] = [await aProject(tenant), await aProject(tenant)];
    expect((await createIn(one, { key: 'qa', name: 'Quality' })).status).toBe(201);
    expect((await createIn(other, { key: 'qa', name: 'Quality' })).status).toBe(201);
    for (const body of [{ key: 'qa', name: 'Other' }, { key: 'qb', name: 'QUALITY' }, { key: 'production', name: 'x' }]) {
      const answer = await createIn(one, body);
      expect([answer.status, answer.body.detail]).toEqual([409, 'An environment of this key or name exists already.']);
    }
    expect((await call('PATCH', `${environmentsOf(one)}/qa`, { as, body: { name: 'Production' } })).status).toBe(409);
    const answers = await Promise.all(Array.from({ length: 6 }, (_, each) => createIn(one, { key: 'race', name: `race ${each}` })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409]);
  });

  it.each([undefined, null, 5, '', '*', '[]', 'A', 'a:b', '..', 'all', 'x'.repeat(101), '\ud800'])('refuse the key %j', async (key) => {
    expect(problem(await createIn('default', { key, name: 'x' }))).toEqual([400, PROBLEM_TYPE, 'input-invalid', ['key']]);
  });

  it('have room for a hundred in a project, exactly, and say so', async () => {
    const project = await aProject(tenant);
    await sql(
      tenant,
      `INSERT INTO environments (organization_id, id, project_id, key, name, name_folded, created_at, updated_at)
       SELECT $1, gen_random_uuid(), p.id, 'e' || n, 'e' || n, 'e' || n, now(), now() FROM projects p, generate_series(1, 96) n WHERE p.key = $2`,
      [tenant.id, project],
    );
    const answers = await Promise.all(['one', 'two', 'three'].map((key) => createIn(project, { key, name: key })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 403, 403]);
    expect(answers.find(({ status }) => status === 403)?.body.detail).toBe('A project may have no more than 100 environments.');
  });

  it('of a project that is absent, foreign or deleted are one answer', async () => {
    const [foreign, deleted] = [await aProject(stranger), await aProject(tenant)];
    await call('DELETE', `${PROJECTS}/${deleted}`, { as });
    for (const project of [foreign, deleted, aName('absent')]) {
      const answers = [
        await call('GET', environmentsOf(project), { as }),
        await createIn(project, { key: 'qa', name: 'qa' }),
        await call('GET', `${environmentsOf(project)}/production`, { as }),
        await call('PATCH', `${environmentsOf(project)}/production`, { as, body: { name: 'x' } }),
        await call('DELETE', `${environmentsOf(project)}/production`, { as }),
      ];
      expect(answers.map(({ status, body }) => [status, body.code, body.detail])).toEqual(Array(5).fill([404, 'not-found', 'No project with this id or name exists.']));
    }
    expect(await sql(stranger, `SELECT count(*) FROM environments WHERE key = 'qa'`)).toEqual([{ count: '0' }]);
  });
});

describe('every route of projects', () => {
  const routes = (project: string, environment: string): [method: string, path: string, body?: object][] => [
    ['GET', `${environmentsOf(project)}/${environment}`],
    ['PATCH', `${environmentsOf(project)}/${environment}`, { name: 'y' }],
    ['DELETE', `${environmentsOf(project)}/${environment}`],
    ['GET', environmentsOf(project)],
    ['POST', environmentsOf(project), { key: 'x', name: 'x' }],
    ['GET', `${PROJECTS}/${project}`],
    ['PATCH', `${PROJECTS}/${project}`, { name: aName('renamed') }],
    ['DELETE', `${PROJECTS}/${project}`],
  ];

  it.each(['%00', '%F0%9F%98%80', '%ED%A0%80', "'%20OR%201=1--", '..%2F..', '*', '%5B%5D', 'NULL', '0', newId(), 'x'.repeat(300), 'DEFAULT', 'default%20', 'default%00'])(
    'answers 404 or 400 where %s stands for a key, and changes nothing',
    async (odd) => {
      for (const [method, path, body] of [...routes(odd, 'production'), ...routes('default', odd).slice(0, 3)]) {
        const { status } = await call(method, path, { as, body });
        expect([method, path, [400, 404].includes(status)]).toEqual([method, path, true]);
      }
      expect(keysOf(await call('GET', environmentsOf('default'), { as }))).toEqual(['default', 'development', 'production']);
    },
  );

  it('is as if there were no project where it is another organization\'s, and changes nothing of it', async () => {
    const project = await aProject(stranger);
    const fingerprint = () => sql(stranger, `SELECT (SELECT md5(string_agg(p::text, '' ORDER BY p.id)) FROM projects p) AS p, (SELECT md5(string_agg(e::text, '' ORDER BY e.id)) FROM environments e) AS e, (SELECT count(*) FROM audit_events) AS a`);
    const before = await fingerprint();
    const absent = aName('project');
    const mask = ({ status, text }: Answer, key: string): string => `${status} ${text.replaceAll(key, 'KEY').replace(/req-\w+/, 'REQ')}`;
    for (const [place, [method, path, body]] of routes(project, 'production').entries()) {
      const [, absentPath] = routes(absent, 'production')[place] as [string, string];
      expect(mask(await call(method, path, { as, body }), project)).toBe(mask(await call(method, absentPath, { as, body }), absent));
    }
    expect(await fingerprint()).toEqual(before);
  });

  it('needs project:read to read and project:write to change, and names what is missing', async () => {
    const project = await aProject(tenant);
    const reader = (await aMember(tenant, await aRole(tenant, ['project:read']))).session;
    const writer = (await aMember(tenant, await aRole(tenant, ['project:write']))).session;
    for (const [method, path, body] of [...routes(project, 'production'), ['GET', PROJECTS], ['POST', PROJECTS, { key: aName('p'), name: aName('p') }]] as [string, string, object?][]) {
      const reading = method === 'GET';
      const permission = reading ? 'project:read' : 'project:write';
      const refused = await call(method, path, { as: reading ? writer : reader, body });
      expect([method, path, refused.status, refused.body.permissions]).toEqual([method, path, 403, [permission]]);
    }
    for (const [method, path, body] of routes(project, 'production')) {
      const { status } = await call(method, path, { as: method === 'GET' ? reader : writer, body });
      expect([method, path, Math.floor(status / 100)]).toEqual([method, path, 2]);
    }
    const member = (await aMember(tenant)).session;
    expect((await call('GET', PROJECTS, { as: member })).status).toBe(200);
    expect((await create({ key: aName('p'), name: aName('p') }, member)).status).toBe(403);
  });

  it('keeps a credential that is limited to projects within these, and lets it create none', async () => {
    const [mine, other] = [await aProject(tenant), await aProject(tenant)];
    const limited = await aTokenOf(tenant, { projects: [mine] });
    expect(keysOf(await call('GET', PROJECTS, { as: limited }))).toEqual([mine]);
    for (const [method, path, body] of routes(other, 'production')) expect([path, (await call(method, path, { as: limited, body })).status]).toEqual([path, 404]);
    expect(problem(await create({ key: aName('p'), name: aName('p') }, limited)).slice(0, 3)).toEqual([403, PROBLEM_TYPE, 'caller-refused']);
    expect((await createIn(mine, { key: 'qa', name: 'qa' }, limited)).status).toBe(201);
    expect((await call('PATCH', `${PROJECTS}/${mine}`, { as: limited, body: { name: `Mine ${mine}` } })).body.name).toBe(`Mine ${mine}`);
    expect((await call('DELETE', `${environmentsOf(mine)}/qa`, { as: limited })).status).toBe(204);
    expect((await call('DELETE', `${PROJECTS}/${mine}`, { as: limited })).status).toBe(204);
    expect(await introspect(as, limited)).toEqual({ active: false });
    expect((await call('GET', `${PROJECTS}/${other}`, { as })).status).toBe(200);
  });

  it('shows a credential that is limited to nothing no project', async () => {
    const nothing = await aTokenOf(tenant, { projects: [] });
    expect((await call('GET', PROJECTS, { as: nothing })).body).toEqual({ data: [], next_cursor: null });
    expect((await call('GET', `${PROJECTS}/default`, { as: nothing })).status).toBe(404);
  });
});

it('a project that cannot be recorded is not created, renamed or deleted', async () => {
  const key = aName('recorded');
  await create({ key, name: key });
  const { app } = await theApp();
  const full = vi.spyOn(app.get(AuditLog), 'append').mockRejectedValue(new Error('the audit log is full'));
  for (const [method, path, body] of [['POST', PROJECTS, { key: `${key}-2`, name: `${key}-2` }], ['PATCH', `${PROJECTS}/${key}`, { name: 'x' }], ['DELETE', `${PROJECTS}/${key}`]] as [string, string, object?][]) {
    expect([method, (await call(method, path, { as, body })).status]).toEqual([method, 500]);
  }
  full.mockRestore();
  expect(await sql(tenant, 'SELECT key, name, deleted_at FROM projects WHERE key LIKE $1', [`${key}%`])).toEqual([{ key, name: key, deleted_at: null }]);
});
