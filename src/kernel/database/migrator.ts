import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { ClientBase } from 'pg';

/** Any number; every Gatehouse agrees on it, so that replicas that start together migrate one after the other. */
const MIGRATION_LOCK = 4_711_202_611;

export const MIGRATIONS_FOLDER = new URL('../../../migrations/', import.meta.url);

/**
 * Applies what is missing of the SQL files, in the order of their names, in one transaction: all of it or nothing.
 * Safe when several replicas start at once. Throws when a file that was applied has changed or is gone.
 */
export async function migrate(client: ClientBase, folder: URL = MIGRATIONS_FOLDER): Promise<readonly string[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  const migrations = await Promise.all(
    files.map(async (name) => {
      const sql = await readFile(new URL(name, folder), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await client.query('CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL)');
    const applied = await client.query<{ name: string; checksum: string }>('SELECT name, checksum FROM schema_migrations');
    for (const { name, checksum } of applied.rows) {
      const file = migrations.find((migration) => migration.name === name);
      if (!file) throw new Error(`The database has migration ${name}, which this version does not know: it is older than the database.`);
      if (file.checksum !== checksum) throw new Error(`Migration ${name} was changed after it had been applied.`);
    }
    const missing = migrations.filter(({ name }) => !applied.rows.some((row) => row.name === name));
    for (const { name, sql, checksum } of missing) {
      await client.query(sql);
      await client.query('INSERT INTO schema_migrations VALUES ($1, $2, clock_timestamp())', [name, checksum]);
    }
    await client.query('COMMIT');
    return missing.map(({ name }) => name);
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}
