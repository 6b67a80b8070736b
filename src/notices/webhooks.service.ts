import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { InputInvalid, NotFound } from '../kernel/failure.js';
import { isUuid, newId } from '../kernel/ids.js';
import { toPage, type Cursor, type Page } from '../kernel/page.js';
import { lockOrganization, TooMany } from '../organizations/organization-lock.js';
import type { NoticeEvent } from './notice-events.js';
import { SigningSecrets } from './signing-secrets.js';
import { WebhookClient } from './webhook-client.js';
import { Webhook } from './webhook.entity.js';

const WEBHOOKS_MAX = 50;

export interface NewWebhook {
  readonly url: string;
  readonly description: string;
  readonly events: readonly NoticeEvent[];
}

export interface WebhookChange extends Partial<NewWebhook> {
  readonly enabled?: boolean;
}

/** Where an organization wants to be told of its tokens. */
@Injectable()
export class WebhooksService {
  constructor(
    private readonly database: Database,
    private readonly secrets: SigningSecrets,
    private readonly client: WebhookClient,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** The signing secret is in the answer and, but for a later rotation, in no other. */
  create(caller: Principal, { url, description, events }: NewWebhook): Promise<{ webhook: Webhook; secret: string }> {
    this.requireUrl(url);
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { organizationId, manager } = tenant;
      await lockOrganization(tenant);
      if ((await manager.countBy(Webhook, { organizationId })) >= WEBHOOKS_MAX) throw new TooMany('webhook', WEBHOOKS_MAX);
      const id = newId();
      const { secret, sealed } = this.secrets.draw(id);
      const now = this.clock.now();
      const webhook: Webhook = {
        organizationId,
        id,
        url,
        description,
        events: sorted(events),
        ...sealed,
        previousSealedSecret: null,
        previousSealingKeyId: null,
        previousEndsAt: null,
        listensSince: now,
        disabledAt: null,
        disabledReason: null,
        failingSince: null,
        createdAt: now,
        createdBy: caller.actor.id,
        updatedAt: now,
      };
      await manager.insert(Webhook, webhook);
      await this.audit.append(tenant, caller.actor, { action: 'webhook.created', target: { kind: 'webhook', id }, details: { url: withoutQuery(url), description, events: webhook.events } });
      return { webhook, secret };
    });
  }

  /** Newest first. */
  list(caller: Principal, limit: number, after: Cursor | null): Promise<Page<Webhook>> {
    return this.database.inOrganization(caller.organizationId, async ({ organizationId, manager }) => {
      const query = manager
        .createQueryBuilder(Webhook, 'w')
        .where('w.organizationId = :organizationId', { organizationId })
        .orderBy('w.createdAt', 'DESC')
        .addOrderBy('w.id', 'DESC')
        .take(limit + 1);
      if (after) query.andWhere('(w.createdAt, w.id) < (:at, :id)', { at: after.at.toPostgres(), id: after.id });
      return toPage(await query.getMany(), limit);
    });
  }

  get(caller: Principal, id: string): Promise<Webhook> {
    return this.database.inOrganization(caller.organizationId, (tenant) => this.findIn(tenant, id));
  }

  /** What is left out stays. Enabling one that had failed for long gives it as long again. */
  update(caller: Principal, id: string, { enabled, ...change }: WebhookChange): Promise<Webhook> {
    if (change.url !== undefined) this.requireUrl(change.url);
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const webhook = await this.findIn(tenant, id, { toChange: true });
      const now = this.clock.now();
      const listensAnew = (enabled === true && webhook.disabledAt !== null) || change.events !== undefined;
      const fields = {
        ...(listensAnew && { listensSince: now }),
        ...(change.url !== undefined && { url: change.url }),
        ...(change.description !== undefined && { description: change.description }),
        ...(change.events && { events: sorted(change.events) }),
        ...(enabled === true && { disabledAt: null, disabledReason: null, failingSince: null }),
        ...(enabled === false && !webhook.disabledAt && { disabledAt: now, disabledReason: 'asked' as const }),
        updatedAt: now,
      };
      await tenant.manager.update(Webhook, { organizationId: tenant.organizationId, id: webhook.id }, fields);
      const after: Webhook = { ...webhook, ...fields };
      await this.audit.append(tenant, caller.actor, { action: 'webhook.updated', target: { kind: 'webhook', id: webhook.id }, ...difference(described(webhook), described(after)) });
      return after;
    });
  }

  /** Its deliveries, sent or not, go with it. */
  delete(caller: Principal, id: string): Promise<void> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const webhook = await this.findIn(tenant, id, { toChange: true });
      await tenant.manager.delete(Webhook, { organizationId: tenant.organizationId, id: webhook.id });
      await this.audit.append(tenant, caller.actor, { action: 'webhook.deleted', target: { kind: 'webhook', id: webhook.id }, details: { url: withoutQuery(webhook.url) } });
    });
  }

  /** Signs with a new secret from now on, and with the one before as well for so many seconds; one before that ends now. */
  rotateSecret(caller: Principal, id: string, overlapSeconds: number): Promise<{ webhook: Webhook; secret: string }> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const webhook = await this.findIn(tenant, id, { toChange: true });
      const { secret, sealed } = this.secrets.draw(webhook.id);
      const now = this.clock.now();
      const overlaps = overlapSeconds > 0;
      const fields = {
        ...sealed,
        previousSealedSecret: overlaps ? webhook.sealedSecret : null,
        previousSealingKeyId: overlaps ? webhook.sealingKeyId : null,
        previousEndsAt: overlaps ? now.plusSeconds(overlapSeconds) : null,
        updatedAt: now,
      };
      await tenant.manager.update(Webhook, { organizationId: tenant.organizationId, id: webhook.id }, fields);
      await this.audit.append(tenant, caller.actor, { action: 'webhook.secret-rotated', target: { kind: 'webhook', id: webhook.id }, details: { overlapSeconds } });
      return { webhook: { ...webhook, ...fields }, secret };
    });
  }

  /** Throws `NotFound` for one that is absent or another organization's. */
  async findIn({ organizationId, manager }: Tenant, id: string, { toChange = false } = {}): Promise<Webhook> {
    const webhook = isUuid(id) ? await manager.findOne(Webhook, { where: { organizationId, id }, ...(toChange && { lock: { mode: 'pessimistic_write' } }) }) : null;
    if (!webhook) throw new NotFound('webhook', id);
    return webhook;
  }

  private requireUrl(url: string): void {
    const fault = this.client.faultOf(url);
    if (fault) throw InputInvalid.at('url', 'webhookUrl', fault);
  }
}

function sorted(events: readonly NoticeEvent[]): string[] {
  return [...new Set(events)].sort();
}

/** A query may carry a secret of the receiver's. */
function withoutQuery(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

function described({ url, description, events, disabledAt }: Webhook): { url: string; description: string; events: string[]; enabled: boolean } {
  return { url: withoutQuery(url), description, events, enabled: disabledAt === null };
}
