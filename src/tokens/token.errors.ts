import { DomainError, NotFound } from '../kernel/failure.js';

export class TokenNotFound extends NotFound {
  constructor(id: string) {
    super('token', id);
  }
}

/** A caller limited to projects would act beyond them. */
export class BeyondProjects extends DomainError<'caller-refused'> {
  constructor() {
    super('caller-refused', 'This credential is limited to certain projects and cannot act beyond them.', { reason: 'limited-to-projects' });
  }
}
