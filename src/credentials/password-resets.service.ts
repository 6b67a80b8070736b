import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { In, IsNull, LessThanOrEqual, Not } from 'typeorm';
import { requireUser, type Principal } from '../access/principal.js';
import type { Actor } from '../audit/actor.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict, DomainError, NotFound } from '../kernel/failure.js';
import { newId } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import { Mailer } from '../kernel/mail/mailer.js';
import type { Origin } from '../kernel/origin.js';
import { PublicUrl } from '../kernel/public-url.js';
import { FailedLogins } from '../users/failed-logins.js';
import { MembersService } from '../organizations/members.service.js';
import { MembershipsService } from '../organizations/memberships.service.js';
import { TooMany } from '../organizations/organization-lock.js';
import { drawSecret, hasValidChecksum, SecretHasher } from '../tokens/token-secret.js';
import { UsersService, type KnownPerson } from '../users/users.service.js';
import { PasswordChanges } from './password-changes.service.js';
import { passwordResetMail } from './password-mails.js';
import { PasswordReset } from './password-reset.entity.js';

const RESET_PREFIX = 'pwr_';
const LIFETIME_SECONDS = 3600;
/** At a time, of one person: a stranger who asks again and again fills nobody's mailbox. */
const OPEN_MAX = 5;
/** Requests that wait to be looked into. */
const WAITING_MAX = 200;

export const RESET_PAGE = 'reset-password';

/** How the person gets it: the link goes by mail, or is here for whoever asked to hand on. */
export interface IssuedReset {
  readonly secret: string | null;
  readonly link: string | null;
  readonly expiresAt: Instant;
}

interface Drawn {
  readonly person: KnownPerson;
  readonly secret: string;
  readonly expiresAt: Instant;
}

/** One answer for every reason: what has become of a reset is not told to strangers. */
export class ResetInvalid extends DomainError<'credentials-invalid'> {
  constructor() {
    super('credentials-invalid', 'The link to reset the password is not good, or not any more.', { reason: 'password-reset' });
  }
}

/** Resets of passwords that people have forgotten: a secret that works once, for an hour, and only until the password is another. */
@Injectable()
export class PasswordResets implements OnApplicationShutdown {
  private readonly logger = new Logger('PasswordResets');
  private waiting = 0;
  private work: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly users: UsersService,
    private readonly members: MembersService,
    private readonly memberships: MembershipsService,
    private readonly changes: PasswordChanges,
    private readonly failures: FailedLogins,
    private readonly hasher: SecretHasher,
    private readonly mailer: Mailer,
    private readonly publicUrl: PublicUrl,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Before the database and the mailer end. */
  onApplicationShutdown(): Promise<void> {
    return this.settled();
  }

  /**
   * Sends a link to whoever has this address, if anybody has and mail is configured. Returns at once, before it is looked
   * up: neither the answer nor its time tells whether the address is known.
   */
  request(email: string, origin: Origin): void {
    if (!this.mailer.isConfigured) return;
    if (this.waiting >= WAITING_MAX) {
      this.logger.warn(`a request to reset a password was dropped: ${WAITING_MAX} others wait`);
      return;
    }
    this.waiting += 1;
    this.work = this.work
      .then(() => this.sendTo(email, origin))
      .catch((error: unknown) => this.logger.error(`a password reset could not be issued: ${error instanceof Error ? error.message : 'unknown error'}`))
      .finally(() => (this.waiting -= 1));
  }

  /** When all that was requested until now was looked into. */
  settled(): Promise<void> {
    return this.work;
  }

