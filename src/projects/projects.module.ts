import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessModule } from '../access/access.module.js';
import { UnleashAdminController } from './door/unleash-admin.controller.js';
import { UnleashClientController } from './door/unleash-client.controller.js';
import { UnleashEdgeController } from './door/unleash-edge.controller.js';
import { UnleashFrontendController } from './door/unleash-frontend.controller.js';
import { UnleashPersonalController } from './door/unleash-personal.controller.js';
import { UnleashProjectController } from './door/unleash-project.controller.js';
import { Environment, Project } from './project.entity.js';
import { ProjectTokens } from './project-tokens.service.js';
import { ProjectsService } from './projects.service.js';

@Module({
  imports: [AccessModule, TypeOrmModule.forFeature([Project, Environment])],
  controllers: [
    UnleashProjectController,
    UnleashAdminController,
    UnleashPersonalController,
    UnleashEdgeController,
    UnleashClientController,
    UnleashFrontendController,
  ],
  providers: [ProjectTokens, ProjectsService],
  exports: [ProjectsService, AccessModule],
})
export class ProjectsModule {}
