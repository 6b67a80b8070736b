import { Injectable } from '@nestjs/common';
import { byteaArray, type Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';
import type { TokenFacts } from './token-facts.js';

export interface End {
  readonly at: Instant;
  readonly by: string | null;
  readonly reason: string;
  /** The token whose end takes these along; null where they are ended themselves. */
  readonly with: string | null;
}

export interface Relative {
  readonly id: string;
  /** The next one above that was named; itself where it was named. */
  readonly root: string;
}

/**
 * The tokens $2 of organization $1 with all that were minted with them, and so on, each with its root: the next one above
 * that is among those named ($3), or itself. It also goes through tokens that ended before: theirs may have been left alive.
 */
const FAMILY = `family AS (
    SELECT t.id, t.id AS root FROM api_tokens t WHERE t.organization_id = $1 AND t.id = ANY ($2::uuid[])
    UNION
    SELECT c.id, CASE WHEN c.id = ANY ($3::uuid[]) THEN c.id ELSE f.root END
      FROM family f JOIN api_tokens c ON c.organization_id = $1 AND c.parent_id = f.id
  )`;

/** How tokens end and come back. */
@Injectable()
export class TokenEndRepository {
  /** These tokens and all that were minted with them. */
  familyOf({ organizationId, manager }: Tenant, ids: readonly string[], named: readonly string[]): Promise<Relative[]> {
    return manager.query<Relative[]>(`WITH RECURSIVE ${FAMILY} SELECT id, root FROM family`, [organizationId, ids, named]);
  }

  /** Those of these tokens that have not ended, and will not until the transaction ends. */
  async holdToEnd({ organizationId, manager }: Tenant, ids: readonly string[]): Promise<ReadonlySet<string>> {
    // Locked in one order, so that two of these never wait for each other.
    const rows = await manager.query<{ id: string }[]>(
      'SELECT id FROM api_tokens WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE',
      [organizationId, ids],
    );
    return new Set(rows.map(({ id }) => id));
  }

  async end({ organizationId, manager }: Tenant, ids: readonly string[], { at, by, reason, with: root }: End): Promise<void> {
    await manager.query(
      `UPDATE api_tokens SET revoked_at = $3, revoked_by = $4, revocation_reason = $5, revoked_with = $6, updated_at = $3
        WHERE organization_id = $1 AND id = ANY ($2::uuid[])`,
      [organizationId, ids, at.toPostgres(), by, reason, root],
    );
  }

  /** How many that have not ended were minted with these, and are not among them. */
  async countDescendants({ organizationId, manager }: Tenant, ids: readonly string[]): Promise<number> {
    const [row] = await manager.query<{ total: string }[]>(
      `WITH RECURSIVE ${FAMILY} SELECT count(*) AS total FROM family f JOIN api_tokens t ON t.organization_id = $1 AND t.id = f.id
        WHERE f.root <> f.id AND t.revoked_at IS NULL`,
      [organizationId, ids, ids],
    );
    return Number(row?.total ?? 0);
  }

  /** The token and those that ended with it; locked with the one it was minted with, in the order in which all are. */
  async endedWith({ organizationId, manager }: Tenant, id: string): Promise<readonly string[]> {
    const rows = await manager.query<{ id: string; above: boolean }[]>(
      `SELECT t.id, t.id IS NOT DISTINCT FROM r.parent_id AS above
         FROM api_tokens t JOIN (SELECT parent_id, revoked_at FROM api_tokens WHERE organization_id = $1 AND id = $2) r
           ON t.id = r.parent_id OR ((t.id = $2 OR t.revoked_with = $2) AND t.revoked_at = r.revoked_at)
        WHERE t.organization_id = $1 ORDER BY t.id FOR NO KEY UPDATE OF t`,
      [organizationId, id],
    );
    return rows.filter(({ above }) => !above).map((row) => row.id);
  }

  /** Whether a secret of one of these was ever reported to have leaked. */
  async hasExposed({ organizationId, manager }: Tenant, ids: readonly string[]): Promise<boolean> {
    const exposed = await manager.query<object[]>('SELECT FROM api_tokens WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND exposed_at IS NOT NULL LIMIT 1', [organizationId, ids]);
    return exposed.length > 0;
  }

  async restore({ organizationId, manager }: Tenant, ids: readonly string[], at: Instant): Promise<void> {
    await manager.query(
      `UPDATE api_tokens SET revoked_at = NULL, revoked_by = NULL, revocation_reason = NULL, revoked_with = NULL, updated_at = $3
        WHERE organization_id = $1 AND id = ANY ($2::uuid[])`,
      [organizationId, ids, at.toPostgres()],
    );
  }

  /** What a verdict would go by if these were presented, each by its newest secret; nothing of one that has no secret. */
  async factsOf({ organizationId, manager }: Tenant, ids: readonly string[]): Promise<readonly TokenFacts[]> {
    const secrets = await manager.query<{ secret_hash: Buffer }[]>(
      `SELECT DISTINCT ON (token_id) secret_hash FROM token_secrets WHERE organization_id = $1 AND token_id = ANY ($2::uuid[])
        ORDER BY token_id, expires_at DESC NULLS FIRST, created_at DESC`,
      [organizationId, ids],
    );
    const hashes = byteaArray(secrets.map(({ secret_hash }) => secret_hash));
    return manager.query<TokenFacts[]>('SELECT * FROM token_facts_of($1)', [hashes]);
  }

  /** Forgets tokens that had ended by then, be it by themselves, with their secrets; tells how many. */
  async forget({ organizationId, manager }: Tenant, endedBy: Instant, limit: number): Promise<number> {
    const [, forgotten] = await manager.query<[unknown, number]>(
      `DELETE FROM api_tokens WHERE organization_id = $1 AND id IN (
         SELECT id FROM (
           (SELECT id FROM api_tokens t WHERE organization_id = $1 AND revoked_at < $2 ORDER BY revoked_at LIMIT $3)
           UNION
           (SELECT id FROM api_tokens t WHERE organization_id = $1 AND revoked_at IS NULL
               AND (CASE WHEN expires_at IS NULL THEN timestamptz 'infinity' ELSE expires_at END) < $2
             ORDER BY CASE WHEN expires_at IS NULL THEN timestamptz 'infinity' ELSE expires_at END LIMIT $3)
         ) ended LIMIT $3)`,
      [organizationId, endedBy.toPostgres(), limit],
    );
    return forgotten;
  }
}
