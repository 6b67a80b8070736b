import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

@Entity('sessions')
export class Session {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') userId!: string;
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz') expiresAt!: Instant;
  @Column('text', { nullable: true }) ip!: string | null;
  @Column('text', { nullable: true }) userAgent!: string | null;
  @Column('timestamptz', { nullable: true }) endedAt!: Instant | null;
  @Column('text', { nullable: true }) endReason!: string | null;
}

@Entity('refresh_tokens')
export class RefreshToken {
  @PrimaryColumn('bytea') secretHash!: Buffer;
  @Column('text') pepperId!: string;
  @Column('uuid') organizationId!: string;
  @Column('uuid') sessionId!: string;
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz') expiresAt!: Instant;
  @Column('timestamptz', { nullable: true }) usedAt!: Instant | null;
}
