import { Instant } from './instant.js';

/** The only source of time; tests put a settable one in its place. */
export class Clock {
  now(): Instant {
    return Instant.fromEpochMillis(Date.now());
  }
}
