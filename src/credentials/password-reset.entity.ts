import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

@Entity('password_resets')
export class PasswordReset {
  /** Where it is recorded. */
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') userId!: string;
  /** The person's, when the secret was drawn: with any other one it is worth nothing. */
  @Column('integer') passwordVersion!: number;
  @Column('bytea', { select: false }) secretHash!: Buffer;
  @Column('text') pepperId!: string;
  /** False: an administrator has the secret. */
  @Column('boolean') byMail!: boolean;
  @Column('timestamptz') createdAt!: Instant;
  /** The administrator who asked for it. */
  @Column('uuid', { nullable: true }) createdBy!: string | null;
  @Column('timestamptz') expiresAt!: Instant;
}
