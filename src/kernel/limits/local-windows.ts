import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.js';

/** What was counted under a key since its window began, and how long that still lasts. */
export interface Window {
  readonly count: number;
  readonly msLeft: number;
}

interface OpenWindow {
  count: number;
  readonly endsAt: number;
}

/** So many at most: whoever sends from ever other addresses makes the oldest forgotten, not the process grow. */
const KEYS_MAX = 50_000;

/** Counts what happens under keys in this process, each in windows that begin with the first of it. */
export class LocalWindows {
  private readonly windows = new LRUCache<string, OpenWindow>({ max: KEYS_MAX });

  constructor(private readonly clock: Clock) {}

  /** Counts one more. */
  count(key: string, seconds: number): Window {
    const now = this.clock.elapsed();
    let window = this.windows.get(key);
    if (!window || window.endsAt <= now) this.windows.set(key, (window = { count: 0, endsAt: now + seconds * 1000 }));
    window.count += 1;
    return { count: window.count, msLeft: window.endsAt - now };
  }

  /** Counts nothing; null where no window is open. */
  read(key: string): Window | null {
    const now = this.clock.elapsed();
    const window = this.windows.get(key);
    return window && window.endsAt > now ? { count: window.count, msLeft: window.endsAt - now } : null;
  }
}
