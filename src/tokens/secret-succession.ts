import { Injectable } from '@nestjs/common';
import { SYSTEM, type Actor } from '../audit/actor.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import type { Origin } from '../kernel/origin.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { onReuse } from './policy.js';
import { COMPROMISED } from './revocation-reason.js';
import { TokenEnds } from './token-ends.js';
import { TokenSecretsRepository } from './token-secrets.repository.js';
import { ownerOf, type KeptFacts } from './verdict.js';

/** Of each token, no more than one alarm in this time. */
export const ALARM_EVERY_SECONDS = 3_600;

/** What a secret brings about by being presented: the first use of a new one, and the reuse of one that was replaced. */
@Injectable()
export class SecretSuccession {
  constructor(
    private readonly database: Database,
    private readonly tokens: ApiTokenRepository,
    private readonly ends: TokenEnds,
    private readonly secrets: TokenSecretsRepository,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /**
   * Puts the secret, which waited for its first use, in force: from now on the others end. Exactly one of all who
   * present it at once does so. False where a newer rotation has cancelled it, or its token has ended meanwhile.
   */
  activate(facts: KeptFacts, origin: Origin | null): Promise<boolean> {
    return this.database.inOrganization(facts.kept_in, async (tenant) => {
      await this.tokens.lock(tenant, facts.id);
      const token = await this.tokens.find(tenant, 'all', facts.id, { revoked: false }, this.clock.now());
      if (!token) return false;
      if (!(await this.secrets.activate(tenant, facts.id, facts.secret_hash, this.clock.now()))) return this.secrets.isInForce(tenant, facts.secret_hash);
      await this.audit.append(tenant, holderOf(facts, origin), {
        action: 'token.rotation-completed',
        target: { kind: 'token', id: facts.id },
        details: { overlapSeconds: token.pendingRotation?.overlapSeconds },
        before: { hint: token.hint },
        after: { hint: facts.secret_hint },
      });
      return true;
    });
  }

  /** Records that a secret was presented after its end, and ends its token where a policy wants that. */
  async alarm(facts: KeptFacts, origin: Origin | null): Promise<void> {
    const now = this.clock.now();
    if (facts.reuse_detected_at && now.isBefore(facts.reuse_detected_at.plusSeconds(ALARM_EVERY_SECONDS))) return;
    const ends = onReuse(facts.policies) === 'revoke';
    await this.database.inOrganization(facts.kept_in, async (tenant) => {
      if (ends) await this.ends.hold(tenant, facts.id);
      if (!(await this.secrets.takeAlarm(tenant, facts.id, now, ALARM_EVERY_SECONDS))) return;
      const target = { kind: 'token', id: facts.id };
      const unknown: Actor = { kind: 'anonymous', id: null, credential: null, origin };
      await this.audit.append(tenant, unknown, {
        action: 'token.reuse-detected',
        target,
        details: { hint: facts.secret_hint, replacedAt: facts.secret_replaced_at },
      });
      if (ends) await this.ends.endIn(tenant, { ...SYSTEM, origin }, [facts.id], { reason: COMPROMISED });
    });
  }
}

/** Whoever holds the secret acts as the token does. */
function holderOf(facts: KeptFacts, origin: Origin | null): Actor {
  return { kind: facts.user_id === null ? facts.kind : 'user', id: ownerOf(facts), credential: { kind: 'token', id: facts.id }, origin };
}
