import { Injectable } from '@nestjs/common';
import type { Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';
import { activeTokensMax, type Policy } from './policy.js';
import { PolicyViolated } from './token.errors.js';

/** The policies of the platform, of an organization's parent and its own, which bind its tokens together. */
@Injectable()
export class TokenPolicies {
  /** Each that binds a token of the tenant, be it one that acts in a sub-organization. */
  async bindingIn({ organizationId, manager }: Tenant, subOrganizationId: string | null): Promise<readonly Policy[]> {
    const [row] = await manager.query<{ policies: Policy[] }[]>('SELECT binding_policies($1, $2) AS policies', [organizationId, subOrganizationId]);
    return row?.policies ?? [];
  }

  /**
   * Throws `PolicyViolated` where the tenant would keep more live tokens than it may with so many more. Until the transaction ends nobody else
   * gets past this, so the count stays true.
   */
  async requireRoomIn(tenant: Tenant, policies: readonly Policy[], now: Instant, more = 1): Promise<void> {
    const limit = activeTokensMax(policies);
    if (limit === null) return;
    const [row] = await tenant.manager.query<{ room: boolean }[]>('SELECT has_token_room($1, $2, $3, $4) AS room', [tenant.organizationId, limit, more, now.toPostgres()]);
    if (!row?.room) throw noRoom(policies);
  }
}

export function noRoom(policies: readonly Policy[]): PolicyViolated {
  return new PolicyViolated([{ rule: 'too-many-tokens', message: `the organization may keep ${activeTokensMax(policies)} active tokens at most` }]);
}
