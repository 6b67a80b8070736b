import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessModule } from '../access/access.module.js';
import { UnleashAdminController } from './door/unleash-admin.controller.js';
import { UnleashClientController } from './door/unleash-client.controller.js';
import { UnleashEdgeController } from './door/unleash-edge.controller.js';
import { UnleashFrontendController } from './door/unleash-frontend.controller.js';
import { UnleashPersonalController } from './door/unleash-personal.controller.js';
import { UnleashProjectController } from './door/unleash-project.controller.js';
import { EnvironmentsController } from './environments.controller.js';
import { EnvironmentsService } from './environments.service.js';
import { Environment, Project } from './project.entity.js';
import { ProjectTokens } from './project-tokens.service.js';
import { ProjectsController } from './projects.controller.js';
import { ProjectsService } from './projects.service.js';
import { RemovalsService } from './removals.service.js';

@Module({
  imports: [AccessModule, TypeOrmModule.forFeature([Project, Environment])],
  controllers: [
    ProjectsController,
    EnvironmentsController,
    UnleashProjectController,
    UnleashAdminController,
    UnleashPersonalController,
    UnleashEdgeController,
    UnleashClientController,
    UnleashFrontendController,
  ],
  providers: [EnvironmentsService, ProjectTokens, ProjectsService, RemovalsService],
  exports: [ProjectsService, AccessModule],
})
export class ProjectsModule {}
