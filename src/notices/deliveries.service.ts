import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { SYSTEM } from '../audit/actor.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict, NotFound } from '../kernel/failure.js';
import { isUuid, newId } from '../kernel/ids.js';
import { Maintenance } from '../kernel/maintenance/maintenance.js';
import { purge } from '../kernel/maintenance/purge.js';
import { toPage, type Cursor, type Page } from '../kernel/page.js';
import { DeliveryQueue, type DeliveryJob } from './delivery-queue.js';
import { PING } from './notice-events.js';
import { delayAfter, FAILING_SECONDS_MAX } from './retry-schedule.js';
import { SigningSecrets } from './signing-secrets.js';
import type { Outcome } from './webhook-client.js';
import { Webhook, WebhookDelivery, type DeliveryStatus, type DisabledReason } from './webhook.entity.js';
import { WebhooksService } from './webhooks.service.js';

const GONE = 410;
const PURGE_EVERY_SECONDS = 3600;
const KEPT_SECONDS = 30 * 24 * 3600;

export interface OpenedDelivery {
  readonly delivery: WebhookDelivery;
  readonly webhook: Webhook;
}

/** What was, or is to be, sent to a webhook, and what came of it. */
@Injectable()
export class DeliveriesService implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly webhooks: WebhooksService,
    private readonly queue: DeliveryQueue,
    private readonly secrets: SigningSecrets,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
    private readonly maintenance: Maintenance,
  ) {}

  onModuleInit(): void {
    this.maintenance.add({ name: 'notices.purge-deliveries', everySeconds: PURGE_EVERY_SECONDS, inOrganization: (tenant, limit) => this.purge(tenant, limit) });
  }

  /** Newest first. */
  list(caller: Principal, webhookId: string, { status, limit, after }: { status: DeliveryStatus | null; limit: number; after: Cursor | null }): Promise<Page<WebhookDelivery>> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const webhook = await this.webhooks.findIn(tenant, webhookId);
      const query = tenant.manager
        .createQueryBuilder(WebhookDelivery, 'd')
        .where('d.organizationId = :organization AND d.webhookId = :webhook', { organization: tenant.organizationId, webhook: webhook.id })
        .orderBy('d.createdAt', 'DESC')
        .addOrderBy('d.id', 'DESC')
        .take(limit + 1);
      if (status) query.andWhere('d.status = :status', { status });
      if (after) query.andWhere('(d.createdAt, d.id) < (:at, :id)', { at: after.at.toPostgres(), id: after.id });
      return toPage(await query.getMany(), limit);
    });
  }

  /** Sends a ping, whatever events the webhook has selected. Throws `Conflict` where it is disabled. */
  ping(caller: Principal, webhookId: string): Promise<WebhookDelivery> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const webhook = await this.enabledIn(tenant, webhookId);
      const now = this.clock.now();
      const payload = { type: PING, timestamp: now.toRfc3339(), data: { organization_id: tenant.organizationId, webhook_id: webhook.id } };
      const delivery: WebhookDelivery = {
        organizationId: tenant.organizationId,
        id: newId(),
        webhookId: webhook.id,
        event: PING,
        payload,
        status: 'pending',
        attempts: 0,
        tries: 0,
        createdAt: now,
        nextAttemptAt: now,
        lastAttemptAt: null,
        responseStatus: null,
        error: null,
        durationMs: null,
      };
      await tenant.manager.insert(WebhookDelivery, delivery);
      await this.queue.add(tenant, [delivery.id]);
      await this.audit.append(tenant, caller.actor, { action: 'webhook.pinged', target: { kind: 'webhook', id: webhook.id } });
      return delivery;
    });
  }

  /** Sends the same message again, from the first attempt on. Throws `Conflict` while it is under way or the webhook is disabled. */
  redeliver(caller: Principal, webhookId: string, id: string): Promise<WebhookDelivery> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { organizationId, manager } = tenant;
      const webhook = await this.enabledIn(tenant, webhookId);
      const delivery = isUuid(id) ? await manager.findOne(WebhookDelivery, { where: { organizationId, webhookId: webhook.id, id }, lock: { mode: 'pessimistic_write' } }) : null;
      if (!delivery) throw new NotFound('delivery', id);
      if (delivery.status === 'pending') throw new Conflict('delivery', 'pending', 'The delivery is still under way.');
      const change = { status: 'pending', tries: 0, nextAttemptAt: this.clock.now() } as const;
      await manager.update(WebhookDelivery, { organizationId, id: delivery.id }, change);
      await this.queue.add(tenant, [delivery.id]);
      await this.audit.append(tenant, caller.actor, { action: 'webhook.redelivered', target: { kind: 'webhook', id: webhook.id }, details: { delivery: delivery.id } });
      return { ...delivery, ...change };
    });
  }

  /** What a job stands for; null where nothing is to be sent any more, and then the job is forgotten. */
  open(job: DeliveryJob): Promise<OpenedDelivery | null> {
    return this.database.inOrganization(job.organizationId, async (tenant) => {
      const { organizationId, manager } = tenant;
      const delivery = await manager.findOneBy(WebhookDelivery, { organizationId, id: job.deliveryId, status: 'pending' });
      const webhook = delivery && (await manager.findOneBy(Webhook, { organizationId, id: delivery.webhookId }));
      if (delivery && webhook && !webhook.disabledAt) return { delivery, webhook };
      if (delivery) await manager.update(WebhookDelivery, { organizationId, id: delivery.id }, { status: 'failed', nextAttemptAt: null, error: 'webhook-disabled' });
      await this.queue.done(tenant, job);
      return null;
    });
  }

  /** Writes down what came of an attempt, and has the next one made where there is to be one. */
  record(job: DeliveryJob, { delivery, webhook }: OpenedDelivery, { status, error, durationMs }: Outcome): Promise<void> {
    return this.database.inOrganization(job.organizationId, async (tenant) => {
      const { organizationId, manager } = tenant;
      const now = this.clock.now();
      const tries = delivery.tries + 1;
      const delay = error === null || status === GONE ? null : delayAfter(tries);
      await manager.update(WebhookDelivery, { organizationId, id: delivery.id }, {
        status: error === null ? 'delivered' : delay === null ? 'failed' : 'pending',
        attempts: delivery.attempts + 1,
        tries,
        lastAttemptAt: now,
        nextAttemptAt: delay === null ? null : now.plusSeconds(delay),
        responseStatus: status,
        error,
        durationMs,
      });
      await this.queue.done(tenant, job);
      if (delay !== null) await this.queue.add(tenant, [delivery.id], delay);
      if (error === null) await this.recovered(tenant, webhook);
      else await this.failed(tenant, webhook, status);
      const resealed = this.secrets.resealed(webhook);
      if (resealed) await manager.update(Webhook, { organizationId, id: webhook.id, sealingKeyId: webhook.sealingKeyId }, resealed);
    });
  }

  /** Forgets what has ended, a month after it came up. */
  private purge(tenant: Tenant, limit: number): Promise<number> {
    const before = this.clock.now().plusSeconds(-KEPT_SECONDS);
    return purge(tenant, { table: 'webhook_deliveries', condition: `t.status <> 'pending' AND t.created_at < $2`, before, limit });
  }

  private async enabledIn(tenant: Tenant, webhookId: string): Promise<Webhook> {
    const webhook = await this.webhooks.findIn(tenant, webhookId);
    if (webhook.disabledAt) throw new Conflict('webhook', 'disabled', 'The webhook is disabled.');
    return webhook;
  }

  private async recovered({ organizationId, manager }: Tenant, webhook: Webhook): Promise<void> {
    if (webhook.failingSince) await manager.update(Webhook, { organizationId, id: webhook.id }, { failingSince: null });
  }

  private async failed(tenant: Tenant, webhook: Webhook, status: number | null): Promise<void> {
    const { organizationId, manager } = tenant;
    const now = this.clock.now();
    if (status === GONE) return this.disable(tenant, webhook.id, 'gone');
    if (!webhook.failingSince) await manager.update(Webhook, { organizationId, id: webhook.id }, { failingSince: now });
    else if (now.secondsSince(webhook.failingSince) >= FAILING_SECONDS_MAX) await this.disable(tenant, webhook.id, 'failing');
  }

  private async disable(tenant: Tenant, id: string, reason: DisabledReason): Promise<void> {
    const [, affected] = await tenant.manager.query<[unknown, number]>(
      'UPDATE webhooks SET disabled_at = $3, disabled_reason = $4, updated_at = $3 WHERE organization_id = $1 AND id = $2 AND disabled_at IS NULL',
      [tenant.organizationId, id, this.clock.now().toPostgres(), reason],
    );
    if (affected === 1) await this.audit.append(tenant, SYSTEM, { action: 'webhook.disabled', target: { kind: 'webhook', id }, details: { reason } });
  }
}
