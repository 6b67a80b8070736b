import { DomainError } from '../kernel/failure.js';

/** What was to be changed is not any more as the caller has seen it. */
export class PreconditionFailed extends DomainError<'precondition-failed'> {
  constructor(resource: string) {
    super('precondition-failed', 'It has changed since; read it again.', { resource });
  }
}
