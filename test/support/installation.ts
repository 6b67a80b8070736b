import { afterAll, beforeAll } from 'vitest';
import type { MailSettings } from '../../src/kernel/mail/mailer.js';
import { replaceApp } from './app.js';
import { aTenant, type TestTenant } from './builders.js';
import { anEmptyDatabase } from './instance.js';

/**
 * For a test file about what belongs to the whole installation: `theApp()` runs on an empty database of its own while
 * the file runs, with mail where it is given. Returns the platform's organization, once tests run.
 */
export function ownInstallation(mail: () => Promise<MailSettings | null> = () => Promise.resolve(null)): { readonly platform: TestTenant } {
  const installation: { platform?: TestTenant } = {};
  let end: (() => Promise<void>) | null = null;
  beforeAll(async () => {
    const database = await anEmptyDatabase();
    const putBack = await replaceApp(database, await mail());
    end = async () => {
      await putBack();
      await database.close();
    };
    installation.platform = await aTenant({ slug: 'operator', platform: true });
  });
  afterAll(() => end?.());
  return installation as { platform: TestTenant };
}
