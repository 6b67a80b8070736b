import { aScratchDatabase, TEST_SERVER_URL } from './database.js';

/** One database for the whole run on a real server: tests keep apart by organization, as tenants do. */
export async function setup(): Promise<(() => Promise<void>) | void> {
  if (!TEST_SERVER_URL) return;
  const database = await aScratchDatabase(TEST_SERVER_URL);
  process.env['GATEHOUSE_TEST_DATABASE'] = database.url;
  return () => database.drop();
}
