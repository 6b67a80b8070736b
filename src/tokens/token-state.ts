import type { Instant } from '../kernel/instant.js';
import type { Token, TokenState } from './token.js';

/** A token is expired from the very instant it expires at; a revoked one stays revoked. */
export function stateOf(token: Pick<Token, 'revokedAt' | 'expiresAt'>, now: Instant): TokenState {
  if (token.revokedAt) return 'revoked';
  return token.expiresAt && !now.isBefore(token.expiresAt) ? 'expired' : 'active';
}
