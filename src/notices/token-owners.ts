import { Injectable } from '@nestjs/common';
import type { Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';

const LISTED_MAX = 50;

/** A token as its owners are written to about it. */
export interface OwnedToken {
  readonly name: string | null;
  readonly hint: string;
  readonly kind: string;
  readonly expiresAt: Instant | null;
  readonly revokedAt: Instant | null;
  readonly organization: string;
}

interface TokenOfSomebody extends OwnedToken {
  /** Null for a token without a person. */
  readonly userId: string | null;
  /** Null where nobody may be written to any more. */
  readonly email: string | null;
}

/** Whom a letter about tokens goes to: the person whose token it is, and about all others the administrators. */
@Injectable()
export class TokenOwners {
  /** By address, and then by when they end; nobody of an organization that is stopped. */
  async of(tenant: Tenant, tokenIds: readonly string[]): Promise<ReadonlyMap<string, readonly OwnedToken[]>> {
    const tokens = await this.tokensOf(tenant, tokenIds);
    const byAddress = new Map<string, OwnedToken[]>();
    const admins = tokens.some(({ userId }) => userId === null) ? await this.adminsOf(tenant) : [];
    for (const token of tokens) {
      const recipients = token.userId === null ? admins : token.email === null ? [] : [token.email];
      for (const to of recipients) byAddress.set(to, [...(byAddress.get(to) ?? []), token]);
    }
    return byAddress;
  }

  private tokensOf({ organizationId, manager }: Tenant, ids: readonly string[]): Promise<TokenOfSomebody[]> {
    return manager.query<TokenOfSomebody[]>(
      `SELECT t.name, t.hint, t.kind, t.expires_at AS "expiresAt", t.revoked_at AS "revokedAt", o.name AS organization, t.user_id AS "userId", u.email
         FROM api_tokens t
         JOIN organizations o ON o.id = t.organization_id
         LEFT JOIN memberships m ON m.organization_id = t.organization_id AND m.user_id = t.user_id AND m.removed_at IS NULL AND m.disabled_at IS NULL
         LEFT JOIN users u ON u.id = m.user_id AND u.disabled_at IS NULL
        WHERE t.organization_id = $1 AND t.id = ANY ($2::uuid[]) AND organization_stopped_at(o.id) IS NULL
        ORDER BY t.expires_at, t.id`,
      [organizationId, ids],
    );
  }

  private async adminsOf({ organizationId, manager }: Tenant): Promise<string[]> {
    const rows = await manager.query<{ email: string }[]>(
      `SELECT u.email FROM memberships m
         JOIN roles r ON r.organization_id = m.organization_id AND r.id = m.role_id AND r.built_in AND r.key = 'ADMIN'
         JOIN users u ON u.id = m.user_id AND u.disabled_at IS NULL
        WHERE m.organization_id = $1 AND m.removed_at IS NULL AND m.disabled_at IS NULL`,
      [organizationId],
    );
    return rows.map(({ email }) => email);
  }
}

/** One line for each of them, up to a number that somebody reads. */
export function listed(tokens: readonly OwnedToken[], says: (token: OwnedToken) => string): string {
  const lines = tokens.slice(0, LISTED_MAX).map((token) => `  ${token.name ?? 'without a name'} (${token.kind}, ${token.hint}) ${says(token)}`);
  const rest = tokens.length - lines.length;
  return `${lines.join('\n')}${rest > 0 ? `\n  and ${rest} more` : ''}`;
}
