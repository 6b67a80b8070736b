import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';
import { Maintenance, type Done } from '../kernel/maintenance/maintenance.js';
import { ExpiryMails } from './expiry-mails.js';
import type { NoticeEvent } from './notice-events.js';
import { Outbox, type Moment } from './outbox.js';

const EVERY_SECONDS = 60;
const DAY_SECONDS = 24 * 3600;
const BEFORE_ALL_IDS = '00000000-0000-0000-0000-000000000000';

interface Told extends Moment {
  readonly event: NoticeEvent;
  /** Days ahead of the same moment at which it is told of next; null where that was the last time. */
  readonly next: number | null;
}

const TOLD: readonly Told[] = [
  { column: 'expires_at', days: 30, event: 'token.expiring', next: 7 },
  { column: 'expires_at', days: 7, event: 'token.expiring', next: 1 },
  { column: 'expires_at', days: 1, event: 'token.expiring', next: 0 },
  { column: 'expires_at', days: 0, event: 'token.expired', next: null },
  { column: 'rotation_due_at', days: 0, event: 'token.rotation_due', next: null },
];

interface TokenAtMoment {
  readonly id: string;
  readonly moment: Instant;
  readonly created_at: Instant;
}

/**
 * Tells of what time does to tokens: that they are about to end, have ended, or should be rotated; once for each of these
 * and each moment. Moments are looked through in their order and only forwards, so that a batch goes on where the one
 * before has committed, whatever fails in between; a moment that is put off comes up again.
 */
@Injectable()
export class MomentNotices implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly maintenance: Maintenance,
    private readonly outbox: Outbox,
    private readonly mails: ExpiryMails,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    for (const told of TOLD) {
      this.maintenance.add({
        name: `notices.${told.event}.${told.days}`,
        everySeconds: EVERY_SECONDS,
        organizations: () => this.organizationsToTell(told),
        inOrganization: (tenant, limit) => this.tell(tenant, told, limit),
      });
    }
  }

  /** Where there is a token to tell of, and a webhook wants to know, or people are written to. */
  private async organizationsToTell(told: Told): Promise<readonly string[]> {
    const until = this.clock.now().plusSeconds(told.days * DAY_SECONDS).toPostgres();
    const event = this.isMailed(told) ? null : told.event;
    return (await this.database.query<{ id: string }>('SELECT id FROM organizations_at_moment($1, $2, $3, $4)', [told.column, told.days, until, event])).map(({ id }) => id);
  }

  private isMailed({ event }: Told): boolean {
    return event === 'token.expiring' && this.mails.arePossible;
  }

  private async tell(tenant: Tenant, told: Told, limit: number): Promise<number | Done> {
    const { organizationId, manager } = tenant;
    const { column, days, event } = told;
    if (!(await this.lockPlace(tenant, told))) return 0;
    const now = this.clock.now();
    const tokens = await manager.query<TokenAtMoment[]>(
      `SELECT t.id, t.${column} AS moment, t.created_at
         FROM api_tokens t JOIN moment_notices n ON n.organization_id = t.organization_id AND n.moment = $2 AND n.days = $3
        WHERE t.organization_id = $1 AND t.revoked_at IS NULL AND (t.${column}, t.id) > (n.told_until, n.told_token_id) AND t.${column} <= $4
        ORDER BY t.${column}, t.id LIMIT $5`,
      [organizationId, column, days, now.plusSeconds(days * DAY_SECONDS).toPostgres(), limit],
    );
    const last = tokens.at(-1);
    if (!last) return 0;
    const due = tokens.filter((token) => isWorthTelling(token, told, now)).map(({ id }) => id);
    if (due.length > 0) await this.outbox.writeMoment(tenant, event, told, due);
    const mails = due.length > 0 && this.isMailed(told) ? await this.mails.write(tenant, days, due) : [];
    await manager.query('UPDATE moment_notices SET told_until = $4, told_token_id = $5 WHERE organization_id = $1 AND moment = $2 AND days = $3', [
      organizationId,
      column,
      days,
      last.moment.toPostgres(),
      last.id,
    ]);
    return { count: tokens.length, onceCommitted: () => this.mails.send(mails) };
  }

  /** False while another replica has it. */
  private async lockPlace({ organizationId, manager }: Tenant, { column, days }: Told): Promise<boolean> {
    await manager.query(
      `INSERT INTO moment_notices (organization_id, moment, days, told_until, told_token_id)
       SELECT id, $2::text, $3::int, created_at, $4::uuid FROM organizations WHERE id = $1 ON CONFLICT DO NOTHING`,
      [organizationId, column, days, BEFORE_ALL_IDS],
    );
    const rows = await manager.query<object[]>('SELECT FROM moment_notices WHERE organization_id = $1 AND moment = $2 AND days = $3 FOR UPDATE SKIP LOCKED', [
      organizationId,
      column,
      days,
    ]);
    return rows.length > 0;
  }
}

/** Not one that never had so long to live, and not late where the next time has come as well. */
function isWorthTelling({ moment, created_at: start }: TokenAtMoment, { days, next }: Told, now: Instant): boolean {
  if (next === null) return true;
  return start.isBefore(moment.plusSeconds(-days * DAY_SECONDS)) && now.plusSeconds(next * DAY_SECONDS).isBefore(moment);
}
