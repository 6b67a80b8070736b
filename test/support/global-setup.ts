import { aScratchDatabase, TEST_SERVER_URL } from './database.js';
import { startPgBouncer } from './pgbouncer.js';

/** One database for the whole run on a real server: tests keep apart by organization, as tenants do. */
export async function setup(): Promise<(() => Promise<void>) | void> {
  if (!TEST_SERVER_URL) return;
  const database = await aScratchDatabase(TEST_SERVER_URL);
  process.env['GATEHOUSE_TEST_DATABASE'] = database.url;
  if (!process.env['TEST_PGBOUNCER']) return () => database.drop();
  const pooler = await startPgBouncer(TEST_SERVER_URL);
  process.env['GATEHOUSE_TEST_POOLER'] = pooler.urlOf(database.url);
  return async () => {
    await pooler.stop();
    await database.drop();
  };
}
