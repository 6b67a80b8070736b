import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Actor } from '../audit/actor.js';
import { AuditLog, type AuditFollower, type Happening } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import type { Tenant } from '../kernel/database/database.js';
import { DeliveryQueue } from './delivery-queue.js';
import { noticeOf, type NoticeEvent } from './notice-events.js';

/** A moment in a token's life, so many days ahead of it. */
export interface Moment {
  readonly column: 'expires_at' | 'rotation_due_at';
  readonly days: number;
}

/** RFC 3339 in UTC with microseconds, whatever the session's time zone. */
const instant = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** A token as notices tell of it: nothing of its secrets but the hint. */
const TOKEN = `json_build_object('id', t.id, 'kind', t.kind, 'name', t.name, 'hint', t.hint, 'environment', t.environment,
  'owner_id', coalesce(t.user_id, t.project_id, t.identity_id, t.organization_id),
  'created_at', ${instant('t.created_at')}, 'created_by', t.created_by, 'expires_at', ${instant('t.expires_at')}, 'rotation_due_at', ${instant('t.rotation_due_at')},
  'last_used_at', ${instant('t.last_used_at')}, 'revoked_at', ${instant('t.revoked_at')}, 'revocation_reason', t.revocation_reason)`;

/** Turns what is recorded of tokens into deliveries, in the very transaction of the change: both are committed, or neither. */
@Injectable()
export class Outbox implements AuditFollower, OnModuleInit {
  constructor(
    private readonly audit: AuditLog,
    private readonly queue: DeliveryQueue,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.audit.tell(this);
  }

  async heard(tenant: Tenant, actor: Actor, { action, details = {} }: Pick<Happening, 'action' | 'details'>, targetIds: readonly (string | null)[]): Promise<void> {
    const event = noticeOf(action);
    if (event) await this.write(tenant, event, targetIds, details, actor);
  }

  /** Tokens for which a moment has come, or is so many days ahead; not to webhooks that have listened only since then. */
  async writeMoment(tenant: Tenant, event: NoticeEvent, { column, days }: Moment, tokenIds: readonly string[]): Promise<void> {
    const heardAgo = `AND w.listens_since <= t.${column} - make_interval(hours => ${24 * days})`;
    await this.write(tenant, event, tokenIds, days === 0 ? {} : { days }, null, heardAgo);
  }

  /** One delivery for each of these tokens to each webhook that has selected the event; the token is told as it is now. */
  private async write(tenant: Tenant, event: NoticeEvent, tokenIds: readonly (string | null)[], details: object, actor: Actor | null, condition = ''): Promise<void> {
    const now = this.clock.now().toPostgres();
    const rows = await tenant.manager.query<{ id: string }[]>(
      `INSERT INTO webhook_deliveries (organization_id, id, webhook_id, event, payload, status, created_at, next_attempt_at)
       SELECT w.organization_id, gen_random_uuid(), w.id, $2,
           json_build_object('type', $2::text, 'timestamp', $3::text, 'data', json_build_object('organization_id', w.organization_id,
             'token', CASE WHEN t.id IS NOT NULL THEN ${TOKEN} END, 'actor', $4::json, 'details', $5::json)),
           'pending', $3::timestamptz, $3::timestamptz
         FROM webhooks w CROSS JOIN unnest($6::uuid[]) AS target (id)
         LEFT JOIN api_tokens t ON t.organization_id = w.organization_id AND t.id = target.id
        WHERE w.organization_id = $1 AND w.disabled_at IS NULL AND $2 = ANY (w.events)
          ${condition}
       RETURNING id`,
      [tenant.organizationId, event, now, actor ? JSON.stringify({ kind: actor.kind, id: actor.id }) : null, JSON.stringify(details), tokenIds],
    );
    await this.queue.add(tenant, rows.map(({ id }) => id));
  }
}
