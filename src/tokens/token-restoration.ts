import { Injectable } from '@nestjs/common';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { onExposure } from './policy.js';
import { requireCovering } from './permissions.js';
import { isUndoable, PARENT_REVOKED } from './revocation-reason.js';
import { TokenPolicies } from './token-policies.js';
import { TokenEndRepository } from './token-end.repository.js';
import { RestorationRefused, TokenNotFound } from './token.errors.js';
import type { Caller, Token } from './token.js';
import { ceilingOf, judge, know } from './verdict.js';

export const UNDO_MINUTES = 60;

/** Undoes the end of a token that was a mistake. */
@Injectable()
export class TokenRestoration {
  constructor(
    private readonly database: Database,
    private readonly tokens: ApiTokenRepository,
    private readonly ends: TokenEndRepository,
    private readonly policies: TokenPolicies,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /**
   * Lets the token live again with those that ended along with it, and no other, within 60 minutes of its end.
   * `RestorationRefused` where it is too late, the reason rules it out or the token would be dead all the same;
   * `PermissionExceeded` where one of them may do more than the caller; `PolicyViolated` where there is no room for them.
   */
  restore(caller: Caller, tokenId: string): Promise<Token> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { id } = await this.find(tenant, caller, tokenId);
      const family = await this.ends.endedWith(tenant, id);
      const token = await this.find(tenant, caller, id);
      const now = this.clock.now();
      if (!token.revokedAt) throw new RestorationRefused('not-revoked', 'The token is not revoked.');
      await this.requireParentAlive(tenant, token);
      if (!isUndoable(token.revocationReason)) throw new RestorationRefused('final', `An end of the reason ${token.revocationReason} is final.`);
      if (!now.isBefore(token.revokedAt.plusSeconds(UNDO_MINUTES * 60))) throw new RestorationRefused('too-late', `An end can be undone for ${UNDO_MINUTES} minutes.`);
      const policies = await this.policies.bindingIn(tenant, token.subOrganizationId);
      if (onExposure(policies) !== 'flag' && (await this.ends.hasExposed(tenant, family))) throw new RestorationRefused('final', 'A secret has leaked, of the token or of one that ended with it.');
      await this.requireRightful(tenant, caller, id, family);
      await this.policies.requireRoomIn(tenant, policies, now, family.length);
      await this.ends.restore(tenant, family, now);
      await this.audit.append(tenant, caller.actor, { action: 'token.restored', target: { kind: 'token', id } });
      const along = family.filter((each) => each !== id);
      await this.audit.appendEach(tenant, caller.actor, { action: 'token.restored', targetKind: 'token', details: { with: id } }, along);
      return this.find(tenant, caller, id);
    });
  }

  private async requireParentAlive(tenant: Tenant, { parentId, revocationReason }: Token): Promise<void> {
    const parent = parentId === null ? null : await this.tokens.find(tenant, 'all', parentId, {}, this.clock.now());
    if (parent?.revokedAt || revocationReason === PARENT_REVOKED) {
      throw new RestorationRefused('parent-revoked', 'The token ended with the one it was minted with; restore that one.');
    }
  }

  /** What comes back must be alive, and nothing that the caller could not have minted now. */
  private async requireRightful(tenant: Tenant, caller: Caller, id: string, family: readonly string[]): Promise<void> {
    const all = await this.ends.factsOf(tenant, family);
    const own = all.find((facts) => facts.id === id);
    const verdict = own && judge(know({ ...own, revoked_at: null, secret_expires_at: null }), this.clock.now(), null);
    if (!verdict?.active) throw new RestorationRefused('dead', `The token would not work: ${verdict?.reason ?? 'expired'}.`);
    for (const facts of all) requireCovering(caller, ceilingOf(facts));
  }

  private async find(tenant: Tenant, caller: Caller, tokenId: string): Promise<Token> {
    const token = await this.tokens.find(tenant, caller.projects, tokenId, {}, this.clock.now());
    if (!token) throw new TokenNotFound(tokenId);
    return token;
  }
}
