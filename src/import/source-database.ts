import { readFile, stat } from 'node:fs/promises';
import { Client } from 'pg';

/** Another product's database, to be read only. */
export interface SourceDatabase {
  readonly dialect: 'postgres' | 'sqlite';
  readonly all: (sql: string) => Promise<readonly Record<string, unknown>[]>;
  readonly close: () => Promise<void>;
}

const POSTGRES = /^postgres(ql)?:\/\//;
const SQLITE = /^(?:sqlite3?|file):(?:\/\/)?([^?]*)/;
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;

/** By the URL of a PostgreSQL server, or as the path of an SQLite file, also written `file:` or `sqlite:`. */
export async function openSource(from: string): Promise<SourceDatabase> {
  if (POSTGRES.test(from)) return openPostgres(from);
  const path = SQLITE.exec(from)?.[1] ?? from;
  const scheme = SCHEME.exec(path)?.[1];
  // The scheme alone: the rest may hold a password.
  if (scheme !== undefined) throw new Error(`--from: databases of the kind ${scheme} cannot be read`);
  return openSqlite(path);
}

async function openPostgres(url: string): Promise<SourceDatabase> {
  const client = new Client({ connectionString: url, application_name: 'gatehouse-import' });
  await client.connect();
  // Both tables of a product as they are at one moment.
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  return {
    dialect: 'postgres',
    all: async (sql) => (await client.query<Record<string, unknown>>(sql)).rows,
    close: () => client.end(),
  };
}

async function openSqlite(path: string): Promise<SourceDatabase> {
  // Not the path: it may be a URL with a password that lacks its scheme.
  const bytes = await readFile(path).catch(({ code }: NodeJS.ErrnoException) => Promise.reject(new Error(`--from: the file cannot be read (${code})`)));
  for (const pending of [`${path}-wal`, `${path}-journal`]) {
    // Only the file itself is read, and what is written beside it would be missed.
    if (await isThere(pending)) throw new Error(`${path} is in use, and ${pending} holds changes to it: stop what writes it, or read a copy made with sqlite3 ${path} ".backup copy.db"`);
  }
  // Loaded where it is needed: the service itself has no use for it.
  const { default: initialize } = await import('sql.js');
  const { Database } = await initialize();
  const database = new Database(bytes);
  return {
    dialect: 'sqlite',
    all: (sql) => {
      const statement = database.prepare(sql);
      const rows: Record<string, unknown>[] = [];
      while (statement.step()) rows.push(statement.getAsObject());
      statement.free();
      return Promise.resolve(rows);
    },
    close: () => Promise.resolve(database.close()),
  };
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(({ size }) => size > 0, () => false);
}
