/** One thing wrong with one place of the input. */
export interface Violation {
  /** Where the place is; the body where it is not said. */
  readonly part?: 'body' | 'query' | 'path';
  readonly at: readonly (string | number)[];
  /** The dialect's own word for the fault, such as `string_type` or `isNotEmpty`. */
  readonly rule: string;
  readonly message: string;
  readonly value?: unknown;
  readonly context?: Readonly<Record<string, unknown>>;
}

/**
 * Every way to fail, with what is known of each. A door must answer all of them: its table is checked against this
 * type, so a new code stops the build in every door. `docs/errors.md` lists the same codes.
 */
export interface Failures {
  /** No credential was presented. */
  'credentials-missing': Record<string, never>;
  /** A credential was presented and is not good; why is for logs and for dialects that say so. */
  'credentials-invalid': { readonly reason: string };
  /** More than one credential, or one twice. */
  'credentials-ambiguous': Record<string, never>;
  /** The caller lacks what the route asks for: any one of these would do. */
  'permission-missing': { readonly permissions: readonly string[] };
  /** The caller would grant what it does not hold. */
  'permission-exceeded': { readonly permissions: readonly string[] };
  /** This sort of credential may not do this, whatever it is allowed otherwise. */
  'caller-refused': { readonly reason: 'session-required' | 'wrong-kind' | 'limited-to-projects' | 'user-required' | 'own-life' | 'not-owner' | 'parent-organization' };
  'request-malformed': { readonly reason: string };
  'body-malformed': { readonly reason: string; readonly body: string };
  'body-too-large': Record<string, never>;
  'content-type-unsupported': { readonly contentType: string | null; readonly supported: readonly string[] };
  'input-invalid': { readonly violations: readonly Violation[] };
  'route-not-found': Record<string, never>;
  'method-not-allowed': { readonly allowed: readonly string[] };
  /** Absent and not-yours alike. */
  'not-found': { readonly resource: string; readonly id: string };
  /** The change contradicts what is there already. */
  'conflict': { readonly resource: string; readonly reason: string };
  /** The change was asked for on the ground of a state that is not current any more (RFC 9110 section 13.1.1). */
  'precondition-failed': { readonly resource: string };
  /** A policy that binds the organization does not allow the token; these rules are broken. */
  'policy-violated': { readonly rules: readonly string[] };
  /** The Idempotency-Key has been used for another request. */
  'idempotency-mismatch': Record<string, never>;
  'limit-exceeded': { readonly resource: string; readonly limit: number };
  /** `limit` names the one that is used up. */
  'rate-limited': { readonly retryAfterSeconds: number; readonly limit?: string };
  /** A dependency does not answer; nothing was changed that was not confirmed. */
  'unavailable': { readonly retryAfterSeconds: number };
  'internal': Record<string, never>;
}

export type FailureCode = keyof Failures;

/** A refusal with its reason. It knows no status: each door says how it sounds. */
export class DomainError<Code extends FailureCode = FailureCode> extends Error {
  constructor(
    readonly code: Code,
    message: string,
    readonly details: Failures[Code],
  ) {
    super(message);
    this.name = new.target.name;
  }
}

export class NotFound extends DomainError<'not-found'> {
  constructor(resource: string, id: string) {
    super('not-found', `No ${resource} with this id or name exists.`, { resource, id });
  }
}

export class Conflict extends DomainError<'conflict'> {
  constructor(resource: string, reason: string, message: string) {
    super('conflict', message, { resource, reason });
  }
}

export class InputInvalid extends DomainError<'input-invalid'> {
  constructor(violations: readonly Violation[]) {
    super('input-invalid', 'The request contains invalid input.', { violations });
  }

  static at(path: string | readonly (string | number)[], rule: string, message: string, value?: unknown): InputInvalid {
    return new InputInvalid([{ at: typeof path === 'string' ? [path] : path, rule, message, value }]);
  }
}

export class Unavailable extends DomainError<'unavailable'> {
  constructor(message = 'The service cannot answer right now.') {
    super('unavailable', message, { retryAfterSeconds: 1 });
  }
}
