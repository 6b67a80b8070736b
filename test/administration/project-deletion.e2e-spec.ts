import { beforeAll, describe, expect, it, vi } from 'vitest';
import { AuditLog } from '../../src/audit/audit-log.js';
import { theApp } from '../support/app.js';
import { aName, aProject, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { ADMIN_TOKENS, aTokenOf, BACKEND, featuresStatus, inPath, projectTokens } from '../support/unleash.js';

let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});

const removeProject = (key: string, who = as) => call('DELETE', `/v1/projects/${key}`, { as: who });
const removeEnvironment = (project: string, key: string, who = as) => call('DELETE', `/v1/projects/${project}/environments/${key}`, { as: who });
const createProject = (key: string) => call('POST', '/v1/projects', { as, body: { key, name: key } });
const createEnvironment = (project: string, key: string) => call('POST', `/v1/projects/${project}/environments`, { as, body: { key, name: key } });
const isActive = async (secret: string): Promise<boolean> => (await introspect(as, secret))['active'];

/** A token at the Unleash door: of these projects, or of all. */
async function unleash(projects: readonly string[], environment = 'development', expiresAt?: string): Promise<string> {
  const { status, body, text } = await call('POST', ADMIN_TOKENS, { as, body: { ...BACKEND, projects, environment, expiresAt } });
  if (status !== 201) throw new Error(text);
  return body.secret;
}

/** A token at the Flipt door, limited to the project. */
async function flipt(project: string): Promise<string> {
  return (await call('POST', '/auth/v1/method/token', { as, body: { name: aName('client'), namespaceKey: project } })).body.clientToken;
}

/** A token at the deepset door, of a person or not, limited to the projects. */
async function deepset(projects: readonly string[], personal: boolean): Promise<string> {
  return (await call('POST', '/api/v1/token', { as, body: { name: aName('key'), personal, workspaces: projects } })).body.api_token;
}

/** How the inventory shows a token to an administrator. */
async function inventory(secret: string): Promise<Record<string, any>> {
  const hint = secret.slice(-4);
  const rows = await sql(tenant, `SELECT id FROM api_tokens WHERE hint LIKE '%' || $1`, [hint]);
  const { body } = await call('GET', `/v1/tokens/${rows.at(-1)?.['id']}`, { as });
  return body;
}

const eventsOf = (id: string) => sql(tenant, 'SELECT action, actor_id, details FROM audit_events WHERE target_id = $1 ORDER BY occurred_at, action', [id]);

