import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessModule } from '../access/access.module.js';
import { DeliveriesService } from './deliveries.service.js';
import { DeliveryQueue } from './delivery-queue.js';
import { DeliveryRunner } from './delivery-runner.js';
import { ExpiryMails } from './expiry-mails.js';
import { ExposureMails } from './exposure-mails.js';
import { MomentNotices } from './moment-notices.js';
import { Outbox } from './outbox.js';
import { SigningSecrets } from './signing-secrets.js';
import { TokenOwners } from './token-owners.js';
import { WebhookClient } from './webhook-client.js';
import { Webhook, WebhookDelivery } from './webhook.entity.js';
import { WebhooksController } from './webhooks.controller.js';
import { WebhooksService } from './webhooks.service.js';

@Module({
  imports: [AccessModule, TypeOrmModule.forFeature([Webhook, WebhookDelivery])],
  controllers: [WebhooksController],
  providers: [DeliveriesService, DeliveryQueue, DeliveryRunner, ExpiryMails, ExposureMails, MomentNotices, Outbox, SigningSecrets, TokenOwners, WebhookClient, WebhooksService],
})
export class NoticesModule {}
