import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { requireUser, type Principal } from '../access/principal.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict, NotFound } from '../kernel/failure.js';
import { isUuid, newId } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import { Mailer } from '../kernel/mail/mailer.js';
import { toPage, type Cursor, type Page } from '../kernel/page.js';
import { PublicUrl } from '../kernel/public-url.js';
import { drawSecret, hasValidChecksum, SecretHasher } from '../tokens/token-secret.js';
import { toCanonicalEmail } from '../users/users.service.js';
import { invitationMail } from './invitation-mail.js';
import { Invitation } from './invitation.entity.js';
import { lockOrganization, TooMany } from './organization-lock.js';
import { RolesService } from './roles.service.js';

const INVITATION_PREFIX = 'inv_';
export const JOIN_PAGE = 'join';
const LIFETIME_SECONDS = 7 * 24 * 3600;
const OPEN_MAX = 200;
/** Guesses at the password of the person an invitation is for. */
const ATTEMPTS_MAX = 10;

export interface PresentedInvitation {
  readonly organizationId: string;
  readonly id: string;
  readonly email: string;
}

export interface InvitationView {
  readonly id: string;
  readonly email: string;
  /** Key of the role. */
  readonly role: string;
  readonly invitedBy: string;
  readonly createdAt: Instant;
  readonly expiresAt: Instant;
}

export interface CreatedInvitationView {
  readonly invitation: InvitationView;
  readonly secret: string;
  /** Opens a page of ours that accepts it. */
  readonly link: string;
}

