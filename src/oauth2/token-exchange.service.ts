import { Injectable } from '@nestjs/common';
import jwt from 'jsonwebtoken';
import { SigningKeys } from '../access/signing-keys.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { InputInvalid } from '../kernel/failure.js';
import { newId } from '../kernel/ids.js';
import type { Origin } from '../kernel/origin.js';
import { PublicUrl } from '../kernel/public-url.js';
import { requireHeld } from '../tokens/permissions.js';
import { TokenVerifier } from '../tokens/token-verifier.js';
import type { Verdict, VerifiedToken } from '../tokens/verdict.js';

/** The life of an exchanged token in seconds: so long it is good after its parent was revoked. */
export const EXCHANGED_SECONDS = 300;

export interface ExchangeRequest {
  readonly subjectToken: string;
  /** Null: all that the subject token allows. */
  readonly permissions: readonly string[] | null;
  /** Empty: the issuer. */
  readonly audience: readonly string[];
}

export interface ExchangedToken {
  readonly jwt: string;
  readonly expiresInSeconds: number;
  readonly permissions: readonly string[];
}

/** Exchanges any live token for a JWT (RFC 8693) that anyone can verify offline (RFC 9068) and that lives for five minutes. */
@Injectable()
export class TokenExchange {
  constructor(
    private readonly verifier: TokenVerifier,
    private readonly keys: SigningKeys,
    private readonly publicUrl: PublicUrl,
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /**
   * Never beyond the parent: not in permissions (`PermissionExceeded` names what is missing), projects or time. It is a
   * use of the parent. Throws `InputInvalid` at `subject_token` for whatever is no live token (RFC 8693 section 2.2.2).
   */
  async exchange({ subjectToken, permissions, audience }: ExchangeRequest, origin: Origin): Promise<ExchangedToken> {
    const context = { ip: origin.ip, userAgent: origin.userAgent };
    // What is refused is no use.
    if (permissions) requireHeld(requireLive(await this.verifier.inspect(subjectToken, context)).permissions, permissions);
    const token = requireLive(await this.verifier.verify(subjectToken, context));
    const granted = [...new Set(permissions ?? token.permissions)].sort();
    requireHeld(token.permissions, granted);
    const issuedAt = this.clock.now().epochSeconds;
    const expiresAt = Math.min(issuedAt + EXCHANGED_SECONDS, token.expiresAt?.epochSeconds ?? Infinity);
    if (expiresAt <= issuedAt) throw notLive();
    const claims = this.claimsOf(token, granted, audience, issuedAt, expiresAt);
    await this.database.inOrganization(token.keptIn, (tenant) => {
      const actor = { kind: token.user ? ('user' as const) : token.kind, id: token.ownerId, credential: { kind: 'token' as const, id: token.id }, origin };
      const details = { jti: claims.jti, audience: claims.aud, permissions: granted, expiresAt };
      return this.audit.append(tenant, actor, { action: 'token.exchanged', target: { kind: 'token', id: token.id }, details });
    });
    const { id: keyid, privateKey } = this.keys.current;
    const signed = jwt.sign(claims, privateKey, { algorithm: 'ES256', keyid, header: { alg: 'ES256', typ: 'at+jwt' } });
    return { jwt: signed, expiresInSeconds: expiresAt - issuedAt, permissions: granted };
  }

  /** RFC 9068 section 2.2, and beside it what introspection says of the parent. It has no session: our own API refuses it. */
  private claimsOf(token: VerifiedToken, permissions: readonly string[], audience: readonly string[], iat: number, exp: number) {
    const issuer = this.publicUrl.value;
    return {
      iss: issuer,
      aud: audience.length === 0 ? issuer : audience.length === 1 ? audience[0] : [...audience],
      sub: token.ownerId,
      client_id: token.ownerId,
      jti: newId(),
      iat,
      exp,
      scope: permissions.join(' '),
      token_id: token.id,
      organization_id: token.organization.id,
      owner_kind: token.kind,
      projects: token.projects === 'all' ? ['*'] : token.projects.map(({ key }) => key),
      environment: token.environment,
    };
  }
}

function requireLive(verdict: Verdict): VerifiedToken {
  if (!verdict.active) throw notLive();
  return verdict.token;
}

function notLive(): InputInvalid {
  return InputInvalid.at('subject_token', 'live', 'must be a live token');
}
