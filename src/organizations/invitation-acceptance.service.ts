import { Injectable } from '@nestjs/common';
import type { Actor } from '../audit/actor.js';
import { AuditLog } from '../audit/audit-log.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { DomainError, InputInvalid } from '../kernel/failure.js';
import type { Origin } from '../kernel/origin.js';
import type { Permission } from '../tokens/permissions.js';
import { PASSWORD_BYTES_MIN } from '../users/passwords.js';
import { UsersService, type Person } from '../users/users.service.js';
import { FailedLogins } from './failed-logins.js';
import { InvitationsService } from './invitations.service.js';
import { MembersService, type MemberView } from './members.service.js';
import { MembershipsService } from './memberships.service.js';
import { lockOrganization } from './organization-lock.js';
import { RolesService } from './roles.service.js';

const NEEDED: Permission = 'invitation:write';

export interface Acceptance {
  readonly token: string;
  /** Of somebody new; whoever is known keeps their own. */
  readonly name: string;
  readonly password: string;
}

class PasswordTooShort extends InputInvalid {
  constructor() {
    super([{ at: ['password'], rule: 'length', message: `must have ${PASSWORD_BYTES_MIN} or more bytes` }]);
  }
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
    private readonly roles: RolesService,
    private readonly failures: FailedLogins,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Makes the person whom the invitation is for a member: somebody known shows their password, somebody new sets one.
   * Works once. Throws `InvitationInvalid` where it does not work, be it that whoever invited could not do so now.
   */
  async accept({ token, name, password }: Acceptance, origin: Origin): Promise<Joined> {
    const invitation = await this.invitations.take(token);
    if (!invitation) throw new InvitationInvalid();
    const { organizationId, id, email } = invitation;
    const known = await this.users.findByPassword(email, password);
    // Before it shows whether the address is known: a short password that is wrong is refused alike.
    if (!known && Buffer.byteLength(password.normalize('NFC')) < PASSWORD_BYTES_MIN) throw new PasswordTooShort();
    // Prepared in any case, so that it takes the same time whether the address is known or not.
    const create = await this.users.prepare({ email, name, password });
    try {
      return await this.database.inOrganization(organizationId, async (tenant) => this.join(tenant, id, known ?? (await create(tenant.manager)), origin));
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
    if (!(await this.couldInvite(tenant, invitedBy, roleId, organization.platform))) throw new InvitationInvalid();
    const actor: Actor = { kind: 'user', id: person.id, credential: null, origin };
    const memberId = await this.memberships.admit(tenant, person.id, roleId, actor);
    const member = await this.members.getIn(tenant, memberId);
    await this.audit.append(tenant, actor, {
      action: 'invitation.accepted',
      target: { kind: 'invitation', id: invitationId },
      details: { member: memberId, user: person.id, role: member.role, invitedBy },
    });
    return { member, organization: { id: organization.id, slug: organization.slug, name: organization.name } };
  }

  private async runningOrganization({ organizationId, manager }: Tenant): Promise<(Joined['organization'] & { platform: boolean }) | null> {
    const [organization] = await manager.query<(Joined['organization'] & { platform: boolean })[]>(
      'SELECT id, slug, name, platform FROM organizations WHERE id = $1 AND organization_stopped_at(id) IS NULL',
      [organizationId],
    );
    return organization ?? null;
  }

  /** False where the person is not active any more, or could not invite to that role now. */
  private async couldInvite(tenant: Tenant, userId: string, roleId: string, platform: boolean): Promise<boolean> {
    const role = await this.memberships.activeRoleOf(tenant, userId);
    if (!role) return false;
    const inviter = await this.roles.heldBy(tenant, role, platform);
    if (!inviter.permissions.has(NEEDED)) return false;
    try {
      await this.roles.getGrantable(tenant, inviter, roleId);
      return true;
    } catch (error) {
      if (error instanceof DomainError) return false;
      throw error;
    }
  }
}
