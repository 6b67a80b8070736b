import { Injectable } from '@nestjs/common';
import { onceKnown } from '../kernel/at-once.js';
import { Clock } from '../kernel/clock.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Database } from '../kernel/database/database.js';
import { Invalidations } from '../kernel/database/invalidations.js';
import type { Instant } from '../kernel/instant.js';
import type { Origin } from '../kernel/origin.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { FactsCache } from './facts-cache.js';
import { FactsReader } from './facts-reader.js';
import { ImportedSecrets } from './imported-secrets.js';
import { LastUse } from './last-use.js';
import { SecretSuccession } from './secret-succession.js';
import type { TokenFacts } from './token-facts.js';
import { digestOf, hasValidChecksum, hintOfImported, SECRET_LENGTH_MAX, SecretHasher } from './token-secret.js';
import { TokenSecretsRepository } from './token-secrets.repository.js';
import type { TokenKind } from './token.js';
import { UnknownSecrets, type Asking } from './unknown-secrets.js';
import { judge, ownerOf, type KeptFacts, type KnownToken, type Verdict } from './verdict.js';

/** Where a presented token is used from, as far as that is known. */
export interface UseContext extends Asking {
  readonly userAgent: string | null;
  readonly requestId?: string;
}

/** What a secret leads to, be the token live or not. */
export interface LocatedToken {
  /** Where it acts. */
  readonly organizationId: string;
  readonly keptIn: string;
  readonly tokenId: string;
  readonly kind: TokenKind;
  readonly ownerId: string;
  /** False for a secret that has ended, be it that its token lives on. */
  readonly inForce: boolean;
}

const UNKNOWN: Verdict = { active: false, reason: 'unknown' };
const NOWHERE: UseContext = { ip: null, userAgent: null };
/** As many as one query reads. */
const CLAIMS_AT_ONCE = 100;

/** Says whether a presented secret is a live token, whose, and what it may do now. */
@Injectable()
export class TokenVerifier {
  constructor(
    private readonly database: Database,
    private readonly tokens: ApiTokenRepository,
    private readonly cache: FactsCache,
    private readonly facts: FactsReader,
    private readonly invalidations: Invalidations,
    private readonly hasher: SecretHasher,
    private readonly imported: ImportedSecrets,
    private readonly secrets: TokenSecretsRepository,
    private readonly lastUse: LastUse,
    private readonly succession: SecretSuccession,
    private readonly unknown: UnknownSecrets,
    private readonly clock: Clock,
  ) {}

  /**
   * Never throws for a bad token, only (`RateLimited`) where far too many were presented; an outage is an error, never a
   * "no". A string whose checksum is wrong costs no query unless it may have been imported, nor does a token that is known
   * already: then the verdict comes at once. `anew` asks the database whatever is known. A use-limited token's use is
   * counted there, last, in one conditional update, so that a refusal costs none. The first use of a secret that waits for
   * it lets the others end; presenting one that was replaced raises an alarm.
   */
  verify(presented: string, context: UseContext, anew = false): Verdict | Promise<Verdict> {
    const known = anew ? undefined : this.recall(presented);
    return onceKnown(known === undefined ? this.read(presented, anew, context) : known, (found) => this.use(found, context));
  }

  /** Whether a string is told to be no secret of anybody's by looking at it: no query, and nothing is counted. */
  isNobodys(presented: string): boolean {
    return !hasValidChecksum(presented) && this.imported.excludes(presented);
  }

  /** The same judgement without a use: nothing is counted. */
  inspect(presented: string, context: UseContext = NOWHERE): Verdict | Promise<Verdict> {
    const recalled = this.recall(presented);
    return onceKnown(recalled === undefined ? this.read(presented, false, context) : recalled, (known) =>
      // How often it was used is known in the database alone.
      onceKnown(isCounted(known) ? this.read(presented, true, context) : known, (found) => (found ? this.judge(found, this.clock.now(), context) : UNKNOWN)));
  }

  /** Whose token a secret is, live or not; null for a string that is no secret of any token. */
  async locate(presented: string, context: UseContext = NOWHERE): Promise<LocatedToken | null> {
    const known = this.recall(presented) ?? (await this.read(presented, true, context));
    if (!known) return null;
    const { facts } = known;
    return { organizationId: facts.organization_id, keptIn: facts.kept_in, tokenId: facts.id, kind: facts.kind, ownerId: ownerOf(facts), inForce: !hasEnded(facts, this.clock.now()) };
  }

  private use(known: KnownToken | null, context: UseContext): Verdict | Promise<Verdict> {
    if (!known) return UNKNOWN;
    const now = this.clock.now();
    const verdict = this.judge(known, now, context);
    if (verdict instanceof Promise || isCounted(known)) return this.takeUse(known, verdict, now, context);
    if (verdict.active) this.remember(known, now, context, false);
    return verdict;
  }

