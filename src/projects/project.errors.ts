import { Conflict, DomainError } from '../kernel/failure.js';

/** Another one of this key or name is there. */
export class Taken extends Conflict {
  constructor(resource: 'project' | 'environment') {
    super(resource, 'taken', `${resource === 'project' ? 'A project' : 'An environment'} of this key or name exists already.`);
  }
}

/** There are as many projects as an organization may have. */
export class TooManyProjects extends DomainError<'limit-exceeded'> {
  constructor(limit: number) {
    super('limit-exceeded', `An organization may have no more than ${limit} projects.`, { resource: 'project', limit });
  }
}

/** There are as many environments as a project may have. */
export class TooManyEnvironments extends DomainError<'limit-exceeded'> {
  constructor(limit: number) {
    super('limit-exceeded', `A project may have no more than ${limit} environments.`, { resource: 'environment', limit });
  }
}
