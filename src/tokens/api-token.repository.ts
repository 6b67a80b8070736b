import { Injectable } from '@nestjs/common';
import { IsNull, LessThanOrEqual } from 'typeorm';
import type { Tenant } from '../kernel/database/database.js';
import { isUuid } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import type { Cursor } from '../kernel/page.js';
import { ApiToken, TokenProject, TokenSecret } from './api-token.entity.js';
import type { SecretHash } from './token-secret.js';
import { LINKS, OF_TOKEN, toConditions, WITHIN_TENANT, type TokenFilter } from './token-filter.js';
import type { MintRequest, ProjectScope, Token, TokenChange, TokenKind } from './token.js';

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

/** Any other text names no token, and some of it no column can hold. */
const ID = /^[0-9A-Za-z-]{1,36}$/;

/** Questions about tokens; every one names its tenant first. */
@Injectable()
export class ApiTokenRepository {
  async insert(tenant: Tenant, token: Token, request: MintRequest, secret: SecretHash): Promise<void> {
    const { organizationId, manager } = tenant;
    const owner = request.owner;
    await manager.insert(ApiToken, {
      organizationId,
      id: token.id,
      shortId: token.shortId,
      number: token.number,
      kind: token.kind,
      name: token.name,
      description: token.description,
      userId: 'userId' in owner ? owner.userId : null,
      projectId: 'projectId' in owner ? owner.projectId : null,
      identityId: 'identityId' in owner ? owner.identityId : null,
      parentId: token.parentId,
      clientSecretId: token.clientSecretId,
      subOrganizationId: token.subOrganizationId,
      permissions: token.permissions === null ? null : [...token.permissions],
      roleId: token.roleId,
      allProjects: request.projects === undefined || request.projects === 'all',
      environment: token.environment,
      hint: token.hint,
      allowedAddresses: token.allowedAddresses === null ? null : [...token.allowedAddresses],
      ttlSeconds: toBigint(token.ttlSeconds),
      maxTtlSeconds: toBigint(token.maxTtlSeconds),
      expiresAt: token.expiresAt,
      usesLimit: toBigint(token.usesLimit),
      useCount: '0',
      createdAt: token.createdAt,
      createdBy: token.createdBy,
      updatedAt: token.updatedAt,
      attributes: token.attributes,
    });
    await manager.insert(TokenSecret, {
      organizationId,
      tokenId: token.id,
      secretHash: secret.hash,
      pepperId: secret.pepperId,
      createdAt: token.createdAt,
    });
    if (request.projects !== undefined && request.projects !== 'all' && request.projects.length > 0) {
      const links = request.projects.map(({ id, environmentId = null }) => ({ organizationId, tokenId: token.id, projectId: id, environmentId }));
      await manager.insert(TokenProject, links);
    }
  }

  /** By id or short id, among what a caller of this project scope may see and the filter lets through; null for everything else. */
  async find(tenant: Tenant, scope: ProjectScope, id: string, filter: TokenFilter, now: Instant): Promise<Token | null> {
    if (!ID.test(id)) return null;
    const where = toConditions(filter, now);
    where.add((value) => (isUuid(id) ? `t.id = ${value}` : `t.short_id = ${value}`), id);
    const [row] = await this.select(tenant, scope, where.sql, where.parameters, 'LIMIT 1');
    return row ?? null;
  }

  list(tenant: Tenant, scope: ProjectScope, filter: TokenFilter, now: Instant, { order, limit, offset = 0, after }: TokenListing): Promise<Token[]> {
    const where = toConditions(filter, now);
    if (after) where.add((at, id) => `(t.created_at, t.id) ${order === 'oldest-first' ? '>' : '<'} (${at}, ${id})`, after.at, after.id);
    const rest = `ORDER BY ${TOKEN_ORDERS[order]} LIMIT ${Number(limit)} OFFSET ${Number(offset)}`;
    return this.select(tenant, scope, where.sql, where.parameters, rest);
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
    const { name, description, expiresAt } = change;
    const set = { ...(name !== undefined && { name }), ...(description !== undefined && { description }), ...(expiresAt !== undefined && { expiresAt }) };
    await tenant.manager
      .createQueryBuilder()
      .update(ApiToken)
      .set({ ...set, ...(expiresAt !== undefined && { maxTtlSeconds: () => LIFE_UP_TO_NEW_EXPIRY }), updatedAt: at })
      .where('organization_id = :organizationId AND id = :id', { organizationId: tenant.organizationId, id })
      .setParameter('newExpiry', expiresAt?.toPostgres() ?? null)
      .execute();
  }

