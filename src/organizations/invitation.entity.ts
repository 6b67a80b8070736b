import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

@Entity('invitations')
export class Invitation {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('text') email!: string;
  @Column('text') emailCanonical!: string;
  @Column('uuid') roleId!: string;
  @Column('bytea', { select: false }) secretHash!: Buffer;
  @Column('text') pepperId!: string;
  @Column('timestamptz') createdAt!: Instant;
  /** The person who invites. */
  @Column('uuid') createdBy!: string;
  @Column('timestamptz') expiresAt!: Instant;
  @Column('timestamptz', { nullable: true }) acceptedAt!: Instant | null;
  @Column('uuid', { nullable: true }) acceptedBy!: string | null;
  @Column('timestamptz', { nullable: true }) revokedAt!: Instant | null;
  /** At accepting it. */
  @Column('integer') attempts!: number;
}
