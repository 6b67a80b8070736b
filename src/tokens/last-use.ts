import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown, type OnModuleDestroy } from '@nestjs/common';
import { Background } from '../kernel/background.js';
import { Database } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';

const FLUSH_EVERY_MS = 5_000;
/** How many tokens are written in one transaction: their rows stay locked for a fraction of a second. */
const BATCH = 500;

export interface Use {
  readonly at: Instant;
  readonly ip: string | null;
  readonly userAgent: string | null;
  /** It is in the database already, as with use-limited tokens. */
  readonly counted: boolean;
}

interface Uses {
  readonly organizationId: string;
  at: Instant;
  ip: string | null;
  userAgent: string | null;
  count: number;
}

/**
 * Remembers when tokens were last used and how often, and writes it in batches, apart from any request; at most 5 s
 * behind. What cannot be written is kept until it can; only a process that dies takes its last seconds along.
 */
@Injectable()
export class LastUse implements OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown {
  private readonly logger = new Logger('LastUse');
  private uses = new Map<string, Uses>();
  private timer: NodeJS.Timeout | null = null;
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly background: Background,
  ) {}

  onApplicationBootstrap(): void {
    if (this.background.runsByItself) this.timer = setInterval(() => void this.flush(), FLUSH_EVERY_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    await this.flush();
  }

  /** The server has closed: what was under way meanwhile is used and counted too. */
  async onApplicationShutdown(): Promise<void> {
    await this.flush();
    if (this.uses.size > 0) this.logger.error(`the last uses of ${this.uses.size} tokens are lost: the database does not answer`);
  }

  record(organizationId: string, tokenId: string, { at, ip, userAgent, counted }: Use): void {
    const known = this.uses.get(tokenId);
    const added = counted ? 0 : 1;
    if (!known) {
      this.uses.set(tokenId, { organizationId, at, ip, userAgent, count: added });
      return;
    }
    known.at = at;
    known.ip = ip;
    known.userAgent = userAgent;
    known.count += added;
  }

  /** Writes all that was remembered until now; what cannot be written now is kept for the next time. */
  flush(): Promise<void> {
    this.writing = this.writing.then(() => this.writeAll());
    return this.writing;
  }

  private async writeAll(): Promise<void> {
    const uses = this.uses;
    this.uses = new Map();
    const organizations = new Map<string, [string, Uses][]>();
    for (const entry of uses) {
      const batch = organizations.get(entry[1].organizationId);
      if (batch) batch.push(entry);
      else organizations.set(entry[1].organizationId, [entry]);
    }
    for (const [organizationId, entries] of organizations) {
      for (let start = 0; start < entries.length; start += BATCH) await this.writeOrKeep(organizationId, entries.slice(start, start + BATCH));
    }
  }

  private async writeOrKeep(organizationId: string, batch: readonly [string, Uses][]): Promise<void> {
    try {
      await this.write(organizationId, batch);
    } catch (error) {
      this.logger.warn(`last uses could not be written and are kept: ${error instanceof Error ? error.message : 'unknown error'}`);
      for (const [tokenId, use] of batch) this.restore(tokenId, use);
    }
  }

  private restore(tokenId: string, earlier: Uses): void {
    const later = this.uses.get(tokenId);
    if (later) later.count += earlier.count;
    else this.uses.set(tokenId, earlier);
  }

  private async write(organizationId: string, batch: readonly [string, Uses][]): Promise<void> {
    const column = <T>(read: (use: Uses) => T): T[] => batch.map(([, use]) => read(use));
    await this.database.inOrganization(organizationId, async ({ manager }) => {
      await manager.query(
        // Locked in the order in which tokens are ended too, so that neither ever waits for the other.
        `WITH used AS (SELECT id FROM api_tokens WHERE organization_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR NO KEY UPDATE)
         UPDATE api_tokens t
            SET use_count = t.use_count + u.count, last_used_at = greatest(t.last_used_at, u.at),
                last_used_ip = CASE WHEN t.last_used_at > u.at THEN t.last_used_ip ELSE u.ip END,
                last_used_user_agent = CASE WHEN t.last_used_at > u.at THEN t.last_used_user_agent ELSE u.user_agent END
           FROM used JOIN unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[]) AS u (id, at, ip, user_agent, count) ON u.id = used.id
          WHERE t.organization_id = $1 AND t.id = used.id`,
        [organizationId, batch.map(([id]) => id), column(({ at }) => at.toPostgres()), column(({ ip }) => ip), column(({ userAgent }) => userAgent), column(({ count }) => count)],
      );
    });
  }
}
