import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import type { Tenant } from '../kernel/database/database.js';
import { newId } from '../kernel/ids.js';
import type { Actor } from './actor.js';
import { AuditEvent } from './audit-event.entity.js';

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

/** The record of who did what. */
@Injectable()
export class AuditLog {
  constructor(private readonly clock: Clock) {}

  /** Appends within the tenant's transaction: the event and the change it tells of are committed together or not at all. */
  async append(tenant: Tenant, actor: Actor, { action, target, details = {}, before, after }: Happening): Promise<void> {
    await tenant.manager.insert(AuditEvent, {
      organizationId: tenant.organizationId,
      id: newId(),
      occurredAt: this.clock.now(),
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
    });
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
