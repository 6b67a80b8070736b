import { Injectable } from '@nestjs/common';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { InputInvalid } from '../kernel/failure.js';
import type { Instant } from '../kernel/instant.js';
import { isWithin } from './address-list.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { covers, isWildcard } from './permission-pattern.js';
import { knownPermissions, requireCovering } from './permissions.js';
import { violations } from './policy.js';
import { TokenEndRepository } from './token-end.repository.js';
import { LifeNotOwn, PolicyViolated, TokenHasEnded, TokenNotFound, TokenWidened } from './token.errors.js';
import type { Caller, Token, TokenChange } from './token.js';
import { ceilingOf, know } from './verdict.js';

/** Changes what a token is called, cuts what it may do, and says from where; nothing here ever lets one do more than it may. */
@Injectable()
export class TokenNarrowing {
  constructor(
    private readonly database: Database,
    private readonly tokens: ApiTokenRepository,
    private readonly ends: TokenEndRepository,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /**
   * Changes what is named, at once and for every replica. `TokenWidened` for permissions beyond those it has, and
   * `InputInvalid` for a later end; `PermissionExceeded` where more addresses are let through by somebody who could not mint
   * it; `TokenHasEnded` for one that was revoked. `check` may refuse the state that it is in.
   */
  narrow(caller: Caller, tokenId: string, change: TokenChange, check: (token: Token) => void): Promise<Token> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      await this.tokens.lock(tenant, (await this.find(tenant, caller, tokenId)).id);
      const token = await this.find(tenant, caller, tokenId);
      check(token);
      if (token.revokedAt) throw new TokenHasEnded();
      const now = this.clock.now();
      if (change.expiresAt !== undefined) requireEarlier(token, change.expiresAt, now);
      if (change.permissions) await this.requireNarrower(tenant, token, change.permissions);
      // A token that could lift its own list would not be bound by it.
      if (change.allowedAddresses !== undefined && token.id === caller.tokenId) throw new LifeNotOwn();
      const sides = difference<Pick<Token, keyof TokenChange>>(token, change);
      if (Object.keys(sides.after).length === 0) return token;
      if (change.allowedAddresses !== undefined) await this.requireAddressesAllowed(tenant, caller, token, change.allowedAddresses);
      await this.tokens.update(tenant, token.id, change, now);
      await this.audit.append(tenant, caller.actor, { action: 'token.updated', target: { kind: 'token', id: token.id }, ...sides });
      return this.find(tenant, caller, token.id);
    });
  }

  /** Each must be covered by the token's own list; where it has none, by all that bounds it now. */
  private async requireNarrower(tenant: Tenant, token: Token, wanted: readonly string[]): Promise<void> {
    const [facts] = await this.ends.factsOf(tenant, [token.id]);
    const bounds = token.permissions ? [token.permissions] : facts ? ceilingOf(facts).bounds : [];
    const beyond = wanted.filter((pattern) => bounds.length === 0 || !bounds.every((bound) => bound.some((own) => covers(own, pattern))));
    if (beyond.length > 0) throw new TokenWidened(beyond);
    const known = knownPermissions(facts?.registered_permissions ?? [], facts?.organization_platform ?? false);
    const unknown = wanted.findIndex((pattern) => !isWildcard(pattern) && !known.has(pattern) && !token.permissions?.includes(pattern));
    if (unknown >= 0) throw InputInvalid.at(['permissions', unknown], 'known', 'is no permission here');
  }

  /** From more addresses a token is used only at the wish of who could mint it; and from no more than a policy lets it. */
  private async requireAddressesAllowed(tenant: Tenant, caller: Caller, { id, allowedAddresses }: Token, wanted: readonly string[] | null): Promise<void> {
    const [facts] = await this.ends.factsOf(tenant, [id]);
    if (!facts) return;
    if (!isWithin(wanted, allowedAddresses)) requireCovering(caller, ceilingOf(facts));
    const subject = { ...know(facts).bound, addressLists: [wanted, facts.owner_allowed_addresses] };
    const faults = violations(facts.policies, subject).filter(({ rule }) => rule === 'addresses-required');
    if (faults.length > 0) throw new PolicyViolated(faults);
  }

  private async find(tenant: Tenant, caller: Caller, tokenId: string): Promise<Token> {
    const token = await this.tokens.find(tenant, caller.projects, tokenId, {}, this.clock.now());
    if (!token) throw new TokenNotFound(tokenId);
    return token;
  }
}

function requireEarlier({ expiresAt: present }: Token, wanted: Instant | null, now: Instant): void {
  if (wanted === null ? present !== null : present?.isBefore(wanted)) throw InputInvalid.at('expires_at', 'later', 'must not be later than the token expires now');
  if (wanted && !now.isBefore(wanted) && !(present && wanted.equals(present))) throw InputInvalid.at('expires_at', 'past', 'must be in the future; revoke the token to end it now');
}
