import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';
import type { Policy } from '../tokens/policy.js';

@Entity('policies')
export class PolicyRecord {
  @PrimaryColumn('uuid') organizationId!: string;
  /** It binds every organization. */
  @Column('boolean') platform!: boolean;
  @Column('jsonb') rules!: Policy;
  @Column('timestamptz') updatedAt!: Instant;
  @Column('uuid') updatedBy!: string;
}
