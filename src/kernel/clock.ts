import { Instant } from './instant.js';

/** The only source of time; tests put a settable one in its place. */
export class Clock {
  now(): Instant {
    return Instant.fromEpochMillis(Date.now());
  }

  /** Milliseconds from no particular moment, for how long something has lasted: whoever sets the time does not move them. */
  elapsed(): number {
    return performance.now();
  }
}
