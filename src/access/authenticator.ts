import { Injectable } from '@nestjs/common';
import { onceKnown } from '../kernel/at-once.js';
import { DomainError } from '../kernel/failure.js';
import type { Origin } from '../kernel/origin.js';
import { TokenVerifier } from '../tokens/token-verifier.js';
import type { Verdict, VerifiedToken } from '../tokens/verdict.js';
import { ClientPrincipals } from './client-principals.js';
import type { Principal } from './principal.js';
import { SessionVerifier, type LiveSession } from './session-verifier.js';

export class CredentialsInvalid extends DomainError<'credentials-invalid'> {
  constructor(reason: string) {
    super('credentials-invalid', 'The credential is not valid: it is unknown, has expired or was revoked.', { reason });
  }
}

/** Each is made once: finding out where it comes from, which nobody reads, would cost more than all the rest of a refusal. */
const refusals = new Map<string, CredentialsInvalid>();

function refusalFor(reason: string): CredentialsInvalid {
  const known = refusals.get(reason);
  if (known) return known;
  const refusal = new CredentialsInvalid(reason);
  refusals.set(reason, refusal);
  return refusal;
}

/** Three base64url parts: no secret of ours looks so, for each ends in a base62 run without a dot; an imported one may. */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** Says who presents a credential: an access token of a session, any live API token, or the secret of a client. */
@Injectable()
export class Authenticator {
  constructor(
    private readonly sessions: SessionVerifier,
    private readonly verifier: TokenVerifier,
    private readonly clients: ClientPrincipals,
  ) {}

  /** Throws `CredentialsInvalid` for whatever is none of these. A client may send a live token as its secret, whatever it calls itself. */
  authenticate(credential: string, origin: Origin, clientId?: string): Principal | Promise<Principal> {
    if (clientId !== undefined) return this.fromClient(clientId, credential, origin);
    return looksLikeJwt(credential) ? this.fromSession(credential, origin) : this.fromToken(credential, origin);
  }

  /** The same refusal where it is plain without asking anybody; else null, and nothing is said. */
  refusalAtSight(credential: string, clientId?: string): CredentialsInvalid | null {
    if (clientId !== undefined) return null;
    const isJwt = looksLikeJwt(credential);
    if ((isJwt && this.sessions.looksLikeOne(credential)) || !this.verifier.isNobodys(credential)) return null;
    return refusalFor(isJwt ? 'session' : 'unknown');
  }

  private async fromClient(clientId: string, credential: string, origin: Origin): Promise<Principal> {
    return (await this.clients.find(clientId, credential, origin)) ?? this.authenticate(credential, origin);
  }

  private fromSession(credential: string, origin: Origin): Principal | Promise<Principal> {
    return onceKnown(this.sessions.verify(credential, origin), (session) => {
      if (session === null) return this.fromLookalike(credential, origin);
      if (typeof session === 'string') throw refusalFor(session);
      return sessionPrincipal(session, origin);
    });
  }

  /** A secret that was drawn elsewhere may look like a session's token. */
  private fromLookalike(credential: string, origin: Origin): Principal | Promise<Principal> {
    return onceKnown(this.verifier.verify(credential, origin), (verdict) => {
      if (!verdict.active && verdict.reason === 'unknown') throw refusalFor('session');
      return requireLive(verdict, origin);
    });
  }

  private fromToken(credential: string, origin: Origin): Principal | Promise<Principal> {
    return onceKnown(this.verifier.verify(credential, origin), (verdict) => requireLive(verdict, origin));
  }
}

function looksLikeJwt(credential: string): boolean {
  // A long one without a dot would be gone through many times.
  return credential.includes('.') && JWT.test(credential);
}

function requireLive(verdict: Verdict, origin: Origin): Principal {
  if (!verdict.active) throw refusalFor(verdict.reason);
  return tokenPrincipal(verdict.token, origin);
}

function sessionPrincipal({ id, organization, user, permissions, bounds }: LiveSession, origin: Origin): Principal {
  return {
    organizationId: organization.id,
    organization,
    actor: { kind: 'user', id: user.id, credential: { kind: 'session', id }, origin },
    permissions,
    bounds,
    narrowed: false,
    projects: 'all',
    tokenId: null,
    user,
    sessionId: id,
    token: null,
  };
}

function tokenPrincipal(token: VerifiedToken, origin: Origin): Principal {
  return {
    organizationId: token.organization.id,
    organization: token.organization,
    actor: {
      kind: token.user ? 'user' : token.kind,
      id: token.ownerId,
      credential: { kind: 'token', id: token.id },
      origin,
    },
    permissions: token.permissions,
    bounds: token.bounds,
    narrowed: token.narrowed,
    projects: token.projects,
    tokenId: token.id,
    secretReplaced: token.secretReplaced,
    user: token.user,
    sessionId: null,
    token,
    ...(token.keptIn !== token.organization.id && { tokenKeptIn: token.keptIn }),
  };
}
