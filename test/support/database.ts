import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { openServer, type OpenDatabase } from '../../src/kernel/database/open-database.js';

/** Set for the run against a real server; without it tests use the embedded database. */
export const TEST_SERVER_URL = process.env['TEST_DATABASE_URL'] ?? null;

/** Opens a database of the test server; through the pooler in the run that has one. */
export function openOnServer(url: string): Promise<OpenDatabase> {
  return openServer(url, throughPooler(url));
}

/** The same database through the pooler; null in a run without one. */
export function throughPooler(url: string): string | null {
  const pooler = process.env['GATEHOUSE_TEST_POOLER'];
  return pooler === undefined ? null : new URL(new URL(url).pathname, pooler).href;
}

export interface ScratchDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/** A database of its own name on the test server. */
export async function aScratchDatabase(server: string): Promise<ScratchDatabase> {
  const name = `gatehouse_test_${randomBytes(6).toString('hex')}`;
  await asOwner(server, (client) => client.query(`CREATE DATABASE ${name}`));
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: () => asOwner(server, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)).then(() => undefined),
  };
}

export async function asOwner<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