describe('deleting a project', () => {
  it('ends every token that has no other, of whatever kind and be it expired; they stay listed, with who, when and why', async () => {
    const project = await aProject(tenant);
    const { body: created } = await call('GET', `/v1/projects/${project}`, { as });
    const secrets = {
      project: await unleash([project]),
      expired: await unleash([project], 'production', '2020-01-01T00:00:00Z'),
      method: await flipt(project),
      service: await deepset([project], false),
      personal: await deepset([project], true),
      person: await aTokenOf(tenant, { projects: [project] }),
      organization: await aTokenOf(tenant, { projects: [project], kind: 'organization' }),
    };
    for (const [kind, secret] of Object.entries(secrets)) expect([kind, await isActive(secret)]).toEqual([kind, kind !== 'expired']);
    const { clock } = await theApp();
    clock.advance(60);
    const at = clock.now().toRfc3339();

    const deleted = await removeProject(project);
    expect([deleted.status, deleted.text]).toEqual([204, '']);

    for (const [kind, secret] of Object.entries(secrets)) {
      expect([kind, await introspect(as, secret)]).toEqual([kind, { active: false }]);
      expect([kind, (await call('GET', '/auth/me', { as: secret })).status]).toEqual([kind, 401]);
      const token = await inventory(secret);
      expect([kind, token]).toMatchObject([kind, { state: 'revoked', revoked_at: at, revoked_by: tenant.admin.id, revocation_reason: 'project-deleted', projects: [project] }]);
      expect((await eventsOf(token['id'])).slice(1)).toEqual([{ action: 'token.revoked', actor_id: tenant.admin.id, details: { reason: 'project-deleted' } }]);
    }
    expect(await featuresStatus(secrets.project)).toBe(401);
    const tokensRevoked = Object.keys(secrets).length;
    const environments = ['default', 'development', 'production'];
    expect(await eventsOf(created.id)).toEqual([{ action: 'project.deleted', actor_id: tenant.admin.id, details: { key: project, name: project, environments, tokensRevoked } }]);
    const { body: listed } = await call('GET', `/v1/tokens?project=${project}&state=revoked`, { as });
    expect(listed.data).toHaveLength(tokensRevoked);
  });

  it('leaves a token of several projects the others, and ends it with the last of them', async () => {
    const [one, two, three] = [await aProject(tenant), await aProject(tenant), await aProject(tenant)];
    const sdk = await unleash([one, two]);
    const key = await deepset([one, two], false);
    const beside = [await unleash([three]), await unleash(['*']), await flipt(three), await aTokenOf(tenant, {})];

    await removeProject(one);
    for (const secret of [sdk, key]) {
      expect(await introspect(as, secret)).toMatchObject({ active: true, projects: [two] });
      expect((await inventory(secret))['projects']).toEqual([two]);
    }
    expect((await call('GET', '/api/client/features', { headers: { authorization: sdk } })).body.query).toMatchObject({ project: [two], environment: 'development' });
    expect((await call('GET', `/v1/tokens?project=${one}`, { as })).body.data).toEqual([]);

    await removeProject(two);
    for (const secret of [sdk, key]) expect([await isActive(secret), await inventory(secret)]).toMatchObject([false, { state: 'revoked', revocation_reason: 'project-deleted', projects: [two] }]);
    for (const secret of beside) expect(await isActive(secret)).toBe(true);
  });

  it('changes nothing of a token that was revoked before', async () => {
    const project = await aProject(tenant);
    const secret = await unleash([project]);
    const { id } = await inventory(secret);
    await call('DELETE', `/v1/tokens/${id}`, { as });
    const before = await inventory(secret);
    const { clock } = await theApp();
    clock.advance(60);
    await removeProject(project);
    expect(await inventory(secret)).toEqual(before);
    expect((await eventsOf(before['id'])).filter(({ action }) => action === 'token.revoked')).toHaveLength(1);
  });

  it('makes it absent everywhere: at its own routes, at the doors, and as an aim of new tokens', async () => {
    const project = await aProject(tenant);
    const [{ id } = {}] = await sql(tenant, 'SELECT id FROM projects WHERE key = $1', [project]);
    await removeProject(project);
    const absent = aName('project');
    const mask = (text: string): string => text.replaceAll(project, 'KEY').replaceAll(absent, 'KEY').replace(/req-\w+/g, 'REQ').replace(/"id":"[0-9a-f-]{36}"/g, '');
    const asked = (key: string): [string, string, object?][] => [
      ['GET', `/v1/projects/${key}`],
      ['DELETE', `/v1/projects/${key}`],
      ['GET', projectTokens(key)],
      ['POST', projectTokens(key), BACKEND],
      ['POST', ADMIN_TOKENS, { ...BACKEND, projects: [key] }],
      ['POST', '/api/v1/token', { workspaces: [key] }],
    ];
    for (const [place, [method, path, body]] of asked(project).entries()) {
      const [, otherPath, otherBody] = asked(absent)[place];
      const [gone, never] = [await call(method, path, { as, body }), await call(method, otherPath, { as, body: otherBody })];
      expect([method, path, Math.floor(gone.status / 100)]).toEqual([method, path, 4]);
      expect(`${gone.status} ${mask(gone.text)}`).toBe(`${never.status} ${mask(never.text)}`);
    }
    expect(Math.floor((await call('POST', '/api/v1/token', { as, body: { workspaces: [id] } })).status / 100)).toBe(4);
    expect((await call('GET', '/v1/projects?limit=100', { as })).text).not.toContain(project);
  });

  it('is whole or not at all', async () => {
    const project = await aProject(tenant);
    const secret = await unleash([project]);
    const { app } = await theApp();
    const audit = app.get(AuditLog);
    for (const method of ['append', 'appendEach'] as const) {
      const full = vi.spyOn(audit, method).mockRejectedValue(new Error('the audit log is full'));
      expect((await removeProject(project)).status).toBe(500);
      expect((await removeEnvironment(project, 'development')).status).toBe(500);
      full.mockRestore();
      expect([await isActive(secret), (await inventory(secret))['state']]).toEqual([true, 'active']);
      expect((await call('GET', `/v1/projects/${project}/environments`, { as })).body.data).toHaveLength(3);
    }
  });

  it('ends thousands of tokens in one go, each recorded', async () => {
    const project = await aProject(tenant);
    const [{ id } = {}] = await sql(tenant, 'SELECT id FROM projects WHERE key = $1', [project]);
    await sql(
      tenant,
      `WITH made AS (
         INSERT INTO api_tokens (organization_id, id, kind, project_id, all_projects, hint, created_at, created_by, updated_at)
         SELECT $1, gen_random_uuid(), 'project', $2, false, 'x', now(), $3, now() FROM generate_series(1, 5000) RETURNING id)
       INSERT INTO token_projects (organization_id, token_id, project_id) SELECT $1, id, $2 FROM made`,
      [tenant.id, id, tenant.admin.id],
    );
    expect((await removeProject(project)).status).toBe(204);
    expect(await sql(tenant, `SELECT count(*) AS revoked FROM api_tokens WHERE project_id = $1 AND revocation_reason = 'project-deleted'`, [id])).toEqual([{ revoked: '5000' }]);
    const recorded = `SELECT count(*) AS events, count(DISTINCT target_id) AS tokens FROM audit_events
      WHERE action = 'token.revoked' AND target_id IN (SELECT id FROM api_tokens WHERE project_id = $1)`;
    expect(await sql(tenant, recorded, [id])).toEqual([{ events: '5000', tokens: '5000' }]);
  });
});

