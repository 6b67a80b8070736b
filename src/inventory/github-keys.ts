import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Unavailable } from '../kernel/failure.js';
import type { Instant } from '../kernel/instant.js';

/** Where GitHub publishes the keys it signs alerts of secret scanning with. */
export class GithubKeysUrl {
  constructor(readonly value: string = 'https://api.github.com/meta/public_keys/secret_scanning') {}
}

const FETCH_TIMEOUT_MS = 5_000;
/** GitHub asks callers to keep the list and to look again for a key they do not know; not more often than this. */
const REFRESH_SECONDS = 60;

/** The public keys of GitHub secret scanning, by identifier. */
@Injectable()
export class GithubKeys {
  private known: ReadonlyMap<string, string> = new Map();
  private fetchedAt: Instant | null = null;

  constructor(
    private readonly url: GithubKeysUrl,
    private readonly clock: Clock,
  ) {}

  /** PEM; null for an identifier that GitHub does not publish. Throws `Unavailable` where the list cannot be had. */
  async find(identifier: string): Promise<string | null> {
    if (!this.known.has(identifier) && this.isStale()) await this.fetch();
    return this.known.get(identifier) ?? null;
  }

  private isStale(): boolean {
    return this.fetchedAt === null || this.clock.now().secondsSince(this.fetchedAt) >= REFRESH_SECONDS;
  }

  private async fetch(): Promise<void> {
    try {
      const response = await fetch(this.url.value, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS), redirect: 'error', headers: { accept: 'application/json' } });
      if (!response.ok) throw new Error(`answered ${response.status}`);
      const { public_keys: keys } = (await response.json()) as { public_keys: readonly { key_identifier: string; key: string }[] };
      this.known = new Map(keys.map(({ key_identifier, key }) => [key_identifier, key]));
      this.fetchedAt = this.clock.now();
    } catch (error) {
      throw new Unavailable(`The keys of GitHub secret scanning cannot be had: ${error instanceof Error ? error.message : 'unknown error'}.`);
    }
  }
}
