import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import realPg, { type ClientBase, type Pool, type PoolConfig, type QueryConfig } from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import ts from 'typescript';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lockDataDirectory } from '../../src/kernel/database/data-directory-lock.js';
import { EmbeddedPostgres } from '../../src/kernel/database/embedded-postgres.js';
import { aScratchDatabase, asOwner, TEST_SERVER_URL } from '../support/database.js';

interface Server {
  createPool(config?: PoolConfig): Pool;
  dataSourceOptions: DataSourceOptions;
  stop(): Promise<unknown>;
}

async function startEmbedded(): Promise<Server> {
  const database = await EmbeddedPostgres.open(null);
  return {
    createPool: (config) => new database.pg.Pool(config),
    dataSourceOptions: { type: 'postgres', driver: database.pg, installExtensions: false },
    stop: () => database.close(),
  };
}

async function startReal(server: string): Promise<Server> {
  const database = await aScratchDatabase(server);
  return {
    createPool: (config) => new realPg.Pool({ connectionString: database.url, ...config }),
    dataSourceOptions: { type: 'postgres', url: database.url, installExtensions: false },
    stop: () => database.drop().then(() => asOwner(server, (client) => client.query(`DROP ROLE ${role}`))),
  };
}

// Roles belong to a whole server.
const role = `contract_${randomBytes(6).toString('hex')}`;
const schema = `
  CREATE TABLE note (id bigint CONSTRAINT note_key PRIMARY KEY, body text, bytes bytea, at timestamptz);
  CREATE TABLE secret (tenant text);
  INSERT INTO secret VALUES ('A'), ('B');
  ALTER TABLE secret ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
  CREATE POLICY own ON secret USING (tenant = current_setting('app.tenant', true));
  CREATE ROLE ${role};
  GRANT SELECT, INSERT ON secret TO ${role};`;
const currentTenant = `SELECT nullif(current_setting('app.tenant', true), '') AS tenant`;

async function rowsOf(on: Pool | ClientBase, query: string | QueryConfig, values?: unknown[]): Promise<unknown[]> {
  return (await on.query<Record<string, unknown>>(query, values)).rows;
}

