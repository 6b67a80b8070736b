import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { DomainError } from '../kernel/failure.js';
import { requireCovering } from './permissions.js';
import { ImportRefused } from './token.errors.js';
import { TokenMinter } from './token-minter.js';
import { hintOfImported, SecretHasher, UNKNOWN_HINT } from './token-secret.js';
import { TokenSecretsRepository } from './token-secrets.repository.js';
import type { Caller, MintRequest, Token } from './token.js';
import { ceilingOf, judge, know } from './verdict.js';

const ATTEMPTS_MAX = 3;

/** A secret that was drawn elsewhere. */
export interface ForeignSecret {
  /** SHA-256 of it. */
  readonly digest: Buffer;
  /** Null where nothing but the digest is known. */
  readonly secret: string | null;
}

export interface ImportRequest {
  readonly foreign: ForeignSecret;
  /** Finds out, within the transaction, what is asked for; a `DomainError` refuses it. */
  readonly toRequest: (tenant: Tenant) => Promise<MintRequest>;
}

/** The token, or why there is none. */
export type ImportOutcome = { readonly token: Token } | { readonly refusal: DomainError };

/** Takes over tokens with the secrets they have. */
@Injectable()
export class TokenImport {
  constructor(
    private readonly database: Database,
    private readonly minter: TokenMinter,
    private readonly secrets: TokenSecretsRepository,
    private readonly hasher: SecretHasher,
    private readonly clock: Clock,
  ) {}

  /**
   * Each stands or falls by itself, with its record; those that stand are committed together, all or none. None exceeds
   * the caller, and none is taken that would not work. With `dryRun` nothing is taken, and the outcomes are those that it
   * would have had.
   */
  async importEach(caller: Caller, requests: readonly ImportRequest[], dryRun = false): Promise<readonly ImportOutcome[]> {
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await this.importTogether(caller, requests, dryRun);
      } catch (error) {
        // Another call has imported one of them meanwhile; next time it is known.
        if (!isUniqueViolation(error) || attempts === ATTEMPTS_MAX) throw error;
      }
    }
  }

  private async importTogether(caller: Caller, requests: readonly ImportRequest[], dryRun: boolean): Promise<readonly ImportOutcome[]> {
    let outcomes: readonly ImportOutcome[] = [];
    try {
      await this.database.inOrganization(caller.organizationId, async (tenant) => {
        outcomes = await this.importIn(tenant, caller, requests);
        if (dryRun) throw new TakenBack();
      });
    } catch (error) {
      if (!(error instanceof TakenBack)) throw error;
    }
    return outcomes;
  }

  private async importIn(tenant: Tenant, caller: Caller, requests: readonly ImportRequest[]): Promise<readonly ImportOutcome[]> {
    const known = await this.knownAmong(tenant, requests);
    const taken = new Set<string>();
    const outcomes: ImportOutcome[] = [];
    for (const request of requests) {
      const name = request.foreign.digest.toString('base64');
      const repeated = known.has(name) ? new ImportRefused('already-imported') : taken.has(name) ? new ImportRefused('repeated') : null;
      const outcome = repeated ? { refusal: repeated } : await this.importApart(tenant, caller, request);
      if ('token' in outcome) taken.add(name);
      outcomes.push(outcome);
    }
    return outcomes;
  }

  /** Within a savepoint, so that nothing is left of what is refused. */
  private async importApart({ organizationId, manager }: Tenant, caller: Caller, request: ImportRequest): Promise<ImportOutcome> {
    try {
      return { token: await manager.transaction((inner) => this.importOne({ organizationId, manager: inner }, caller, request)) };
    } catch (error) {
      if (error instanceof DomainError && error.code !== 'unavailable') return { refusal: error as DomainError };
      throw error;
    }
  }

  private async importOne(tenant: Tenant, caller: Caller, { foreign: { digest, secret }, toRequest }: ImportRequest): Promise<Token> {
    const request = await toRequest(tenant);
    if (request.expiresAt && !this.clock.now().isBefore(request.expiresAt)) throw new ImportRefused('expired');
    // Nothing hashes to it: only when the secret is presented is it known what does.
    const hash = randomBytes(32);
    const hint = secret === null ? UNKNOWN_HINT : hintOfImported(secret, request.secretPrefix);
    const token = await this.minter.importIn(tenant, caller, request, { hash, pepperId: 'imported', hint });
    const metadata = request.metadata ?? {};
    await this.secrets.markImported(tenant, token.id, { importedHash: this.hasher.importedHash(digest), metadata });
    const facts = await this.secrets.factsBy(tenant, hash);
    if (!facts) throw new Error('a token has no facts');
    requireCovering(caller, ceilingOf(facts));
    const verdict = judge(know(facts), this.clock.now(), null);
    if (!verdict.active) throw new ImportRefused(verdict.reason);
    return { ...token, metadata };
  }

  /** Digests, in base64, of secrets that the tenant has already, be their tokens live or not. */
  private async knownAmong(tenant: Tenant, requests: readonly ImportRequest[]): Promise<ReadonlySet<string>> {
    const names = new Map<string, string>();
    for (const { foreign: { digest, secret } } of requests) {
      for (const hash of [...(secret === null ? [] : this.hasher.hashes(secret)), ...this.hasher.importedHashes(digest)]) names.set(hash.toString('base64'), digest.toString('base64'));
    }
    const known = await this.secrets.knownOf(tenant, [...names.keys()].map((name) => Buffer.from(name, 'base64')));
    return new Set(known.map((hash) => names.get(hash.toString('base64')) ?? ''));
  }
}

/** Everything was right, and is to come to nothing. */
class TakenBack extends Error {}
