import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ProjectsModule } from '../projects/projects.module.js';
import { UsersModule } from '../users/users.module.js';
import { DeepsetAccountController } from './door/deepset-account.controller.js';
import { DeepsetTokenController } from './door/deepset-token.controller.js';
import { EndedInvitations } from './ended-invitations.js';
import { FirstStart } from './first-start.js';
import { InvitationAcceptance } from './invitation-acceptance.service.js';
import { Invitation } from './invitation.entity.js';
import { InvitationsController } from './invitations.controller.js';
import { InvitationsService } from './invitations.service.js';
import { LoginService } from './login.service.js';
import { Membership } from './membership.entity.js';
import { MembersController } from './members.controller.js';
import { MembersService } from './members.service.js';
import { MembershipsService } from './memberships.service.js';
import { OrganizationAdministration } from './organization-administration.service.js';
import { OrganizationChanges } from './organization-changes.service.js';
import { OrganizationSettings } from './organization-settings.service.js';
import { OrganizationTokens } from './organization-tokens.service.js';
import { Organization } from './organization.entity.js';
import { OrganizationsController } from './organizations.controller.js';
import { OrganizationsService } from './organizations.service.js';
import { OwnOrganizationController } from './own-organization.controller.js';
import { PermissionRegistry } from './permission-registry.service.js';
import { PermissionsController } from './permissions.controller.js';
import { PoliciesService } from './policies.service.js';
import { PolicyController } from './policy.controller.js';
import { PolicyRecord } from './policy.entity.js';
import { RegisteredPermission } from './registered-permission.entity.js';
import { RoleAdministration } from './role-administration.service.js';
import { RoleRecord } from './role.entity.js';
import { RolesController } from './roles.controller.js';
import { RolesService } from './roles.service.js';
import { SubOrganizations } from './sub-organizations.service.js';
import { SessionController } from './session.controller.js';
import { SessionsController } from './sessions.controller.js';

@Module({
  imports: [UsersModule, ProjectsModule, TypeOrmModule.forFeature([Invitation, Organization, Membership, PolicyRecord, RegisteredPermission, RoleRecord])],
  controllers: [DeepsetAccountController, DeepsetTokenController, InvitationsController, MembersController, OrganizationsController, OwnOrganizationController, PermissionsController, PolicyController, RolesController, SessionController, SessionsController],
  providers: [EndedInvitations, FirstStart, InvitationAcceptance, InvitationsService, LoginService, MembersService, MembershipsService, OrganizationAdministration, OrganizationChanges, OrganizationSettings, OrganizationsService, OrganizationTokens, PermissionRegistry, PoliciesService, RoleAdministration, RolesService, SubOrganizations],
  exports: [FirstStart, MembersService, MembershipsService, OrganizationsService, RolesService, SubOrganizations, UsersModule, ProjectsModule],
})
export class OrganizationsModule {}