describe('a project that gets the key of one that was deleted', () => {
  it('inherits no token, no grant and no limit', async () => {
    const [project, other] = [aName('again'), await aProject(tenant)];
    const first = (await createProject(project)).body;
    const [sdk, several, method] = [await unleash([project]), await unleash([project, other]), await flipt(project)];
    const person = await aTokenOf(tenant, { projects: [project, other] });
    await removeProject(project);

    const second = await createProject(project);
    expect([second.status, second.body.id === first.id]).toEqual([201, false]);
    for (const secret of [sdk, method]) expect(await introspect(as, secret)).toEqual({ active: false });
    for (const secret of [several, person]) expect(await introspect(as, secret)).toMatchObject({ active: true, projects: [other] });
    expect((await call('GET', `/v1/projects/${project}`, { as: person })).status).toBe(404);
    expect((await call('POST', projectTokens(project), { as: person, body: BACKEND })).status).toBe(404);
    expect((await call('GET', projectTokens(project), { as })).body.tokens).toEqual([]);

    const newcomer = await aTokenOf(tenant, { projects: [project] });
    expect((await call('GET', '/v1/tokens', { as: newcomer })).body.data.map(({ id }: { id: string }) => id)).toEqual([(await inventory(newcomer))['id']]);
    expect((await call('GET', `/v1/tokens/${(await inventory(sdk))['id']}`, { as: newcomer })).status).toBe(404);
    expect(await isActive(await unleash([project]))).toBe(true);
  });

  it('is not entered by its tokens even if their revocation were undone', async () => {
    const project = aName('undone');
    await createProject(project);
    const [sdk, whole, method, person] = [await unleash([project]), await unleash([project]), await flipt(project), await aTokenOf(tenant, { projects: [project] })];
    await sql(tenant, 'UPDATE api_tokens SET environment = NULL WHERE id = $1', [(await inventory(whole))['id']]);
    expect(await isActive(whole)).toBe(true);
    await removeProject(project);
    await createProject(project);
    await sql(tenant, `UPDATE api_tokens SET revoked_at = NULL, revoked_by = NULL, revocation_reason = NULL WHERE revocation_reason = 'project-deleted'`);
    for (const secret of [sdk, whole]) expect(await introspect(as, secret)).toEqual({ active: false });
    for (const secret of [method, person]) expect(await introspect(as, secret)).toMatchObject({ active: true, projects: [] });
    expect((await call('GET', '/v1/projects', { as: person })).body.data).toEqual([]);
  });

  it('keeps a deleted token dead when somebody prolongs it', async () => {
    const project = aName('prolonged');
    await createProject(project);
    const secrets = [await unleash([project]), await unleash([project], 'production', '2020-01-01T00:00:00Z')];
    await removeProject(project);
    await createProject(project);
    for (const secret of secrets) {
      expect((await call('PUT', inPath(ADMIN_TOKENS, secret), { as, body: { expiresAt: '2031-01-01T00:00:00Z' } })).status).toBe(200);
      expect(await introspect(as, secret)).toEqual({ active: false });
    }
  });
});