async function transaction<T>(pool: Pool, work: (client: ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

/** What both databases guarantee to `pg` and TypeORM. */
function keepsTheContract(start: () => Promise<Server>): void {
  let server: Server;
  let pool: Pool;

  /** Replaces the pool of the test: the embedded database has one session, so it serves one pool at a time. */
  async function reconnect(config?: PoolConfig): Promise<void> {
    if (!pool.ending) await pool.end();
    pool = server.createPool(config);
  }

  beforeAll(async () => {
    server = await start();
    pool = server.createPool();
    await pool.query(schema);
  });
  beforeEach(async () => {
    await reconnect();
    await pool.query('TRUNCATE note');
  });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  it('keeps exactly the committed row when one of two concurrent transactions rolls back', async () => {
    const kept = transaction(pool, (client) => client.query('INSERT INTO note (id) VALUES (1)'));
    const lost = transaction(pool, async (client) => {
      await client.query('INSERT INTO note (id) VALUES (2)');
      throw new Error('changed my mind');
    });
    await expect(lost).rejects.toThrow('changed my mind');
    await kept;
    expect(await rowsOf(pool, 'SELECT id FROM note')).toEqual([{ id: '1' }]);
  });

  it('keeps exactly the committed row when one of two concurrent transactions of a DataSource rolls back', async () => {
    await pool.end();
    const source = await new DataSource(server.dataSourceOptions).initialize();
    const kept = source.transaction((manager) => manager.query('INSERT INTO note (id) VALUES (1)'));
    const lost = source.transaction(async (manager) => {
      await manager.query('INSERT INTO note (id) VALUES (2)');
      throw new Error('changed my mind');
    });
    await expect(lost).rejects.toThrow('changed my mind');
    await kept;
    expect(await source.query('SELECT id FROM note')).toEqual([{ id: '1' }]);
    await source.destroy();
  });

  it('shows each of three concurrent transactions only its own local setting, and nobody after commit', async () => {
    const seen = ['A', 'B', 'C'].map((tenant) =>
      transaction(pool, async (client) => {
        await client.query(`SELECT set_config('app.tenant', $1, true)`, [tenant]);
        return rowsOf(client, currentTenant);
      }),
    );
    expect(await Promise.all(seen)).toEqual([[{ tenant: 'A' }], [{ tenant: 'B' }], [{ tenant: 'C' }]]);
    expect(await rowsOf(pool, currentTenant)).toEqual([{ tenant: null }]);
  });

  it('enforces row-level security on a session whose role comes from its startup options', async () => {
    await reconnect({ options: `-c role=${role} --statement-timeout=5s` });
    expect(await rowsOf(pool, `SELECT current_user AS role, current_setting('statement_timeout') AS timeout`)).toEqual([{ role, timeout: '5s' }]);
    expect(await rowsOf(pool, 'SELECT * FROM secret')).toEqual([]);
    await transaction(pool, async (client) => {
      await client.query(`SELECT set_config('app.tenant', 'A', true)`);
      expect(await rowsOf(client, 'SELECT * FROM secret')).toEqual([{ tenant: 'A' }]);
    });
    await expect(pool.query(`INSERT INTO secret VALUES ('B')`)).rejects.toMatchObject({ code: '42501' });
  });

  const usurpations = [`SET ROLE ${role}`, `SET SESSION AUTHORIZATION ${role}`, `SET SESSION AUTHORIZATION ${role}; SET ROLE ${role}`];
  it.each(usurpations)('hands no user, setting or named statement to the next session after %s', async (become) => {
    await reconnect({ options: '-c app.tenant=A' });
    await pool.query(become);
    expect(await rowsOf(pool, { name: 'ask', text: currentTenant })).toEqual([{ tenant: 'A' }]);
    await reconnect();
    expect(await rowsOf(pool, { name: 'ask', text: 'SELECT $1 IN (current_user, session_user) AS same', values: [role] })).toEqual([{ same: false }]);
    expect(await rowsOf(pool, currentTenant)).toEqual([{ tenant: null }]);
  });

  it.each([
    ['-c role=nobody_like_that', '22023'],
    ['-c no_such_setting=1', '42704'],
  ])('refuses to connect with %s', async (options, code) => {
    await reconnect({ options });
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code });
  });

  it('makes a connection attempt wait for a busy pool, and fail after the connection timeout', async () => {
    await reconnect({ max: 1, connectionTimeoutMillis: 500 });
    const holder = await pool.connect();
    await expect(pool.connect()).rejects.toThrow('timeout exceeded when trying to connect');
    const waiting = rowsOf(pool, 'SELECT 1 AS one');
    holder.release();
    expect(await waiting).toEqual([{ one: 1 }]);
  });

  it('counts rows, and says with an error what was violated where', async () => {
    expect((await pool.query('INSERT INTO note (id) VALUES (1), (2)')).rowCount).toBe(2);
    expect((await pool.query('DELETE FROM note WHERE id = $1', [3])).rowCount).toBe(0);
    const violation = { code: '23505', severity: 'ERROR', schema: 'public', table: 'note', constraint: 'note_key', detail: 'Key (id)=(2) already exists.' };
    await expect(pool.query('INSERT INTO note (id) VALUES ($1)', [2])).rejects.toMatchObject(violation);
  });

  it('gives each query its own rows when others on the connection fail', async () => {
    await reconnect({ max: 1 });
    const queries = ['SELECT 1 AS n', 'SELECT $1::int / 0', 'SELECT 3 AS n', 'SELEC', 'SELECT 5 AS n', 'COPY note FROM STDIN', 'SELECT 7 AS n'];
    const outcomes = await Promise.allSettled(queries.map((text) => pool.query(text, text.includes('$1') ? [1] : undefined)));
    const answers = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.rows[0].n : outcome.reason.code));
    expect(answers).toEqual([1, '22012', 3, '42601', 5, '57014', 7]);
  });

  it('leaves the connection usable when a transaction that met an error is rolled back', async () => {
    await reconnect({ max: 1 });
    const broken = transaction(pool, async (client) => {
      await client.query('INSERT INTO note (id) VALUES (1)');
      await client.query('SELECT 1 / $1::int', [0]).catch(() => {});
      await client.query('SELECT 1');
    });
    await expect(broken).rejects.toMatchObject({ code: '25P02' });
    expect(await rowsOf(pool, 'SELECT id FROM note')).toEqual([]);
  });

  it('runs a named statement again with other values', async () => {
    await reconnect({ max: 1 });
    const doubled = [1, 2].map((value) => rowsOf(pool, { name: 'double', text: 'SELECT $1::int * 2 AS n', values: [value] }));
    expect(await Promise.all(doubled)).toEqual([[{ n: 2 }], [{ n: 4 }]]);
  });

  it('returns large integers, bytes and microseconds as they were, and a megabyte both ways', async () => {
    await reconnect({ options: '-c TimeZone=UTC' });
    const bytes = randomBytes(1024 * 1024);
    const body = bytes.toString('base64');
    await pool.query('INSERT INTO note VALUES ($1, $2, $3, $4)', ['9223372036854775807', body, bytes, '2026-01-02T03:04:05.123456Z']);
    const [row] = (await pool.query('SELECT id, body, bytes, at::text FROM note')).rows;
    expect(row).toMatchObject({ id: '9223372036854775807', at: '2026-01-02 03:04:05.123456+00' });
    expect([row.body === body, Buffer.isBuffer(row.bytes) && bytes.equals(row.bytes)]).toEqual([true, true]);
  });

  it.each(['idle', 'busy', 'stuck in a failed cursor'])('keeps nothing of a client that is destroyed in a transaction while %s', async (state) => {
    await reconnect({ max: 1 });
    const client = await pool.connect();
    await client.query(`BEGIN; INSERT INTO note (id) VALUES (1); CREATE TEMP TABLE draft (); SET app.tenant = 'A'`);
    if (state.startsWith('stuck')) await expect(client.query({ text: 'SELECT 1 / 0', rows: 1 } as QueryConfig)).rejects.toMatchObject({ code: '22012' });
    // pg takes leave of the server for an idle client and cuts the connection of a busy one.
    const underWay = state === 'busy' ? client.query('INSERT INTO note (id) VALUES (2)') : null;
    client.release(true);
    if (underWay) await expect(underWay).rejects.toThrow('Connection terminated');
    expect(await rowsOf(pool, 'SELECT id FROM note')).toEqual([]);
    expect(await rowsOf(pool, currentTenant)).toEqual([{ tenant: null }]);
    expect(await rowsOf(pool, `SELECT to_regclass('pg_temp.draft') AS draft`)).toEqual([{ draft: null }]);
  });

  it('delivers the notifications of committed transactions only', async () => {
    await transaction(pool, async (client) => {
      await client.query('LISTEN news');
      await client.query('COMMIT');
      const heard = once(client, 'notification');
      await client.query(`BEGIN; NOTIFY news, 'false'; ROLLBACK`);
      await client.query('BEGIN');
      await client.query(`SELECT pg_notify('news', $1)`, ['true']);
      await client.query('COMMIT');
      expect(await heard).toMatchObject([{ channel: 'news', payload: 'true' }]);
    });
  });
}

