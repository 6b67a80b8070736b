import { Injectable } from '@nestjs/common';
import { CredentialsInvalid } from '../access/authenticator.js';
import { requireUser, type Principal } from '../access/principal.js';
import { Sessions, type SessionTokens } from '../access/sessions.js';
import { DomainError, NotFound } from '../kernel/failure.js';
import type { Origin } from '../kernel/origin.js';
import { FailedLogins, type LoginFault } from '../users/failed-logins.js';
import { LoginThrottle } from '../users/login-throttle.js';
import { UsersService, type OwnOrganization } from '../users/users.service.js';

/** One answer for every reason: who may enter where is not told to strangers. */
export class LoginFailed extends DomainError<'credentials-invalid'> {
  constructor() {
    super('credentials-invalid', 'The e-mail address, the password or the organization is wrong.', { reason: 'login' });
  }
}

@Injectable()
export class LoginService {
  constructor(
    private readonly users: UsersService,
    private readonly sessions: Sessions,
    private readonly throttle: LoginThrottle,
    private readonly failures: FailedLogins,
  ) {}

  /**
   * Starts a session in the named organization (id or slug), or in the first one the person joined. Throws
   * `TooManyAttempts` before it compares anything, and `LoginFailed`.
   */
  async login({ email, password, organization }: { email: string; password: string; organization?: string }, origin: Origin): Promise<SessionTokens> {
    const attempt = await this.throttle.admit({ email, organization }, origin);
    const person = await this.users.findByPassword(email, password);
    if (!person) throw await this.refusal({ email, organization }, 'credentials', origin);
    const chosen = await this.findOpen(person.id, organization);
    if (!chosen) throw await this.refusal({ email, organization }, 'organization', origin);
    const started = await this.sessions.start(chosen.id, person.id, origin, ({ manager }) => this.users.isStillCurrent(manager, person));
    if (!started) throw await this.refusal({ email, organization }, 'credentials', origin);
    await attempt.succeeded();
    return started;
  }

  /**
   * Ends this session and begins one in another organization (id or slug) that the person may enter. Throws `NotFound`
   * for every other one, whether it exists or not, and `CredentialsInvalid` where the session has ended meanwhile.
   */
  async switch(caller: Principal, organization: string, origin: Origin): Promise<SessionTokens> {
    const { id: userId } = requireUser(caller);
    const { organizationId, sessionId, actor } = caller;
    const chosen = await this.findOpen(userId, organization);
    if (!chosen) throw new NotFound('organization', organization);
    const moved = sessionId && (await this.sessions.move({ organizationId, id: sessionId, userId }, chosen.id, actor, origin, async ({ manager }) => {
      const person = await this.users.find(manager, userId);
      return person !== null && this.users.isStillCurrent(manager, person);
    }));
    if (!moved) throw new CredentialsInvalid('session');
    return moved;
  }

  private async findOpen(userId: string, organization: string | undefined): Promise<OwnOrganization | undefined> {
    const open = (await this.users.organizationsOf(userId)).filter((own) => own.open);
    if (organization === undefined) return open[0];
    const named = open.filter(({ slug }) => slug === organization);
    // A slug is unique among those that belong to no other; nobody takes its meaning away by founding one of the same.
    return open.find(({ id }) => id === organization) ?? named.find(({ within }) => !within) ?? named[0];
  }

  private async refusal(attempt: { email: string; organization?: string }, fault: LoginFault, origin: Origin): Promise<LoginFailed> {
    await this.failures.record(attempt, fault, origin);
    return new LoginFailed();
  }
}
