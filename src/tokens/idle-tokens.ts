import { Injectable } from '@nestjs/common';
import { SYSTEM } from '../audit/actor.js';
import { Clock } from '../kernel/clock.js';
import type { Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';
import { Maintenance } from '../kernel/maintenance/maintenance.js';
import { idleDays, SECONDS_PER_DAY } from './policy.js';
import { TokenEngine } from './token-engine.js';
import { TokenPolicies } from './token-policies.js';

const EVERY_SECONDS = 3600;

/** Ends tokens that nobody has used for as long as a policy allows. They stopped working when that time had passed. */
@Injectable()
export class IdleTokens {
  constructor(
    private readonly policies: TokenPolicies,
    private readonly engine: TokenEngine,
    private readonly clock: Clock,
    maintenance: Maintenance,
  ) {
    maintenance.add({ name: 'tokens.revoke-idle', everySeconds: EVERY_SECONDS, inOrganization: (tenant, limit) => this.revokeIn(tenant, limit) });
  }

  /**
   * Revokes up to `limit` idle tokens, each with its audit event; tells how many. What was minted with them lives on. Any number of these may run at once: no
   * token is revoked twice, and none waits for another.
   */
  async revokeIn(tenant: Tenant, limit: number): Promise<number> {
    const ids = await this.idleIn(tenant, this.clock.now(), limit);
    return ids.length === 0 ? 0 : this.engine.revokeAllIn(tenant, SYSTEM, { ids }, 'idle', { descendants: 'live-on' });
  }

  /** Tokens that act in a sub-organization are bound by its policy as well, so each place they act in is asked for. */
  private async idleIn(tenant: Tenant, now: Instant, limit: number): Promise<readonly string[]> {
    const { organizationId, manager } = tenant;
    const places = await manager.query<{ sub: string | null }[]>(
      'SELECT DISTINCT sub_organization_id AS sub FROM api_tokens WHERE organization_id = $1 AND revoked_at IS NULL ORDER BY 1', [organizationId]);
    const ids: string[] = [];
    for (const { sub } of places) {
      const days = idleDays(await this.policies.bindingIn(tenant, sub));
      if (days === null) continue;
      const rows = await manager.query<{ id: string }[]>(
        `SELECT id FROM api_tokens
          WHERE organization_id = $1 AND sub_organization_id IS NOT DISTINCT FROM $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
            AND greatest(created_at, last_used_at, renewed_at) <= $4
          ORDER BY id LIMIT $5 FOR NO KEY UPDATE SKIP LOCKED`,
        [organizationId, sub, now.toPostgres(), now.plusSeconds(-days * SECONDS_PER_DAY).toPostgres(), limit - ids.length],
      );
      ids.push(...rows.map(({ id }) => id));
    }
    return ids;
  }
}
