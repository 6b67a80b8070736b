import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';
import type { LoginMethod } from './access-token-settings.js';

@Entity('machine_identities')
export class MachineIdentity {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('text') name!: string;
  /** Null: no access. */
  @Column('uuid', { nullable: true }) roleId!: string | null;
  @Column('boolean') deleteProtected!: boolean;
  @Column('timestamptz', { nullable: true }) lastLoginAt!: Instant | null;
  @Column('text', { nullable: true }) lastLoginMethod!: LoginMethod | null;
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz') updatedAt!: Instant;
  @Column('timestamptz', { nullable: true }) deletedAt!: Instant | null;
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

/** A machine identity of the parent organization that may act in this one, a sub-organization. */
@Entity('identity_admissions')
export class IdentityAdmission {
  @PrimaryColumn('uuid') organizationId!: string;
  @Column('uuid') identityOrganizationId!: string;
  @PrimaryColumn('uuid') identityId!: string;
  /** Null: no access. */
  @Column('uuid', { nullable: true }) roleId!: string | null;
  @Column('timestamptz') createdAt!: Instant;
}
