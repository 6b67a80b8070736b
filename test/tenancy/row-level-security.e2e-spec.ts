import { beforeAll, describe, expect, it } from 'vitest';
import { DataSource } from 'typeorm';
import { isolationFaults } from '../../src/kernel/database/isolation-check.js';
import { newId } from '../../src/kernel/ids.js';
import { theApp } from '../support/app.js';
import { aTenant, sql, type TestTenant } from '../support/builders.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';

let a: TestTenant;
let b: TestTenant;
let dataSource: DataSource;
let tables: string[];
beforeAll(async () => {
  [a, b] = [await aTenant(), await aTenant()];
  for (const door of DOORS_UNDER_TEST) await mint(door, b);
  dataSource = (await theApp()).app.get(DataSource);
  const rows = await dataSource.query<{ name: string }[]>(
    `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'organization_id'
      WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1`,
  );
  tables = rows.map(({ name }) => name);
});

/** The service may add to these and no more. */
const APPEND_ONLY = ['audit_events', 'audit_links', 'audit_checkpoints'];

const refused = (work: Promise<unknown>): Promise<string> => work.then(() => 'done', (error: { message: string; driverError?: { code?: string } }) => error.driverError?.code ?? error.message);

describe('row-level security', () => {
  it('binds the service: it is neither superuser nor owner, and every tenant table enforces it', async () => {
    expect(await isolationFaults(dataSource)).toEqual([]);
    expect(tables).toEqual(expect.arrayContaining(['api_tokens', 'audit_events', 'memberships', 'projects', 'sessions', 'token_secrets']));
  });

  it('shows no row of any tenant outside a tenant\'s transaction', async () => {
    for (const table of [...tables, 'organizations']) expect([table, await dataSource.query(`SELECT * FROM ${table}`)]).toEqual([table, []]);
  });

  it('shows a tenant its own rows only, and lets it neither change nor delete another\'s', async () => {
    for (const table of tables) {
      const foreign = await sql(a, `SELECT * FROM ${table} WHERE organization_id <> $1`, [a.id]);
      expect([table, foreign]).toEqual([table, []]);
      if (APPEND_ONLY.includes(table)) continue;
      const [, deleted] = (await sql(a, `DELETE FROM ${table} WHERE organization_id = $1`, [b.id])) as unknown as [unknown, number];
      expect([table, deleted]).toEqual([table, 0]);
    }
    const count = await sql(b, 'SELECT count(*) FROM api_tokens');
    expect(count).toEqual([{ count: String(DOORS_UNDER_TEST.length) }]);
  });

  it('lets nobody write a row for another organization, nor refer to one', async () => {
    const project = 'INSERT INTO projects (organization_id, id, key, name, name_folded, created_at, updated_at) VALUES ($1, $2, $3, $3, $3, now(), now())';
    expect(await refused(sql(a, project, [b.id, newId(), 'planted']))).toBe('42501');
    const [foreign] = await sql(b, 'SELECT id FROM projects');
    const environment = 'INSERT INTO environments (organization_id, id, project_id, key, name, name_folded, created_at, updated_at) VALUES ($1, $2, $3, $4, $4, $4, now(), now())';
    expect(await refused(sql(a, environment, [a.id, newId(), foreign?.['id'], 'planted']))).toBe('23503');
  });

  it('lets nobody write a token for an organization that is not there, whoever\'s the token is', async () => {
    const nowhere = { ...a, id: newId() };
    const token = `INSERT INTO api_tokens (organization_id, id, kind, identity_id, all_projects, hint, created_at, created_by, updated_at) VALUES ($1, $2, $3, $4, true, 'x', now(), $2, now())`;
    for (const [kind, identity] of [['organization', null], ['auth-method', null], ['machine-identity', newId()]]) {
      expect([kind, await refused(sql(nowhere, token, [nowhere.id, newId(), kind, identity]))]).toEqual([kind, '23503']);
    }
  });

  it('cannot be got round by the service: no truncating, no switching off, no rewriting of the audit log', async () => {
    for (const statement of ['TRUNCATE api_tokens CASCADE', 'ALTER TABLE api_tokens DISABLE ROW LEVEL SECURITY', 'DROP TABLE audit_events',
      `UPDATE audit_events SET action = 'x'`, 'UPDATE audit_links SET sequence = 1', `UPDATE audit_checkpoints SET key_id = 'x'`,
      ...APPEND_ONLY.flatMap((table) => [`DELETE FROM ${table}`, `TRUNCATE ${table} CASCADE`])]) {
      expect([statement, await refused(sql(a, statement))]).toEqual([statement, '42501']);
    }
  });

  it('finds a secret\'s row by its hash alone, and leaves no organization behind on the connection', async () => {
    const rows = await sql<{ secret_hash: Buffer }>(b, 'SELECT secret_hash FROM token_secrets LIMIT 1');
    const literal = `{"\\\\x${rows[0]?.secret_hash.toString('hex')}"}`;
    await dataSource.transaction(async (manager) => {
      expect(await manager.query('SELECT organization_id FROM token_facts_of($1)', [literal])).toEqual([{ organization_id: b.id }]);
      expect(await manager.query('SELECT * FROM token_facts($1)', [literal])).toEqual(await manager.query('SELECT * FROM token_facts_of($1)', [literal]));
      expect(await manager.query('SELECT current_organization_id() AS id, presented_hashes() AS hashes')).toEqual([{ id: null, hashes: null }]);
      expect(await manager.query('SELECT * FROM token_secrets')).toEqual([]);
    });
    await sql(a, 'SELECT 1 FROM token_facts_of($1)', [literal]);
    expect(await sql(a, 'SELECT organization_id FROM token_facts_of($1), LATERAL (SELECT current_organization_id() AS own) x WHERE own = $2', [literal, a.id])).toEqual([{ organization_id: b.id }]);
  });
});
