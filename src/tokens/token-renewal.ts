import { Injectable } from '@nestjs/common';
import type { Actor } from '../audit/actor.js';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Instant } from '../kernel/instant.js';
import type { Origin } from '../kernel/origin.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { least, longestLifetime, type Policy } from './policy.js';
import { RenewalRefused, TokenNotFound, TooManySecrets } from './token.errors.js';
import { TokenPolicies } from './token-policies.js';
import { drawSecret, hintOf, SecretHasher } from './token-secret.js';
import { stateOf } from './token-state.js';
import { TokenVerifier } from './token-verifier.js';
import type { MintedToken, Token } from './token.js';
import type { VerifiedToken } from './verdict.js';

/** Workers that share a token renew it each for themselves; nobody else needs so many. */
const SECRETS_MAX = 100;

/** Prolongs tokens at the wish of whoever holds their secret. */
@Injectable()
export class TokenRenewal {
  constructor(
    private readonly database: Database,
    private readonly tokens: ApiTokenRepository,
    private readonly policies: TokenPolicies,
    private readonly verifier: TokenVerifier,
    private readonly hasher: SecretHasher,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /**
   * Gives a live token a new secret and as much life as its TTL, its whole life and the policies allow; the secret
   * presented works until it would have ended anyway, unless a rotation has replaced it already. Never shortens a life and
   * costs no use. `RenewalRefused` says why a token cannot.
   */
  async renew(presented: string, secretPrefix: string, origin: Origin): Promise<MintedToken> {
    const verdict = await this.verifier.inspect(presented, origin);
    if (!verdict.active) throw new RenewalRefused(verdict.reason);
    if (verdict.token.secretReplaced) throw new RenewalRefused('replaced');
    return this.database.inOrganization(verdict.token.keptIn, (tenant) => this.renewIn(tenant, verdict.token, presented, secretPrefix, origin));
  }

  private async renewIn(tenant: Tenant, { id, kind, ownerId }: VerifiedToken, presented: string, secretPrefix: string, origin: Origin): Promise<MintedToken> {
    await this.tokens.lock(tenant, id);
    const now = this.clock.now();
    const token = await this.tokens.find(tenant, 'all', id, {}, now);
    if (!token) throw new TokenNotFound(id);
    const state = stateOf(token, now);
    if (state === 'revoked' || state === 'expired') throw new RenewalRefused(state);
    if (token.blockReason) throw new RenewalRefused(token.blockReason);
    const inForce = await this.tokens.secretsInForce(tenant, id, now);
    // It may have ended while this was waiting.
    if (!this.hasher.hashes(presented).some((hash) => inForce.some((own) => own.equals(hash)))) throw new RenewalRefused('unknown');
    if (inForce.length >= SECRETS_MAX) throw new TooManySecrets(SECRETS_MAX);
    const secret = drawSecret(secretPrefix);
    const expiresAt = prolonged(token, await this.policies.bindingIn(tenant, token.subOrganizationId), now);
    const hint = hintOf(secret, secretPrefix);
    await this.tokens.addSecret(tenant, token, { ...this.hasher.hash(secret), hint }, expiresAt, now);
    const actor: Actor = { kind, id: ownerId, credential: { kind: 'token', id }, origin };
    await this.audit.append(tenant, actor, { action: 'token.renewed', target: { kind: 'token', id }, ...difference(token, { expiresAt, hint }) });
    return { token: { ...token, expiresAt, hint, renewedAt: now, updatedAt: now }, secret };
  }
}

/** A token without a TTL keeps the end it has. */
function prolonged({ kind, createdAt, expiresAt, ttlSeconds, maxTtlSeconds }: Token, policies: readonly Policy[], now: Instant): Instant | null {
  if (expiresAt === null || ttlSeconds === null) return expiresAt;
  const longest = least([maxTtlSeconds, longestLifetime(policies, kind)]);
  const latest = longest === null ? null : createdAt.plusSeconds(longest);
  const next = Instant.earliest(now.plusSeconds(ttlSeconds), latest) ?? expiresAt;
  return next.isBefore(expiresAt) ? expiresAt : next;
}
