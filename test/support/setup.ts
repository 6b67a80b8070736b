import { afterEach, beforeAll } from 'vitest';
import { NestLog } from '../../src/kernel/http/nest-log.js';
import { theStartedApp } from './app.js';

/** Nest knows one log in a process: that of the application which was made last, in whatever file of this worker. */
beforeAll(async () => {
  const started = await theStartedApp();
  started?.app.useLogger(new NestLog(started.app.getHttpAdapter().getInstance().log));
});

/** A test that moves the clock does not move it for the next one. */
afterEach(async () => {
  (await theStartedApp())?.clock.reset();
});
