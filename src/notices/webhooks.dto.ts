import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { flag } from '../kernel/http/flag-rule.js';
import { PageQuery } from '../kernel/http/page-query.js';
import { plainText } from '../kernel/http/plain-text.js';
import { Satisfies, type Fault, type Rule } from '../kernel/http/rule.js';
import { NOTICE_EVENTS, type NoticeEvent } from './notice-events.js';
import type { DeliveryStatus } from './webhook.entity.js';

export const OVERLAP_SECONDS_DEFAULT = 24 * 3600;
const OVERLAP_SECONDS_MAX = 7 * 24 * 3600;
const STATUSES: readonly DeliveryStatus[] = ['pending', 'delivered', 'failed'];

function events({ optional = false } = {}): Rule {
  return (value): readonly Fault[] | Fault | null => {
    if (value === undefined && optional) return null;
    if (!Array.isArray(value)) return { rule: 'isArray', message: 'must be a list of events' };
    if (value.length === 0) return { rule: 'length', message: 'must name at least one event' };
    return value.flatMap((entry: unknown, place) =>
      NOTICE_EVENTS.some((known) => known === entry) ? [] : [{ at: [place], rule: 'isIn', message: `must be one of ${NOTICE_EVENTS.join(', ')}` }]);
  };
}

const overlap: Rule = (value) =>
  value === undefined || (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= OVERLAP_SECONDS_MAX)
    ? null
    : { rule: 'overlap', message: `must be a whole number from 0 to ${OVERLAP_SECONDS_MAX}` };

const status: Rule = (value) =>
  value === undefined || STATUSES.some((known) => known === value) ? null : { rule: 'isIn', message: `must be one of ${STATUSES.join(', ')}` };

const URL_DOC = { example: 'https://hooks.acme.example/gatehouse', maxLength: 2000, description: 'https, and at a public address, unless the operator has allowed others.' } satisfies ApiPropertyOptions;
const DESCRIPTION_DOC = { example: 'Tells the on-call channel', maxLength: 200 } satisfies ApiPropertyOptions;
const EVENTS_DOC = { isArray: true, enum: NOTICE_EVENTS, example: ['token.created', 'token.revoked', 'token.expiring'], description: 'What to be told of.' } satisfies ApiPropertyOptions;

export class CreateWebhook {
  @ApiProperty(URL_DOC)
  @Satisfies(plainText({ min: 1, max: 2000 }))
  url!: string;

  @ApiProperty({ ...DESCRIPTION_DOC, required: false })
  @Satisfies(plainText({ min: 0, max: 200, optional: true }))
  description?: string;

  @ApiProperty(EVENTS_DOC)
  @Satisfies(events())
  events!: NoticeEvent[];
}

export class UpdateWebhook {
  @ApiProperty({ ...URL_DOC, required: false })
  @Satisfies(plainText({ min: 1, max: 2000, optional: true }))
  url?: string;

  @ApiProperty({ ...DESCRIPTION_DOC, required: false })
  @Satisfies(plainText({ min: 0, max: 200, optional: true }))
  description?: string;

  @ApiProperty({ ...EVENTS_DOC, required: false })
  @Satisfies(events({ optional: true }))
  events?: NoticeEvent[];

  @ApiProperty({ required: false, example: true, description: 'False: nothing is sent, and what happens meanwhile is not sent later either.' })
  @Satisfies(flag)
  enabled?: boolean;
}

export class RotateWebhookSecret {
  @ApiProperty({ required: false, type: Number, minimum: 0, maximum: OVERLAP_SECONDS_MAX, default: OVERLAP_SECONDS_DEFAULT, description: 'How long the secret before signs as well.' })
  @Satisfies(overlap)
  overlap_seconds?: number;
}

export class DeliveryQuery extends PageQuery {
  @ApiProperty({ required: false, enum: STATUSES })
  @Satisfies(status)
  status?: DeliveryStatus;
}

export class WebhookResource {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ example: 'https://hooks.acme.example/gatehouse' }) url!: string;
  @ApiProperty({ example: 'Tells the on-call channel' }) description!: string;
  @ApiProperty(EVENTS_DOC) events!: string[];
  @ApiProperty({ example: true }) enabled!: boolean;
  @ApiProperty({ type: String, nullable: true, enum: ['asked', 'gone', 'failing'], description: 'Why it is not enabled: as asked, since it answered 410, or since it failed for five days.' }) disabled_reason!: string | null;
  @ApiProperty({ type: String, nullable: true, format: 'date-time', description: 'Since when every attempt has failed; null while it works.' }) failing_since!: string | null;
  @ApiProperty({ type: String, nullable: true, format: 'date-time', description: 'Until when the secret before signs as well; null where only one does.' }) previous_secret_ends_at!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ type: String, nullable: true, format: 'uuid' }) created_by!: string | null;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
}

export class WebhookWithSecret extends WebhookResource {
  @ApiProperty({ example: 'whsec_…', description: 'What deliveries are verified with. Shown this once.' }) secret!: string;
}

export class WebhookPage {
  @ApiProperty({ type: [WebhookResource] }) data!: WebhookResource[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page.' }) next_cursor!: string | null;
}

export class DeliveryResource {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ example: 'msg_3f0c…', description: 'The header webhook-id: the same at every attempt.' }) message_id!: string;
  @ApiProperty({ example: 'token.revoked' }) event!: string;
  @ApiProperty({ enum: STATUSES }) status!: DeliveryStatus;
  @ApiProperty({ example: 2 }) attempts!: number;
  @ApiProperty({ type: String, nullable: true, format: 'date-time' }) last_attempt_at!: string | null;
  @ApiProperty({ type: String, nullable: true, format: 'date-time', description: 'Null where none is to come.' }) next_attempt_at!: string | null;
  @ApiProperty({ type: Number, nullable: true, example: 503, description: 'Of the last attempt; null where no answer came.' }) response_status!: number | null;
  @ApiProperty({ type: String, nullable: true, example: 'status', description: 'Of the last attempt: status, redirect, timeout, unreachable, certificate or address-not-allowed; webhook-disabled where none was made.' }) error!: string | null;
  @ApiProperty({ type: Number, nullable: true, example: 120 }) duration_ms!: number | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ type: Object, additionalProperties: true, description: 'The body that is sent.' }) payload!: object;
}

export class DeliveryPage {
  @ApiProperty({ type: [DeliveryResource] }) data!: DeliveryResource[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page.' }) next_cursor!: string | null;
}
