import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createApplication } from './application.js';
import { openEmbedded } from './kernel/database/open-database.js';
import { describeApi } from './openapi.js';
import { describePermissions } from './permissions-document.js';

/** Writes docs/permissions.md, from an instance in memory. */
async function writePermissions(): Promise<void> {
  const database = await openEmbedded(null);
  const config = { logLevel: 'error', publicUrl: 'http://gatehouse.localhost', trustedProxies: [] } as const;
  const app = await createApplication({ config, database, secretKeys: [randomBytes(48).toString('base64')] });
  try {
    await writeFile(new URL('../docs/permissions.md', import.meta.url), describePermissions(describeApi(app)));
  } finally {
    await app.close();
    await database.close();
  }
}

writePermissions().catch((error: unknown) => {
  process.stderr.write(`docs/permissions.md could not be written: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