describe('deleting an environment', () => {
  it('ends the tokens that are left without one, and no other', async () => {
    const [project, other] = [await aProject(tenant), await aProject(tenant)];
    const [{ id } = {}] = await sql(tenant, `SELECT e.id FROM environments e JOIN projects p ON p.id = e.project_id WHERE p.key = $1 AND e.key = 'development'`, [project]);
    const ended = [await unleash([project]), await unleash([project], 'development', '2020-01-01T00:00:00Z')];
    const several = await unleash([project, other]);
    const untouched = [await unleash([project], 'production'), await unleash([other]), await unleash(['*']), await flipt(project), await aTokenOf(tenant, { projects: [project] })];

    expect((await removeEnvironment(project, 'development')).status).toBe(204);
    for (const secret of ended) {
      expect(await introspect(as, secret)).toEqual({ active: false });
      const token = await inventory(secret);
      expect(token).toMatchObject({ state: 'revoked', revoked_by: tenant.admin.id, revocation_reason: 'environment-deleted', projects: [project], environment: 'development' });
      expect((await eventsOf(token['id'])).slice(1)).toEqual([{ action: 'token.revoked', actor_id: tenant.admin.id, details: { reason: 'environment-deleted' } }]);
    }
    expect(await introspect(as, several)).toMatchObject({ active: true, projects: [other], environment: 'development' });
    for (const secret of untouched) expect(await isActive(secret)).toBe(true);
    expect(await eventsOf(id)).toEqual([{ action: 'environment.deleted', actor_id: tenant.admin.id, details: { project, key: 'development', name: 'Development', tokensRevoked: 2 } }]);
    expect((await call('POST', projectTokens(project), { as, body: BACKEND })).status).toBe(400);
  });

  it('leaves nothing to one that gets its key', async () => {
    const [project, other] = [await aProject(tenant), await aProject(tenant)];
    const [sdk, several] = [await unleash([project]), await unleash([project, other])];
    await removeEnvironment(project, 'development');
    expect((await createEnvironment(project, 'development')).status).toBe(201);
    expect(await introspect(as, sdk)).toEqual({ active: false });
    expect(await introspect(as, several)).toMatchObject({ active: true, projects: [other] });
    expect((await call('GET', projectTokens(project), { as })).body.tokens).toEqual([]);
    await sql(tenant, `UPDATE api_tokens SET revoked_at = NULL, revocation_reason = NULL WHERE revocation_reason = 'environment-deleted'`);
    expect(await introspect(as, sdk)).toEqual({ active: false });
  });

  it('ends a token of all projects where it was the last of its key, and not before', async () => {
    const [one, two] = [await aProject(tenant), await aProject(tenant)];
    for (const project of [one, two]) await createEnvironment(project, 'qa');
    const secrets = [await unleash(['*'], 'qa'), await unleash(['*'], 'qa', '2020-01-01T00:00:00Z')];
    const beside = await unleash(['*'], 'production');
    await removeEnvironment(one, 'qa');
    expect(await isActive(secrets[0] ?? '')).toBe(true);
    await removeProject(two);
    await createEnvironment(one, 'qa');
    for (const secret of secrets) {
      expect(await introspect(as, secret)).toEqual({ active: false });
      expect(await inventory(secret)).toMatchObject({ state: 'revoked', revocation_reason: 'environment-deleted', projects: ['*'], environment: 'qa' });
    }
    expect(await isActive(beside)).toBe(true);
  });
});