/** People who may become members, and what they have to show for it: a secret that works once, and not for ever. */
@Injectable()
export class InvitationsService {
  constructor(
    private readonly database: Database,
    private readonly roles: RolesService,
    private readonly hasher: SecretHasher,
    private readonly mailer: Mailer,
    private readonly publicUrl: PublicUrl,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /**
   * Invites to no more than the inviter holds. The secret is in the answer and, where mail is configured, in the mail to
   * the invited address, and nowhere else. A further invitation to the same address takes the place of the one before.
   * Says nothing of whether the person is known elsewhere.
   */
  async create(caller: Principal, wanted: { email: string; role: string }): Promise<CreatedInvitationView> {
    const created = await this.database.inOrganization(caller.organizationId, (tenant) => this.createIn(tenant, caller, wanted));
    const { email, expiresAt } = created.invitation;
    const link = this.publicUrl.linkTo(JOIN_PAGE, created.secret);
    this.mailer.send(invitationMail({ to: email, organization: caller.organization.name, link, expiresAt }));
    return { ...created, link };
  }

  /** Those that are neither accepted nor withdrawn, newest first; one that has expired stays until it is. */
  list(caller: Principal, limit: number, after: Cursor | null): Promise<Page<InvitationView>> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => toPage(await this.listOpen(tenant, { after, limit: limit + 1 }), limit));
  }

  /** From now on its secret is worth nothing. Throws `NotFound` where there is none such, or none any more. */
  revoke(caller: Principal, id: string): Promise<void> {
    return this.database.inOrganization(caller.organizationId, (tenant) => this.revokeIn(tenant, caller, id, 'withdrawn'));
  }

  /** The invitation that a secret belongs to, be it open or not; null for every other text. */
  async find(secret: string): Promise<PresentedInvitation | null> {
    if (!secret.startsWith(INVITATION_PREFIX) || !hasValidChecksum(secret)) return null;
    const hashes = this.hasher.hashes(secret);
    const found = await this.database.asHolder(hashes, (manager) => manager.findOneBy(Invitation, { secretHash: In([...hashes]) }));
    return found && { organizationId: found.organizationId, id: found.id, email: found.email };
  }

  /** Takes one of the few attempts at an open invitation; false where it is not open, or none is left. */
  takeAttempt({ organizationId, id }: PresentedInvitation): Promise<boolean> {
    return this.database.inOrganization(organizationId, async ({ manager }) => {
      const [, affected] = await manager.query<[unknown, number]>(
        `UPDATE invitations SET attempts = attempts + 1 WHERE organization_id = $1 AND id = $2 AND ${OPEN} AND expires_at > $3 AND attempts < $4`,
        [organizationId, id, this.clock.now().toPostgres(), ATTEMPTS_MAX],
      );
      return affected === 1;
    });
  }

  /** Uses the invitation up; it names the role and the person who invited. Null where another did so first, or withdrew it. */
  async use({ organizationId, manager }: Tenant, id: string, userId: string): Promise<{ roleId: string; invitedBy: string } | null> {
    const now = this.clock.now().toPostgres();
    const [[used]] = await manager.query<[{ roleId: string; invitedBy: string }[], number]>(
      `UPDATE invitations SET accepted_at = $3, accepted_by = $4 WHERE organization_id = $1 AND id = $2 AND ${OPEN} AND expires_at > $3
       RETURNING role_id AS "roleId", created_by AS "invitedBy"`,
      [organizationId, id, now, userId],
    );
    return used ?? null;
  }

  private async createIn(tenant: Tenant, caller: Principal, { email, role: roleName }: { email: string; role: string }): Promise<{ invitation: InvitationView; secret: string }> {
    const inviter = requireUser(caller);
    await lockOrganization(tenant);
    const role = await this.roles.getGrantable(tenant, caller, roleName);
    const emailCanonical = toCanonicalEmail(email);
    await this.requireNoMember(tenant, emailCanonical);
    const { organizationId, manager } = tenant;
    const now = this.clock.now();
    for (const { id } of await this.listOpen(tenant, { emailCanonical, limit: 1 })) await this.revokeIn(tenant, caller, id, 'replaced');
    if ((await this.countLive(tenant, now)) >= OPEN_MAX) throw new TooMany('invitation', OPEN_MAX);
    const secret = drawSecret(INVITATION_PREFIX);
    const { hash, pepperId } = this.hasher.hash(secret);
    const invitation = { id: newId(), email: email.trim(), createdAt: now, expiresAt: now.plusSeconds(LIFETIME_SECONDS) };
    await manager.insert(Invitation, { ...invitation, organizationId, emailCanonical, roleId: role.id, secretHash: hash, pepperId, createdBy: inviter.id });
    await this.audit.append(tenant, caller.actor, {
      action: 'invitation.created',
      target: { kind: 'invitation', id: invitation.id },
      details: { email: invitation.email, role: role.key, expiresAt: invitation.expiresAt },
    });
    return { invitation: { ...invitation, role: role.key, invitedBy: inviter.id }, secret };
  }

  private async revokeIn(tenant: Tenant, caller: Principal, id: string, reason: string): Promise<void> {
    const [, affected] = isUuid(id)
      ? await tenant.manager.query<[unknown, number]>(
          `UPDATE invitations SET revoked_at = $3 WHERE organization_id = $1 AND id = $2 AND ${OPEN}`,
          [tenant.organizationId, id, this.clock.now().toPostgres()],
        )
      : [null, 0];
    if (affected !== 1) throw new NotFound('invitation', id);
    await this.audit.append(tenant, caller.actor, { action: 'invitation.revoked', target: { kind: 'invitation', id }, details: { reason } });
  }

  private listOpen(
    { organizationId, manager }: Tenant,
    { emailCanonical = null, after = null, limit }: { emailCanonical?: string | null; after?: Cursor | null; limit: number },
  ): Promise<InvitationView[]> {
    return manager.query<InvitationView[]>(
      `SELECT i.id, i.email, r.key AS role, i.created_by AS "invitedBy", i.created_at AS "createdAt", i.expires_at AS "expiresAt"
         FROM invitations i JOIN roles r ON r.organization_id = i.organization_id AND r.id = i.role_id
        WHERE i.organization_id = $1 AND ${OPEN} AND ($2::text IS NULL OR i.email_canonical = $2)
          AND ($3::timestamptz IS NULL OR (i.created_at, i.id) < ($3, $4::uuid))
        ORDER BY i.created_at DESC, i.id DESC LIMIT $5`,
      [organizationId, emailCanonical, after?.at.toPostgres() ?? null, after?.id ?? null, limit],
    );
  }

  private async countLive({ organizationId, manager }: Tenant, now: Instant): Promise<number> {
    const [row] = await manager.query<{ count: number }[]>(
      `SELECT count(*)::int AS count FROM invitations WHERE organization_id = $1 AND ${OPEN} AND expires_at > $2`,
      [organizationId, now.toPostgres()],
    );
    return row?.count ?? 0;
  }

  /** Whoever may invite sees the members anyway. */
  private async requireNoMember({ organizationId, manager }: Tenant, emailCanonical: string): Promise<void> {
    const [member] = await manager.query<object[]>(
      `SELECT FROM memberships m JOIN users u ON u.id = m.user_id
        WHERE m.organization_id = $1 AND m.removed_at IS NULL AND u.email_canonical = $2`,
      [organizationId, emailCanonical],
    );
    if (member) throw new Conflict('member', 'taken', 'The person is a member already.');
  }
}

const OPEN = 'accepted_at IS NULL AND revoked_at IS NULL';
