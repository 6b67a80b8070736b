import { randomBytes } from 'node:crypto';
import type { DataSourceOptions } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApplication } from '../../src/application.js';
import { openServer, type OpenDatabase } from '../../src/kernel/database/open-database.js';
import { PUBLIC_URL } from '../support/app.js';
import { aScratchDatabase, asOwner, TEST_SERVER_URL, type ScratchDatabase } from '../support/database.js';
import { SettableClock } from '../support/settable-clock.js';

let scratch: ScratchDatabase;
let database: OpenDatabase;
beforeAll(async () => {
  scratch = await aScratchDatabase(TEST_SERVER_URL ?? '');
  database = await openServer(scratch.url);
});
afterAll(() => scratch.drop());

const owner = (sql: string): Promise<unknown> => asOwner(scratch.url, (client) => client.query(sql));

/** What the application says to the database, which it leaves again; null where it takes it. */
async function refusal({ role, skewSeconds = 0 }: { role?: string; skewSeconds?: number } = {}): Promise<string | null> {
  const { extra } = database.dataSourceOptions as { extra: { options: string } };
  const options = role === undefined ? extra.options : extra.options.replace('role=gatehouse_app', `role=${role}`);
  const clock = new SettableClock();
  if (skewSeconds !== 0) clock.advance(skewSeconds);
  const opened = { ...database, dataSourceOptions: { ...database.dataSourceOptions, extra: { ...extra, options } } as DataSourceOptions };
  const config = { logLevel: 'silent', publicUrl: PUBLIC_URL, trustedProxies: [] } as const;
  try {
    const app = await createApplication({ config, database: opened, secretKeys: ['a-key-0123456789-abcdefghijklmnopqrstuvwxyz'], clock, background: false });
    await app.close();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Within `work` there is a role that may do what the service's may, and has this besides. */
async function withRole<T>(attribute: string, work: (role: string) => Promise<T>): Promise<T> {
  const role = `gatehouse_test_${randomBytes(6).toString('hex')}`;
  await owner(`CREATE ROLE ${role} ${attribute}; GRANT gatehouse_app TO ${role}`);
  try {
    return await work(role);
  } finally {
    await owner(`REASSIGN OWNED BY ${role} TO CURRENT_USER; DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
}

describe('the service does not start', () => {
  it('as a superuser, as a role that row-level security does not bind, or as the owner of a table', async () => {
    expect(await refusal()).toBeNull();
    expect(await withRole('SUPERUSER', (role) => refusal({ role }))).toContain('whom row-level security does not bind');
    expect(await withRole('BYPASSRLS', (role) => refusal({ role }))).toContain('whom row-level security does not bind');
    expect(await withRole('NOLOGIN', async (role) => {
      await owner(`ALTER TABLE projects OWNER TO ${role}`);
      return refusal({ role });
    })).toContain('the service owns table projects');
    expect(await refusal()).toBeNull();
  });

  it.each(['DISABLE ROW LEVEL SECURITY', 'NO FORCE ROW LEVEL SECURITY'])('where a table of tenants has had %s', async (change) => {
    await owner(`ALTER TABLE invitations ${change}`);
    expect(await refusal()).toContain('row-level security of table invitations is not enabled and forced');
    await owner('ALTER TABLE invitations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY');
    expect(await refusal()).toBeNull();
  });

  it('where a table has come to the database that belongs to no organization', async () => {
    await owner('CREATE TABLE leftovers (id uuid)');
    expect(await refusal()).toContain('table leftovers has no organization_id');
    await owner('DROP TABLE leftovers');
  });

  it('where a commit is confirmed before it is kept', async () => {
    const name = new URL(scratch.url).pathname.slice(1);
    await owner(`ALTER DATABASE ${name} SET synchronous_commit = off`);
    expect(await refusal()).toContain('synchronous_commit is off');
    await owner(`ALTER DATABASE ${name} RESET synchronous_commit`);
    expect(await refusal()).toBeNull();
  });

  it('where the time differs by more than two seconds', async () => {
    expect(await refusal({ skewSeconds: 4 })).toMatch(/its clock is \d seconds behind this machine's/);
    expect(await refusal({ skewSeconds: -60 })).toMatch(/its clock is \d\d seconds ahead of this machine's/);
  });
});
