import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { Invalidations } from '../kernel/database/invalidations.js';
import { Remembered } from '../kernel/database/remembered.js';
import { Instant } from '../kernel/instant.js';
import { patternsOfRole, permissionsOfRole } from '../tokens/permissions.js';
import { AccessTokens, type SignedClaims } from './access-tokens.js';
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
    private readonly clock: Clock,
  ) {
    this.known = new Remembered(database, invalidations, clock, { valuesMax: ACCESS_TOKENS_MAX });
  }

  /** At once where it is known. An outage is an error, never a "no". */
  verify(accessToken: string): SessionVerdict | Promise<SessionVerdict> {
    const key = keyOf(accessToken);
    const known = this.known.recall(key);
    return known ? this.judge(known) : this.read(accessToken, key);
  }

  private async read(accessToken: string, key: string): Promise<SessionVerdict> {
    const signed = await this.accessTokens.read(accessToken);
    if (signed === null || signed === 'expired') return signed;
    const known = await this.known.read(key, () => this.find(signed));
    return known ? this.judge(known) : 'session';
  }

  private async find({ claims, keyId }: SignedClaims): Promise<KnownSession | null> {
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

/** In memory only: an access token is not kept. */
function keyOf(accessToken: string): string {
  return hash('sha256', accessToken, 'base64');
}
