import { LRUCache } from 'lru-cache';
import { DomainError } from './failure.js';

const SEEN_MAX = 10_000;

/** What was last read under a key: good to begin with where the work itself finds out that it is not so any more. */
export class LastSeen<Found extends object> {
  private readonly seen = new LRUCache<string, Found>({ max: SEEN_MAX });

  /**
   * Does the work with what was last seen. No refusal comes of that: the work is done once more with what is read then,
   * so it has changed nothing where it refuses.
   */
  async use<Result>(key: string, read: () => Promise<Found>, work: (found: Found) => Promise<Result>): Promise<Result> {
    const seen = this.seen.get(key);
    if (seen) {
      try {
        return await work(seen);
      } catch (error) {
        if (!(error instanceof DomainError)) throw error;
      }
    }
    const found = await read();
    this.seen.set(key, found);
    return work(found);
  }
}
