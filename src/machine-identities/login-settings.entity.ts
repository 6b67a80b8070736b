import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

/** How the tokens of a machine identity live that are minted for it; bigint columns are text in JavaScript. */
@Entity('token_auth_settings')
export class TokenAuthSettings {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') identityId!: string;
  @Column('bigint') ttlSeconds!: string;
  @Column('bigint') maxTtlSeconds!: string;
  @Column('bigint') usesLimit!: string;
  @Column('text', { array: true }) trustedAddresses!: string[];
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz') updatedAt!: Instant;
}

/** How a machine identity logs in as a client, and how the tokens live that it is given then. */
@Entity('universal_auth_settings')
export class UniversalAuthSettings {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') identityId!: string;
  @Column('uuid') clientId!: string;
  @Column('bigint') ttlSeconds!: string;
  @Column('bigint') maxTtlSeconds!: string;
  @Column('bigint') periodSeconds!: string;
  @Column('bigint') usesLimit!: string;
  @Column('text', { array: true }) trustedAddresses!: string[];
  @Column('text', { array: true }) clientSecretTrustedAddresses!: string[];
  @Column('boolean') lockoutEnabled!: boolean;
  @Column('integer') lockoutThreshold!: number;
  @Column('integer') lockoutDurationSeconds!: number;
  @Column('integer') lockoutCounterResetSeconds!: number;
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz') updatedAt!: Instant;
}

@Entity('client_secrets')
export class ClientSecret {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') settingsId!: string;
  @Column('bytea', { select: false }) secretHash!: Buffer;
  @Column('text') pepperId!: string;
  @Column('text') prefix!: string;
  @Column('text') description!: string;
  @Column('bigint') ttlSeconds!: string;
  @Column('bigint') usesLimit!: string;
  @Column('bigint') useCount!: string;
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz') updatedAt!: Instant;
  @Column('timestamptz', { nullable: true }) revokedAt!: Instant | null;
  @Column('uuid', { nullable: true }) revokedBy!: string | null;
}

/** A public key the machine proves itself with; the private half is nowhere but with the machine. */
@Entity('client_keys')
export class ClientKey {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') settingsId!: string;
  @Column('text') name!: string;
  @Column('text') thumbprint!: string;
  @Column('text') algorithm!: string;
  @Column('jsonb') publicJwk!: object;
  @Column('timestamptz', { nullable: true }) expiresAt!: Instant | null;
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz', { nullable: true }) lastUsedAt!: Instant | null;
}

/** Failed logins of a client from one source. */
@Entity('client_lockouts')
export class ClientLockout {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') settingsId!: string;
  @PrimaryColumn('cidr') source!: string;
  @Column('integer') failures!: number;
  @Column('boolean') locked!: boolean;
  @Column('timestamptz') expiresAt!: Instant;
}
