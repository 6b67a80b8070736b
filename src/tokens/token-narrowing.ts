import { Injectable } from '@nestjs/common';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { InputInvalid } from '../kernel/failure.js';
import type { Instant } from '../kernel/instant.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { covers, isWildcard } from './permission-pattern.js';
import { knownPermissions } from './permissions.js';
import { TokenEndRepository } from './token-end.repository.js';
import { LifeNotOwn, TokenHasEnded, TokenNotFound, TokenWidened } from './token.errors.js';
import type { Caller, Token, TokenChange } from './token.js';
import { ceilingOf } from './verdict.js';

/** Changes what a token is called and cuts what it may do; nothing here ever gives one more than it has. */
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
   * `InputInvalid` for a later end; `TokenHasEnded` for one that was revoked. `check` may refuse the state that it is in.
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
