import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

@Entity('signing_keys')
export class SigningKey {
  @PrimaryColumn('text') id!: string;
  @Column('text') algorithm!: string;
  @Column('jsonb') publicJwk!: object;
  @Column('bytea') sealedPrivateKey!: Buffer;
  @Column('text') sealingKeyId!: string;
  @Column('timestamptz') createdAt!: Instant;
  /** It is published before, and signs from then on. */
  @Column('timestamptz') activatesAt!: Instant;
  /** From then on nothing it signed counts; may lie ahead. */
  @Column('timestamptz', { nullable: true }) retiredAt!: Instant | null;
}
