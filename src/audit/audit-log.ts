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
  /** Never a secret, a password or a hash. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The record of who did what. */
@Injectable()
export class AuditLog {
  constructor(private readonly clock: Clock) {}

  /** Appends within the tenant's transaction: the event and the change it tells of are committed together or not at all. */
  async append(tenant: Tenant, actor: Actor, { action, target, details = {} }: Happening): Promise<void> {
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
      ip: actor.origin?.ip ?? null,
      userAgent: actor.origin?.userAgent ?? null,
      requestId: actor.origin?.requestId ?? null,
    });
  }
}
