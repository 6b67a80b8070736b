import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ProjectsModule } from '../projects/projects.module.js';
import { AuthMethodsService } from './auth-methods.service.js';
import { FliptController } from './door/flipt.controller.js';

@Module({
  imports: [AccessModule, ProjectsModule],
  controllers: [FliptController],
  providers: [AuthMethodsService],
})
export class AuthMethodsModule {}
