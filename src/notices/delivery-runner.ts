import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Background } from '../kernel/background.js';
import { Clock } from '../kernel/clock.js';
import { DeliveriesService, type OpenedDelivery } from './deliveries.service.js';
import { DeliveryQueue, type DeliveryJob } from './delivery-queue.js';
import { SigningSecrets } from './signing-secrets.js';
import { WebhookClient } from './webhook-client.js';
import { messageIdOf } from './webhooks.mapper.js';

const LOOK_EVERY_MS = 1_000;
const UNDER_WAY_MAX = 20;
/** So that one whose endpoints hang leaves room for the others. */
const UNDER_WAY_MAX_PER_ORGANIZATION = 5;

/** Attempts what is due, about a second after it was committed; some at once, on any number of replicas. */
@Injectable()
export class DeliveryRunner implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('Deliveries');
  private readonly stopping = new AbortController();
  private readonly underWay = new Map<DeliveryJob, Promise<void>>();
  private timer: NodeJS.Timeout | null = null;
  private looking: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly queue: DeliveryQueue,
    private readonly deliveries: DeliveriesService,
    private readonly secrets: SigningSecrets,
    private readonly client: WebhookClient,
    private readonly clock: Clock,
    private readonly background: Background,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.background.runsByItself) return;
    const next = (): void => {
      this.looking = this.take().finally(() => {
        if (!this.stopping.signal.aborted) this.timer = setTimeout(next, LOOK_EVERY_MS).unref();
      });
    };
    this.timer = setTimeout(next, LOOK_EVERY_MS).unref();
  }

  /** What is under way is broken off, and made again by whoever is next. */
  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    if (this.timer) clearTimeout(this.timer);
    await this.looking;
    await Promise.all(this.underWay.values());
  }

  /** Attempts all that is due now, and what becomes due by that. */
  async runDue(): Promise<void> {
    while ((await this.take()) > 0) await Promise.all(this.underWay.values());
  }

  /** Begins as many attempts as there is room for; tells how many it took in hand. Never rejects. */
  private async take(): Promise<number> {
    const room = UNDER_WAY_MAX - this.underWay.size;
    if (room <= 0 || this.stopping.signal.aborted) return 0;
    try {
      const jobs = await this.queue.take(room);
      for (const job of jobs) {
        if (this.countOf(job.organizationId) >= UNDER_WAY_MAX_PER_ORGANIZATION) await this.queue.putBack(job);
        else this.underWay.set(job, this.attempt(job).finally(() => this.underWay.delete(job)));
      }
      return jobs.length;
    } catch (error) {
      this.logger.warn(`no deliveries could be taken: ${reasonOf(error)}`);
      return 0;
    }
  }

  private countOf(organizationId: string): number {
    return [...this.underWay.keys()].filter((job) => job.organizationId === organizationId).length;
  }

  /** Never rejects: what cannot even be recorded is handed out again when the queue misses it. */
  private async attempt(job: DeliveryJob): Promise<void> {
    try {
      const opened = await this.deliveries.open(job);
      if (opened) await this.deliveries.record(job, opened, await this.send(opened));
    } catch (error) {
      if (this.stopping.signal.aborted) await this.queue.putBack(job).catch(() => undefined);
      else this.logger.warn(`delivery ${job.deliveryId} was not attempted or not recorded: ${reasonOf(error)}`);
    }
  }

  private send({ delivery, webhook }: OpenedDelivery): ReturnType<WebhookClient['post']> {
    const body = JSON.stringify(delivery.payload);
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Gatehouse-Webhooks',
      ...this.secrets.sign(webhook, messageIdOf(delivery), body, this.clock.now()),
    };
    return this.client.post(new URL(webhook.url), headers, body, this.stopping.signal);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error';
}
