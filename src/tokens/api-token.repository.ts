import { Injectable } from '@nestjs/common';
import { IsNull, LessThanOrEqual } from 'typeorm';
import type { Tenant } from '../kernel/database/database.js';
import { isUuid } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import type { Cursor } from '../kernel/page.js';
import { ApiToken, TokenSecret } from './api-token.entity.js';
import type { SecretHash } from './token-secret.js';
import { addPlace, blockReasonAt, containing, exposedAt, LINKS, OF_TOKEN, toConditions, WITHIN_TENANT, type Conditions, type TokenFilter } from './token-filter.js';
import type { BlockReason, PendingRotation, ProjectScope, Token, TokenChange, TokenKind, TokenMetadata } from './token.js';
import { orderBy, placeOf, SORT_KEYS, type TokenPlace, type TokenSort } from './token-sort.js';

export const TOKEN_ORDERS = {
  'newest-first': 't.created_at DESC, t.id DESC',
  'oldest-first': 't.created_at ASC, t.id ASC',
  'updated-first': 't.updated_at DESC, t.id DESC',
} as const;

export interface TokenListing {
  readonly order: keyof typeof TOKEN_ORDERS;
  readonly limit: number;
  readonly offset?: number;
  /** Continues behind this place; with `newest-first` and `oldest-first` only. */
  readonly after?: Cursor | null;
}

/** How a part of a list is asked for. */
export interface TokenPaging {
  readonly sort: TokenSort;
  readonly limit: number;
  readonly after: TokenPlace | null;
}

export interface TokenPage {
  readonly tokens: readonly Token[];
  readonly next: TokenPlace | null;
}

/** No index can answer for a part of a text, least of all under row-level security. */
const LOOKED_AT_MAX = 20_000;

/** Any other text names no token, and some of it no column can hold. */
const ID = /^[0-9A-Za-z-]{1,36}$/;

/** Questions about tokens; every one names its tenant first. */
@Injectable()
export class ApiTokenRepository {
  /** By id or short id, among what a caller of this project scope may see and the filter lets through; null for everything else. */
  async find(tenant: Tenant, scope: ProjectScope, id: string, filter: TokenFilter, now: Instant): Promise<Token | null> {
    if (!ID.test(id)) return null;
    const where = toConditions(filter, now);
    where.add((value) => (isUuid(id) ? `t.id = ${value}` : `t.short_id = ${value}`), id);
    const [row] = await this.select(tenant, scope, where, now, 'LIMIT 1');
    return row ?? null;
  }

  list(tenant: Tenant, scope: ProjectScope, filter: TokenFilter, now: Instant, { order, limit, offset = 0, after }: TokenListing): Promise<Token[]> {
    const where = toConditions(filter, now);
    if (after) where.add((at, id) => `(t.created_at, t.id) ${order === 'oldest-first' ? '>' : '<'} (${at}, ${id})`, after.at, after.id);
    const rest = `ORDER BY ${TOKEN_ORDERS[order]} LIMIT ${Number(limit)} OFFSET ${Number(offset)}`;
    return this.select(tenant, scope, where, now, rest);
  }

  /**
   * A part of the list in this order, and the place where it goes on; null at the end. Where text is looked for, a part
   * may hold fewer than asked for: only so many tokens are looked at in one go.
   */
  async page(tenant: Tenant, scope: ProjectScope, { text, ...filter }: TokenFilter, now: Instant, { sort, limit, after }: TokenPaging): Promise<TokenPage> {
    const where = toConditions(filter, now);
    if (after) addPlace(where, sort, after);
    const order = orderBy(sort);
    const key = `${SORT_KEYS[sort.key].sql}::text AS sort_key`;
    const all = await this.rows(tenant, scope, now, {
      columns: key,
      ...(text === undefined
        ? { condition: where.sql, parameters: where.parameters }
        : {
            from: `(SELECT * FROM api_tokens t WHERE ${WITHIN_TENANT} AND ${where.sql} ${order} LIMIT ${LOOKED_AT_MAX})`,
            condition: containing(where, text),
            parameters: where.parameters,
          }),
      rest: `${order} LIMIT ${limit + 1}`,
    });
    const rows = all.slice(0, limit);
    const last = rows.at(-1);
    if (all.length > limit && last) return { tokens: rows.map(toToken), next: placeOf(last) };
    return { tokens: rows.map(toToken), next: text === undefined ? null : await this.edge(tenant, scope, filter, now, { sort, after }) };
  }