describe('an organization without projects', () => {
  it('goes on: its tokens without a project work, lists are empty, what needs a project says so, and it can begin again', async () => {
    const lone = await aTenant();
    const who = lone.admin.session;
    const token = await aTokenOf(lone, {});
    expect((await removeProject('default', who)).status).toBe(204);
    expect((await call('GET', '/v1/projects', { as: who })).body).toEqual({ data: [], next_cursor: null });
    expect((await call('GET', '/auth/me', { as: token })).status).toBe(200);
    expect((await call('GET', ADMIN_TOKENS, { as: who })).body).toEqual({ tokens: [] });
    expect((await call('GET', '/v1/tokens', { as: who })).body.data).toHaveLength(1);
    for (const projects of [['*'], ['default']]) expect((await call('POST', ADMIN_TOKENS, { as: who, body: { ...BACKEND, projects } })).status).toBe(400);
    expect((await call('POST', projectTokens(), { as: who, body: BACKEND })).status).toBe(404);
    expect((await call('POST', '/user/api-tokens', { as: who, body: { description: 'still here' } })).status).toBe(201);
    expect((await call('POST', '/api/v1/token', { as: who, body: {} })).status).toBe(200);
    expect((await call('POST', '/auth/v1/method/token', { as: who, body: {} })).status).toBe(200);
    expect((await call('POST', '/auth/login', { body: { email: lone.admin.email, password: lone.admin.password } })).status).toBe(200);
    expect((await call('POST', '/v1/projects', { as: who, body: { key: 'default', name: 'Default' } })).status).toBe(201);
    expect((await call('POST', projectTokens(), { as: who, body: BACKEND })).status).toBe(201);
  });
});

describe('at the same time', () => {
  it('no token that is minted while its project or environment is deleted survives', async () => {
    for (let round = 0; round < 4; round += 1) {
      const [project, other] = [await aProject(tenant), await aProject(tenant)];
      const wholeProject = round % 2 === 0;
      const mints = Array.from({ length: 6 }, async (_, place) => {
        const projects = place % 3 === 0 ? [project, other] : [project];
        const { status, body } = await call('POST', ADMIN_TOKENS, { as, body: { ...BACKEND, projects } });
        return { status, secret: body.secret as string | undefined, several: projects.length > 1 };
      });
      const limited = Array.from({ length: 3 }, () => flipt(project));
      const [{ status }, ...minted] = await Promise.all([wholeProject ? removeProject(project) : removeEnvironment(project, 'development'), ...mints]);
      expect(status).toBe(204);
      for (const { status: mintStatus, secret, several } of minted) {
        if (mintStatus !== 201 || secret === undefined) expect(Math.floor(mintStatus / 100)).toBe(4);
        else if (several) expect((await introspect(as, secret))['projects']).toEqual([other]);
        else expect(await introspect(as, secret)).toEqual({ active: false });
      }
      for (const secret of await Promise.all(limited)) {
        // Where there is no such project any more the Flipt door mints a token that is limited to nothing.
        const { active, projects } = secret ? await introspect(as, secret) : { active: false, projects: undefined };
        if (wholeProject && active) expect(projects).toEqual([]);
      }
    }
  });

  it('of several who delete the same, one does', async () => {
    const project = await aProject(tenant);
    await unleash([project]);
    const environments = await Promise.all(Array.from({ length: 4 }, () => removeEnvironment(project, 'production')));
    expect(environments.map(({ status }) => status).sort()).toEqual([204, 404, 404, 404]);
    const projects = await Promise.all(Array.from({ length: 4 }, () => removeProject(project)));
    expect(projects.map(({ status }) => status).sort()).toEqual([204, 404, 404, 404]);
    expect(await sql(tenant, `SELECT count(*) FROM audit_events WHERE action = 'project.deleted' AND details ->> 'key' = $1`, [project])).toEqual([{ count: '1' }]);
  });

  it('no environment is left in a project that is deleted, and no token of two projects that both go', async () => {
    const [one, two] = [await aProject(tenant), await aProject(tenant)];
    const secret = await unleash([one, two]);
    const answers = await Promise.all([createEnvironment(one, 'qa'), removeProject(one), createEnvironment(one, 'qb'), removeProject(two), createEnvironment(two, 'qc')]);
    expect(answers.map(({ status }) => status).filter((status) => status === 204)).toHaveLength(2);
    const left = `SELECT count(*) FROM environments e JOIN projects p ON p.id = e.project_id WHERE p.key IN ($1, $2) AND e.deleted_at IS NULL`;
    expect(await sql(tenant, left, [one, two])).toEqual([{ count: '0' }]);
    expect(await inventory(secret)).toMatchObject({ state: 'revoked', revocation_reason: 'project-deleted' });
  });
});
