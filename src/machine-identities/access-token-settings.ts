import { Conflict } from '../kernel/failure.js';
import type { MintRequest } from '../tokens/token.js';

/** Ways in which a machine identity comes by its tokens: they are minted for it, or it logs in as a client. */
export type LoginMethod = 'token-auth' | 'universal-auth';

/** The look of every secret of a machine's token, before the random part. */
export const IDENTITY_TOKEN_PREFIX = 'idt_';

/** How the tokens live that a machine identity comes by in one of these ways; 0 sets no bound. */
export interface AccessTokenSettings {
  readonly ttlSeconds: number;
  readonly maxTtlSeconds: number;
  readonly usesLimit: number;
  /** Addresses and CIDR ranges as they were given, in their order. */
  readonly trustedAddresses: readonly string[];
}

/** A token cannot live longer until it is renewed than it may live at all. */
export function requireTtlWithinMax(method: LoginMethod, { ttlSeconds, maxTtlSeconds }: AccessTokenSettings): void {
  if (maxTtlSeconds > 0 && ttlSeconds > maxTtlSeconds) throw new Conflict(method, 'ttl-beyond-max', 'The TTL is greater than the maximum TTL.');
}

/** What of the settings is frozen in a token. Under a period it may be renewed for ever, each time for that long. */
export function toTokenLife(settings: AccessTokenSettings, periodSeconds = 0): Pick<MintRequest, 'ttlSeconds' | 'maxTtlSeconds' | 'usesLimit'> {
  const { ttlSeconds, maxTtlSeconds, usesLimit } = settings;
  if (periodSeconds > 0) return { ttlSeconds: periodSeconds, maxTtlSeconds: null, usesLimit: usesLimit || null };
  return { ttlSeconds: ttlSeconds || maxTtlSeconds || null, maxTtlSeconds: maxTtlSeconds || null, usesLimit: usesLimit || null };
}