  /** Ids of tokens that the filter lets through, at most so many, in their order. */
  async idsOf(tenant: Tenant, scope: ProjectScope, filter: TokenFilter, now: Instant, limit: number | null = null): Promise<readonly string[]> {
    const where = toConditions(filter, now);
    const rows = await tenant.manager.query<{ id: string }[]>(
      `SELECT t.id FROM api_tokens t WHERE ${WITHIN_TENANT} AND ${where.sql} ORDER BY t.id LIMIT ${where.bind(limit)}`,
      [tenant.organizationId, toIds(scope), ...where.parameters],
    );
    return rows.map(({ id }) => id);
  }

  async count(tenant: Tenant, scope: ProjectScope, filter: TokenFilter, now: Instant): Promise<number> {
    const where = toConditions(filter, now);
    const [row] = await tenant.manager.query<{ total: string }[]>(
      `SELECT count(*) AS total FROM api_tokens t WHERE ${WITHIN_TENANT} AND ${where.sql}`,
      [tenant.organizationId, toIds(scope), ...where.parameters],
    );
    return Number(row?.total ?? 0);
  }

  async update(tenant: Tenant, id: string, change: TokenChange, at: Instant): Promise<void> {
    const { name, description, expiresAt, metadata, permissions, allowedAddresses, rotationIntervalDays: days } = change;
    const set = {
      ...(name !== undefined && { name }),
      ...(description !== undefined && { description }),
      ...(expiresAt !== undefined && { expiresAt }),
      ...(metadata !== undefined && { metadata }),
      ...(permissions !== undefined && { permissions: [...permissions] }),
      ...(allowedAddresses !== undefined && { allowedAddresses: allowedAddresses && [...allowedAddresses] }),
    };
    const rotation = days === undefined ? {} : { rotationIntervalDays: days, rotationDueAt: () => DUE_AFTER_INTERVAL };
    await tenant.manager
      .createQueryBuilder()
      .update(ApiToken)
      .set({ ...set, ...(expiresAt !== undefined && { maxTtlSeconds: () => LIFE_UP_TO_NEW_EXPIRY }), ...rotation, updatedAt: at })
      .where('organization_id = :organizationId AND id = :id', { organizationId: tenant.organizationId, id })
      .setParameter('newExpiry', expiresAt?.toPostgres() ?? null)
      .setParameter('rotationDays', days ?? null)
      .execute();
  }

