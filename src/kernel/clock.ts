import { Instant } from './instant.js';

/** The only source of time; tests put a settable one in its place. */
export class Clock {
  private millis = NaN;
  private instant = Instant.fromEpochMillis(0);

  now(): Instant {
    const millis = Date.now();
    // Asked for several times within a millisecond, where requests come fast.
    if (millis !== this.millis) {
      this.millis = millis;
      this.instant = Instant.fromEpochMillis(millis);
    }
    return this.instant;
  }

  /** Milliseconds from no particular moment, for how long something has lasted: whoever sets the time does not move them. */
  elapsed(): number {
    return performance.now();
  }
}
