import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

@Entity('roles')
export class RoleRecord {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('text') key!: string;
  @Column('text') name!: string;
  /** The name as it is compared. */
  @Column('text') nameFolded!: string;
  @Column('boolean') builtIn!: boolean;
  @Column('text', { array: true }) permissions!: string[];
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz') updatedAt!: Instant;
  @Column('timestamptz', { nullable: true }) deletedAt!: Instant | null;
}
