import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import type { Tenant } from '../kernel/database/database.js';
import { newOrderedId } from '../kernel/ids.js';
import type { Actor } from './actor.js';
import { AuditEvent } from './audit-event.entity.js';
import { spell, toRecord } from './audit-record.js';
import { SpeltEvents } from './spelt-events.js';

export interface Happening {
  /** What happened, in the past: `token.minted`. */
  readonly action: string;
  readonly target: { readonly kind: string; readonly id: string | null };
  /** Never a secret, a password or a hash; nor in what follows. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** What a change replaced, and by what. */
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
}

/** What happened to several targets of one kind, to each alike. */
export interface Repeated extends Pick<Happening, 'action' | 'details'> {
  readonly targetKind: string;
}

/** Hears of every happening within the transaction that records it: what it writes there stands or falls with the change. */
export interface AuditFollower {
  heard(tenant: Tenant, actor: Actor, happening: Pick<Happening, 'action' | 'details'>, targetIds: readonly (string | null)[]): Promise<void>;
}

/** The record of who did what. */
@Injectable()
export class AuditLog {
  private readonly followers: AuditFollower[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly spelt: SpeltEvents,
  ) {}

  tell(follower: AuditFollower): void {
    this.followers.push(follower);
  }

  /** Appends within the tenant's transaction: the event and the change it tells of are committed together or not at all. */
  async append(tenant: Tenant, actor: Actor, happening: Happening): Promise<void> {
    await tenant.manager.insert(AuditEvent, this.eventOf(tenant.organizationId, actor, happening));
    await this.appended(tenant, actor, happening);
  }

  /** The event as JSON, for a statement that writes it with the change itself, which tells `appended` of it where somebody follows. */
  spell(organizationId: string, actor: Actor, happening: Happening): string {
    const record = toRecord(this.eventOf(organizationId, actor, happening));
    try {
      const json = spell(record);
      this.spelt.note(record.id, json);
      return json;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      // Half a character, for one, which the database refuses.
      return JSON.stringify(record);
    }
  }

  /** Lets the followers hear of an event within the transaction that has written it. */
  async appended(tenant: Tenant, actor: Actor, { action, target, details = {} }: Happening): Promise<void> {
    for (const follower of this.followers) await follower.heard(tenant, actor, { action, details }, [target.id]);
  }

  /** The same happening to each of these targets, in one statement however many they are. */
  async appendEach(tenant: Tenant, actor: Actor, { action, targetKind, details = {} }: Repeated, targetIds: readonly string[]): Promise<void> {
    if (targetIds.length === 0) return;
    await tenant.manager.query(
      `INSERT INTO audit_events (organization_id, id, occurred_at, action, actor_kind, actor_id, credential_kind, credential_id,
          target_kind, target_id, details, ip, user_agent, request_id)
       SELECT $1, gen_random_uuid(), $2, $3, $4, $5, $6, $7, $8, target_id, $9, $10, $11, $12 FROM unnest($13::uuid[]) AS target_id`,
      [
        tenant.organizationId,
        this.clock.now().toPostgres(),
        action,
        actor.kind,
        actor.id,
        actor.credential?.kind ?? null,
        actor.credential?.id ?? null,
        targetKind,
        JSON.stringify(details),
        actor.origin?.ip ?? null,
        actor.origin?.userAgent ?? null,
        actor.origin?.requestId ?? null,
        targetIds,
      ],
    );
    for (const follower of this.followers) await follower.heard(tenant, actor, { action, details }, targetIds);
  }

  private eventOf(organizationId: string, actor: Actor, { action, target, details = {}, before, after }: Happening): AuditEvent {
    const now = this.clock.now();
    return {
      organizationId,
      id: newOrderedId(now),
      occurredAt: now,
      action,
      actorKind: actor.kind,
      actorId: actor.id,
      credentialKind: actor.credential?.kind ?? null,
      credentialId: actor.credential?.id ?? null,
      targetKind: target.kind,
      targetId: target.id,
      details,
      before: before ?? null,
      after: after ?? null,
      ip: actor.origin?.ip ?? null,
      userAgent: actor.origin?.userAgent ?? null,
      requestId: actor.origin?.requestId ?? null,
    };
  }
}

/** The two sides of a change: of the fields it names, those that it gives another value. */
export function difference<T extends object>(current: T, change: Partial<T>): Required<Pick<Happening, 'before' | 'after'>> {
  const before: Record<string, unknown> = {};
  const after: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(change)) {
    const replaced: unknown = current[field as keyof T];
    if (value === undefined || JSON.stringify(value) === JSON.stringify(replaced)) continue;
    before[field] = replaced;
    after[field] = value;
  }
  return { before, after };
}