describe('the embedded database', () => keepsTheContract(startEmbedded));
if (TEST_SERVER_URL) describe('a PostgreSQL server', () => keepsTheContract(() => startReal(TEST_SERVER_URL ?? '')));

/** What other processes run, for which vitest compiles nothing. */
const programs = {
  'write.js': `
    import { EmbeddedPostgres } from './embedded-postgres.js';
    const pool = new (await EmbeddedPostgres.open(process.argv[2])).pg.Pool();
    await pool.query('CREATE TABLE written (id int)');
    for (let id = 1; ; id++) {
      await pool.query('INSERT INTO written VALUES ($1)', [id]);
      console.log(id);
    }`,
  'lock.js': `
    import { lockDataDirectory } from './data-directory-lock.js';
    console.log('ready');
    process.stdin.once('data', () => lockDataDirectory(process.argv[2]).then(() => console.log('mine'), (error) => console.log(error.message)));`,
};

async function compilePrograms(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-programs-'));
  await symlink(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
  const files: Record<string, string> = { ...programs, 'package.json': '{ "type": "module" }' };
  for (const name of ['embedded-postgres', 'data-directory-lock']) {
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };
    files[`${name}.js`] = ts.transpileModule(await readFile(`src/kernel/database/${name}.ts`, 'utf8'), { compilerOptions }).outputText;
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return folder;
}

describe('a data directory', () => {
  let folder: string;
  let directory: string;
  const children: ChildProcess[] = [];

  function run(program: keyof typeof programs) {
    const child = spawn(process.execPath, [join(folder, program), directory], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    return { child, ended: once(child, 'exit'), lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  }

  async function inDatabase<T>(work: (pool: Pool, database: EmbeddedPostgres) => Promise<T>, config?: PoolConfig): Promise<T> {
    const database = await EmbeddedPostgres.open(directory);
    const pool = new database.pg.Pool(config);
    return work(pool, database).finally(() => pool.end().then(() => database.close()));
  }

  beforeAll(async () => {
    folder = await compilePrograms();
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gatehouse-data-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(directory, { recursive: true });
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('keeps what was committed, and only that, when the database is closed under its clients', async () => {
    await inDatabase(async (pool, database) => {
      await pool.query('CREATE TABLE kept AS SELECT 1 AS id');
      const client = await pool.connect();
      const told: unknown[] = [];
      client.on('error', (error) => told.push(error));
      await client.query('BEGIN; INSERT INTO kept VALUES (2)');
      await database.close();
      expect(told).toMatchObject([{ code: '57P01' }, { message: 'Connection terminated unexpectedly' }]);
      await expect(new database.pg.Client().connect()).rejects.toMatchObject({ code: '57P01' });
      client.release(true);
    });
    expect(await inDatabase((pool) => rowsOf(pool, 'SELECT id FROM kept'))).toEqual([{ id: 1 }]);
  });

  it('is refused to others while its process lives, and has every acknowledged row after its kill -9 under write load', async () => {
    const { child, ended, lines } = run('write.js');
    const acknowledged: unknown[] = [];
    for await (const line of lines) {
      acknowledged.push({ id: Number(line) });
      if (acknowledged.length === 50) await expect(EmbeddedPostgres.open(directory)).rejects.toThrow(`in use by process ${child.pid}: stop that process, or`);
      if (acknowledged.length === 500) child.kill('SIGKILL');
    }
    await ended;
    expect(await inDatabase((pool) => rowsOf(pool, 'SELECT id FROM written'))).toEqual(expect.arrayContaining(acknowledged));
  });

  it('starts over after a first start that was killed half-way', async () => {
    await mkdir(join(directory, 'cluster'));
    await writeFile(join(directory, 'cluster', 'PG_VERSION'), '18');
    await writeFile(join(directory, 'cluster.unfinished'), '');
    expect(await inDatabase((pool) => rowsOf(pool, 'SELECT 1 AS one'))).toEqual([{ one: 1 }]);
  });

  it('serves on after hundreds of failed statements, and never arms a timeout that would hang the process', async () => {
    const codesAndTimeouts = inDatabase(
      async (pool) => {
        // pg would wait for ever for a server's answer to this one.
        await expect(pool.query({ name: 'copy', text: 'COPY pg_class FROM STDIN' })).rejects.toMatchObject({ code: '57014' });
        // Of all errors this one leaves most on PGlite's C stack.
        const outcomes = await Promise.allSettled(Array.from({ length: 700 }, () => pool.query(`SELECT '['::jsonpath`)));
        const codes = new Set(outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.code));
        return [...codes, ...(await rowsOf(pool, `SELECT setting FROM pg_settings WHERE name IN ('transaction_timeout', 'idle_in_transaction_session_timeout')`))];
      },
      { options: '-c transaction_timeout=1', idle_in_transaction_session_timeout: 1 },
    );
    expect(await codesAndTimeouts).toEqual(['42601', { setting: '0' }, { setting: '0' }]);
  });

  it('is locked once even within a process, until it is released', async () => {
    const lock = await lockDataDirectory(directory);
    await expect(lockDataDirectory(directory)).rejects.toThrow(`in use by this process (${process.pid})`);
    await lock.release();
    await (await lockDataDirectory(directory)).release();
  });

  it('goes from a killed process to exactly one of several that race for it', async () => {
    const [owner, ...racers] = Array.from({ length: 6 }, () => run('lock.js'));
    for (const { lines } of [owner, ...racers]) await lines.next();
    owner.child.stdin.write('go');
    expect(await owner.lines.next()).toMatchObject({ value: 'mine' });
    owner.child.kill('SIGKILL');
    await owner.ended;
    for (const { child } of racers) child.stdin.write('go');
    const answers = await Promise.all(racers.map(async ({ lines }) => String((await lines.next()).value)));
    expect(answers.filter((answer) => answer === 'mine')).toHaveLength(1);
    expect(answers.filter((answer) => answer.includes('in use by process'))).toHaveLength(4);
  });

  it('is not held by a process that merely has the id of the one that held it', async () => {
    await writeFile(join(directory, 'lock.1'), `${process.pid} an-earlier-boot/1\n`);
    await (await lockDataDirectory(directory)).release();
  });
});
