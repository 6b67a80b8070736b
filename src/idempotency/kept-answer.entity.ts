import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

@Entity('kept_answers')
export class KeptAnswer {
  @PrimaryColumn('uuid') organizationId!: string;
  /** SHA-256 of the caller and the key. */
  @PrimaryColumn('bytea') locator!: Buffer;
  @Column('timestamptz') expiresAt!: Instant;
  @Column('text') sealingKeyId!: string;
  @Column('bytea') sealedAnswer!: Buffer;
}
