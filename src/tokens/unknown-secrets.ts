import { Injectable } from '@nestjs/common';
import { RateLimits, type Quota } from '../kernel/limits/rate-limits.js';
import { networkOf } from '../kernel/network.js';

/** From where a secret comes. */
export interface Asking {
  /** Null where the user of the token is not the sender of this request: then no address is judged. */
  readonly ip: string | null;
  /** Who asks where it is not the user: the id of a credential, or an address that shows none. */
  readonly asker?: { readonly credential: string } | { readonly address: string } | null;
}

/** Of one address (IPv6: of one network of 64 bits) that presents secrets. */
const OF_NETWORK: Quota = { name: 'unknown-secrets', most: 6_000, seconds: 60 };
/** Of one credential that asks about the secrets that others have presented to it. */
const OF_CALLER: Quota = { name: 'unknown-secrets-asked', most: 60_000, seconds: 60 };

/**
 * How often the database is asked in vain. Who presents secrets that look right and are nobody's costs a query each, and
 * gets 429 once they were too many; tokens that are known go on being answered. Counted in this process, at misses alone.
 */
@Injectable()
export class UnknownSecrets {
  constructor(private readonly limits: RateLimits) {}

  /** Throws `RateLimited` where whoever asks has asked in vain too often. */
  requireLeft(context: Asking): void {
    const whose = whoseOf(context);
    if (whose) this.limits.requireLeftHere(...whose);
  }

  count(context: Asking): void {
    const whose = whoseOf(context);
    if (whose) this.limits.takeHere(...whose);
  }
}

/** Null for the service itself. */
function whoseOf({ ip, asker }: Asking): [quota: Quota, key: string] | null {
  if (asker && 'credential' in asker) return [OF_CALLER, asker.credential];
  const address = asker?.address ?? ip;
  return address === null ? null : [OF_NETWORK, networkOf(address)];
}
