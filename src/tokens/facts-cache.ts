import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { Invalidations, type Changed } from '../kernel/database/invalidations.js';
import type { TokenFacts } from './token-facts.js';
import { know, type KnownToken } from './verdict.js';

/** How old facts may get, whatever happens. */
export const FACTS_MS_MAX = 30_000;
/** That there is no such token is believed for so long, unless anything changes. */
const ABSENCE_MS_MAX = 1_000;
const TOKENS_MAX = 100_000;
const ABSENCES_MAX = 10_000;
/** Longer than any read lasts whose facts could still be kept. */
const CHANGES_KEPT_MS = 2 * FACTS_MS_MAX;
const CHANGES_MAX = 100_000;

interface Entry {
  readonly known: KnownToken | null;
  readonly readAt: number;
  /** Nothing that was told until this moment touches it. */
  moment: number;
}

interface Reading {
  readonly moment: number;
  readonly answer: Promise<KnownToken | null>;
}

interface Change {
  readonly moment: number;
  readonly at: number;
}

/**
 * Keeps what was read of tokens, by a hash of their secrets. What changes is forgotten lazily: each change counts one
 * moment on and is noted by its subject, and facts hold if none of their subjects was noted since they were read. The
 * same comparison refuses facts that were read before a change and arrive after it.
 */
@Injectable()
export class FactsCache {
  private readonly tokens = new LRUCache<string, Entry>({ max: TOKENS_MAX });
  private readonly absences = new LRUCache<string, Entry>({ max: ABSENCES_MAX });
  private readonly readings = new Map<string, Reading>();
  private readonly changes = new Map<string, Change>();
  private moment = 0;
  /** What was read before this moment is forgotten, whatever it was about. */
  private beginning = 0;

  constructor(
    private readonly database: Database,
    private readonly invalidations: Invalidations,
    private readonly clock: Clock,
  ) {
    invalidations.subscribe((changed) => this.forget(changed));
  }

  /** What is known of the token with this secret, null for none; undefined where that is not known, or not any more. */
  recall(secret: string): KnownToken | null | undefined {
    if (!this.invalidations.reliable || this.database.isTogether) return undefined;
    const key = keyOf(secret);
    return (this.usable(this.tokens.get(key), FACTS_MS_MAX) ?? this.usable(this.absences.get(key), ABSENCE_MS_MAX))?.known;
  }

  /**
   * Reads once, however many ask for the same secret meanwhile, and keeps what was read. `anew` begins a read now,
   * whatever is under way. Rejects with `Unavailable` within a second where the database does not answer; a failure is not kept.
   */
  read(secret: string, read: () => Promise<TokenFacts | null>, anew = false): Promise<KnownToken | null> {
    // What is read amid changes that are not committed yet is nobody else's.
    if (this.database.isTogether) return read().then((facts) => facts && know(facts));
    const key = keyOf(secret);
    const under = this.readings.get(key);
    // Whoever asks after a change must not be answered from before it.
    if (under && !anew && under.moment === this.moment) return under.answer;
    const reading: Reading = { moment: this.moment, answer: this.invalidations.whileReachable(this.readAndKeep(key, read)) };
    this.readings.set(key, reading);
    const end = (): void => {
      if (this.readings.get(key) === reading) this.readings.delete(key);
    };
    reading.answer.then(end, end);
    return reading.answer;
  }

  private async readAndKeep(key: string, read: () => Promise<TokenFacts | null>): Promise<KnownToken | null> {
    const [moment, readAt] = [this.moment, this.clock.elapsed()];
    const facts = await read();
    const entry: Entry = { known: facts && know(facts), readAt, moment };
    if (this.holds(entry)) (facts ? this.tokens : this.absences).set(key, entry);
    return entry.known;
  }

  private usable(entry: Entry | undefined, ageMax: number): Entry | undefined {
    return entry && this.clock.elapsed() - entry.readAt < ageMax && this.holds(entry) ? entry : undefined;
  }

  private holds(entry: Entry): boolean {
    if (entry.moment === this.moment) return true;
    if (entry.moment < this.beginning || !entry.known) return false;
    const isOut = entry.known.subjects.some((subject) => (this.changes.get(subject)?.moment ?? 0) > entry.moment);
    if (!isOut) entry.moment = this.moment;
    return !isOut;
  }

  private forget(changed: Changed): void {
    this.moment += 1;
    if (changed === 'everything' || this.changes.size + changed.length > CHANGES_MAX) {
      this.beginning = this.moment;
      for (const kept of [this.tokens, this.absences, this.changes]) kept.clear();
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

/** In memory only, and of 256 random bits: no pepper is needed, and no secret is kept. */
function keyOf(secret: string): string {
  return hash('sha256', secret, 'base64');
}