  /**
   * For a member whom the caller may change. By mail, where mail is configured: the caller sees nothing of it. Otherwise
   * the caller gets the secret, but only where the person belongs to no other organization: it opens all of theirs.
   */
  async issueFor(caller: Principal, memberId: string): Promise<IssuedReset> {
    const { id: createdBy } = requireUser(caller);
    const byMail = this.mailer.isConfigured;
    const issued = await this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { before: member } = await this.members.holdChangeable(tenant, caller, memberId);
      if (member.userId === createdBy) throw new Conflict('member', 'own', 'You change your own password at /auth/password.');
      const person = await this.users.find(tenant.manager, member.userId);
      if (!person) throw new NotFound('member', memberId);
      if (!byMail && !(await this.belongsNowhereElse(tenant, person.id))) {
        throw new Conflict('member', 'mail-required', 'The password of this person can be reset only by mail, and no mail server is configured (SMTP_URL).');
      }
      const drawn = await this.issue(tenant, person, { byMail, createdBy, actor: caller.actor });
      if (!drawn) throw new TooMany('password-reset', OPEN_MAX);
      return drawn;
    });
    if (!byMail) return { secret: issued.secret, link: this.publicUrl.linkTo(RESET_PAGE, issued.secret), expiresAt: issued.expiresAt };
    this.mail(issued);
    return { secret: null, link: null, expiresAt: issued.expiresAt };
  }

  /** Uses the reset up, and ends all the person's sessions. Throws `ResetInvalid` for every secret that does not work. */
  async use({ token, password }: { token: string; password: string }, origin: Origin): Promise<void> {
    const reset = await this.findOpen(token);
    const person = reset && (await this.users.find(this.database.shared, reset.userId));
    if (!person || person.passwordVersion !== reset.passwordVersion) throw new ResetInvalid();
    await this.changes.requireGood(person, password, ['password']);
    const passwordHash = await this.users.hash(password);
    const actor: Actor = { kind: 'user', id: person.id, credential: null, origin };
    await this.database.inOrganization(reset.organizationId, async (tenant) => {
      const replaced = await this.changes.replaceIn(tenant, { person, passwordHash, actor, action: 'password.reset', details: { reset: reset.id }, spared: null });
      if (!replaced || !(await this.mayBeUsed(tenant, reset))) throw new ResetInvalid();
      await tenant.manager.delete(PasswordReset, { organizationId: tenant.organizationId, userId: person.id });
    });
  }

  private async sendTo(email: string, origin: Origin): Promise<void> {
    const facts = await this.failures.factsOf(email);
    const userId = facts?.user_id;
    if (!userId) return;
    const stranger: Actor = { kind: 'anonymous', id: null, credential: null, origin };
    const issued = await this.database.inOrganization(facts.organization_id, async (tenant) => {
      const person = await this.users.find(tenant.manager, userId);
      return person && this.issue(tenant, person, { byMail: true, createdBy: null, actor: stranger });
    });
    if (issued) this.mail(issued);
  }

  private mail({ person, secret, expiresAt }: Drawn): void {
    this.mailer.send(passwordResetMail({ to: person, link: this.publicUrl.linkTo(RESET_PAGE, secret), expiresAt }));
  }

  /** Draws a secret for the person; null where they have as many as they may. */
  private async issue({ organizationId, manager }: Tenant, person: KnownPerson, { byMail, createdBy, actor }: { byMail: boolean; createdBy: string | null; actor: Actor }): Promise<Drawn | null> {
    const { id: userId, passwordVersion } = person;
    const createdAt = this.clock.now();
    await manager.delete(PasswordReset, { organizationId, expiresAt: LessThanOrEqual(createdAt) });
    const open = await manager.countBy(PasswordReset, { organizationId, userId, passwordVersion, createdBy: createdBy === null ? IsNull() : Not(IsNull()) });
    if (open >= OPEN_MAX) return null;
    const secret = drawSecret(RESET_PREFIX);
    const { hash, pepperId } = this.hasher.hash(secret);
    const expiresAt = createdAt.plusSeconds(LIFETIME_SECONDS);
    const id = newId();
    await manager.insert(PasswordReset, { organizationId, id, userId, passwordVersion, secretHash: hash, pepperId, byMail, createdAt, createdBy, expiresAt });
    await this.audit.append({ organizationId, manager }, actor, {
      action: 'password-reset.created',
      target: { kind: 'user', id: userId },
      details: { reset: id, byMail, expiresAt },
    });
    return { person, secret, expiresAt };
  }

  private async findOpen(secret: string): Promise<PasswordReset | null> {
    if (!secret.startsWith(RESET_PREFIX) || !hasValidChecksum(secret)) return null;
    const hashes = this.hasher.hashes(secret);
    const found = await this.database.asHolder(hashes, (manager) => manager.findOneBy(PasswordReset, { secretHash: In([...hashes]) }));
    return found && this.clock.now().isBefore(found.expiresAt) ? found : null;
  }

  /**
   * What went by mail is the person's own. What an administrator has in hand works only while the person belongs to no
   * other organization, and the administrator might ask for it still.
   */
  private async mayBeUsed(tenant: Tenant, { userId, byMail, createdBy }: PasswordReset): Promise<boolean> {
    if (byMail) return true;
    if (!createdBy || !(await this.belongsNowhereElse(tenant, userId))) return false;
    return this.memberships.couldChange(tenant, createdBy, userId);
  }

  private async belongsNowhereElse({ organizationId, manager }: Tenant, userId: string): Promise<boolean> {
    const organizations = await this.users.organizationIdsOf(manager, userId);
    return organizations.every((id) => id === organizationId);
  }
}
