import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { Invalidations } from '../kernel/database/invalidations.js';
import { keyOfSecret, Remembered } from '../kernel/database/remembered.js';
import { Instant } from '../kernel/instant.js';
import type { Origin } from '../kernel/origin.js';
import { patternsOfRole, permissionsOfRole } from '../tokens/permissions.js';
import { UnknownSecrets } from '../tokens/unknown-secrets.js';
import { AccessTokens, type AccessClaims, type VerifyingKey } from './access-tokens.js';
import type { Principal } from './principal.js';
import { Sessions, type SessionFacts } from './sessions.js';
import { SigningKeys } from './signing-keys.js';

const ACCESS_TOKENS_MAX = 10_000;

/** Whose a live session is and what it may do at this moment. */
export type LiveSession = Pick<Principal, 'organization' | 'permissions' | 'bounds'> & {
  readonly id: string;
  readonly user: NonNullable<Principal['user']>;
};

/** The session; or why there is none: `expired` where the access token is, `session` where the session is not live; null for a text that is no access token of ours. */
export type SessionVerdict = LiveSession | 'expired' | 'session' | null;

/** What an access token led to when it was read, and all that can be concluded from it before it is used. */
interface KnownSession {
  readonly subjects: readonly string[];
  readonly keyId: string;
  readonly tokenExpires: Instant;
  readonly sessionExpires: Instant;
  readonly live: LiveSession;
}

/**
 * Says whose live session an access token stands for. One that was good is remembered with what was read of its session;
 * what time alone ends is judged at each use, and so is whether its key still counts.
 */
@Injectable()
export class SessionVerifier {
  private readonly known: Remembered<KnownSession>;

  constructor(
    database: Database,
    invalidations: Invalidations,
    private readonly accessTokens: AccessTokens,
    private readonly sessions: Sessions,
    private readonly keys: SigningKeys,
    private readonly unknown: UnknownSecrets,
    private readonly clock: Clock,
  ) {
    this.known = new Remembered(database, invalidations, clock, { valuesMax: ACCESS_TOKENS_MAX });
  }

  /**
   * At once where it is known, or where the text does not even look like an access token. An outage is an error, never a
   * "no"; throws `RateLimited` where far too many that led to no session came from the same address.
   */
  verify(accessToken: string, from: Origin): SessionVerdict | Promise<SessionVerdict> {
    const key = keyOfSecret(accessToken);
    const known = this.known.recall(key);
    if (known) return this.judge(known);
    return this.looksLikeOne(accessToken) ? this.read(accessToken, key, from) : null;
  }

  /** Whether it takes more than looking at a text to know that it is no access token. */
  looksLikeOne(text: string): boolean {
    return this.accessTokens.looksOurs(text);
  }

  private async read(accessToken: string, key: string, from: Origin): Promise<SessionVerdict> {
    const signed = await this.accessTokens.keyOf(accessToken);
    if (!signed) return null;
    // What comes now, a signature and a query, costs as much as ten requests.
    this.unknown.requireLeft(from);
    const session = await this.readSigned(accessToken, signed, key);
    if (session === null || typeof session === 'string') this.unknown.count(from);
    return session;
  }

  private async readSigned(accessToken: string, by: VerifyingKey, key: string): Promise<SessionVerdict> {
    const claims = await this.accessTokens.read(accessToken, by);
    if (claims === null || claims === 'expired') return claims;
    const known = await this.known.read(key, () => this.find(claims, by.id));
    return known ? this.judge(known) : 'session';
  }

  private async find(claims: AccessClaims, keyId: string): Promise<KnownSession | null> {
    const facts = await this.sessions.findLive(claims.org, claims.sid);
    if (!facts || facts.user_id !== claims.sub) return null;
    return {
      subjects: [facts.id, facts.user_id, facts.organization_id],
      keyId,
      tokenExpires: Instant.fromEpochSeconds(claims.exp),
      sessionExpires: facts.expires_at,
      live: toLiveSession(facts),
    };
  }

  private judge({ keyId, tokenExpires, sessionExpires, live }: KnownSession): SessionVerdict {
    if (!this.keys.counts(keyId)) return null;
    const now = this.clock.now();
    if (!now.isBefore(tokenExpires)) return 'expired';
    return now.isBefore(sessionExpires) ? live : 'session';
  }
}

function toLiveSession(facts: SessionFacts): LiveSession {
  const role = { key: facts.role_key, permissions: facts.role_permissions };
  const platform = facts.organization_platform;
  return {
    id: facts.id,
    organization: { id: facts.organization_id, slug: facts.organization_slug, name: facts.organization_name, platform },
    user: { id: facts.user_id, email: facts.user_email, name: facts.user_name },
    permissions: permissionsOfRole(role, platform, facts.registered_permissions),
    bounds: [patternsOfRole(role, platform)],
  };
}
