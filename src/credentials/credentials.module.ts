import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { OrganizationsModule } from '../organizations/organizations.module.js';
import { PagesController } from './pages.controller.js';
import { PasswordChanges } from './password-changes.service.js';
import { PasswordReset } from './password-reset.entity.js';
import { PasswordResets } from './password-resets.service.js';
import { MemberPasswordsController, PasswordsController } from './passwords.controller.js';

@Module({
  imports: [OrganizationsModule, TypeOrmModule.forFeature([PasswordReset])],
  controllers: [MemberPasswordsController, PagesController, PasswordsController],
  providers: [PasswordChanges, PasswordResets],
})
export class CredentialsModule {}
