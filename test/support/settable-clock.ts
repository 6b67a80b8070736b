import { Clock } from '../../src/kernel/clock.js';
import { Instant } from '../../src/kernel/instant.js';

/** The real time until it is set or moved; `reset` lets it run again. What has passed has passed: nothing measures backwards. */
export class SettableClock extends Clock {
  private fixed: Instant | null = null;
  private passed = 0;

  override now(): Instant {
    return this.fixed ?? super.now();
  }

  set(instant: Instant | string): void {
    const parsed = typeof instant === 'string' ? Instant.parse(instant) : instant;
    if (!parsed) throw new Error('not an instant');
    this.fixed = parsed;
  }

  advance(seconds: number): void {
    this.fixed = this.now().plusSeconds(seconds);
  }

  override elapsed(): number {
    return super.elapsed() + this.passed;
  }

  /** Lets whatever is measured last so much longer. */
  pass(milliseconds: number): void {
    this.passed += milliseconds;
  }

  reset(): void {
    this.fixed = null;
  }
}
