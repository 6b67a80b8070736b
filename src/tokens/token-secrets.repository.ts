import { Injectable } from '@nestjs/common';
import { IsNull, Not, type EntityManager } from 'typeorm';
import { byteaArray, type Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';
import { ApiToken, TokenSecret } from './api-token.entity.js';
import type { TokenFacts } from './token-facts.js';
import type { TokenMetadata } from './token.js';
import { UNKNOWN_HINT, type SecretHash } from './token-secret.js';

export interface NextSecret extends SecretHash {
  readonly hint: string;
  readonly overlapSeconds: number;
}

/** How the secrets of a token follow one another. Whoever calls holds the token's lock. */
@Injectable()
export class TokenSecretsRepository {
  /** What a verdict would go by if the newest secret in use were presented; null where the token has none. */
  async factsOf({ organizationId, manager }: Tenant, tokenId: string): Promise<TokenFacts | null> {
    const [newest] = await manager.query<{ secret_hash: Buffer }[]>(
      `SELECT secret_hash FROM token_secrets WHERE organization_id = $1 AND token_id = $2 AND NOT pending AND replaced_at IS NULL
        ORDER BY expires_at DESC NULLS FIRST, created_at DESC LIMIT 1`,
      [organizationId, tokenId],
    );
    if (!newest) return null;
    const [facts] = await manager.query<TokenFacts[]>('SELECT * FROM token_facts_of($1)', [byteaArray([newest.secret_hash])]);
    return facts ?? null;
  }

  /** Puts a secret in the place of the one that waits for its first use; returns the hint of that one, null where none did. */
  async putNext({ organizationId, manager }: Tenant, tokenId: string, { hash, pepperId, hint, overlapSeconds }: NextSecret, at: Instant): Promise<string | null> {
    const [cancelled] = await manager.find(TokenSecret, { where: { organizationId, tokenId, pending: true } });
    if (cancelled) await manager.delete(TokenSecret, { organizationId, secretHash: cancelled.secretHash });
    await manager.insert(TokenSecret, { organizationId, tokenId, secretHash: hash, pepperId, hint, overlapSeconds, pending: true, createdAt: at });
    await manager.update(ApiToken, { organizationId, id: tokenId }, { updatedAt: at });
    return cancelled?.hint ?? null;
  }

  /**
   * Puts a waiting secret in force and lets the others end after its overlap; those that have ended by themselves were
   * not replaced. False where it does not wait (any more).
   */
  async activate({ organizationId, manager }: Tenant, tokenId: string, hash: Buffer, at: Instant): Promise<boolean> {
    const [activated] = await manager.query<[object[], number]>(
      'UPDATE token_secrets SET pending = false WHERE organization_id = $1 AND token_id = $2 AND secret_hash = $3 AND pending RETURNING token_id',
      [organizationId, tokenId, hash],
    );
    if (activated.length === 0) return false;
    await manager.query(
      `UPDATE token_secrets s SET replaced_at = coalesce(s.replaced_at, $4::timestamptz),
              expires_at = least(s.expires_at, $4::timestamptz + make_interval(secs => n.overlap_seconds))
         FROM token_secrets n
        WHERE s.organization_id = $1 AND s.token_id = $2 AND s.secret_hash <> $3 AND (s.expires_at IS NULL OR s.expires_at > $4)
          AND n.organization_id = $1 AND n.token_id = $2 AND n.secret_hash = $3`,
      [organizationId, tokenId, hash, at.toPostgres()],
    );
    await manager.query(
      `UPDATE api_tokens t SET hint = s.hint, rotated_at = $4, rotation_due_at = $4::timestamptz + make_interval(days => t.rotation_interval_days), updated_at = $4
         FROM token_secrets s
        WHERE t.organization_id = $1 AND t.id = $2 AND s.organization_id = $1 AND s.token_id = $2 AND s.secret_hash = $3`,
      [organizationId, tokenId, hash, at.toPostgres()],
    );
    return true;
  }

  /** What a verdict would go by for the secret with this hash. */
  async factsBy({ manager }: Tenant, hash: Buffer): Promise<TokenFacts | null> {
    const [facts] = await manager.query<TokenFacts[]>('SELECT * FROM token_facts_of($1)', [byteaArray([hash])]);
    return facts ?? null;
  }

  /** Makes the one secret of a new token one that was drawn elsewhere, and writes beside the token what was brought along. */
  async markImported({ organizationId, manager }: Tenant, tokenId: string, { importedHash, metadata }: { importedHash: Buffer; metadata: TokenMetadata }): Promise<void> {
    await manager.update(TokenSecret, { organizationId, tokenId }, { importedHash });
    if (Object.keys(metadata).length > 0) await manager.update(ApiToken, { organizationId, id: tokenId }, { metadata });
  }

  /** Keeps a secret, which was presented, under the current peppers. One that was drawn elsewhere has its hint from now on. */
  async rehash({ organizationId, manager }: Tenant, { id, secret_hash: old, secret_hint }: TokenFacts, secret: SecretHash & { readonly hint: string; readonly importedHash: Buffer }): Promise<void> {
    const { hash, pepperId, importedHash, hint } = secret;
    await manager.query(
      `UPDATE token_secrets SET secret_hash = $3, pepper_id = $4, imported_hash = CASE WHEN imported_hash IS NOT NULL THEN $5::bytea END
        WHERE organization_id = $1 AND secret_hash = $2`,
      [organizationId, old, hash, pepperId, importedHash],
    );
    if (secret_hint !== UNKNOWN_HINT) return;
    await manager.update(TokenSecret, { organizationId, secretHash: hash }, { hint });
    await manager.update(ApiToken, { organizationId, id, hint: UNKNOWN_HINT }, { hint });
  }

  /** Those of these hashes, as they are and as of imports, that secrets of the tenant's tokens have. */
  async knownOf({ organizationId, manager }: Tenant, hashes: readonly Buffer[]): Promise<readonly Buffer[]> {
    const rows = await manager.query<{ known: Buffer }[]>(
      `SELECT secret_hash AS known FROM token_secrets WHERE organization_id = $1 AND secret_hash = ANY ($2::bytea[])
       UNION ALL SELECT imported_hash FROM token_secrets WHERE organization_id = $1 AND imported_hash = ANY ($2::bytea[])`,
      [organizationId, byteaArray(hashes)],
    );
    return rows.map(({ known }) => known);
  }

  /** Within a transaction of whoever presents these hashes: under which the secrets are kept that were imported by them, the earliest first; one in each organization at most. */
  async importedAs(manager: EntityManager, importedHashes: readonly Buffer[]): Promise<readonly Buffer[]> {
    const rows = await manager.query<{ secret_hash: Buffer }[]>(
      'SELECT secret_hash FROM token_secrets WHERE imported_hash = ANY ($1::bytea[]) ORDER BY created_at, token_id',
      [byteaArray(importedHashes)],
    );
    return rows.map(({ secret_hash }) => secret_hash);
  }

  /** True for a secret that was drawn elsewhere. */
  async isImported({ organizationId, manager }: Tenant, secretHash: Buffer): Promise<boolean> {
    return manager.exists(TokenSecret, { where: { organizationId, secretHash, importedHash: Not(IsNull()) } });
  }

  /** True for a secret that is known and does not wait. */
  async isInForce({ organizationId, manager }: Tenant, secretHash: Buffer): Promise<boolean> {
    return manager.exists(TokenSecret, { where: { organizationId, secretHash, pending: false } });
  }

  /** Forgets secrets that were replaced and had ended by then; tells how many, at most `limit`. */
  async forgetReplaced({ organizationId, manager }: Tenant, endedBy: Instant, limit: number): Promise<number> {
    const [forgotten] = await manager.query<[object[], number]>(
      `DELETE FROM token_secrets WHERE organization_id = $1 AND secret_hash IN (
         SELECT secret_hash FROM token_secrets WHERE organization_id = $1 AND replaced_at IS NOT NULL AND expires_at <= $2 ORDER BY expires_at, secret_hash LIMIT $3)
       RETURNING token_id`,
      [organizationId, endedBy.toPostgres(), limit],
    );
    return forgotten.length;
  }

  /** Those of these hashes that some token's secret has, whosever it is. */
  async known(manager: EntityManager, hashes: readonly Buffer[]): Promise<readonly Buffer[]> {
    const rows = await manager.query<{ known: Buffer }[]>(
      `SELECT secret_hash AS known FROM token_secrets WHERE secret_hash = ANY ($1::bytea[])
       UNION ALL SELECT imported_hash FROM token_secrets WHERE imported_hash = ANY ($1::bytea[])`,
      [byteaArray(hashes)],
    );
    return rows.map(({ known }) => known);
  }

  /** Notes that the secret has leaked which has one of these hashes; false where that was noted before. */
  async markExposed({ organizationId, manager }: Tenant, tokenId: string, hashes: readonly Buffer[], at: Instant): Promise<boolean> {
    const [marked] = await manager.query<[object[], number]>(
      `UPDATE token_secrets SET exposed_at = $4 WHERE organization_id = $1 AND token_id = $2 AND exposed_at IS NULL
          AND (secret_hash = ANY ($3::bytea[]) OR imported_hash = ANY ($3::bytea[])) RETURNING token_id`,
      [organizationId, tokenId, byteaArray(hashes), at.toPostgres()],
    );
    if (marked.length === 0) return false;
    await manager.update(ApiToken, { organizationId, id: tokenId }, { exposedAt: at, updatedAt: at });
    return true;
  }

  /** True once in so many seconds for each token that lives, for whoever is first. */
  async takeAlarm({ organizationId, manager }: Tenant, tokenId: string, at: Instant, everySeconds: number): Promise<boolean> {
    const [taken] = await manager.query<[object[], number]>(
      `UPDATE api_tokens SET reuse_detected_at = $3
        WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL AND (reuse_detected_at IS NULL OR reuse_detected_at <= $4) RETURNING id`,
      [organizationId, tokenId, at.toPostgres(), at.plusSeconds(-everySeconds).toPostgres()],
    );
    return taken.length === 1;
  }
}
