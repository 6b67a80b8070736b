import { Injectable } from '@nestjs/common';
import { SYSTEM, type Actor } from '../audit/actor.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import type { Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';
import { PARENT_REVOKED } from './revocation-reason.js';
import { TokenEndRepository, type Relative } from './token-end.repository.js';

export interface EndOptions {
  readonly reason: string;
  /** `live-on`: what was minted with these tokens stays, as where a person leaves and the service-level tokens outlive them. */
  readonly descendants?: 'end-too' | 'live-on';
  /** All that are to end, where these are a part of them: one that ends along with another one was still named itself. */
  readonly named?: readonly string[];
}

export interface EndedTokens {
  readonly at: Instant;
  /** Of those that were named, the ones that had not ended before. */
  readonly named: readonly string[];
  /** Those that ended with them, as they had been minted with them. */
  readonly descendants: readonly string[];
}

/** The end of tokens, within transactions that have begun: whole or not at all, each with its audit event. */
@Injectable()
export class TokenEnds {
  constructor(
    private readonly tokens: TokenEndRepository,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Ends these at once, as far as they are the tenant's and have not ended, with all that were minted with them. */
  async endIn(tenant: Tenant, actor: Actor, ids: readonly string[], { reason, descendants = 'end-too', named = ids }: EndOptions): Promise<EndedTokens> {
    const at = this.clock.now();
    let [own, taken] = [[] as readonly string[], [] as readonly string[]];
    // Minting and restoring hold the token above: what was under way when that was to end shows in the next look.
    for (let looksAgain = true; looksAgain; ) {
      const family = await this.familyOf(tenant, ids, named, descendants);
      const live = await this.tokens.holdToEnd(tenant, family.map(({ id }) => id));
      for (const [root, group] of byRoot(family.filter(({ id }) => live.has(id)))) {
        await this.endGroup(tenant, actor, group, { at, reason, root });
        if (root === null) own = [...own, ...group];
        else taken = [...taken, ...group];
      }
      looksAgain = live.size > 0 && descendants === 'end-too';
    }
    return { at, named: own, descendants: taken };
  }

  /**
   * Keeps the token, as far as it has not ended, and all that were minted with it as they are until the transaction ends.
   * Whoever changes a token and may then end it begins with this, so that all lock families in one order.
   */
  async hold(tenant: Tenant, id: string): Promise<void> {
    const family = await this.tokens.familyOf(tenant, [id], [id]);
    await this.tokens.holdToEnd(tenant, family.map((each) => each.id));
  }

  /**
   * Forgets tokens of the tenant that ended before an instant, revoked or expired, at most `limit` of them; tells how
   * many. The record of what happened to them stays.
   */
  async purgeEndedIn(tenant: Tenant, before: Instant, limit: number): Promise<number> {
    const forgotten = await this.tokens.forget(tenant, before, limit);
    if (forgotten > 0) {
      const target = { kind: 'organization', id: tenant.organizationId };
      await this.audit.append(tenant, SYSTEM, { action: 'tokens.forgotten', target, details: { tokens: forgotten, endedBefore: before } });
    }
    return forgotten;
  }

  private familyOf(tenant: Tenant, ids: readonly string[], named: readonly string[], descendants: EndOptions['descendants']): Promise<readonly Relative[]> {
    if (descendants === 'live-on' || ids.length === 0) return Promise.resolve(ids.map((id) => ({ id, root: id })));
    return this.tokens.familyOf(tenant, ids, named);
  }

  private async endGroup(tenant: Tenant, actor: Actor, ids: readonly string[], { at, reason: given, root }: { at: Instant; reason: string; root: string | null }): Promise<void> {
    const reason = root === null ? given : PARENT_REVOKED;
    await this.tokens.end(tenant, ids, { at, by: actor.id, reason, with: root });
    await this.audit.appendEach(tenant, actor, { action: 'token.revoked', targetKind: 'token', details: { reason, ...(root !== null && { with: root }) } }, ids);
  }
}

/** Under null those that were named themselves. */
function byRoot(family: readonly Relative[]): ReadonlyMap<string | null, readonly string[]> {
  const groups = new Map<string | null, string[]>();
  for (const { id, root } of family) {
    const key = id === root ? null : root;
    const group = groups.get(key);
    if (group) group.push(id);
    else groups.set(key, [id]);
  }
  return groups;
}
