import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Database } from '../kernel/database/database.js';
import { Conflict } from '../kernel/failure.js';
import { newId } from '../kernel/ids.js';
import type { Origin } from '../kernel/origin.js';
import { toPage, type Cursor, type Page } from '../kernel/page.js';
import { FailedLogins } from '../users/failed-logins.js';
import { LoginThrottle } from '../users/login-throttle.js';
import { requireGoodPassword } from '../users/password-policy.js';
import { UsersService, type NewPerson } from '../users/users.service.js';
import { OrganizationChanges, type Governor } from './organization-changes.service.js';
import { findOrganization, listOrganizations, type OrganizationDetail } from './organization-detail.js';
import { OrganizationsService } from './organizations.service.js';

/**
 * What the operator does to organizations. A suspended one and those within it stand still, with every token and
 * session, until it is resumed; a deleted one for good. The operator's own always runs.
 */
@Injectable()
export class OrganizationAdministration {
  constructor(
    private readonly database: Database,
    private readonly organizations: OrganizationsService,
    private readonly changes: OrganizationChanges,
    private readonly users: UsersService,
    private readonly throttle: LoginThrottle,
    private readonly failures: FailedLogins,
  ) {}

  /**
   * With its first administrator: somebody new, or somebody known by this very password, which stays as it is. Whoever
   * guesses it here is slowed down as at a login, with `TooManyAttempts`.
   */
  async create(caller: Principal, { slug, name, admin }: { slug: string; name: string; admin: NewPerson }, origin: Origin): Promise<OrganizationDetail> {
    const { email, password } = admin;
    const attempt = await this.throttle.admit({ email }, origin);
    const known = await this.users.findByPassword(email, password);
    if (!known) requireGoodPassword(password, { email, names: [admin.name, name, slug] }, ['admin', 'password']);
    const createAdmin = await this.users.prepare(admin);
    const id = newId();
    try {
      const created = await this.governing(caller, async (governor) => {
        const person = known ?? (await createAdmin(governor.home.manager));
        await this.database.elsewhere(governor.home, id, async (own) => {
          await this.organizations.foundIn(own, { slug, name }, person.id);
          await this.changes.record(governor, own, { action: 'organization.created', details: { slug, name, admin: person.id } });
        });
        return findOrganization(governor.home, id);
      });
      // The operator is not the person: nobody is familiar here for it.
      await attempt.withdrawn();
      return created;
    } catch (error) {
      if (isUniqueViolation(error, 'users_email_canonical_key')) {
        await this.failures.record({ email }, 'credentials', origin);
        throw new Conflict('user', 'known', 'The administrator\'s e-mail address is somebody\'s already, and the password is not theirs.');
      }
      if (isUniqueViolation(error)) throw new Conflict('organization', 'taken', 'The slug is taken, if only by an organization that was deleted.');
      throw error;
    }
  }

  /** Newest first. */
  list(caller: Principal, limit: number, after: Cursor | null): Promise<Page<OrganizationDetail>> {
    return this.governing(caller, async ({ home }) => toPage(await listOrganizations(home, { after, limit: limit + 1 }), limit));
  }

  get(caller: Principal, id: string): Promise<OrganizationDetail> {
    return this.governing(caller, ({ home }) => findOrganization(home, id));
  }

  rename(caller: Principal, id: string, name: string): Promise<OrganizationDetail> {
    return this.governing(caller, (governor) => this.changes.rename(governor, id, name));
  }

  suspend(caller: Principal, id: string): Promise<OrganizationDetail> {
    return this.governing(caller, (governor) => this.changes.suspend(governor, id));
  }

  resume(caller: Principal, id: string): Promise<OrganizationDetail> {
    return this.governing(caller, (governor) => this.changes.resume(governor, id));
  }

  /** Its slug stays taken: what goes by it elsewhere never meets another organization. */
  delete(caller: Principal, id: string): Promise<void> {
    return this.governing(caller, (governor) => this.changes.delete(governor, id));
  }

  private governing<T>(caller: Principal, work: (governor: Governor) => Promise<T>): Promise<T> {
    return this.database.asPlatform(caller.organizationId, (home) => work({ kind: 'platform', caller, home }));
  }
}
