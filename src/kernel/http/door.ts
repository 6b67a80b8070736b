import type { IncomingHttpHeaders } from 'node:http';
import type { FailureCode, Failures } from '../failure.js';

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Sent as JSON; undefined sends no body at all. */
  readonly body?: unknown;
}

/** What a dialect may know of the request that failed. */
export interface FailedRequest {
  readonly id: string;
  readonly method: string;
  /** Path without query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Failed<Code extends FailureCode> {
  readonly code: Code;
  readonly message: string;
  readonly details: Failures[Code];
}

/** How a dialect says each failure; complete by type. */
export type Replies = { readonly [Code in FailureCode]: (failure: Failed<Code>, request: FailedRequest) => Reply };

export interface BodyPolicy {
  /** Media types read as JSON; `any` reads every body as JSON whatever it is called. */
  readonly accepts: readonly string[] | 'any';
  /** Media types whose bodies are no JSON to the dialect but the text they are. */
  readonly isText?: (mediaType: string) => boolean;
  /** Also reads `application/x-www-form-urlencoded`; a parameter sent twice becomes an array. */
  readonly form?: boolean;
  /** Whether a body that is not JSON is refused before or after the caller is judged. */
  readonly malformedFirst: boolean;
  /** Members that the route does not know are refused instead of dropped: a misspelt one would change what is meant. */
  readonly refusesOthers?: boolean;
  /** What no bytes at all stand for. */
  readonly empty: 'malformed' | 'empty-object' | 'absent';
  /** Reads the text where the dialect is laxer than JSON.parse. Throws SyntaxError. */
  readonly parse?: (text: string) => unknown;
}

/** A credential as the dialect's clients send it; `ambiguous` when more than one was sent. */
export type PresentedCredential = { readonly secret: string; /** Of a client that sends its id beside it. */ readonly clientId?: string } | 'missing' | 'ambiguous';

/** One of the token APIs the service speaks: which paths are its own, and how it sounds there. */
export interface Door {
  readonly name: string;
  /** Path prefixes in whole segments; `:any` stands for one segment. The longest that fits decides. */
  readonly paths: readonly string[];
  readonly body: BodyPolicy;
  readonly credential: (headers: IncomingHttpHeaders) => PresentedCredential;
  readonly replies: Replies;
}

/** RFC 6750 section 2.1: `Authorization: Bearer`, the scheme in any case (RFC 9110 section 11.1). */
export function bearerCredential(headers: IncomingHttpHeaders): PresentedCredential {
  const match = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '');
  if (match?.[1]) return { secret: match[1] };
  return headers.authorization === undefined ? 'missing' : { secret: '' };
}
