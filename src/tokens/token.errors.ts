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

/** A token would prolong its own life. */
export class LifeNotOwn extends DomainError<'caller-refused'> {
  constructor() {
    super('caller-refused', 'A token cannot prolong its own life.', { reason: 'own-life' });
  }
}
