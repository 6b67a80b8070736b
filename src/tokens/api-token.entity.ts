import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';
import type { TokenKind } from './token.js';

@Entity('api_tokens')
export class ApiToken {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('text', { nullable: true }) shortId!: string | null;
  @Column('integer', { nullable: true }) number!: number | null;
  @Column('text') kind!: TokenKind;
  @Column('text', { nullable: true }) name!: string | null;
  @Column('text', { nullable: true }) description!: string | null;
  @Column('uuid', { nullable: true }) userId!: string | null;
  @Column('uuid', { nullable: true }) projectId!: string | null;
  @Column('uuid', { nullable: true }) identityId!: string | null;
  @Column('uuid', { nullable: true }) parentId!: string | null;
  @Column('uuid', { nullable: true }) clientSecretId!: string | null;
  @Column('uuid', { nullable: true }) subOrganizationId!: string | null;
  @Column('text', { array: true, nullable: true }) permissions!: string[] | null;
  @Column('uuid', { nullable: true }) roleId!: string | null;
  @Column('boolean') allProjects!: boolean;
  @Column('text', { nullable: true }) environment!: string | null;
  @Column('text') hint!: string;
  @Column('text', { array: true, nullable: true }) allowedAddresses!: string[] | null;
  /** bigint columns are text in JavaScript. */
  @Column('bigint', { nullable: true }) ttlSeconds!: string | null;
  @Column('bigint', { nullable: true }) maxTtlSeconds!: string | null;
  @Column('timestamptz', { nullable: true }) expiresAt!: Instant | null;
  @Column('bigint', { nullable: true }) usesLimit!: string | null;
  @Column('bigint') useCount!: string;
  @Column('timestamptz', { nullable: true }) lastUsedAt!: Instant | null;
  @Column('text', { nullable: true }) lastUsedIp!: string | null;
  @Column('text', { nullable: true }) lastUsedUserAgent!: string | null;
  @Column('timestamptz', { nullable: true }) renewedAt!: Instant | null;
  @Column('timestamptz') createdAt!: Instant;
  @Column('uuid') createdBy!: string;
  @Column('timestamptz') updatedAt!: Instant;
  @Column('timestamptz', { nullable: true }) revokedAt!: Instant | null;
  @Column('uuid', { nullable: true }) revokedBy!: string | null;
  @Column('text', { nullable: true }) revocationReason!: string | null;
  @Column('timestamptz', { nullable: true }) exposedAt!: Instant | null;
  @Column('uuid', { nullable: true }) revokedWith!: string | null;
  @Column('jsonb') attributes!: object;
  @Column('timestamptz', { nullable: true }) rotatedAt!: Instant | null;
  @Column('integer', { nullable: true }) rotationIntervalDays!: number | null;
  @Column('timestamptz', { nullable: true }) rotationDueAt!: Instant | null;
  @Column('timestamptz', { nullable: true }) reuseDetectedAt!: Instant | null;
  /** Since when upkeep has known policies to block it; no verdict goes by it. */
  @Column('timestamptz', { nullable: true }) blockedAt!: Instant | null;
  @Column('jsonb') metadata!: object;
  /** The database makes it out of the name. */
  @Column({ type: 'text', insert: false, update: false, select: false }) nameKey!: string;
}

/** A project the token is limited to. */
@Entity('token_projects')
export class TokenProject {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') tokenId!: string;
  @PrimaryColumn('uuid') projectId!: string;
  @Column('uuid', { nullable: true }) environmentId!: string | null;
}

/** The hash of a token's secret; the secret itself is nowhere. */
@Entity('token_secrets')
export class TokenSecret {
  @PrimaryColumn('bytea') secretHash!: Buffer;
  @Column('text') pepperId!: string;
  @Column('uuid') organizationId!: string;
  @Column('uuid') tokenId!: string;
  @Column('timestamptz') createdAt!: Instant;
  /** Null: as long as its token lives. */
  @Column('timestamptz', { nullable: true }) expiresAt!: Instant | null;
  /** Null for secrets of older days. */
  @Column('text', { nullable: true }) hint!: string | null;
  /** A rotation drew it, and nobody has used it yet. */
  @Column('boolean') pending!: boolean;
  /** How much longer the others work from its first use on; null where no rotation drew it. */
  @Column('integer', { nullable: true }) overlapSeconds!: number | null;
  /** When its successor was first used. */
  @Column('timestamptz', { nullable: true }) replacedAt!: Instant | null;
  /** When it was first reported to have leaked. */
  @Column('timestamptz', { nullable: true }) exposedAt!: Instant | null;
  /** Of a secret that was drawn elsewhere. */
  @Column('bytea', { nullable: true }) importedHash!: Buffer | null;
}
