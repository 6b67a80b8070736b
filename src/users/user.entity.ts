import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

@Entity('users')
export class User {
  @PrimaryColumn('uuid') id!: string;
  @Column('text') email!: string;
  @Column('text') emailCanonical!: string;
  @Column('text') name!: string;
  @Column('text', { select: false }) passwordHash!: string;
  /** Another one after every change of the password. */
  @Column('integer') passwordVersion!: number;
  @Column('timestamptz', { nullable: true }) disabledAt!: Instant | null;
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz') updatedAt!: Instant;
}
