import { Injectable } from '@nestjs/common';
import type { Actor } from '../audit/actor.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import type { Origin } from '../kernel/origin.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { isPublicSecret } from './permissions.js';
import { COMPROMISED } from './revocation-reason.js';
import { TokenEnds } from './token-ends.js';
import { TokenVerifier, type LocatedToken } from './token-verifier.js';

/** A secret that somebody found where it should not be. */
export interface FoundSecret {
  readonly secret: string;
  /** Where; null where they do not say. */
  readonly url: string | null;
}

/** Ends tokens whose secrets have leaked. */
@Injectable()
export class TokenExposure {
  constructor(
    private readonly database: Database,
    private readonly verifier: TokenVerifier,
    private readonly tokens: ApiTokenRepository,
    private readonly ends: TokenEnds,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /**
   * Takes all of it or throws; reporting it again changes nothing, so whoever is not sure may repeat. Strings that are
   * no secret of a token are passed over, and so are frontend tokens, which browsers are meant to show.
   */
  async report(found: readonly FoundSecret[], source: string, origin: Origin): Promise<void> {
    const first = new Map(found.map((each) => [each.secret, each]));
    for (const each of first.values()) {
      const located = await this.verifier.locate(each.secret);
      // One that has ended opens nothing; whoever finds it shall not end the token that goes on without it.
      if (located?.inForce) await this.expose(located, each, source, origin);
    }
  }

  private expose({ keptIn, tokenId }: LocatedToken, { secret, url }: FoundSecret, source: string, origin: Origin): Promise<void> {
    const reporter: Actor = { kind: 'anonymous', id: null, credential: null, origin };
    return this.database.inOrganization(keptIn, async (tenant) => {
      await this.tokens.lock(tenant, tokenId);
      const now = this.clock.now();
      const token = await this.tokens.find(tenant, 'all', tokenId, {}, now);
      if (!token || token.exposedAt !== null || isPublicSecret(token.permissions ?? [])) return;
      const target = { kind: 'token', id: tokenId };
      const revokes = token.revokedAt === null;
      await this.tokens.markExposed(tenant, tokenId, now);
      // An address may hold the very secret.
      const where = url?.replaceAll(secret, '…') ?? null;
      await this.audit.append(tenant, reporter, { action: 'token.exposed', target, details: { source, url: where, revoked: revokes } });
      if (revokes) await this.ends.endIn(tenant, reporter, [tokenId], { reason: COMPROMISED });
    });
  }
}
