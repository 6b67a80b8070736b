import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

@Entity('memberships')
export class Membership {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') userId!: string;
  @Column('uuid') roleId!: string;
  @Column('timestamptz', { nullable: true }) disabledAt!: Instant | null;
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz') updatedAt!: Instant;
  /** Tokens and sessions still name it; the person is no member any more. */
  @Column('timestamptz', { nullable: true }) removedAt!: Instant | null;
}
