import { Injectable } from '@nestjs/common';
import type { Actor } from '../audit/actor.js';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';
import { ApiTokenRepository, type TokenListing } from './api-token.repository.js';
import { requireCovering } from './permissions.js';
import { violations } from './policy.js';
import { TokenEndRepository } from './token-end.repository.js';
import { TokenEnds, type EndOptions } from './token-ends.js';
import { LifeNotOwn, PolicyViolated, TokenNotFound } from './token.errors.js';
import type { TokenFilter } from './token-filter.js';
import { TokenMinter } from './token-minter.js';
import { TokenPolicies } from './token-policies.js';
import { stateOf } from './token-state.js';
import type { Caller, MintedToken, MintRequest, PolicyRule, Token, TokenChange } from './token.js';
import { ceilingOf } from './verdict.js';

export interface RevokeOptions {
  readonly reason?: string;
  /** Only a token that this lets through. */
  readonly within?: TokenFilter;
}

/** Mints, lists and revokes tokens of every kind. A change and its audit event are committed together or not at all. */
@Injectable()
export class TokenEngine {
  constructor(
    private readonly database: Database,
    private readonly tokens: ApiTokenRepository,
    private readonly policies: TokenPolicies,
    private readonly ends: TokenEnds,
    private readonly ceilings: TokenEndRepository,
    private readonly minter: TokenMinter,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /**
   * Mints a token that never exceeds its caller: not in permissions (`PermissionExceeded` names what is missing), not
   * in projects; nor any policy that binds the organization (`PolicyViolated`). Its secret is in the answer and nowhere else.
   */
  mint(caller: Caller, request: MintRequest): Promise<MintedToken> {
    return this.minter.mint(caller, request);
  }

  /** The same within a transaction of the caller's organization that has begun. */
  mintIn(tenant: Tenant, caller: Caller, request: MintRequest): Promise<MintedToken> {
    return this.minter.mintIn(tenant, caller, request);
  }

  /**
   * Ends the token at once, with all that were minted with it. False when it had been revoked before: then nothing changes.
   */
  async revoke(caller: Caller, tokenId: string, { reason = 'unspecified', within = {} }: RevokeOptions = {}): Promise<{ token: Token; changed: boolean }> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const token = await this.findIn(tenant, caller, tokenId, within);
      const { at, named } = await this.ends.endIn(tenant, caller.actor, [token.id], { reason });
      if (named.length === 0) return { token, changed: false };
      return { token: { ...token, revokedAt: at, revokedBy: caller.actor.id, revocationReason: reason, revokedWith: null, updatedAt: at }, changed: true };
    });
  }

  /**
   * Ends every token of the tenant that the filter lets through and that is not revoked, be it expired, with all that
   * were minted with them unless those are to live on, within a transaction that has begun. Tells how many.
   */
  async revokeAllIn(tenant: Tenant, actor: Actor, filter: TokenFilter, reason: string, options: Pick<EndOptions, 'descendants'> = {}): Promise<number> {
    const ids = await this.tokens.idsOf(tenant, 'all', { ...filter, revoked: false }, this.clock.now());
    const { named, descendants } = await this.ends.endIn(tenant, actor, ids, { reason, ...options });
    return named.length + descendants.length;
  }

  /**
   * Changes what is named. Nobody prolongs the life of the token they act with (`LifeNotOwn`) or of one that may do more
   * than they may (`PermissionExceeded`), nor gives any token what the policies do not allow (`PolicyViolated`).
   */
  update(caller: Caller, tokenId: string, change: TokenChange, within: TokenFilter = {}): Promise<Token> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      await this.tokens.lock(tenant, (await this.findIn(tenant, caller, tokenId, within)).id);
      const token = await this.findIn(tenant, caller, tokenId, within);
      const prolongs = change.expiresAt !== undefined && isLater(change.expiresAt, token.expiresAt);
      if (prolongs) await this.requireEntitled(tenant, caller, token.id);
      const now = this.clock.now();
      await this.requireChangeAllowed(tenant, token, { change, prolongs }, now);
      await this.tokens.update(tenant, token.id, change, now);
      await this.audit.append(tenant, caller.actor, { action: 'token.updated', target: { kind: 'token', id: token.id }, ...difference<Pick<Token, keyof TokenChange>>(token, change) });
      return this.findIn(tenant, caller, token.id, {});
    });
  }

  /**
   * By id or short id. `TokenNotFound` where it is absent, another organization's, beyond the caller's projects or
   * not let through by the filter.
   */
  find(caller: Caller, tokenId: string, within: TokenFilter = {}): Promise<Token> {
    return this.database.inOrganization(caller.organizationId, (tenant) => this.findIn(tenant, caller, tokenId, within));
  }

  list(caller: Caller, filter: TokenFilter, listing: TokenListing): Promise<Token[]> {
    return this.database.inOrganization(caller.organizationId, (tenant) =>
      this.tokens.list(tenant, caller.projects, filter, this.clock.now(), listing));
  }

  count(caller: Caller, filter: TokenFilter): Promise<number> {
    return this.database.inOrganization(caller.organizationId, (tenant) => this.tokens.count(tenant, caller.projects, filter, this.clock.now()));
  }

  /** A longer life is as good as a new token: who could not mint it does not give it. */
  private async requireEntitled(tenant: Tenant, caller: Caller, id: string): Promise<void> {
    if (id === caller.tokenId) throw new LifeNotOwn();
    for (const facts of await this.ceilings.factsOf(tenant, [id])) requireCovering(caller, ceilingOf(facts));
  }

  /** What else of the token the policies forbid blocks it, and is no ground to refuse the change. */
  private async requireChangeAllowed(tenant: Tenant, token: Token, { change, prolongs }: { change: TokenChange; prolongs: boolean }, now: Instant): Promise<void> {
    const rules = [...(prolongs ? LIFE_RULES : []), ...(change.permissions ? CONTENT_RULES : [])];
    if (rules.length === 0) return;
    const policies = await this.policies.bindingIn(tenant, token.subOrganizationId);
    const faults = violations(policies, { ...token, ...change, addressLists: [] }).filter(({ rule }) => rules.includes(rule));
    if (faults.length > 0) throw new PolicyViolated(faults);
    if (prolongs && stateOf(token, now) === 'expired') await this.policies.requireRoomIn(tenant, policies, now);
  }

  private async findIn(tenant: Tenant, caller: Caller, tokenId: string, within: TokenFilter): Promise<Token> {
    const token = await this.tokens.find(tenant, caller.projects, tokenId, within, this.clock.now());
    if (!token) throw new TokenNotFound(tokenId);
    return token;
  }
}

const LIFE_RULES: readonly string[] = ['expiry-required', 'lifetime-too-long'] satisfies PolicyRule[];
const CONTENT_RULES: readonly string[] = ['permissions-not-allowed'] satisfies PolicyRule[];

/** Null never comes. */
function isLater(instant: Instant | null, than: Instant | null): boolean {
  return than !== null && (instant === null || than.isBefore(instant));
}
