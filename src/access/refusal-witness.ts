import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { Happening } from '../audit/audit-log.js';
import { Background } from '../kernel/background.js';
import { within } from '../kernel/deadline.js';
import type { DomainError, FailureCode } from '../kernel/failure.js';
import type { BareRequest } from '../kernel/http/bare.js';
import { FailureWitness } from '../kernel/http/failure-witness.js';
import { RefusalQueue } from '../kernel/refusal-queue.js';
import { findPrincipal, type Principal } from './principal.js';
import { RefusalLog } from './refusal-log.js';

const REFUSALS: readonly FailureCode[] = ['permission-missing', 'permission-exceeded', 'policy-violated', 'caller-refused'];
/** Of one credential, in one minute. */
const EACH_MAX = 60;
const MINUTE_MS = 60_000;
/** Of how many credentials refusals are counted; those of any more are recorded one by one. */
const CREDENTIALS_MAX = 10_000;
/** Of the events that end a minute. */
const AT_ONCE = 20;
/** Whoever stops the service does not wait longer for them. */
const PARTING_MS_MAX = 3_000;

interface Refusals {
  count: number;
  /** The last of those that were not recorded one by one. */
  unrecorded: { readonly principal: Principal; readonly happening: Happening } | null;
}

/**
 * Has every refused access of a known caller recorded once, before it is answered, be it the guard's or a handler's. Who
 * is refused more than 60 times in a minute is a flood: the rest of its minute is one event that says how many they were.
 * A failure that is not recorded is answered in its turn.
 */
@Injectable()
export class RefusalWitness extends FailureWitness implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('RefusalWitness');
  private refusals = new Map<string, Refusals>();
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly log: RefusalLog,
    private readonly queue: RefusalQueue,
    private readonly background: Background,
  ) {
    super();
  }

  onApplicationBootstrap(): void {
    if (this.background.runsByItself) this.timer = setInterval(() => void this.endMinute(), MINUTE_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    try {
      await within(PARTING_MS_MAX, this.endMinute());
    } catch {
      this.logger.error('not all refusals of the last minute could be recorded: the database does not answer');
    }
  }

  override witness({ code, details }: DomainError, request: BareRequest): Promise<void> | null {
    // Whoever asked did nothing wrong.
    if (code === 'unavailable' || code === 'internal') return null;
    const principal = REFUSALS.includes(code) ? findPrincipal(request) : null;
    if (!principal) return this.queue.turn();
    // The pattern, never the path: a path may carry a secret.
    const asked = { method: request.method, route: request.routeOptions.url ?? null };
    const happening: Happening = { action: 'access.refused', target: { kind: 'route', id: null }, details: { ...asked, code, ...details } };
    if (!this.isFlood(principal, happening)) return this.log.record(principal.organizationId, principal.actor, happening);
    return this.queue.turn();
  }

  /** Records what was only counted, and counts anew. */
  async endMinute(): Promise<void> {
    const ended = this.refusals;
    this.refusals = new Map();
    const floods = [...ended.values()].flatMap(({ count, unrecorded }) => (unrecorded ? [{ count, ...unrecorded }] : []));
    for (let start = 0; start < floods.length; start += AT_ONCE) {
      await Promise.all(floods.slice(start, start + AT_ONCE).map(({ count, principal, happening }) => {
        const details = { ...happening.details, refusals: count - EACH_MAX };
        return this.log.record(principal.organizationId, principal.actor, { ...happening, details });
      }));
    }
  }

  private isFlood(principal: Principal, happening: Happening): boolean {
    const credential = principal.actor.credential?.id ?? '';
    const known = this.refusals.get(credential);
    if (!known) {
      if (this.refusals.size < CREDENTIALS_MAX) this.refusals.set(credential, { count: 1, unrecorded: null });
      return false;
    }
    known.count += 1;
    if (known.count <= EACH_MAX) return false;
    known.unrecorded = { principal, happening };
    return true;
  }
}
