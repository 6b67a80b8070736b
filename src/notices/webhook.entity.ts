import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

export type DisabledReason = 'asked' | 'gone' | 'failing';

@Entity('webhooks')
export class Webhook {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('text') url!: string;
  @Column('text') description!: string;
  @Column('text', { array: true }) events!: string[];
  @Column('bytea') sealedSecret!: Buffer;
  @Column('text') sealingKeyId!: string;
  @Column('bytea', { nullable: true }) previousSealedSecret!: Buffer | null;
  @Column('text', { nullable: true }) previousSealingKeyId!: string | null;
  @Column('timestamptz', { nullable: true }) previousEndsAt!: Instant | null;
  /** Enabled and with these events: what happened before is not for it. */
  @Column('timestamptz') listensSince!: Instant;
  @Column('timestamptz', { nullable: true }) disabledAt!: Instant | null;
  @Column('text', { nullable: true }) disabledReason!: DisabledReason | null;
  @Column('timestamptz', { nullable: true }) failingSince!: Instant | null;
  @Column('timestamptz') createdAt!: Instant;
  @Column('uuid', { nullable: true }) createdBy!: string | null;
  @Column('timestamptz') updatedAt!: Instant;
}

export type DeliveryStatus = 'pending' | 'delivered' | 'failed';

@Entity('webhook_deliveries')
export class WebhookDelivery {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') webhookId!: string;
  @Column('text') event!: string;
  @Column('json') payload!: object;
  @Column('text') status!: DeliveryStatus;
  @Column('integer') attempts!: number;
  @Column('integer') tries!: number;
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz', { nullable: true }) nextAttemptAt!: Instant | null;
  @Column('timestamptz', { nullable: true }) lastAttemptAt!: Instant | null;
  @Column('integer', { nullable: true }) responseStatus!: number | null;
  @Column('text', { nullable: true }) error!: string | null;
  @Column('integer', { nullable: true }) durationMs!: number | null;
}
