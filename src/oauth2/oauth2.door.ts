import type { FailureCode } from '../kernel/failure.js';
import type { IncomingHttpHeaders } from 'node:http';
import { bearerCredential, type Door, type Failed, type FailedRequest, type PresentedCredential, type Replies, type Reply } from '../kernel/http/door.js';
import { PROBLEM_REPLIES } from '../kernel/http/problem.js';
import { basicCredentials } from './basic-credentials.js';

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
  'policy-violated': 'invalid_request',
  'idempotency-mismatch': 'invalid_request',
  'limit-exceeded': 'invalid_request',
  'rate-limited': 'temporarily_unavailable',
  'unavailable': 'temporarily_unavailable',
  'internal': 'server_error',
};

const TOKEN_PATH = '/oauth2/token';

/** At the token endpoint it is the client that authenticates, and a scope is asked for rather than held (RFC 6749 section 5.2). */
const TOKEN_ERRORS: Partial<Record<FailureCode, string>> = { 'credentials-invalid': 'invalid_client', 'permission-exceeded': 'invalid_scope' };

/** Codes that a rule of the token request names itself (RFC 6749 section 5.2, RFC 8693 section 2.2.2). */
const NAMED = ['invalid_scope', 'invalid_target', 'unsupported_grant_type'];

function errorOf(failure: Failed<FailureCode>, { path }: FailedRequest): string {
  if (!isTokenPath(path)) return ERRORS[failure.code];
  const rules = failure.code === 'input-invalid' ? (failure as Failed<'input-invalid'>).details.violations.map(({ rule }) => rule) : [];
  return rules.find((rule) => NAMED.includes(rule)) ?? TOKEN_ERRORS[failure.code] ?? ERRORS[failure.code];
}

function isTokenPath(path: string): boolean {
  return path.toLowerCase().split('/').filter(Boolean).join('/') === TOKEN_PATH.slice(1);
}

/** What the token endpoint answers instead: a client is asked for its secret, and whoever asks for too much asks wrongly. */
function atTokenPath(reply: Reply): Reply {
  if (reply.status === 401) return { ...reply, headers: { ...reply.headers, 'www-authenticate': 'Basic realm="gatehouse"' } };
  if (reply.status !== 403) return reply;
  return { ...reply, status: 400, body: { ...(reply.body as object), status: 400, title: 'Bad Request' } };
}

/** The problem of our own routes with OAuth's members in it; OAuth clients read 400 as plain JSON only (RFC 6749 section 5.2). */
function withError<Code extends FailureCode>(code: Code) {
  return (failure: Failed<Code>, request: FailedRequest): Reply => {
    const say = PROBLEM_REPLIES[code] as (failed: Failed<Code>, request: FailedRequest) => Reply;
    const said = say(failure, request);
    const problem = isTokenPath(request.path) ? atTokenPath(said) : said;
    return {
      ...problem,
      headers: { ...problem.headers, ...(problem.status === 400 && { 'content-type': 'application/json; charset=utf-8' }) },
      body: { error: errorOf(failure, request), error_description: failure.message, ...(problem.body as object) },
    };
  };
}

const replies = Object.fromEntries(Object.keys(ERRORS).map((code) => [code, withError(code as FailureCode)])) as unknown as Replies;

/** A bearer token, or a client's id and secret (RFC 7662 section 2.1, RFC 7009 section 2.1). */
function credential(headers: IncomingHttpHeaders): PresentedCredential {
  const basic = basicCredentials(headers);
  if (basic === null) return bearerCredential(headers);
  return basic === 'malformed' ? { secret: '' } : basic;
}

/** Speaks OAuth 2.0: the token endpoint, introspection and revocation. */
export const oauth2Door: Door = {
  name: 'oauth2',
  paths: ['/oauth2'],
  body: { accepts: [], form: true, malformedFirst: false, empty: 'empty-object' },
  credential,
  replies,
};
