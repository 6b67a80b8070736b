import { Injectable } from '@nestjs/common';
import type { Actor } from '../audit/actor.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import type { Origin } from '../kernel/origin.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { ImportedSecrets } from './imported-secrets.js';
import { isPublicSecret } from './permissions.js';
import { onExposure } from './policy.js';
import { COMPROMISED } from './revocation-reason.js';
import { TokenEnds } from './token-ends.js';
import { TokenPolicies } from './token-policies.js';
import { digestOf, hasValidChecksum, SecretHasher } from './token-secret.js';
import { TokenSecretsRepository } from './token-secrets.repository.js';
import { TokenVerifier, type LocatedToken } from './token-verifier.js';

/** A secret that somebody found where it should not be. */
export interface FoundSecret {
  readonly secret: string;
  /** Where; null where they do not say. */
  readonly url: string | null;
}

interface KnownSecret extends FoundSecret {
  /** Under each pepper, as it is and as an import. */
  readonly hashes: readonly Buffer[];
}

/** Ends tokens whose secrets have leaked, or marks them where all policies that bind them want no more. */
@Injectable()
export class TokenExposure {
  constructor(
    private readonly database: Database,
    private readonly verifier: TokenVerifier,
    private readonly tokens: ApiTokenRepository,
    private readonly secrets: TokenSecretsRepository,
    private readonly hasher: SecretHasher,
    private readonly imported: ImportedSecrets,
    private readonly policies: TokenPolicies,
    private readonly ends: TokenEnds,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /**
   * Takes all of it or throws. Each secret is told of once, so whoever is not sure may repeat; a token that was only
   * marked before ends where the policy has become stricter. Strings that are no secret of a token are passed over, and
   * so are frontend tokens, which browsers are meant to show.
   */
  async report(found: readonly FoundSecret[], source: string, origin: Origin): Promise<void> {
    for (const secret of await this.known(found)) {
      const located = await this.verifier.locate(secret.secret);
      // One that has ended opens nothing; whoever finds it shall not end the token that goes on without it.
      if (located?.inForce) await this.expose(located, secret, source, origin);
    }
  }

  /** Asked in one question, however many they are: what nobody has costs next to nothing. */
  private async known(found: readonly FoundSecret[]): Promise<readonly KnownSecret[]> {
    const first = new Map<string, KnownSecret>();
    for (const each of found) {
      const { secret } = each;
      const isPossible = hasValidChecksum(secret) || (await this.imported.mayInclude(secret));
      if (isPossible) first.set(secret, { ...each, hashes: [...this.hasher.hashes(secret), ...this.hasher.importedHashes(digestOf(secret))] });
    }
    const hashes = [...first.values()].flatMap((each) => each.hashes);
    if (hashes.length === 0) return [];
    const known = new Set((await this.database.asHolder(hashes, (manager) => this.secrets.known(manager, hashes))).map(toKey));
    return [...first.values()].filter((each) => each.hashes.some((hash) => known.has(toKey(hash))));
  }

  private expose({ keptIn, tokenId }: LocatedToken, { secret, url, hashes }: KnownSecret, source: string, origin: Origin): Promise<void> {
    const reporter: Actor = { kind: 'anonymous', id: null, credential: null, origin };
    return this.database.inOrganization(keptIn, async (tenant) => {
      await this.ends.hold(tenant, tokenId);
      await this.tokens.lock(tenant, tokenId);
      const now = this.clock.now();
      const token = await this.tokens.find(tenant, 'all', tokenId, {}, now);
      if (!token || isPublicSecret(token.permissions ?? [])) return;
      const revokes = token.revokedAt === null && onExposure(await this.policies.bindingIn(tenant, token.subOrganizationId)) !== 'flag';
      if (await this.secrets.markExposed(tenant, tokenId, hashes, now)) {
        // An address may hold the very secret.
        const where = url?.replaceAll(secret, '…') ?? null;
        await this.audit.append(tenant, reporter, { action: 'token.exposed', target: { kind: 'token', id: tokenId }, details: { source, url: where, revoked: revokes } });
      }
      if (revokes) await this.ends.endIn(tenant, reporter, [tokenId], { reason: COMPROMISED });
    });
  }
}

function toKey(hash: Buffer): string {
  return hash.toString('base64');
}
