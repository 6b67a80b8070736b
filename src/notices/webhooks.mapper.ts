import type { Webhook, WebhookDelivery } from './webhook.entity.js';
import type { DeliveryResource, WebhookResource } from './webhooks.dto.js';

export function toWebhook({ id, url, description, events, disabledAt, disabledReason, failingSince, previousEndsAt, createdAt, createdBy, updatedAt }: Webhook): WebhookResource {
  return {
    id,
    url,
    description,
    events,
    enabled: disabledAt === null,
    disabled_reason: disabledReason,
    failing_since: failingSince?.toRfc3339() ?? null,
    previous_secret_ends_at: previousEndsAt?.toRfc3339() ?? null,
    created_at: createdAt.toRfc3339(),
    created_by: createdBy,
    updated_at: updatedAt.toRfc3339(),
  };
}

/** The header webhook-id: one for all attempts, so that a receiver knows what it has had before. */
export function messageIdOf({ id }: Pick<WebhookDelivery, 'id'>): string {
  return `msg_${id.replaceAll('-', '')}`;
}

export function toDelivery(delivery: WebhookDelivery): DeliveryResource {
  const { id, event, status, attempts, lastAttemptAt, nextAttemptAt, responseStatus, error, durationMs, createdAt, payload } = delivery;
  return {
    id,
    message_id: messageIdOf(delivery),
    event,
    status,
    attempts,
    last_attempt_at: lastAttemptAt?.toRfc3339() ?? null,
    next_attempt_at: nextAttemptAt?.toRfc3339() ?? null,
    response_status: responseStatus,
    error,
    duration_ms: durationMs,
    created_at: createdAt.toRfc3339(),
    payload,
  };
}