  private async takeUse(known: KnownToken, judged: Verdict | Promise<Verdict>, now: Instant, context: UseContext): Promise<Verdict> {
    const verdict = await judged;
    if (!verdict.active) return verdict;
    const counted = isCounted(known);
    if (counted && !(await this.countUse(known.facts))) return { active: false, reason: 'uses-spent' };
    this.remember(known, now, context, counted);
    return verdict;
  }

  private remember({ bound, facts }: KnownToken, at: Instant, { ip, userAgent }: UseContext, counted: boolean): void {
    bound.lastUsedAt = at;
    this.lastUse.record(facts.kept_in, facts.id, { at, ip, userAgent, counted });
  }

  private countUse(facts: KeptFacts): Promise<boolean> {
    return this.invalidations.whileReachable(this.database.inOrganization(facts.kept_in, (tenant) => this.tokens.takeUse(tenant, facts.id)));
  }

  private judge(known: KnownToken, now: Instant, context: UseContext): Verdict | Promise<Verdict> {
    const verdict = judge(known, now, context.ip);
    if (verdict.active) return known.facts.secret_pending ? this.activate(known.facts, verdict, context) : verdict;
    return verdict.reason === 'replaced' ? this.succession.alarm(known.facts, originOf(context)).then(() => verdict) : verdict;
  }

  private async activate(facts: KeptFacts, verdict: Verdict, context: UseContext): Promise<Verdict> {
    return (await this.invalidations.whileReachable(this.succession.activate(facts, originOf(context)))) ? verdict : UNKNOWN;
  }

  /** Undefined where the database must be asked. */
  private recall(presented: string): KnownToken | null | undefined {
    return presented.length > SECRET_LENGTH_MAX ? null : this.cache.recall(presented);
  }

  /** At once, and null, for what can be nobody's. */
  private read(presented: string, anew: boolean, context: UseContext): KnownToken | null | Promise<KnownToken | null> {
    return onceKnown(hasValidChecksum(presented) || this.imported.mayInclude(presented), (isPossible) => (isPossible ? this.ask(presented, anew, context) : null));
  }

  private async ask(presented: string, anew: boolean, context: UseContext): Promise<KnownToken | null> {
    this.unknown.requireLeft(context);
    const known = await this.cache.read(presented, () => this.find(presented), anew);
    if (!known) this.unknown.count(context);
    return known;
  }

  private async find(presented: string): Promise<TokenFacts | null> {
    const used = await this.facts.read(this.hasher.hashes(presented));
    const facts = used && !used.revoked_at ? used : ((await this.findImported(presented, used)) ?? used);
    if (!facts) return null;
    return this.hasher.isCurrent(facts.pepper_id) ? facts : this.rehash(facts, presented);
  }

  /**
   * Whose an imported secret is that was not used yet, or whose token was revoked: of all who imported it the first whose
   * token lives has it. One that was drawn here is nobody else's, ever.
   */
  private async findImported(presented: string, used: TokenFacts | null): Promise<TokenFacts | null> {
    if (!(await this.imported.mayInclude(presented))) return null;
    if (used && !(await this.database.inOrganization(used.kept_in, (tenant) => this.secrets.isImported(tenant, used.secret_hash)))) return null;
    const hashes = this.hasher.importedHashes(digestOf(presented));
    const claims = await this.database.asHolder(hashes, (manager) => this.secrets.importedAs(manager, hashes));
    let first: TokenFacts | null = null;
    for (let start = 0; start < claims.length; start += CLAIMS_AT_ONCE) {
      const found = await Promise.all(claims.slice(start, start + CLAIMS_AT_ONCE).map((claim) => this.readClaim(claim, presented)));
      const living = found.find((facts) => facts && !facts.revoked_at);
      if (living) return living;
      first ??= found.find((facts) => facts !== null) ?? null;
    }
    return first;
  }

  /** A claim that is gone was hashed to our form meanwhile. */
  private async readClaim(claim: Buffer, presented: string): Promise<TokenFacts | null> {
    return (await this.facts.read([claim])) ?? this.facts.read(this.hasher.hashes(presented));
  }

  private async rehash(facts: TokenFacts, presented: string): Promise<TokenFacts> {
    const secret = { ...this.hasher.hash(presented), importedHash: this.hasher.importedHash(digestOf(presented)), hint: hintOfImported(presented) };
    try {
      await this.database.inOrganization(facts.kept_in, (tenant) => this.secrets.rehash(tenant, facts, secret));
    } catch (error) {
      // A revoked token of another organization has the same secret; this one goes on as it was imported.
      if (isUniqueViolation(error)) return facts;
      throw error;
    }
    return { ...facts, secret_hash: secret.hash, pepper_id: secret.pepperId };
  }
}

function isCounted(known: KnownToken | null): boolean {
  return known !== null && known.facts.uses_limit !== null;
}

function hasEnded({ secret_expires_at: expiresAt }: KeptFacts, now: Instant): boolean {
  return expiresAt !== null && !now.isBefore(expiresAt);
}

/** Null where the request that presents the secret is not its holder's own. */
function originOf({ ip, userAgent, requestId }: UseContext): Origin | null {
  return ip === null || requestId === undefined ? null : { requestId, ip, userAgent };
}
