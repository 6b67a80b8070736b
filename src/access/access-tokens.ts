import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import jwt from 'jsonwebtoken';
import passportJwt, { type StrategyOptionsWithoutRequest } from 'passport-jwt';
import { Clock } from '../kernel/clock.js';
import { PublicUrl } from '../kernel/public-url.js';
import { isUuid, newId } from '../kernel/ids.js';
import { SigningKeys } from './signing-keys.js';

export const ACCESS_TOKEN_SECONDS = 15 * 60;
const LENGTH_MAX = 8 * 1024;
const CLOCK_LEEWAY_SECONDS = 5;
const TYPE = 'at+jwt';

/** What a session's access token says (RFC 9068). */
export interface AccessClaims {
  readonly iss: string;
  readonly aud: string;
  readonly sub: string;
  readonly org: string;
  readonly sid: string;
  readonly jti: string;
  readonly scope: string;
  readonly iat: number;
  readonly exp: number;
}

/** What a token says, and the id of the key that vouches for it. */
export interface SignedClaims {
  readonly claims: AccessClaims;
  readonly keyId: string;
}

/** A token on its way through the strategy, which speaks of requests. */
interface Attempt {
  readonly token: string;
  readonly key: KeyObject;
}

/** Signs and reads the 15-minute ES256 access tokens of sessions. */
@Injectable()
export class AccessTokens {
  private readonly strategy: passportJwt.Strategy;

  constructor(
    private readonly keys: SigningKeys,
    private readonly publicUrl: PublicUrl,
    private readonly clock: Clock,
  ) {
    const options: StrategyOptionsWithoutRequest = {
      jwtFromRequest: (request) => (request as unknown as Attempt).token,
      // The types know strings only; a KeyObject spares a costly guess of the key's kind at each reading.
      secretOrKeyProvider: (request: unknown, _, done) => done(null, (request as Attempt).key as unknown as string),
      algorithms: ['ES256'],
      issuer: publicUrl.value,
      audience: publicUrl.value,
      // Judged below, by the service's own clock.
      ignoreExpiration: true,
    };
    this.strategy = new passportJwt.Strategy(options, (payload: unknown, done) => done(null, payload));
  }

  sign(session: { userId: string; organizationId: string; sessionId: string; scope: Iterable<string> }): string {
    const now = this.clock.now().epochSeconds;
    const claims: AccessClaims = {
      iss: this.publicUrl.value,
      aud: this.publicUrl.value,
      sub: session.userId,
      org: session.organizationId,
      sid: session.sessionId,
      jti: newId(),
      scope: [...session.scope].join(' '),
      iat: now,
      exp: now + ACCESS_TOKEN_SECONDS,
    };
    const { id, privateKey } = this.keys.current;
    return jwt.sign(claims, privateKey, { algorithm: 'ES256', keyid: id, header: { alg: 'ES256', typ: TYPE } });
  }

  /** The claims of a token that is ours, whole and in its time; `expired` when its time is over; null for every other text. Errors are outages. */
  async read(token: string): Promise<SignedClaims | 'expired' | null> {
    const keyId = token.length > LENGTH_MAX ? null : keyIdOf(token);
    const key = keyId === null ? null : await this.keys.publicKey(keyId);
    if (keyId === null || !key) return null;
    const claims = await this.authenticate({ token, key });
    const now = this.clock.now().epochSeconds;
    if (!claims || !isWhole(claims, now)) return null;
    return now < claims.exp ? { claims, keyId } : 'expired';
  }

  /** Runs the passport strategy without a web framework around it: it answers through these three calls. */
  private authenticate(attempt: Attempt): Promise<Partial<AccessClaims> | null> {
    return new Promise((resolve, reject) => {
      const strategy = Object.create(this.strategy) as passportJwt.Strategy;
      strategy.success = (payload: unknown) => resolve(payload as Partial<AccessClaims>);
      strategy.fail = () => resolve(null);
      strategy.error = reject;
      strategy.authenticate(attempt as unknown as Request);
    });
  }
}

/** The id of the key by which a token of ours claims to be signed; null where its header is not of ours. */
function keyIdOf(token: string): string | null {
  const header = readHeader(token);
  // RFC 7515 section 4.1.11: what `crit` names must be understood; nothing is.
  if (!header || header['alg'] !== 'ES256' || header['typ'] !== TYPE || 'crit' in header || 'b64' in header) return null;
  return typeof header['kid'] === 'string' ? header['kid'] : null;
}

function readHeader(token: string): Record<string, unknown> | null {
  try {
    const header: unknown = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString('utf8'));
    return typeof header === 'object' && header !== null ? (header as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function isWhole(claims: Partial<AccessClaims>, now: number): claims is AccessClaims {
  const { iat, exp, jti, sid, sub, org } = claims;
  if (!Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) return false;
  if (![jti, sid, sub, org].every(isUuid)) return false;
  const issued = iat as number;
  const expires = exp as number;
  return issued <= now + CLOCK_LEEWAY_SECONDS && expires - issued <= ACCESS_TOKEN_SECONDS;
}
