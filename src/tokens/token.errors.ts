import { Conflict, DomainError, NotFound, Unavailable } from '../kernel/failure.js';
import type { PolicyViolation } from './policy.js';
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

/** The policies that bind the organization do not allow the token. */
export class PolicyViolated extends DomainError<'policy-violated'> {
  constructor(violations: readonly PolicyViolation[]) {
    super('policy-violated', `The policy of the organization does not allow this token: ${violations.map(({ message }) => message).join('; ')}.`, {
      rules: violations.map(({ rule }) => rule),
    });
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

/** Only a live token is rotated, and only with a secret that has not been replaced itself. */
export class RotationRefused extends Conflict {
  constructor(reason: InactiveReason) {
    const because = reason === 'replaced' ? 'The secret you present has been replaced; rotate with the one that replaced it.' : `The token does not work (${reason}), so it cannot be rotated.`;
    super('token', reason, because);
  }
}

/** The secret of a person's token is for that person alone. */
export class NotOwner extends DomainError<'caller-refused'> {
  constructor() {
    super('caller-refused', 'Only the person whose token it is can have a new secret of it; you can revoke it.', { reason: 'not-owner' });
  }
}

/** The secret stands in pages and apps for anyone to read, so holding it proves nothing. */
export class SecretIsPublic extends DomainError<'caller-refused'> {
  constructor() {
    super('caller-refused', 'The secret of a frontend token is public and cannot replace itself; whoever may write tokens can rotate it.', { reason: 'wrong-kind' });
  }
}

export class TokenDescriptionTaken extends Conflict {
  constructor() {
    super('token', 'description-taken', 'There is a token of this description already.');
  }
}

/** A token would be minted with one that has ended meanwhile. */
export class ParentEnded extends DomainError<'credentials-invalid'> {
  constructor() {
    super('credentials-invalid', 'The credential is not valid any more: it was revoked meanwhile.', { reason: 'revoked' });
  }
}

/** What a token was decided by changed while it was minted; nothing was written. */
export class GroundsChanged extends Unavailable {
  constructor() {
    super('What the token depends on changed meanwhile.');
  }
}

/** A token would be given more than it has. */
export class TokenWidened extends DomainError<'permission-exceeded'> {
  constructor(beyond: readonly string[]) {
    super('permission-exceeded', `A token cannot be given more than it has: ${beyond.join(', ')}.`, { permissions: beyond });
  }
}

/** What has ended is not changed. */
export class TokenHasEnded extends Conflict {
  constructor() {
    super('token', 'revoked', 'The token was revoked; it cannot be changed.');
  }
}

/** The end of a token cannot be undone, or not any more. */
export class RestorationRefused extends Conflict {
  constructor(reason: 'not-revoked' | 'too-late' | 'final' | 'parent-revoked' | 'dead', message: string) {
    super('token', reason, message);
  }
}

/** A token that was issued elsewhere is not taken over: its secret is known, or it would not work. */
export class ImportRefused extends Conflict {
  constructor(reason: 'already-imported' | 'repeated' | InactiveReason) {
    super('token', reason, IMPORT_REFUSALS[reason as keyof typeof IMPORT_REFUSALS] ?? `The token would not work here (${reason}), so it was not taken.`);
  }
}

const IMPORT_REFUSALS = {
  'already-imported': 'A token of the organization has this secret already.',
  'repeated': 'Another row of the batch has the same secret.',
  'expired': 'The token has expired; there is nothing to bring along.',
} as const;
