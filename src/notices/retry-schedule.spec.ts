import { describe, expect, it } from 'vitest';
import { delayAfter } from './retry-schedule.js';

describe('the schedule of retries', () => {
  it('makes ten attempts over more than three days, each later than the one before, and then ends', () => {
    const delays = Array.from({ length: 9 }, (_, index) => delayAfter(index + 1, () => 0.5) ?? 0);
    expect(delays.every((delay, index) => delay > (delays[index - 1] ?? 0))).toBe(true);
    expect(delays.reduce((sum, delay) => sum + delay)).toBeGreaterThan(3 * 24 * 3600);
    expect(delayAfter(10)).toBeNull();
  });

  it('strays by up to a tenth, so that what failed together is not tried together again', () => {
    expect([delayAfter(3, () => 0), delayAfter(3, () => 1)]).toEqual([1620, 1980]);
  });
});
