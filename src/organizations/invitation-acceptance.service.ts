import { Injectable } from '@nestjs/common';
import type { Actor } from '../audit/actor.js';
import { AuditLog } from '../audit/audit-log.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { DomainError } from '../kernel/failure.js';
import type { Origin } from '../kernel/origin.js';
import { FailedLogins } from '../users/failed-logins.js';
import { LoginThrottle } from '../users/login-throttle.js';
import { requireGoodPassword } from '../users/password-policy.js';
import { UsersService, type Person } from '../users/users.service.js';
import { InvitationsService } from './invitations.service.js';
import { MembersService, type MemberView } from './members.service.js';
import { MembershipsService } from './memberships.service.js';
import { lockOrganization } from './organization-lock.js';

export interface Acceptance {
  readonly token: string;
  /** Of somebody new; whoever is known keeps their own. */
  readonly name: string;
  readonly password: string;
}

export interface Joined {
  readonly member: MemberView;
  readonly organization: { readonly id: string; readonly slug: string; readonly name: string };
}

/** One answer for every reason: what has become of an invitation, and whether somebody is known, is not told to strangers. */
export class InvitationInvalid extends DomainError<'credentials-invalid'> {
  constructor() {
    super('credentials-invalid', 'The invitation is not good, or not any more, or the password is wrong.', { reason: 'invitation' });
  }
}

/** Turns invitations into memberships. */
@Injectable()
export class InvitationAcceptance {
  constructor(
    private readonly database: Database,
    private readonly invitations: InvitationsService,
    private readonly users: UsersService,
    private readonly members: MembersService,
    private readonly memberships: MembershipsService,
    private readonly throttle: LoginThrottle,
    private readonly failures: FailedLogins,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Makes the person whom the invitation is for a member: somebody known shows their password, somebody new sets one.
   * Works once. Throws `InvitationInvalid` where it does not work, be it that whoever invited could not do so now, and
   * `TooManyAttempts`, which takes none of the attempts at the invitation.
   */
  async accept({ token, name, password }: Acceptance, origin: Origin): Promise<Joined> {
    const invitation = await this.invitations.find(token);
    if (!invitation) throw new InvitationInvalid();
    const { organizationId, id, email } = invitation;
    const attempt = await this.throttle.admit({ email }, origin);
    if (!(await this.invitations.takeAttempt(invitation))) {
      await attempt.withdrawn();
      throw new InvitationInvalid();
    }
    const known = await this.users.findByPassword(email, password);
    // Before it shows whether the address is known: a password that is not good, and not theirs, is refused alike.
    if (!known) {
      const organization = await this.database.inOrganization(organizationId, (tenant) => this.runningOrganization(tenant));
      if (!organization) throw new InvitationInvalid();
      requireGoodPassword(password, { email, names: [name, organization.name, organization.slug] }, ['password']);
    }
    // Prepared in any case, so that it takes the same time whether the address is known or not.
    const create = await this.users.prepare({ email, name, password });
    try {
      const joined = await this.database.inOrganization(organizationId, async (tenant) => {
        if (known && !(await this.users.isStillCurrent(tenant.manager, known))) throw new InvitationInvalid();
        return this.join(tenant, id, known ?? (await create(tenant.manager)), origin);
      });
      await attempt.succeeded();
      return joined;
    } catch (error) {
      if (known || !isUniqueViolation(error)) throw error;
      // The address is somebody's, and the password is not theirs.
      await this.failures.record({ email }, 'credentials', origin);
      throw new InvitationInvalid();
    }
  }

  private async join(tenant: Tenant, invitationId: string, person: Person, origin: Origin): Promise<Joined> {
    await lockOrganization(tenant);
    const organization = await this.runningOrganization(tenant);
    const used = await this.invitations.use(tenant, invitationId, person.id);
    if (!organization || !used) throw new InvitationInvalid();
    const { roleId, invitedBy } = used;
    if (!(await this.memberships.couldGive(tenant, invitedBy, 'invitation:write', roleId))) throw new InvitationInvalid();
    const actor: Actor = { kind: 'user', id: person.id, credential: null, origin };
    const memberId = await this.memberships.admit(tenant, person.id, roleId, actor);
    const member = await this.members.getIn(tenant, memberId);
    await this.audit.append(tenant, actor, {
      action: 'invitation.accepted',
      target: { kind: 'invitation', id: invitationId },
      details: { member: memberId, user: person.id, role: member.role, invitedBy },
    });
    return { member, organization };
  }

  private async runningOrganization({ organizationId, manager }: Tenant): Promise<Joined['organization'] | null> {
    const [organization] = await manager.query<Joined['organization'][]>(
      'SELECT id, slug, name FROM organizations WHERE id = $1 AND organization_stopped_at(id) IS NULL',
      [organizationId],
    );
    return organization ?? null;
  }
}
