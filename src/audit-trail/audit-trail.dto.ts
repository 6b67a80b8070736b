import { ApiProperty } from '@nestjs/swagger';
import { PageQuery } from '../kernel/http/page-query.js';
import { plainText } from '../kernel/http/plain-text.js';
import { Satisfies, type Rule } from '../kernel/http/rule.js';
import { isUuid } from '../kernel/ids.js';
import { Instant } from '../kernel/instant.js';

export const EXPORT_FORMATS = ['ndjson', 'csv'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

const id: Rule = (value) => (value === undefined || isUuid(value) ? null : { rule: 'isUuid', message: 'must be a UUID' });

const instant: Rule = (value) =>
  value === undefined || (typeof value === 'string' && Instant.parse(value) !== null) ? null : { rule: 'isRfc3339', message: 'must be a time as in RFC 3339, such as 2026-11-22T10:00:00Z' };

const format: Rule = (value) =>
  value === undefined || EXPORT_FORMATS.some((known) => known === value) ? null : { rule: 'isIn', message: `must be one of ${EXPORT_FORMATS.join(', ')}` };

export class AuditEventQuery extends PageQuery {
  @ApiProperty({ required: false, example: 'token.revoked' })
  @Satisfies(plainText({ min: 1, max: 100, optional: true }))
  action?: string;

  @ApiProperty({ required: false, format: 'uuid', description: 'The person or machine that acted.' })
  @Satisfies(id)
  actor_id?: string;

  @ApiProperty({ required: false, format: 'uuid', description: 'What was acted on.' })
  @Satisfies(id)
  target_id?: string;

  @ApiProperty({ required: false, example: 'token' })
  @Satisfies(plainText({ min: 1, max: 100, optional: true }))
  target_kind?: string;

  @ApiProperty({ required: false, format: 'date-time', description: 'Events from this time on.' })
  @Satisfies(instant)
  from?: string;

  @ApiProperty({ required: false, format: 'date-time', description: 'Events before this time.' })
  @Satisfies(instant)
  to?: string;
}

export class AuditExportQuery {
  @ApiProperty({ required: false, enum: EXPORT_FORMATS, default: 'ndjson', description: 'ndjson can be proven offline; csv is for spreadsheets.' })
  @Satisfies(format)
  format?: ExportFormat;
}

/** What happened: never a secret, a password or a hash of one. */
export class AuditEventView {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ format: 'uuid' }) organization_id!: string;
  @ApiProperty({ format: 'date-time', example: '2026-11-22T10:00:00.000000Z' }) occurred_at!: string;
  @ApiProperty({ example: 'token.revoked' }) action!: string;
  @ApiProperty({ example: 'user', description: 'anonymous for somebody who has not shown who they are, system for the service itself.' }) actor_kind!: string;
  @ApiProperty({ type: String, nullable: true, format: 'uuid' }) actor_id!: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'session' }) credential_kind!: string | null;
  @ApiProperty({ type: String, nullable: true, format: 'uuid', description: 'Id of the session or token that was used.' }) credential_id!: string | null;
  @ApiProperty({ example: 'token' }) target_kind!: string;
  @ApiProperty({ type: String, nullable: true, format: 'uuid' }) target_id!: string | null;
  @ApiProperty({ type: Object, additionalProperties: true, example: { reason: 'unspecified' } }) details!: object;
  @ApiProperty({ type: Object, additionalProperties: true, nullable: true, description: 'The values a change replaced.' }) before!: object | null;
  @ApiProperty({ type: Object, additionalProperties: true, nullable: true, description: 'The values it put in their place.' }) after!: object | null;
  @ApiProperty({ type: String, nullable: true, example: '203.0.113.7' }) ip!: string | null;
  @ApiProperty({ type: String, nullable: true }) user_agent!: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'req-4rTq0cJb2mXw9Z' }) request_id!: string | null;
  @ApiProperty({ type: Number, nullable: true, description: 'Its place in the chain of the organization; null for the second or so until it is sealed.' }) sequence!: number | null;
  @ApiProperty({ type: String, nullable: true, description: 'SHA-256 over the hash before and this event; docs/audit.md says how.' }) hash!: string | null;
}

export class AuditEventPage {
  @ApiProperty({ type: [AuditEventView] }) data!: AuditEventView[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page.' }) next_cursor!: string | null;
}
