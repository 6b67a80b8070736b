import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { limitOf, PageQuery } from '../kernel/http/page-query.js';
import { requireCursor } from '../kernel/page.js';
import { DeliveriesService } from './deliveries.service.js';
import { toDelivery, toWebhook } from './webhooks.mapper.js';
import { WebhooksService } from './webhooks.service.js';
import {
  CreateWebhook,
  DeliveryPage,
  DeliveryQuery,
  DeliveryResource,
  OVERLAP_SECONDS_DEFAULT,
  RotateWebhookSecret,
  UpdateWebhook,
  WebhookPage,
  WebhookResource,
  WebhookWithSecret,
} from './webhooks.dto.js';

@ApiTags('Webhooks')
@Controller('v1/webhooks')
export class WebhooksController {
  constructor(
    private readonly webhooks: WebhooksService,
    private readonly deliveries: DeliveriesService,
  ) {}

  @Get()
  @RequirePermission('webhook:read')
  @ApiOperation({ summary: 'The webhooks of the organization, newest first' })
  @ApiOkResponse({ description: 'A page of webhooks.', type: WebhookPage })
  @ApiProblems(400, 401, 403)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: PageQuery): Promise<WebhookPage> {
    const { entries, nextCursor } = await this.webhooks.list(principal, limitOf(query), requireCursor(query.cursor));
    return { data: entries.map(toWebhook), next_cursor: nextCursor };
  }

  @Post()
  @RequirePermission('webhook:write')
  @ApiOperation({ summary: 'Be told of what happens to tokens', description: 'From now on, at this URL; up to 50 for an organization. docs/webhooks.md says what is sent, how it is verified and when it is sent again.' })
  @ApiCreatedResponse({ description: 'The webhook, and its signing secret this once.', type: WebhookWithSecret })
  @ApiProblems(400, 401, 403, 413, 415)
  async create(@CurrentPrincipal() principal: Principal, @Body() { url, description = '', events }: CreateWebhook): Promise<WebhookWithSecret> {
    const { webhook, secret } = await this.webhooks.create(principal, { url, description, events });
    return { ...toWebhook(webhook), secret };
  }

  @Get(':id')
  @RequirePermission('webhook:read')
  @ApiOperation({ summary: 'One webhook' })
  @ApiOkResponse({ description: 'The webhook.', type: WebhookResource })
  @ApiProblems(401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<WebhookResource> {
    return toWebhook(await this.webhooks.get(principal, id));
  }

  @Patch(':id')
  @RequirePermission('webhook:write')
  @ApiOperation({ summary: 'Change, disable or enable a webhook', description: 'What is left out stays.' })
  @ApiOkResponse({ description: 'The webhook as it is now.', type: WebhookResource })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  async update(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Body() { url, description, events, enabled }: UpdateWebhook): Promise<WebhookResource> {
    return toWebhook(await this.webhooks.update(principal, id, { url, description, events, enabled }));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('webhook:write')
  @ApiOperation({ summary: 'Delete a webhook', description: 'With its log, and with what is not sent yet.' })
  @ApiNoContentResponse({ description: 'The webhook is gone.' })
  @ApiProblems(401, 403, 404)
  async delete(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.webhooks.delete(principal, id);
  }

  @Post(':id/rotate-secret')
  @HttpCode(200)
  @RequirePermission('webhook:write', { uncounted: true })
  @ApiOperation({ summary: 'Sign with a new secret', description: 'What is sent carries two signatures until the overlap ends, so that receivers can change over.' })
  @ApiOkResponse({ description: 'The webhook, and its new signing secret this once.', type: WebhookWithSecret })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  async rotateSecret(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() { overlap_seconds: overlapSeconds = OVERLAP_SECONDS_DEFAULT }: RotateWebhookSecret,
  ): Promise<WebhookWithSecret> {
    const { webhook, secret } = await this.webhooks.rotateSecret(principal, id, overlapSeconds);
    return { ...toWebhook(webhook), secret };
  }

  @Post(':id/ping')
  @HttpCode(202)
  @RequirePermission('webhook:write')
  @ApiOperation({ summary: 'Try a webhook out', description: 'Sends the event webhook.ping.' })
  @ApiAcceptedResponse({ description: 'The delivery that will be attempted.', type: DeliveryResource })
  @ApiProblems(401, 403, 404, 409)
  async ping(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<DeliveryResource> {
    return toDelivery(await this.deliveries.ping(principal, id));
  }

  @Get(':id/deliveries')
  @RequirePermission('webhook:read')
  @ApiOperation({ summary: 'What was sent or is to be sent, newest first', description: 'What has ended is kept for 30 days.' })
  @ApiOkResponse({ description: 'A page of deliveries.', type: DeliveryPage })
  @ApiProblems(400, 401, 403, 404)
  async listDeliveries(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Query() query: DeliveryQuery): Promise<DeliveryPage> {
    const listing = { status: query.status ?? null, limit: limitOf(query), after: requireCursor(query.cursor) };
    const { entries, nextCursor } = await this.deliveries.list(principal, id, listing);
    return { data: entries.map(toDelivery), next_cursor: nextCursor };
  }

  @Post(':id/deliveries/:delivery/redeliver')
  @HttpCode(202)
  @RequirePermission('webhook:write')
  @ApiOperation({ summary: 'Send once more', description: 'The same message under the same webhook-id, with all attempts anew.' })
  @ApiAcceptedResponse({ description: 'The delivery that will be attempted.', type: DeliveryResource })
  @ApiProblems(401, 403, 404, 409)
  async redeliver(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Param('delivery') delivery: string): Promise<DeliveryResource> {
    return toDelivery(await this.deliveries.redeliver(principal, id, delivery));
  }
}
