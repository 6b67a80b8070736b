import { Injectable } from '@nestjs/common';
import { SYSTEM } from '../audit/actor.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';
import { Maintenance } from '../kernel/maintenance/maintenance.js';
import { SORT_KEYS } from './token-sort.js';
import { blockReasonAt } from './token-filter.js';
import type { BlockReason } from './token.js';

const EVERY_SECONDS = 60;
/** For what blocks tokens though no policy was changed: time that passes unused, a list of addresses that is lifted. */
const AGAIN_AFTER_SECONDS = 600;
const BEFORE_ALL_IDS = '00000000-0000-0000-0000-000000000000';

interface Review {
  readonly policies: string;
  readonly last_token_id: string | null;
}

interface ReviewedToken {
  readonly id: string;
  readonly known: boolean;
  readonly reason: BlockReason | null;
}

/**
 * Tells of tokens that policies have come to block: once, and again only after they were seen not to. Within about a minute
 * of a change of a policy, and within ten where something else blocks them. What a token may do is not decided here.
 */
@Injectable()
export class PolicyReviews {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
    maintenance: Maintenance,
  ) {
    maintenance.add({
      name: 'tokens.review-policies',
      everySeconds: EVERY_SECONDS,
      organizations: () => this.toReview(),
      inOrganization: (tenant, limit) => this.reviewIn(tenant, limit),
    });
  }

  private async toReview(): Promise<readonly string[]> {
    const since = this.clock.now().plusSeconds(-AGAIN_AFTER_SECONDS).toPostgres();
    return (await this.database.query<{ id: string }>('SELECT id FROM organizations_to_review($1)', [since])).map(({ id }) => id);
  }

  /** Goes on with the tenant's review where the last batch has committed, and begins it anew where it was over or policies were changed. */
  private async reviewIn(tenant: Tenant, limit: number): Promise<number> {
    const now = this.clock.now();
    const after = await this.takePlace(tenant, now);
    if (after === null) return 0;
    const tokens = await this.tokensAfter(tenant, after, now, limit);
    const toMark = tokens.filter(({ known, reason }) => !known && reason !== null);
    const marked = new Set(await this.mark(tenant, toMark, now));
    for (const [reason, ids] of byReason(toMark.filter(({ id }) => marked.has(id)))) {
      await this.audit.appendEach(tenant, SYSTEM, { action: 'token.policy-blocked', targetKind: 'token', details: { reason } }, ids);
    }
    await this.mark(tenant, tokens.filter(({ known, reason }) => known && reason === null), null);
    const last = tokens.length < limit ? null : tokens.at(-1)?.id;
    await tenant.manager.query('UPDATE policy_reviews SET last_token_id = $2 WHERE organization_id = $1', [tenant.organizationId, last]);
    return tokens.length;
  }

  /** Behind which token the review goes on; null while another replica has it. */
  private async takePlace({ organizationId, manager }: Tenant, now: Instant): Promise<string | null> {
    await manager.query(`INSERT INTO policy_reviews (organization_id, policies, began_at) VALUES ($1, '', $2) ON CONFLICT DO NOTHING`, [organizationId, now.toPostgres()]);
    const [review] = await manager.query<Review[]>('SELECT policies, last_token_id FROM policy_reviews WHERE organization_id = $1 FOR UPDATE SKIP LOCKED', [organizationId]);
    if (!review) return null;
    const [current] = await manager.query<{ policies: string }[]>('SELECT policies FROM policies_in_force($1)', [organizationId]);
    const policies = current?.policies ?? '';
    if (review.last_token_id !== null && review.policies === policies) return review.last_token_id;
    await manager.query('UPDATE policy_reviews SET policies = $2, began_at = $3 WHERE organization_id = $1', [organizationId, policies, now.toPostgres()]);
    return BEFORE_ALL_IDS;
  }

  private tokensAfter({ organizationId, manager }: Tenant, after: string, now: Instant, limit: number): Promise<ReviewedToken[]> {
    return manager.query<ReviewedToken[]>(
      `SELECT t.id, t.blocked_at IS NOT NULL AS known, ${blockReasonAt('$3')} AS reason
         FROM api_tokens t WHERE t.organization_id = $1 AND t.id > $2 AND t.revoked_at IS NULL AND ${SORT_KEYS.expiresAt.sql} > $3::timestamptz
        ORDER BY t.id LIMIT $4`,
      [organizationId, after, now.toPostgres(), limit],
    );
  }

  /** Those that were not revoked meanwhile; locked in the order in which tokens are ended too, so that neither ever waits for the other. */
  private async mark({ organizationId, manager }: Tenant, tokens: readonly ReviewedToken[], blockedAt: Instant | null): Promise<readonly string[]> {
    if (tokens.length === 0) return [];
    const [marked] = await manager.query<[{ id: string }[], number]>(
      `WITH held AS (SELECT id FROM api_tokens WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE)
       UPDATE api_tokens t SET blocked_at = $3 FROM held WHERE t.organization_id = $1 AND t.id = held.id RETURNING t.id`,
      [organizationId, tokens.map(({ id }) => id), blockedAt?.toPostgres() ?? null],
    );
    return marked.map(({ id }) => id);
  }
}

function byReason(tokens: readonly ReviewedToken[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const { id, reason } of tokens) {
    if (reason !== null) groups.set(reason, [...(groups.get(reason) ?? []), id]);
  }
  return groups;
}
