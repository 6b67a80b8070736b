import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { Invalidations } from '../kernel/database/invalidations.js';
import { keyOfSecret, Remembered } from '../kernel/database/remembered.js';
import type { TokenFacts } from './token-facts.js';
import { know, type KnownToken } from './verdict.js';

const TOKENS_MAX = 100_000;
/** Strings with a right checksum that are nobody's: whoever sends many of them pushes out no token. */
const ABSENCES_MAX = 10_000;

/** Remembers what was read of tokens, and for a moment that there is none, by a hash of their secrets. */
@Injectable()
export class FactsCache {
  private readonly tokens: Remembered<KnownToken>;

  constructor(database: Database, invalidations: Invalidations, clock: Clock) {
    this.tokens = new Remembered(database, invalidations, clock, { valuesMax: TOKENS_MAX, absencesMax: ABSENCES_MAX });
  }

  /** What is known of the token with this secret, null for none; undefined where that is not known, or not any more. */
  recall(secret: string): KnownToken | null | undefined {
    return this.tokens.recall(keyOfSecret(secret));
  }

  /** As `Remembered.read`. */
  read(secret: string, read: () => Promise<TokenFacts | null>, anew = false): Promise<KnownToken | null> {
    return this.tokens.read(keyOfSecret(secret), async () => {
      const facts = await read();
      return facts && know(facts);
    }, anew);
  }
}
