import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessModule } from '../access/access.module.js';
import { Environment, Project } from './project.entity.js';
import { ProjectsService } from './projects.service.js';

@Module({
  imports: [AccessModule, TypeOrmModule.forFeature([Project, Environment])],
  providers: [ProjectsService],
  exports: [ProjectsService, AccessModule],
})
export class ProjectsModule {}
