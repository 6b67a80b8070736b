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
/** Longer than any of ours. */
const HEADER_LENGTH_MAX = 256;
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

/** The key by which a token claims to be signed. */
export interface VerifyingKey {
  readonly id: string;
  readonly key: KeyObject;
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
  private lastHeader: { readonly text: string; readonly keyId: string | null } = { text: '', keyId: null };

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

  /** Whether a text has the look of a token of ours; whether it is one, only its signature says. */
  looksOurs(text: string): boolean {
    const id = this.keyIdOf(text);
    return id !== null && !this.keys.excludes(id);
  }

  /** The key of ours by which a text claims to be signed; null where it claims none. Errors are outages. */
  async keyOf(text: string): Promise<VerifyingKey | null> {
    const id = this.keyIdOf(text);
    const key = id === null ? null : await this.keys.publicKey(id);
    return id === null || !key ? null : { id, key };
  }

  /** The claims of a token that this key has signed, whole and in its time; `expired` when its time is over; null for every other text. */
  async read(token: string, { key }: VerifyingKey): Promise<AccessClaims | 'expired' | null> {
    const claims = await this.authenticate({ token, key });
    const now = this.clock.now().epochSeconds;
    if (!claims || !isWhole(claims, now)) return null;
    return now < claims.exp ? claims : 'expired';
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

  private keyIdOf(text: string): string | null {
    if (text.length > LENGTH_MAX) return null;
    const header = text.slice(0, Math.max(0, text.indexOf('.')));
    // All tokens of one key have the same.
    if (header !== this.lastHeader.text) this.lastHeader = { text: header, keyId: keyIdIn(header) };
    return this.lastHeader.keyId;
  }
}

/** The id of the key that a header names; null where it is not one of ours. */
function keyIdIn(encoded: string): string | null {
  const header = readHeader(encoded);
  // RFC 7515 section 4.1.11: what `crit` names must be understood; nothing is.
  if (!header || header['alg'] !== 'ES256' || header['typ'] !== TYPE || 'crit' in header || 'b64' in header) return null;
  return typeof header['kid'] === 'string' ? header['kid'] : null;
}

function readHeader(encoded: string): Record<string, unknown> | null {
  if (encoded.length > HEADER_LENGTH_MAX) return null;
  const text = Buffer.from(encoded, 'base64url').toString('utf8');
  // An error would cost more than all the rest of it.
  if (!text.startsWith('{')) return null;
  try {
    return JSON.parse(text) as Record<string, unknown>;
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
