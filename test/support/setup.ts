import { afterEach } from 'vitest';
import { theStartedApp } from './app.js';

/** A test that moves the clock does not move it for the next one. */
afterEach(async () => {
  (await theStartedApp())?.clock.reset();
});
