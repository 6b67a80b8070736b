import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.js';
import type { Database } from './database.js';
import type { Changed, Invalidations } from './invalidations.js';

/** How old what is remembered may get, whatever happens. */
const VALUE_MS_MAX = 30_000;
/** That there is nothing is believed for so long, unless anything changes. */
const ABSENCE_MS_MAX = 1_000;
/** Longer than any read lasts whose result could still be kept. */
const CHANGES_KEPT_MS = 2 * VALUE_MS_MAX;
const CHANGES_MAX = 100_000;

export interface Rememberable {
  /** Ids of all that it depends on; a change of one of them is announced under its id. */
  readonly subjects: readonly string[];
}

export interface Capacity {
  readonly valuesMax: number;
  /** Where it is left out, it is not remembered that there is nothing. */
  readonly absencesMax?: number;
}

interface Entry<Value> {
  readonly value: Value | null;
  readonly readAt: number;
  /** Nothing that was told until this moment touches it. */
  moment: number;
}

interface Reading<Value> {
  readonly moment: number;
  readonly answer: Promise<Value | null>;
}

interface Change {
  readonly moment: number;
  readonly at: number;
}

/**
 * What was read from the database, by keys, for as long as it holds. What changes is forgotten lazily: each change counts
 * one moment on and is noted by its subject, and a value holds if none of its subjects was noted since it was read. The
 * same comparison refuses what was read before a change and arrives after it.
 */
export class Remembered<Value extends Rememberable> {
  private readonly values: LRUCache<string, Entry<Value>>;
  private readonly absences: LRUCache<string, Entry<Value>> | null;
  private readonly readings = new Map<string, Reading<Value>>();
  private readonly changes = new Map<string, Change>();
  private moment = 0;
  /** What was read before this moment is forgotten, whatever it was about. */
  private beginning = 0;

  constructor(
    private readonly database: Database,
    private readonly invalidations: Invalidations,
    private readonly clock: Clock,
    { valuesMax, absencesMax }: Capacity,
  ) {
    this.values = new LRUCache({ max: valuesMax });
    this.absences = absencesMax === undefined ? null : new LRUCache({ max: absencesMax });
    invalidations.subscribe((changed) => this.forget(changed));
  }

  /** The value of this key, null for none; undefined where that is not known, or not any more. */
  recall(key: string): Value | null | undefined {
    if (!this.invalidations.reliable || this.database.isTogether) return undefined;
    return (this.usable(this.values.get(key), VALUE_MS_MAX) ?? this.usable(this.absences?.get(key), ABSENCE_MS_MAX))?.value;
  }

  /**
   * Reads once, however many ask for the same key meanwhile, and keeps what was read. `anew` begins a read now, whatever
   * is under way. Rejects with `Unavailable` within a second where the database does not answer; a failure is not kept.
   */
  read(key: string, read: () => Promise<Value | null>, anew = false): Promise<Value | null> {
    // What is read amid changes that are not committed yet is nobody else's.
    if (this.database.isTogether) return read();
    const under = this.readings.get(key);
    // Whoever asks after a change must not be answered from before it.
    if (under && !anew && under.moment === this.moment) return under.answer;
    const reading: Reading<Value> = { moment: this.moment, answer: this.invalidations.whileReachable(this.readAndKeep(key, read)) };
    this.readings.set(key, reading);
    const end = (): void => {
      if (this.readings.get(key) === reading) this.readings.delete(key);
    };
    reading.answer.then(end, end);
    return reading.answer;
  }

  private async readAndKeep(key: string, read: () => Promise<Value | null>): Promise<Value | null> {
    const [moment, readAt] = [this.moment, this.clock.elapsed()];
    const value = await read();
    const entry: Entry<Value> = { value, readAt, moment };
    if (this.holds(entry)) (value ? this.values : this.absences)?.set(key, entry);
    return value;
  }

  private usable(entry: Entry<Value> | undefined, ageMax: number): Entry<Value> | undefined {
    return entry && this.clock.elapsed() - entry.readAt < ageMax && this.holds(entry) ? entry : undefined;
  }

  private holds(entry: Entry<Value>): boolean {
    if (entry.moment === this.moment) return true;
    if (entry.moment < this.beginning || !entry.value) return false;
    const isOut = entry.value.subjects.some((subject) => (this.changes.get(subject)?.moment ?? 0) > entry.moment);
    if (!isOut) entry.moment = this.moment;
    return !isOut;
  }

  private forget(changed: Changed): void {
    this.moment += 1;
    if (changed === 'everything' || this.changes.size + changed.length > CHANGES_MAX) {
      this.beginning = this.moment;
      for (const kept of [this.values, this.absences, this.changes]) kept?.clear();
      return;
    }
    const at = this.clock.elapsed();
    for (const [subject, change] of this.changes) {
      if (at - change.at < CHANGES_KEPT_MS) break;
      this.changes.delete(subject);
    }
    for (const subject of changed) {
      // The latest stand last.
      this.changes.delete(subject);
      this.changes.set(subject, { moment: this.moment, at });
    }
  }
}

/** The key of what is presented: in memory only and of many random bits, so that no pepper is needed; the secret itself is not kept. */
export function keyOfSecret(secret: string): string {
  return hash('sha256', secret, 'base64');
}
