import { Injectable } from '@nestjs/common';
import { Sessions, type SessionTokens } from '../access/sessions.js';
import { DomainError } from '../kernel/failure.js';
import type { Origin } from '../kernel/origin.js';
import { UsersService } from '../users/users.service.js';
import { FailedLogins, type LoginFault } from './failed-logins.js';

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
    private readonly failures: FailedLogins,
  ) {}

  /** Starts a session in the named organization (id or slug), or in the first one the person joined. */
  async login({ email, password, organization }: { email: string; password: string; organization?: string }, origin: Origin): Promise<SessionTokens> {
    const person = await this.users.findByPassword(email, password);
    if (!person) throw await this.refusal({ email, organization }, 'credentials', origin);
    const open = (await this.users.organizationsOf(person.id)).filter((own) => own.open);
    const chosen = organization === undefined ? open[0] : open.find(({ id, slug }) => id === organization || slug === organization);
    if (!chosen) throw await this.refusal({ email, organization }, 'organization', origin);
    return this.sessions.start(chosen.id, person.id, origin);
  }

  private async refusal(attempt: { email: string; organization?: string }, fault: LoginFault, origin: Origin): Promise<LoginFailed> {
    await this.failures.record(attempt, fault, origin);
    return new LoginFailed();
  }
}
