import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

@Entity('audit_events')
export class AuditEvent {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('timestamptz') occurredAt!: Instant;
  @Column('text') action!: string;
  @Column('text') actorKind!: string;
  @Column('uuid', { nullable: true }) actorId!: string | null;
  @Column('text', { nullable: true }) credentialKind!: string | null;
  @Column('uuid', { nullable: true }) credentialId!: string | null;
  @Column('text') targetKind!: string;
  @Column('uuid', { nullable: true }) targetId!: string | null;
  @Column('jsonb') details!: object;
  @Column('jsonb', { nullable: true }) before!: object | null;
  @Column('jsonb', { nullable: true }) after!: object | null;
  @Column('text', { nullable: true }) ip!: string | null;
  @Column('text', { nullable: true }) userAgent!: string | null;
  @Column('text', { nullable: true }) requestId!: string | null;
}
