import { Injectable } from '@nestjs/common';
import { requireUser, type Principal } from '../access/principal.js';
import { RefusalLog } from '../access/refusal-log.js';
import { Sessions } from '../access/sessions.js';
import type { Actor } from '../audit/actor.js';
import { AuditLog } from '../audit/audit-log.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { InputInvalid } from '../kernel/failure.js';
import type { Origin } from '../kernel/origin.js';
import { LoginThrottle } from '../users/login-throttle.js';
import { requireGoodPassword } from '../users/password-policy.js';
import { UsersService, type KnownPerson } from '../users/users.service.js';

export interface Replacement {
  readonly person: KnownPerson;
  readonly passwordHash: string;
  readonly actor: Actor;
  readonly action: 'password.changed' | 'password.reset';
  readonly details?: Readonly<Record<string, unknown>>;
  /** The session that goes on; null ends all. */
  readonly spared: string | null;
}

/** The current password is not the one that was given. No 401: the session is good, and goes on. */
export class CurrentPasswordWrong extends InputInvalid {
  constructor() {
    super([{ at: ['current_password'], rule: 'password', message: 'is not your password' }]);
  }
}

/** People's passwords, and what a new one ends. */
@Injectable()
export class PasswordChanges {
  constructor(
    private readonly database: Database,
    private readonly users: UsersService,
    private readonly sessions: Sessions,
    private readonly throttle: LoginThrottle,
    private readonly refusals: RefusalLog,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Of the caller, who shows the password they have. Ends every other session they have, wherever it is. Guessing it in a
   * session that somebody left open is counted as guessing it at the login is: throws `TooManyAttempts`.
   */
  async change(caller: Principal, { currentPassword, newPassword }: { currentPassword: string; newPassword: string }, origin: Origin): Promise<void> {
    const { id, email } = requireUser(caller);
    const attempt = await this.throttle.admit({ email, organization: caller.organizationId }, origin);
    const person = await this.users.prove(id, currentPassword);
    if (!person) throw await this.refusal(caller, id);
    await attempt.succeeded();
    await this.requireGood(person, newPassword, ['new_password']);
    const passwordHash = await this.users.hash(newPassword);
    const replaced = await this.database.inOrganization(caller.organizationId, (tenant) =>
      this.replaceIn(tenant, { person, passwordHash, actor: caller.actor, action: 'password.changed', spared: caller.sessionId }));
    // Another change was first, so that the password that was shown is not the current one any more.
    if (!replaced) throw await this.refusal(caller, id);
  }

  /** Throws `InputInvalid` for a password that the person may not choose. */
  async requireGood({ id, email, name }: KnownPerson, password: string, at: readonly string[]): Promise<void> {
    const organizations = await this.users.organizationsOf(id);
    requireGoodPassword(password, { email, names: [name, ...organizations.flatMap((own) => [own.name, own.slug])] }, at);
  }

  /**
   * Puts the new password in the place of the one that was proven, records it in the tenant's organization, and ends the
   * person's sessions in all of theirs. Resets that wait are worth nothing afterwards. False where the password is
   * another one already.
   */
  async replaceIn(tenant: Tenant, { person, passwordHash, actor, action, details, spared }: Replacement): Promise<boolean> {
    // First: from here on nobody starts a session with the password before (`UsersService.isStillCurrent`).
    if (!(await this.users.replacePassword(tenant.manager, person, passwordHash))) return false;
    for (const organizationId of await this.users.organizationIdsOf(tenant.manager, person.id)) {
      // With which credential of one organization it was done is not told in another.
      const known = organizationId === tenant.organizationId ? actor : { ...actor, credential: null };
      await this.database.elsewhere(tenant, organizationId, (there) => this.sessions.endAllIn(there, person.id, known, action, spared));
    }
    await this.audit.append(tenant, actor, { action, target: { kind: 'user', id: person.id }, details });
    return true;
  }

  private async refusal(caller: Principal, id: string): Promise<CurrentPasswordWrong> {
    await this.refusals.record(caller.organizationId, caller.actor, { action: 'password.change-refused', target: { kind: 'user', id }, details: { reason: 'credentials' } });
    return new CurrentPasswordWrong();
  }
}
