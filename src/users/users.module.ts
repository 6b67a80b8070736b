import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessModule } from '../access/access.module.js';
import { FynnController } from './door/fynn.controller.js';
import { FailedLogins } from './failed-logins.js';
import { LoginThrottle } from './login-throttle.js';
import { Passwords } from './passwords.js';
import { User } from './user.entity.js';
import { UsersService } from './users.service.js';

@Module({
  imports: [AccessModule, TypeOrmModule.forFeature([User])],
  controllers: [FynnController],
  providers: [FailedLogins, LoginThrottle, UsersService, { provide: Passwords, useFactory: () => new Passwords() }],
  exports: [FailedLogins, LoginThrottle, UsersService, AccessModule],
})
export class UsersModule {}
