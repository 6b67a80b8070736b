import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { InputInvalid } from '../kernel/failure.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { TokenEngine } from './token-engine.js';
import type { TokenFilter } from './token-filter.js';
import { TokenDescriptionTaken, TokenNotFound, TooManyTokens } from './token.errors.js';
import type { Caller, MintedToken, MintRequest, Token } from './token.js';

export interface NumberedMint {
  readonly request: Omit<MintRequest, 'kind' | 'owner' | 'number'>;
  /** How many the person may have at once; revoked ones do not count, expired ones do. */
  readonly limit: number;
}

/** Tokens that a person knows by number and description: from 1 up, no two described alike, and no more than a limit. */
@Injectable()
export class NumberedTokens {
  constructor(
    private readonly database: Database,
    private readonly tokens: ApiTokenRepository,
    private readonly engine: TokenEngine,
    private readonly clock: Clock,
  ) {}

  /** Refuses one that has expired already, one above the limit, and a description in use, in this order; exact however many ask at once. */
  mint(caller: Caller, userId: string, { request, limit }: NumberedMint): Promise<MintedToken> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const now = this.clock.now();
      if (request.expiresAt?.isBefore(now)) throw InputInvalid.at('expiresAt', 'past', 'must be in the future');
      const number = await this.tokens.takeNumber(tenant, userId);
      const held = await this.tokens.list(tenant, 'all', numberedOf(userId), now, { order: 'oldest-first', limit });
      if (held.length >= limit) throw new TooManyTokens(limit);
      if (held.some(({ description }) => description === request.description)) throw new TokenDescriptionTaken();
      return this.engine.mintIn(tenant, caller, { ...request, kind: 'user', owner: { userId }, number });
    });
  }

  /** In the order of their numbers. */
  async list(caller: Caller, userId: string, { limit }: { limit: number }): Promise<Token[]> {
    const tokens = await this.engine.list(caller, numberedOf(userId), { order: 'oldest-first', limit });
    return tokens.sort((left, right) => (left.number ?? 0) - (right.number ?? 0));
  }

  /** Throws `TokenNotFound` where the person has none of this number. */
  async revoke(caller: Caller, userId: string, number: number): Promise<void> {
    const within = { ...numberedOf(userId), number };
    const [token] = await this.engine.list(caller, within, { order: 'oldest-first', limit: 1 });
    if (!token) throw new TokenNotFound(String(number));
    await this.engine.revoke(caller, token.id, { within });
  }
}

function numberedOf(userId: string): TokenFilter {
  return { kind: 'user', userId, numbered: true, revoked: false };
}
