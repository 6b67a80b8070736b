import type { Page } from '../kernel/page.js';
import type { EnvironmentView } from './environments.service.js';
import type { EnvironmentPage, EnvironmentResource, ProjectPage, ProjectResource } from './projects.dto.js';
import type { ProjectView } from './projects.service.js';

export function toProject({ id, key, name, createdAt, updatedAt }: ProjectView): ProjectResource {
  return { id, key, name, created_at: createdAt.toRfc3339(), updated_at: updatedAt.toRfc3339() };
}

export function toProjectPage({ entries, nextCursor }: Page<ProjectView>): ProjectPage {
  return { data: entries.map(toProject), next_cursor: nextCursor };
}

export function toEnvironment({ id, key, name, createdAt, updatedAt }: EnvironmentView): EnvironmentResource {
  return { id, key, name, created_at: createdAt.toRfc3339(), updated_at: updatedAt.toRfc3339() };
}

export function toEnvironmentPage({ entries, nextCursor }: Page<EnvironmentView>): EnvironmentPage {
  return { data: entries.map(toEnvironment), next_cursor: nextCursor };
}
