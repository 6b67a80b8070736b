import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

/** An event's place in its organization's chain. bigint columns are text in JavaScript. */
@Entity('audit_links')
export class AuditLink {
  @PrimaryColumn('uuid') organizationId!: string;
  @PrimaryColumn('bigint') sequence!: string;
  @Column('uuid') eventId!: string;
  @Column('bytea') hash!: Buffer;
}

/** The service's signature under a stretch of the chain. */
@Entity('audit_checkpoints')
export class AuditCheckpoint {
  @PrimaryColumn('uuid') organizationId!: string;
  @PrimaryColumn('bigint') sequence!: string;
  @Column('bigint') firstSequence!: string;
  @Column('bytea') hash!: Buffer;
  @Column('timestamptz') signedAt!: Instant;
  @Column('text') keyId!: string;
  @Column('bytea') signature!: Buffer;
}
