import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ProjectsModule } from '../projects/projects.module.js';
import { UsersModule } from '../users/users.module.js';
import { FirstStart } from './first-start.js';
import { LoginService } from './login.service.js';
import { Membership } from './membership.entity.js';
import { Organization } from './organization.entity.js';
import { OrganizationsService } from './organizations.service.js';
import { RoleRecord } from './role.entity.js';
import { RolesService } from './roles.service.js';
import { SessionController } from './session.controller.js';

@Module({
  imports: [UsersModule, ProjectsModule, TypeOrmModule.forFeature([Organization, Membership, RoleRecord])],
  controllers: [SessionController],
  providers: [FirstStart, LoginService, OrganizationsService, RolesService],
  exports: [FirstStart, OrganizationsService, RolesService, UsersModule, ProjectsModule],
})
export class OrganizationsModule {}
