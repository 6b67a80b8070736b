import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { Client } from 'pg';
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

/** Another session of the same server, which sees every organization. */
async function besides<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: process.env['GATEHOUSE_TEST_DATABASE'] });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Returns once so many sessions of this database wait for a lock. */
async function untilWaiting(client: Client, count: number): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ waiting: string }>(`SELECT count(*) AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`);
    if (Number(rows[0]?.waiting) >= count) return;
    await nextTurn();
  }
}

/**
 * Lets `first` get as far as a lock that this test holds, then `second` as far as it comes, then both to their ends.
 * `hold` is the statement that takes the lock.
 */
function interleave(hold: string, parameters: unknown[], first: () => Promise<Answer>, second: () => Promise<Answer>): Promise<[Answer, Answer]> {
  return besides(async (holder) => {
    await holder.query('BEGIN');
    await holder.query(hold, parameters);
    const watcher = new Client({ connectionString: process.env['GATEHOUSE_TEST_DATABASE'] });
    await watcher.connect();
    const answers: Promise<Answer>[] = [first()];
    await untilWaiting(watcher, 1);
    answers.push(second());
    await untilWaiting(watcher, 2);
    await holder.query('ROLLBACK');
    await watcher.end();
    return Promise.all(answers) as Promise<[Answer, Answer]>;
  });
}

/** A lock that a mint meets when it has linked its projects and is about to record itself, and a deletion when it has ended its tokens. */
const RECORDING = 'LOCK TABLE audit_events IN SHARE MODE';

describe('a token and the deletion of its project, on a server', () => {
  it.each([['project', (project: string) => project], ['environment', (project: string) => `${project}/environments/development`]])(
    'minted first: the deletion of the %s waits for it, and ends it',
    async (_, path) => {
      const project = await aProject(tenant);
      const [minted, deleted] = await interleave(RECORDING, [], () => mint([project]), () => remove(path(project)));
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
      const [deleted, minted] = await interleave(RECORDING, [], () => remove(path(project)), () => mint([project]));
      expect([deleted.status, Math.floor(minted.status / 100)]).toEqual([204, 4]);
      expect(await sql(tenant, 'SELECT count(*) FROM api_tokens t JOIN projects p ON p.id = t.project_id WHERE p.key = $1 AND t.revoked_at IS NULL', [project])).toEqual([{ count: '0' }]);
    },
  );

  it('that has no environment, minted first, is ended too; deleted first, is not minted', async () => {
    const flipt = (project: string) => call('POST', '/auth/v1/method/token', { as, body: { namespaceKey: project } });
    const [one, two] = [await aProject(tenant), await aProject(tenant)];
    const [minted, deleted] = await interleave(RECORDING, [], () => flipt(one), () => remove(one));
    expect([minted.status, deleted.status]).toEqual([200, 204]);
    expect(await introspect(as, minted.body.clientToken)).toEqual({ active: false });
    const [deletedFirst, refused] = await interleave(RECORDING, [], () => remove(two), () => flipt(two));
    expect([deletedFirst.status, Math.floor(refused.status / 100)]).toEqual([204, 4]);
  });

  it('of all projects ends with the last environment of its key, minted while that is deleted', async () => {
    const project = await aProject(tenant);
    await call('POST', `/v1/projects/${project}/environments`, { as, body: { key: 'qa', name: 'qa' } });
    const [minted, deleted] = await interleave(RECORDING, [], () => mint(['*'], 'qa'), () => remove(project));
    expect([minted.status, deleted.status]).toEqual([201, 204]);
    expect(await introspect(as, minted.body.secret)).toEqual({ active: false });
  });

  it('of two projects that are deleted at once ends with them, and nobody waits for ever', async () => {
    const [one, two] = [await aProject(tenant), await aProject(tenant)];
    const { body } = await mint([one, two]);
    const [first, second] = await interleave(RECORDING, [], () => remove(one), () => remove(two));
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
    const [created, deleted] = await interleave(RECORDING, [], () => create(one), () => remove(one));
    expect([created.status, deleted.status, await live(one)]).toEqual([201, 204, [{ count: '0' }]]);
    const [deletedFirst, refused] = await interleave(RECORDING, [], () => remove(two), () => create(two));
    expect([deletedFirst.status, refused.status, await live(two)]).toEqual([204, 404, [{ count: '0' }]]);
  });
});

/** What the engine keeps of a secret to recognise it. */
function hintOf(secret: string): string {
  return `${secret.slice(0, secret.length - 49)}…${secret.slice(-4)}`;
}
