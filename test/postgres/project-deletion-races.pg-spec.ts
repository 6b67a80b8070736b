import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { Client } from 'pg';
import { LastUse } from '../../src/tokens/last-use.js';
import { theApp } from '../support/app.js';
import { aProject, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { ADMIN_TOKENS, BACKEND } from '../support/unleash.js';

let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
  await theApp();
});

const mint = (projects: readonly string[], environment = 'development') => call('POST', ADMIN_TOKENS, { as, body: { ...BACKEND, projects, environment } });
const remove = (path: string) => call('DELETE', `/v1/projects/${path}`, { as });

/** Returns once so many sessions wait for this one, or for one that does. */
async function untilWaiting(watcher: Client, holder: number, count: number): Promise<void> {
  for (;;) {
    const { rows } = await watcher.query<{ waiting: string }>(
      `WITH RECURSIVE waiting AS (
         SELECT pid FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))
         UNION SELECT a.pid FROM pg_stat_activity a JOIN waiting w ON w.pid = ANY (pg_blocking_pids(a.pid)))
       SELECT count(*) AS waiting FROM waiting`,
      [holder],
    );
    if (Number(rows[0]?.waiting) >= count) return;
    await nextTurn();
  }
}

/**
 * Lets `first` get as far as where it writes of its organization what others can see, with all the locks it takes
 * before that, then `second` as far as it comes, then both to their ends.
 */
async function interleave(first: () => Promise<Answer>, second: () => Promise<Answer>): Promise<[Answer, Answer]> {
  const connect = async (): Promise<Client> => {
    const client = new Client({ connectionString: process.env['GATEHOUSE_TEST_DATABASE'] });
    await client.connect();
    return client;
  };
  const [holder, watcher] = [await connect(), await connect()];
  try {
    await holder.query('BEGIN');
    // Whoever seals the record would be one more that waits, and passes by where somebody else has the turn.
    await holder.query('SELECT pg_advisory_xact_lock(471121, hashtext($1))', [tenant.id]);
    // A token, an environment and an audit event refer to their organization, and wait for it.
    await holder.query('SELECT FROM organizations WHERE id = $1 FOR UPDATE', [tenant.id]);
    const { rows } = await holder.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const pid = rows[0]?.pid ?? 0;
    const one = first();
    await untilWaiting(watcher, pid, 1);
    const other = second();
    await untilWaiting(watcher, pid, 2);
    await holder.query('ROLLBACK');
    return [await one, await other];
  } finally {
    await holder.end();
    await watcher.end();
  }
}

