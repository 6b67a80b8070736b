import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

@Entity('organizations')
export class Organization {
  @PrimaryColumn('uuid') id!: string;
  /** Of a sub-organization, the organization it belongs to. */
  @Column('uuid', { nullable: true }) parentId!: string | null;
  @Column('text') slug!: string;
  @Column('text') name!: string;
  @Column('boolean') platform!: boolean;
  @Column('timestamptz', { nullable: true }) suspendedAt!: Instant | null;
  /** By the organization it belongs to, not by the operator. */
  @Column('boolean', { default: false }) suspendedByParent!: boolean;
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz') updatedAt!: Instant;
  /** It stays known, with its slug; nobody acts in it any more. */
  @Column('timestamptz', { nullable: true }) deletedAt!: Instant | null;
}
