import { onceKnown } from '../at-once.js';
import { DomainError } from '../failure.js';
import type { LocalWindows, Window } from './local-windows.js';
import type { SharedWindows } from './shared-windows.js';

/** So many in any so many seconds, from the first of them on. Its name is part of what is counted under, and is told to clients. */
export interface Quota {
  readonly name: string;
  readonly most: number;
  readonly seconds: number;
}

/** What is left of a quota. */
export interface Allowance {
  readonly quota: Quota;
  readonly remaining: number;
  /** Until there is all of it again. */
  readonly resetSeconds: number;
  /** This one was too many. */
  readonly exceeded: boolean;
}

export class RateLimited extends DomainError<'rate-limited'> {
  constructor({ quota, resetSeconds }: Allowance, message = 'Too many requests. Try again later.') {
    super('rate-limited', message, { retryAfterSeconds: resetSeconds, limit: quota.name });
  }
}

/** How often is too often. */
export class RateLimits {
  constructor(
    private readonly local: LocalWindows,
    private readonly shared: SharedWindows,
  ) {}

  /** Takes one of the quota that this key has, of all replicas together. Never rejects. */
  take(quota: Quota, key: string): Allowance | Promise<Allowance> {
    return onceKnown(this.shared.count(keyOf(quota, key), quota.seconds), (window) => toAllowance(quota, window));
  }

  /** The same of this process alone, at once. */
  takeHere(quota: Quota, key: string): Allowance {
    return toAllowance(quota, this.local.count(keyOf(quota, key), quota.seconds));
  }

  /** Throws `RateLimited` where the quota of this key is used up in this process; takes none. */
  requireLeftHere(quota: Quota, key: string): void {
    const window = this.local.read(keyOf(quota, key));
    if (window && window.count >= quota.most) throw new RateLimited(toAllowance(quota, window));
  }
}

function keyOf({ name }: Quota, key: string): string {
  return `${name} ${key}`;
}

function toAllowance(quota: Quota, { count, msLeft }: Window): Allowance {
  return { quota, remaining: Math.max(0, quota.most - count), resetSeconds: Math.max(1, Math.ceil(Math.round(msLeft) / 1000)), exceeded: count > quota.most };
}
