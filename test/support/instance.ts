import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApplication } from '../../src/application.js';
import { openEmbedded, type OpenDatabase } from '../../src/kernel/database/open-database.js';
import { aScratchDatabase, openOnServer, TEST_SERVER_URL } from './database.js';
import { PUBLIC_URL } from './app.js';

/** An empty database of its own, for tests that need more than one application or an installation that is new. */
export async function anEmptyDatabase(): Promise<OpenDatabase> {
  if (!TEST_SERVER_URL) return openEmbedded(null);
  const scratch = await aScratchDatabase(TEST_SERVER_URL);
  const database = await openOnServer(scratch.url);
  return { ...database, close: () => database.close().then(() => scratch.drop()) };
}

export function anApplication(database: OpenDatabase, secretKeys: readonly string[]): Promise<NestFastifyApplication> {
  return createApplication({ config: { logLevel: 'silent', publicUrl: PUBLIC_URL, trustedProxies: [] }, secretKeys, database });
}