  /** The number that follows the person's highest, theirs until the transaction ends: meanwhile nobody else draws one for this person. */
  async takeNumber(tenant: Tenant, userId: string): Promise<number> {
    const { organizationId, manager } = tenant;
    await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`token-number:${organizationId}:${userId}`]);
    const [row] = await manager.query<{ next: number }[]>(
      'SELECT coalesce(max(number), 0) + 1 AS next FROM api_tokens WHERE organization_id = $1 AND user_id = $2',
      [organizationId, userId],
    );
    return row?.next ?? 1;
  }

  /** The token as it is now and stays until the transaction ends. */
  async lock(tenant: Tenant, id: string): Promise<void> {
    await tenant.manager.query('SELECT FROM api_tokens WHERE organization_id = $1 AND id = $2 FOR UPDATE', [tenant.organizationId, id]);
  }

  /** Hashes of the secrets that are in use and have not expired; those that ended by themselves are forgotten. */
  async secretsInForce(tenant: Tenant, tokenId: string, now: Instant): Promise<readonly Buffer[]> {
    const { organizationId, manager } = tenant;
    await manager.delete(TokenSecret, { organizationId, tokenId, expiresAt: LessThanOrEqual(now), replacedAt: IsNull() });
    return (await manager.findBy(TokenSecret, { organizationId, tokenId, pending: false, replacedAt: IsNull() })).map(({ secretHash }) => secretHash);
  }

  /** Gives the token one more secret and a later end; secrets that lived as long as it end when it was to end. */
  async addSecret(tenant: Tenant, token: Token, secret: SecretHash & { readonly hint: string }, expiresAt: Instant | null, at: Instant): Promise<void> {
    const { organizationId, manager } = tenant;
    if (token.expiresAt) await manager.update(TokenSecret, { organizationId, tokenId: token.id, expiresAt: IsNull(), pending: false }, { expiresAt: token.expiresAt });
    await manager.insert(TokenSecret, { organizationId, tokenId: token.id, secretHash: secret.hash, pepperId: secret.pepperId, createdAt: at, hint: secret.hint });
    await manager.update(ApiToken, { organizationId, id: token.id }, { expiresAt, hint: secret.hint, renewedAt: at, updatedAt: at });
  }

  /** Counts one use of a limited token; false when none was left or the token ended meanwhile. */
  async takeUse(tenant: Tenant, id: string): Promise<boolean> {
    const { affected } = await tenant.manager
      .createQueryBuilder()
      .update(ApiToken)
      .set({ useCount: () => 'use_count + 1' })
      .where('organization_id = :organizationId AND id = :id AND revoked_at IS NULL AND use_count < uses_limit', {
        organizationId: tenant.organizationId,
        id,
      })
      .execute();
    return affected === 1;
  }

  async replaceHash(tenant: Tenant, old: Buffer, { hash, pepperId }: SecretHash): Promise<void> {
    await tenant.manager.update(TokenSecret, { organizationId: tenant.organizationId, secretHash: old }, { secretHash: hash, pepperId });
  }

  /** The last place that a search for text looks at; null where it looks at all that is left. */
  private async edge(tenant: Tenant, scope: ProjectScope, filter: TokenFilter, now: Instant, { sort, after }: Pick<TokenPaging, 'sort' | 'after'>): Promise<TokenPlace | null> {
    const where = toConditions(filter, now);
    if (after) addPlace(where, sort, after);
    const [row] = await tenant.manager.query<SortedRow[]>(
      `SELECT t.id, ${SORT_KEYS[sort.key].sql}::text AS sort_key FROM api_tokens t WHERE ${WITHIN_TENANT} AND ${where.sql} ${orderBy(sort)} LIMIT 1 OFFSET ${LOOKED_AT_MAX - 1}`,
      [tenant.organizationId, toIds(scope), ...where.parameters],
    );
    return row ? placeOf(row) : null;
  }

  private async select(tenant: Tenant, scope: ProjectScope, { sql: condition, parameters }: Conditions, now: Instant, rest: string): Promise<Token[]> {
    return (await this.rows(tenant, scope, now, { condition, parameters, rest })).map(toToken);
  }

  /** Conditions may use parameters from $3 on; $1 is the tenant, $2 the projects of the caller. */
  private rows(tenant: Tenant, scope: ProjectScope, now: Instant, { from = 'api_tokens', columns = 'NULL AS sort_key', condition, parameters, rest }: Selection): Promise<SortedRow[]> {
    const moment = `$${parameters.length + 3}`;
    return tenant.manager.query<SortedRow[]>(
      `SELECT t.*, ${columns}, (SELECT array_agg(p.key ORDER BY p.key) FROM ${LINKS} WHERE ${OF_TOKEN}) AS project_keys,
              s.created_at AS pending_since, s.hint AS pending_hint, s.overlap_seconds AS pending_overlap_seconds,
              ${blockReasonAt(moment)} AS block_reason, ${exposedAt(moment)} AS exposed
         FROM ${from} t LEFT JOIN token_secrets s ON s.organization_id = t.organization_id AND s.token_id = t.id AND s.pending
        WHERE ${WITHIN_TENANT} AND ${condition} ${rest}`,
      [tenant.organizationId, toIds(scope), ...parameters, now.toPostgres()],
    );
  }
}

