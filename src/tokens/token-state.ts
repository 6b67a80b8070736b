import type { Instant } from '../kernel/instant.js';
import type { Token, TokenState } from './token.js';

/** A token is expired from the very instant it expires at; a revoked one stays revoked; a blocked one is neither. */
export function stateOf(token: Pick<Token, 'revokedAt' | 'expiresAt' | 'blockReason'>, now: Instant): TokenState {
  if (token.revokedAt) return 'revoked';
  if (token.expiresAt && !now.isBefore(token.expiresAt)) return 'expired';
  return token.blockReason === null ? 'active' : 'blocked';
}
