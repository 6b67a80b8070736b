import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { byteaArray, Database } from '../kernel/database/database.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { LastUse } from './last-use.js';
import type { TokenFacts } from './token-facts.js';
import { hasValidChecksum, SecretHasher } from './token-secret.js';
import type { TokenKind } from './token.js';
import { judge, ownerOf, type Verdict } from './verdict.js';

/** Where a presented token is used from, as far as that is known. */
export interface UseContext {
  /** Null where the user of the token is not the sender of this request: then no address is judged. */
  readonly ip: string | null;
  readonly userAgent: string | null;
}

/** What a secret leads to, be the token live or not. */
export interface LocatedToken {
  /** Where it acts. */
  readonly organizationId: string;
  readonly keptIn: string;
  readonly tokenId: string;
  readonly kind: TokenKind;
  readonly ownerId: string;
}

const UNKNOWN: Verdict = { active: false, reason: 'unknown' };

/** Says whether a presented secret is a live token, whose, and what it may do now. */
@Injectable()
export class TokenVerifier {
  constructor(
    private readonly database: Database,
    private readonly tokens: ApiTokenRepository,
    private readonly hasher: SecretHasher,
    private readonly lastUse: LastUse,
    private readonly clock: Clock,
  ) {}

  /**
   * Never throws for a bad token; an outage is an error, never a "no". A string whose checksum is wrong costs no
   * query. A use-limited token's use is counted last, in one conditional update, so that a refusal costs none.
   */
  async verify(presented: string, context: UseContext): Promise<Verdict> {
    const facts = await this.find(presented);
    if (!facts) return UNKNOWN;
    const now = this.clock.now();
    const verdict = judge(facts, now, context.ip);
    if (!verdict.active) return verdict;
    const counted = facts.uses_limit !== null;
    if (counted && !(await this.takeUse(facts))) return { active: false, reason: 'uses-spent' };
    this.lastUse.record(facts.kept_in, facts.id, { at: now, ...context, counted });
    return verdict;
  }

  /** The same judgement without a use: nothing is counted or remembered. */
  async inspect(presented: string, ip: string | null = null): Promise<Verdict> {
    const facts = await this.find(presented);
    return facts ? judge(facts, this.clock.now(), ip) : UNKNOWN;
  }

  /** Whose token a secret is, live or not; null for a string that is no secret of any token. */
  async locate(presented: string): Promise<LocatedToken | null> {
    const facts = await this.find(presented);
    return facts && { organizationId: facts.organization_id, keptIn: facts.kept_in, tokenId: facts.id, kind: facts.kind, ownerId: ownerOf(facts) };
  }

  private async find(presented: string): Promise<TokenFacts | null> {
    if (!hasValidChecksum(presented)) return null;
    const [facts] = await this.database.query<TokenFacts>('SELECT * FROM token_facts($1)', [byteaArray(this.hasher.hashes(presented))]);
    if (!facts) return null;
    if (!this.hasher.isCurrent(facts.pepper_id)) await this.rehash(facts, presented);
    return facts;
  }

  private takeUse(facts: TokenFacts): Promise<boolean> {
    return this.database.inOrganization(facts.kept_in, (tenant) => this.tokens.takeUse(tenant, facts.id));
  }

  private rehash(facts: TokenFacts, presented: string): Promise<void> {
    return this.database.inOrganization(facts.kept_in, (tenant) =>
      this.tokens.replaceHash(tenant, facts.secret_hash, this.hasher.hash(presented)));
  }
}
