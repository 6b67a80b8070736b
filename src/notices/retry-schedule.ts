import { randomInt } from 'node:crypto';

const MINUTE = 60;
const HOUR = 60 * MINUTE;

/** Seconds from one attempt to the next, about as Standard Webhooks advises: ten attempts over three days. */
const DELAYS = [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
/** So that what failed together is not tried together again. */
const JITTER = 0.1;

/** How long every attempt may fail until a webhook is disabled. */
export const FAILING_SECONDS_MAX = 5 * 24 * HOUR;

/** Seconds until the next attempt after so many (1 or more) have failed; null where that was the last. */
export function delayAfter(failures: number, chance: () => number = anyFraction): number | null {
  const delay = DELAYS[failures - 1];
  return delay === undefined ? null : Math.round(delay * (1 + JITTER * (2 * chance() - 1)));
}

function anyFraction(): number {
  return randomInt(1001) / 1000;
}
