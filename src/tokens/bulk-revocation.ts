import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { InputInvalid } from '../kernel/failure.js';
import type { Instant } from '../kernel/instant.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { TokenEndRepository } from './token-end.repository.js';
import { TokenEnds, type EndedTokens, type EndOptions } from './token-ends.js';
import type { TokenFilter } from './token-filter.js';
import type { Caller } from './token.js';

/** How many tokens one call ends at most. */
export const BULK_MAX = 10_000;
/** How many of them in one transaction: their rows stay locked for a fraction of a second. */
const BATCH = 500;

export interface BulkRevocationRequest {
  readonly filter: TokenFilter;
  readonly reason: string;
  /** Ends nothing, only says what would end. */
  readonly dryRun: boolean;
  /** That it may be every token there is. */
  readonly confirmed: boolean;
}

export interface BulkRevocationResult {
  /** How many tokens that are not revoked the filter lets through. */
  readonly matched: number;
  /** How many of these ended now; fewer than matched above the most that one call ends. */
  readonly revoked: number;
  /** How many more end with them, as they were minted with them. */
  readonly cascaded: number;
}

/** Ends many tokens at once. */
@Injectable()
export class BulkRevocation {
  private readonly most = BULK_MAX;

  constructor(
    private readonly database: Database,
    private readonly tokens: ApiTokenRepository,
    private readonly ending: TokenEndRepository,
    private readonly ends: TokenEnds,
    private readonly clock: Clock,
  ) {}

  /**
   * Ends what the filter lets through of the caller's tokens, batch by batch, each whole with its audit events: where an
   * outage stops it midway, the same call again ends the rest. Refuses to end all there are, or all that work, without a
   * confirmation.
   */
  async revoke(caller: Caller, { filter, reason, dryRun, confirmed }: BulkRevocationRequest): Promise<BulkRevocationResult> {
    const live = { ...filter, revoked: false };
    const { ids, matched, cascaded, everything } = await this.look(caller, live);
    if (dryRun) return { matched, revoked: 0, cascaded };
    if (everything && !confirmed) throw InputInvalid.at('confirm', 'confirm', `must be true: the filter leaves no token, or none that works (${matched} match)`);
    let [revoked, descendants] = [0, 0];
    for (let start = 0; start < ids.length; start += BATCH) {
      const ended = await this.endBatch(caller, { ...live, ids: ids.slice(start, start + BATCH) }, { reason, named: ids });
      revoked += ended.named.length;
      descendants += ended.descendants.length;
    }
    return { matched, revoked, cascaded: descendants };
  }

  private look(caller: Caller, live: TokenFilter): Promise<{ ids: readonly string[]; matched: number; cascaded: number; everything: boolean }> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const now = this.clock.now();
      const ids = await this.tokens.idsOf(tenant, caller.projects, live, now, this.most);
      const matched = ids.length < this.most ? ids.length : await this.tokens.count(tenant, caller.projects, live, now);
      const everything = matched > 1 && (await this.isAll(tenant, caller, live, matched, now));
      return { ids, matched, cascaded: await this.ending.countDescendants(tenant, ids), everything };
    });
  }

  /** True where it would leave no token, or none that works: what has expired or is blocked is no rest worth the name. */
  private async isAll(tenant: Tenant, { projects }: Caller, live: TokenFilter, matched: number, now: Instant): Promise<boolean> {
    if (matched === (await this.tokens.count(tenant, projects, { revoked: false }, now))) return true;
    if (live.state === 'expired' || live.state === 'blocked') return false;
    const active = await this.tokens.count(tenant, projects, { state: 'active' }, now);
    // The other states are those of active tokens.
    return active > 0 && active === (await this.tokens.count(tenant, projects, { ...live, state: live.state ?? 'active' }, now));
  }

  private endBatch(caller: Caller, filter: TokenFilter, options: EndOptions): Promise<EndedTokens> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const ids = await this.tokens.idsOf(tenant, caller.projects, filter, this.clock.now());
      return this.ends.endIn(tenant, caller.actor, ids, options);
    });
  }
}