describe('a token and the deletion of its project, on a server', () => {
  it.each([['project', (project: string) => project], ['environment', (project: string) => `${project}/environments/development`]])(
    'minted first: the deletion of the %s waits for it, and ends it',
    async (_, path) => {
      const project = await aProject(tenant);
      const [minted, deleted] = await interleave(() => mint([project]), () => remove(path(project)));
      expect([minted.status, deleted.status]).toEqual([201, 204]);
      expect(await introspect(as, minted.body.secret)).toEqual({ active: false });
      expect(await sql(tenant, 'SELECT revocation_reason FROM api_tokens WHERE hint = $1', [hintOf(minted.body.secret)])).toEqual([{ revocation_reason: path(project) === project ? 'project-deleted' : 'environment-deleted' }]);
    },
  );

  it.each([['project', (project: string) => project], ['environment', (project: string) => `${project}/environments/development`]])(
    'deleted first: minting waits for the deletion of the %s, and finds nothing',
    async (_, path) => {
      const project = await aProject(tenant);
      await mint([project]);
      const [deleted, minted] = await interleave(() => remove(path(project)), () => mint([project]));
      expect([deleted.status, Math.floor(minted.status / 100)]).toEqual([204, 4]);
      expect(await sql(tenant, 'SELECT count(*) FROM api_tokens t JOIN projects p ON p.id = t.project_id WHERE p.key = $1 AND t.revoked_at IS NULL', [project])).toEqual([{ count: '0' }]);
    },
  );

  it('that has no environment, minted first, is ended too; deleted first, is not minted', async () => {
    const flipt = (project: string) => call('POST', '/auth/v1/method/token', { as, body: { namespaceKey: project } });
    const [one, two] = [await aProject(tenant), await aProject(tenant)];
    const [minted, deleted] = await interleave(() => flipt(one), () => remove(one));
    expect([minted.status, deleted.status]).toEqual([200, 204]);
    expect(await introspect(as, minted.body.clientToken)).toEqual({ active: false });
    const [deletedFirst, refused] = await interleave(() => remove(two), () => flipt(two));
    expect([deletedFirst.status, Math.floor(refused.status / 100)]).toEqual([204, 4]);
  });

  it('of all projects ends with the last environment of its key, minted while that is deleted', async () => {
    const project = await aProject(tenant);
    await call('POST', `/v1/projects/${project}/environments`, { as, body: { key: 'qa', name: 'qa' } });
    const [minted, deleted] = await interleave(() => mint(['*'], 'qa'), () => remove(project));
    expect([minted.status, deleted.status]).toEqual([201, 204]);
    expect(await introspect(as, minted.body.secret)).toEqual({ active: false });
  });

  it('of two projects that are deleted at once ends with them, and nobody waits for ever', async () => {
    const [one, two] = [await aProject(tenant), await aProject(tenant)];
    const { body } = await mint([one, two]);
    const [first, second] = await interleave(() => remove(one), () => remove(two));
    expect([first.status, second.status]).toEqual([204, 204]);
    expect(await introspect(as, body.secret)).toEqual({ active: false });
    expect(await sql(tenant, 'SELECT revocation_reason FROM api_tokens WHERE hint = $1', [hintOf(body.secret)])).toEqual([{ revocation_reason: 'project-deleted' }]);
  });
});

describe('an environment and the deletion of its project, on a server', () => {
  const create = (project: string) => call('POST', `/v1/projects/${project}/environments`, { as, body: { key: 'qa', name: 'qa' } });
  const live = (project: string) => sql(tenant, 'SELECT count(*) FROM environments e JOIN projects p ON p.id = e.project_id WHERE p.key = $1 AND e.deleted_at IS NULL', [project]);

  it('created first goes with the project; deleted first lets none be created', async () => {
    const [one, two] = [await aProject(tenant), await aProject(tenant)];
    const [created, deleted] = await interleave(() => create(one), () => remove(one));
    expect([created.status, deleted.status, await live(one)]).toEqual([201, 204, [{ count: '0' }]]);
    const [deletedFirst, refused] = await interleave(() => remove(two), () => create(two));
    expect([deletedFirst.status, refused.status, await live(two)]).toEqual([204, 404, [{ count: '0' }]]);
  });
});

it('the last uses of tokens are written while all of them are ended, and neither waits for the other for ever', async () => {
  const { app, clock, log } = await theApp();
  const lastUse = app.get(LastUse);
  const warnings = log.length;
  for (let round = 0; round < 5; round += 1) {
    const project = await aProject(tenant);
    const ids = (await sql(
      tenant,
      `INSERT INTO api_tokens (organization_id, id, kind, project_id, all_projects, hint, created_at, created_by, updated_at)
       SELECT $1, gen_random_uuid(), 'project', p.id, false, 'x', now(), $2, now() FROM projects p, generate_series(1, 2000) WHERE p.key = $3 RETURNING id`,
      [tenant.id, tenant.admin.id, project],
    )).map(({ id }) => id as string);
    for (const id of [...ids].sort().reverse()) lastUse.record(tenant.id, id, { at: clock.now(), ip: '192.0.2.1', userAgent: null, counted: false });
    const [{ status }] = await Promise.all([remove(project), lastUse.flush()]);
    expect(status).toBe(204);
    expect(await sql(tenant, 'SELECT count(*) FROM api_tokens WHERE id = ANY ($1) AND revoked_at IS NOT NULL AND use_count = 1', [ids])).toEqual([{ count: '2000' }]);
  }
  expect(log.slice(warnings).filter((line) => line.includes('could not be written'))).toEqual([]);
});

/** What the engine keeps of a secret to recognise it. */
function hintOf(secret: string): string {
  return `${secret.slice(0, secret.length - 49)}…${secret.slice(-4)}`;
}
