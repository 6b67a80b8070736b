import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Database } from '../kernel/database/database.js';
import { Invalidations } from '../kernel/database/invalidations.js';
import { digestOf, SECRET_LENGTH_MAX, SecretHasher } from './token-secret.js';
import { IMPORTS } from './verdict.js';

const FINGERPRINT_BYTES = 6;

/** All there are, or those that were committed since a snapshot. */
const SQL = `
  SELECT now.snapshot::text AS snapshot, (
    SELECT string_agg(fingerprint, '') FROM imported_fingerprints
    WHERE $1::pg_snapshot IS NULL OR (xid >= pg_snapshot_xmin($1::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot))
  ) AS fingerprints
  FROM (SELECT pg_current_snapshot() AS snapshot) now`;

interface Row {
  readonly snapshot: string;
  readonly fingerprints: Buffer | null;
}

/**
 * Knows which strings may be secrets that were drawn elsewhere, for those carry no checksum of ours: six bytes of a keyed
 * hash of each, of all organizations, some 50 bytes of memory. It never misses one, and takes garbage for one once in
 * 2^48 / (how many there are) strings.
 */
@Injectable()
export class ImportedSecrets implements OnApplicationBootstrap {
  private fingerprints = new Set<number>();
  private snapshot: string | null = null;
  /** How often we were told of new ones, and of how many of these times we know. */
  private told = 0;
  private known = -1;
  private loading: Promise<void> | null = null;

  constructor(
    private readonly database: Database,
    private readonly invalidations: Invalidations,
    private readonly hasher: SecretHasher,
  ) {
    invalidations.subscribe((changed) => {
      if (changed === 'everything') this.snapshot = null;
      else if (!changed.includes(IMPORTS)) return;
      this.told += 1;
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.load();
  }

  /** Whether that it is none of them is known already. */
  excludes(presented: string): boolean {
    return presented.length > SECRET_LENGTH_MAX || (this.isCurrent && !this.includes(presented));
  }

  /** At once, without a query, unless secrets were imported since the last time. Rejects where that cannot be found out. */
  mayInclude(presented: string): boolean | Promise<boolean> {
    if (presented.length > SECRET_LENGTH_MAX) return false;
    return this.isCurrent ? this.includes(presented) : this.catchUp().then(() => this.includes(presented));
  }

  private get isCurrent(): boolean {
    return this.invalidations.reliable && this.known === this.told;
  }

  private includes(presented: string): boolean {
    if (this.fingerprints.size === 0) return false;
    return this.hasher.importedHashes(digestOf(presented)).some((hash) => this.fingerprints.has(hash.readUIntBE(0, FINGERPRINT_BYTES)));
  }

  private async catchUp(): Promise<void> {
    do {
      this.loading ??= this.invalidations.whileReachable(this.load()).finally(() => (this.loading = null));
      await this.loading;
      // Told of more meanwhile.
    } while (this.known !== this.told);
  }

  private async load(): Promise<void> {
    const [told, since] = [this.told, this.snapshot];
    const [row] = await this.database.query<Row>(SQL, [since]);
    if (!row) throw new Error('the database has no snapshot');
    if (since === null) this.fingerprints = new Set();
    const bytes = row.fingerprints ?? Buffer.alloc(0);
    for (let at = 0; at < bytes.length; at += FINGERPRINT_BYTES) this.fingerprints.add(bytes.readUIntBE(at, FINGERPRINT_BYTES));
    // Unless it was forgotten meanwhile, to begin anew.
    if (this.snapshot === since) this.snapshot = row.snapshot;
    this.known = told;
  }
}