interface Selection {
  readonly from?: string;
  readonly columns?: string;
  readonly condition: string;
  readonly parameters: readonly unknown[];
  readonly rest: string;
}

type SortedRow = Record<string, unknown> & { readonly id: string; readonly sort_key: string };

/** An end set by hand also ends what renewal may reach; a token that is not renewed has nothing to bound. */
const DUE_AFTER_INTERVAL = 'coalesce(rotated_at, created_at) + make_interval(days => CAST(:rotationDays AS integer))';
const LIFE_UP_TO_NEW_EXPIRY = `CASE WHEN ttl_seconds IS NULL THEN max_ttl_seconds ELSE floor(extract(epoch FROM CAST(:newExpiry AS timestamptz) - created_at))::bigint END`;

function toIds(scope: ProjectScope): readonly string[] | null {
  return scope === 'all' ? null : scope.map(({ id }) => id);
}

function toToken(row: Record<string, unknown>): Token {
  const text = (column: string): string | null => row[column] as string | null;
  const number = (column: string): number | null => (row[column] === null ? null : Number(row[column]));
  const instant = (column: string): Instant | null => row[column] as Instant | null;
  return {
    organizationId: row['organization_id'] as string,
    id: row['id'] as string,
    shortId: text('short_id'),
    number: number('number'),
    kind: row['kind'] as TokenKind,
    name: text('name'),
    description: text('description'),
    ownerId: (text('user_id') ?? text('project_id') ?? text('identity_id') ?? text('organization_id')) as string,
    userId: text('user_id'),
    parentId: text('parent_id'),
    clientSecretId: text('client_secret_id'),
    subOrganizationId: text('sub_organization_id'),
    projects: row['all_projects'] ? ['*'] : ((row['project_keys'] as string[] | null) ?? []),
    environment: text('environment'),
    permissions: row['permissions'] as string[] | null,
    roleId: text('role_id'),
    hint: row['hint'] as string,
    allowedAddresses: row['allowed_addresses'] as string[] | null,
    ttlSeconds: number('ttl_seconds'),
    maxTtlSeconds: number('max_ttl_seconds'),
    expiresAt: instant('expires_at'),
    usesLimit: number('uses_limit'),
    useCount: Number(row['use_count']),
    lastUsedAt: instant('last_used_at'),
    lastUsedIp: text('last_used_ip'),
    lastUsedUserAgent: text('last_used_user_agent'),
    renewedAt: instant('renewed_at'),
    createdAt: row['created_at'] as Instant,
    createdBy: row['created_by'] as string,
    updatedAt: row['updated_at'] as Instant,
    revokedAt: instant('revoked_at'),
    revokedBy: text('revoked_by'),
    revocationReason: text('revocation_reason'),
    exposed: row['exposed'] as boolean,
    exposedAt: instant('exposed_at'),
    revokedWith: text('revoked_with'),
    metadata: row['metadata'] as TokenMetadata,
    attributes: row['attributes'] as Record<string, unknown>,
    blockReason: text('block_reason') as BlockReason | null,
    pendingRotation: toPendingRotation(instant('pending_since'), text('pending_hint'), number('pending_overlap_seconds')),
    rotatedAt: instant('rotated_at'),
    rotationIntervalDays: number('rotation_interval_days'),
    rotationDueAt: instant('rotation_due_at'),
    reuseDetectedAt: instant('reuse_detected_at'),
  };
}

function toPendingRotation(since: Instant | null, hint: string | null, overlapSeconds: number | null): PendingRotation | null {
  return since === null || hint === null || overlapSeconds === null ? null : { since, hint, overlapSeconds };
}
