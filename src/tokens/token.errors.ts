import { Conflict, DomainError, NotFound } from '../kernel/failure.js';
import type { InactiveReason } from './verdict.js';

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

/** There are as many tokens as there may be. */
export class TooManyTokens extends DomainError<'limit-exceeded'> {
  constructor(limit: number) {
    super('limit-exceeded', `There may be no more than ${limit} of these tokens.`, { resource: 'token', limit });
  }
}

/** A token that cannot be renewed, or cannot any more. */
export class RenewalRefused extends DomainError<'credentials-invalid'> {
  constructor(reason: InactiveReason) {
    super('credentials-invalid', 'The token cannot be renewed: it is unknown, has expired or was revoked.', { reason });
  }
}

/** A token has as many secrets in force as it may have. */
export class TooManySecrets extends DomainError<'limit-exceeded'> {
  constructor(limit: number) {
    super('limit-exceeded', `The token has ${limit} secrets in force already; it can be renewed when one of them has expired.`, { resource: 'token-secret', limit });
  }
}

export class TokenDescriptionTaken extends Conflict {
  constructor() {
    super('token', 'description-taken', 'There is a token of this description already.');
  }
}
