import { afterAll, beforeAll } from 'vitest';
import { replaceApp } from './app.js';
import { aTenant, type TestTenant } from './builders.js';
import { anEmptyDatabase } from './instance.js';

/**
 * For a test file about what belongs to the whole installation: `theApp()` runs on an empty database of its own while
 * the file runs. Returns the platform's organization, once tests run.
 */
export function ownInstallation(): { readonly platform: TestTenant } {
  const installation: { platform?: TestTenant } = {};
  let end: (() => Promise<void>) | null = null;
  beforeAll(async () => {
    const database = await anEmptyDatabase();
    const putBack = await replaceApp(database);
    end = async () => {
      await putBack();
      await database.close();
    };
    installation.platform = await aTenant({ slug: 'operator', platform: true });
  });
  afterAll(() => end?.());
  return installation as { platform: TestTenant };
}
