import { Injectable } from '@nestjs/common';
import { CredentialsInvalid } from '../access/authenticator.js';
import type { Principal } from '../access/principal.js';
import { Sessions, type SessionFacts } from '../access/sessions.js';
import { Clock } from '../kernel/clock.js';
import { DomainError, NotFound } from '../kernel/failure.js';
import type { Instant } from '../kernel/instant.js';
import type { Cursor } from '../kernel/page.js';
import { ProjectsService } from '../projects/projects.service.js';
import type { Permission } from '../tokens/permissions.js';
import { TokenEngine } from '../tokens/token-engine.js';
import type { TokenFilter } from '../tokens/token-filter.js';
import { TokenNotFound } from '../tokens/token.errors.js';
import type { Caller, MintedToken, ProjectRef, Token } from '../tokens/token.js';
import type { VerifiedToken } from '../tokens/verdict.js';

/** What a token without a limit hands on, as far as its caller holds it: the care of such tokens. */
const PERMISSIONS: readonly Permission[] = ['auth-method:token:read', 'auth-method:token:write'];

/** Revoked tokens are gone here; the inventory still shows them. */
const SHOWN: TokenFilter = { kind: 'auth-method', revoked: false };

export interface NewMethodToken {
  readonly name: string | null;
  readonly description: string | null;
  /** Key of the project it is limited to; null for no limit. */
  readonly project: string | null;
  readonly expiresAt: Instant | null;
  readonly secretPrefix: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface MethodTokenListing {
  readonly limit: number;
  readonly offset: number;
  /** Continues behind this place. */
  readonly after: Cursor | null;
}

/** What a caller presents: a token of any kind, or a person's session. */
export type PresentedBy = { readonly token: VerifiedToken } | { readonly session: SessionFacts };

/** Tokens of the static method: an auth method owns them itself, so they outlive whoever minted them. */
@Injectable()
export class AuthMethodsService {
  constructor(
    private readonly tokens: TokenEngine,
    private readonly projects: ProjectsService,
    private readonly sessions: Sessions,
    private readonly clock: Clock,
  ) {}

  /** Never more than the caller holds. One limited to a project holds no permission at all: it only says who it is. */
  async mint(caller: Caller, { name, description, project, expiresAt, secretPrefix, attributes }: NewMethodToken): Promise<MintedToken> {
    return this.tokens.mint(caller, {
      kind: 'auth-method',
      owner: { organization: true },
      secretPrefix,
      name,
      description,
      permissions: project === null ? PERMISSIONS.filter((permission) => caller.permissions.has(permission)) : [],
      projects: project === null ? 'all' : await this.projectsNamed(caller, project),
      expiresAt,
      attributes,
    });
  }

  /** The oldest first. */
  list(caller: Caller, listing: MethodTokenListing): Promise<Token[]> {
    return this.tokens.list(caller, SHOWN, { order: 'oldest-first', ...listing });
  }

  /** Throws `TokenNotFound` for absent, foreign, revoked and limited away alike. */
  find(caller: Caller, id: string): Promise<Token> {
    return this.tokens.find(caller, id, SHOWN);
  }

  /** Afterwards there is no such token, whether or not there was one. */
  async revoke(caller: Caller, id: string): Promise<void> {
    try {
      await this.tokens.revoke(caller, id, { within: SHOWN });
    } catch (error) {
      if (!(error instanceof TokenNotFound)) throw error;
    }
  }

  /** What the caller presented. Throws `CredentialsInvalid` where its session has ended meanwhile. */
  async presentedBy({ organizationId, token, sessionId }: Principal): Promise<PresentedBy> {
    if (token) return { token };
    const session = sessionId === null ? null : await this.sessions.findLive(organizationId, sessionId);
    if (!session) throw new CredentialsInvalid('session');
    return { session };
  }

  /** Ends what the caller presents, a token at the given instant, and never later than it would have ended. */
  async expire(principal: Principal, at: Instant | null): Promise<void> {
    const now = this.clock.now();
    if (principal.tokenId !== null) {
      await this.tokens.update(principal, principal.tokenId, { expiresAt: at ?? now });
    } else if (principal.sessionId !== null) {
      if (at && now.isBefore(at)) throw new SessionLifeFixed();
      await this.sessions.end(principal.organizationId, principal.sessionId, principal.actor, 'logout');
    }
  }

  /** None where none has this key: a project that gets the key later is not meant. */
  private async projectsNamed(caller: Caller, key: string): Promise<readonly ProjectRef[]> {
    try {
      return [await this.projects.getByKey(caller, key)];
    } catch (error) {
      if (error instanceof NotFound) return [];
      throw error;
    }
  }
}

/** A session can be ended now, not at a time of one's choice. */
export class SessionLifeFixed extends DomainError<'caller-refused'> {
  constructor() {
    super('caller-refused', 'A session can only end now.', { reason: 'own-life' });
  }
}
