import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

@Entity('machine_identities')
export class MachineIdentity {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('text') name!: string;
  /** Null: no access. */
  @Column('uuid', { nullable: true }) roleId!: string | null;
  @Column('boolean') deleteProtected!: boolean;
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz') updatedAt!: Instant;
}

@Entity('machine_identity_metadata')
export class MachineIdentityMetadata {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') identityId!: string;
  @Column('integer') position!: number;
  @Column('text') key!: string;
  @Column('text') value!: string;
}

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
