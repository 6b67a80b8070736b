import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { ApiTokenRepository, type TokenPage, type TokenPaging } from './api-token.repository.js';
import { TokenVerifier } from './token-verifier.js';
import { TokenNotFound } from './token.errors.js';
import type { TokenFilter } from './token-filter.js';
import type { Caller, Token } from './token.js';

/** All tokens of an organization, of every kind, the ended ones too. */
@Injectable()
export class TokenInventory {
  constructor(
    private readonly database: Database,
    private readonly tokens: ApiTokenRepository,
    private readonly verifier: TokenVerifier,
    private readonly clock: Clock,
  ) {}

  /** A part of the list; how many there are in all only where `counted` asks for it, for that takes a look at each. */
  page(caller: Caller, filter: TokenFilter, paging: TokenPaging, counted: boolean): Promise<TokenPage & { readonly total: number | null }> {
    return this.database.readInOrganization(caller.organizationId, async (tenant) => {
      const now = this.clock.now();
      const page = await this.tokens.page(tenant, caller.projects, filter, now, paging);
      return { ...page, total: counted ? await this.tokens.count(tenant, caller.projects, filter, now) : null };
    });
  }

  /** The token with this secret. `TokenNotFound` alike where there is none, it is another organization's or beyond the caller's projects. */
  async lookUp(caller: Caller, secret: string): Promise<Token> {
    const found = await this.verifier.locate(secret);
    const token = found?.keptIn === caller.organizationId ? await this.find(caller, found.tokenId) : null;
    if (!token) throw new TokenNotFound('by its secret');
    return token;
  }

  private find(caller: Caller, tokenId: string): Promise<Token | null> {
    return this.database.inOrganization(caller.organizationId, (tenant) => this.tokens.find(tenant, caller.projects, tokenId, {}, this.clock.now()));
  }
}
