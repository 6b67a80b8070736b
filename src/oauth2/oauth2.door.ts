import type { FailureCode } from '../kernel/failure.js';
import { bearerCredential, type Door, type Failed, type FailedRequest, type Replies, type Reply } from '../kernel/http/door.js';
import { PROBLEM_REPLIES } from '../kernel/http/problem.js';

/** Codes of RFC 6749 section 5.2 and RFC 6750 section 3.1. */
const ERRORS: Record<FailureCode, string> = {
  'credentials-missing': 'invalid_client',
  'credentials-invalid': 'invalid_token',
  'credentials-ambiguous': 'invalid_request',
  'permission-missing': 'insufficient_scope',
  'permission-exceeded': 'insufficient_scope',
  'caller-refused': 'unauthorized_client',
  'request-malformed': 'invalid_request',
  'body-malformed': 'invalid_request',
  'body-too-large': 'invalid_request',
  'content-type-unsupported': 'invalid_request',
  'input-invalid': 'invalid_request',
  'route-not-found': 'invalid_request',
  'method-not-allowed': 'invalid_request',
  'not-found': 'invalid_request',
  'conflict': 'invalid_request',
  'precondition-failed': 'invalid_request',
  'limit-exceeded': 'invalid_request',
  'rate-limited': 'temporarily_unavailable',
  'unavailable': 'temporarily_unavailable',
  'internal': 'server_error',
};

/** The problem of our own routes with OAuth's members in it; OAuth clients read 400 as plain JSON only (RFC 6749 section 5.2). */
function withError<Code extends FailureCode>(code: Code) {
  return (failure: Failed<Code>, request: FailedRequest): Reply => {
    const say = PROBLEM_REPLIES[code] as (failed: Failed<Code>, request: FailedRequest) => Reply;
    const problem = say(failure, request);
    return {
      ...problem,
      headers: { ...problem.headers, ...(problem.status === 400 && { 'content-type': 'application/json; charset=utf-8' }) },
      body: { error: ERRORS[code], error_description: failure.message, ...(problem.body as object) },
    };
  };
}

const replies = Object.fromEntries(Object.keys(ERRORS).map((code) => [code, withError(code as FailureCode)])) as unknown as Replies;

/** Speaks OAuth 2.0: introspection and revocation. */
export const oauth2Door: Door = {
  name: 'oauth2',
  paths: ['/oauth2'],
  body: { accepts: [], form: true, malformedFirst: false, empty: 'empty-object' },
  credential: bearerCredential,
  replies,
};
