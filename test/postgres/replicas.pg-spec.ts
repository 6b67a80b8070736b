import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openServer } from '../../src/kernel/database/open-database.js';
import { FirstStart } from '../../src/organizations/first-start.js';
import { aScratchDatabase, asOwner, TEST_SERVER_URL, type ScratchDatabase } from '../support/database.js';
import { anApplication } from '../support/instance.js';

const KEY = 'a-key-0123456789-abcdefghijklmnopqrstuvwxyz';
const ADMIN = { email: 'admin@localhost', password: 'correct horse battery staple' };

let scratch: ScratchDatabase;
beforeAll(async () => {
  scratch = await aScratchDatabase(TEST_SERVER_URL ?? '');
});
afterAll(() => scratch.drop());

describe('several replicas on an empty database', () => {
  it('start at once: one migrates, one founds the platform, all serve and accept each other\'s tokens', async () => {
    const databases = await Promise.all([1, 2, 3].map(() => openServer(scratch.url)));
    expect(databases.map(({ migrationsApplied }) => migrationsApplied.length > 0).filter(Boolean)).toHaveLength(1);
    const apps = await Promise.all(databases.map((database) => anApplication(database, [KEY])));
    await Promise.all(apps.map((app) => app.get(FirstStart).run(ADMIN)));
    const sessions = await Promise.all(
      apps.map(async (app) => (await app.inject({ method: 'POST', url: '/auth/login', payload: ADMIN })).json<{ access_token: string }>().access_token),
    );
    for (const app of apps) {
      for (const session of sessions) {
        const { statusCode } = await app.inject({ method: 'GET', url: '/auth/me', headers: { authorization: `Bearer ${session}` } });
        expect(statusCode).toBe(200);
      }
    }
    for (const app of apps) await app.close();
    const organizations = await asOwner(scratch.url, (client) => client.query('SELECT slug FROM organizations'));
    expect(organizations.rows).toEqual([{ slug: 'default' }]);
  });

  it('refuse a migration that was changed after it had been applied', async () => {
    await asOwner(scratch.url, (client) => client.query(`UPDATE schema_migrations SET checksum = 'other ' || checksum`));
    await expect(openServer(scratch.url)).rejects.toThrow('was changed after it had been applied');
    await asOwner(scratch.url, (client) => client.query(`UPDATE schema_migrations SET checksum = substr(checksum, 7)`));
  });

  it('refuse a database that has a migration they do not know', async () => {
    await asOwner(scratch.url, (client) => client.query(`INSERT INTO schema_migrations VALUES ('99990101000000-from-the-future.sql', 'x', now())`));
    await expect(openServer(scratch.url)).rejects.toThrow('older than the database');
  });
});

it('refuses to serve from a database where a tenant table does not enforce row-level security', async () => {
  const own = await aScratchDatabase(TEST_SERVER_URL ?? '');
  try {
    const database = await openServer(own.url);
    await asOwner(own.url, (client) => client.query('ALTER TABLE projects NO FORCE ROW LEVEL SECURITY; CREATE TABLE loose (id int)'));
    await expect(anApplication(database, [KEY])).rejects.toThrow(/table loose has no organization_id[\s\S]*row-level security of table projects/);
  } finally {
    await own.drop();
  }
});
