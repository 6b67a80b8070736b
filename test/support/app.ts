import { Writable } from 'node:stream';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApplication } from '../../src/application.js';
import { openEmbedded, type OpenDatabase } from '../../src/kernel/database/open-database.js';
import type { MailSettings } from '../../src/kernel/mail/mailer.js';
import { Passwords } from '../../src/users/passwords.js';
import { openOnServer } from './database.js';
import { SettableClock } from './settable-clock.js';

export const PUBLIC_URL = 'http://gatehouse.test';
export const SECRET_KEY = 'test-key-0123456789-abcdefghijklmnopqrstuvwxyz';

export interface TestApp {
  readonly app: NestFastifyApplication;
  readonly clock: SettableClock;
  /** Everything the application has logged, at the finest level. */
  readonly log: readonly string[];
}

let shared: Promise<TestApp> | null = null;

/** The one application of this worker: tests share it and keep apart by organization. */
export function theApp(): Promise<TestApp> {
  shared ??= startApp();
  return shared;
}

/** The application where a test has started it. */
export function theStartedApp(): Promise<TestApp> | null {
  return shared;
}

/** Puts an application on this database in the place of the one of this worker; call what is returned to put that back. */
export async function replaceApp(database: OpenDatabase, mail: MailSettings | null = null): Promise<() => Promise<void>> {
  const before = shared;
  const own = await startApp(database, mail);
  shared = Promise.resolve(own);
  return async () => {
    shared = before;
    await own.app.close();
  };
}

async function startApp(given?: OpenDatabase, mail: MailSettings | null = null): Promise<TestApp> {
  const url = process.env['GATEHOUSE_TEST_DATABASE'];
  const database = given ?? (url ? await openOnServer(url) : await openEmbedded(null));
  const clock = new SettableClock();
  const log: string[] = [];
  const logTo = new Writable({
    write: (chunk: Buffer, _, done) => {
      log.push(chunk.toString());
      done();
    },
  });
  const app = await createApplication({
    config: { logLevel: 'trace', publicUrl: PUBLIC_URL, trustedProxies: ['10.255.255.1'], mail, webhookAllowedAddresses: ['127.0.0.1'] },
    secretKeys: [SECRET_KEY],
    database,
    clock,
    logTo,
    background: false,
  });
  // The cost of 12 would make every test with a login take a second; what it protects is tested by itself.
  Object.assign(app.get(Passwords), new Passwords(4));
  return { app, clock, log };
}