  /** Those of the projects that are there, and will be until the transaction ends. */
  async holdProjects({ organizationId, manager }: Tenant, ids: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await manager.query<{ id: string }[]>(
      'SELECT id FROM projects WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND deleted_at IS NULL ORDER BY id FOR KEY SHARE',
      [organizationId, ids],
    );
    return new Set(rows.map(({ id }) => id));
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

  /** True when this call ended it; false when it was already revoked. */
  async revoke(tenant: Tenant, id: string, at: Instant, by: string | null, reason: string): Promise<boolean> {
    const { affected } = await tenant.manager
      .createQueryBuilder()
      .update(ApiToken)
      .set({ revokedAt: at, revokedBy: by, revocationReason: reason, updatedAt: at })
      .where('organization_id = :organizationId AND id = :id AND revoked_at IS NULL', { organizationId: tenant.organizationId, id })
      .execute();
    return affected === 1;
  }

  /** Ends every token the filter lets through that is not revoked; tells which. */
  async revokeAll(tenant: Tenant, filter: TokenFilter, at: Instant, by: string | null, reason: string): Promise<readonly string[]> {
    const where = toConditions({ ...filter, revoked: false }, at);
    const next = where.parameters.length + 3;
    // Locked in one order, so that two of these never wait for each other.
    const [rows] = await tenant.manager.query<[{ id: string }[], number]>(
      `WITH ending AS (SELECT t.organization_id, t.id FROM api_tokens t WHERE ${WITHIN_TENANT} AND ${where.sql} ORDER BY t.id FOR NO KEY UPDATE)
       UPDATE api_tokens t SET revoked_at = $${next}, revoked_by = $${next + 1}, revocation_reason = $${next + 2}, updated_at = $${next}
         FROM ending WHERE t.organization_id = ending.organization_id AND t.id = ending.id RETURNING t.id`,
      [tenant.organizationId, null, ...where.parameters, at.toPostgres(), by, reason],
    );
    return rows.map(({ id }) => id);
  }

  /** The token as it is now and stays until the transaction ends. */
  async lock(tenant: Tenant, id: string): Promise<void> {
    await tenant.manager.query('SELECT FROM api_tokens WHERE organization_id = $1 AND id = $2 FOR UPDATE', [tenant.organizationId, id]);
  }

  /** Hashes of the secrets that have not expired; the others are forgotten. */
  async secretsInForce(tenant: Tenant, tokenId: string, now: Instant): Promise<readonly Buffer[]> {
    const { organizationId, manager } = tenant;
    await manager.delete(TokenSecret, { organizationId, tokenId, expiresAt: LessThanOrEqual(now) });
    return (await manager.findBy(TokenSecret, { organizationId, tokenId })).map(({ secretHash }) => secretHash);
  }

  /** Gives the token one more secret and a later end; secrets that lived as long as it end when it was to end. */
  async addSecret(tenant: Tenant, token: Token, secret: SecretHash & { readonly hint: string }, expiresAt: Instant | null, at: Instant): Promise<void> {
    const { organizationId, manager } = tenant;
    if (token.expiresAt) await manager.update(TokenSecret, { organizationId, tokenId: token.id, expiresAt: IsNull() }, { expiresAt: token.expiresAt });
    await manager.insert(TokenSecret, { organizationId, tokenId: token.id, secretHash: secret.hash, pepperId: secret.pepperId, createdAt: at });
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

  /** Conditions may use parameters from $3 on; $1 is the tenant, $2 the projects of the caller. */
  private async select(tenant: Tenant, scope: ProjectScope, condition: string, parameters: readonly unknown[], rest: string): Promise<Token[]> {
    const rows = await tenant.manager.query<Record<string, unknown>[]>(
      `SELECT t.*, (SELECT array_agg(p.key ORDER BY p.key) FROM ${LINKS} WHERE ${OF_TOKEN}) AS project_keys
         FROM api_tokens t WHERE ${WITHIN_TENANT} AND ${condition} ${rest}`,
      [tenant.organizationId, toIds(scope), ...parameters],
    );
    return rows.map(toToken);
  }
}

/** An end set by hand also ends what renewal may reach; a token that is not renewed has nothing to bound. */
const LIFE_UP_TO_NEW_EXPIRY = `CASE WHEN ttl_seconds IS NULL THEN max_ttl_seconds ELSE extract(epoch FROM CAST(:newExpiry AS timestamptz) - created_at)::bigint END`;

function toIds(scope: ProjectScope): readonly string[] | null {
  return scope === 'all' ? null : scope.map(({ id }) => id);
}

function toBigint(value: number | null): string | null {
  return value === null ? null : String(value);
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
    attributes: row['attributes'] as Record<string, unknown>,
  };
}
