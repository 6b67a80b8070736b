import type { IncomingHttpHeaders } from 'node:http';
import type { Violation } from '../../kernel/failure.js';
import type { Door, FailedRequest, PresentedCredential, Replies, Reply } from '../../kernel/http/door.js';
import { CLEARED_COOKIES, clientTokenCookie } from './flipt-cookies.js';
import { readFirstJson } from './go-json.js';

export const FLIPT_SECRET_PREFIX = 'svc_';

const BEARER = 'Bearer ';
const EXPIRE_SELF = /^\/+auth\/+v1\/+self\/+expire\/*$/;

/** gRPC's status code, and the HTTP status its gateway makes of it. */
const STATUS = {
  invalidArgument: { code: 3, status: 400 },
  tooLarge: { code: 3, status: 413 },
  notFound: { code: 5, status: 404 },
  alreadyExists: { code: 6, status: 409 },
  failedPrecondition: { code: 9, status: 400 },
  mismatch: { code: 9, status: 422 },
  permissionDenied: { code: 7, status: 403 },
  resourceExhausted: { code: 8, status: 429 },
  unimplemented: { code: 12, status: 501 },
  internal: { code: 13, status: 500 },
  unavailable: { code: 14, status: 503 },
  unauthenticated: { code: 16, status: 401 },
} as const;

function grpc(kind: keyof typeof STATUS, message: string, request: FailedRequest, headers: Reply['headers'] = {}): Reply {
  const { code, status } = STATUS[kind];
  const cookies: Reply['headers'] = clearsCookies(status, request) ? { 'set-cookie': CLEARED_COOKIES } : {};
  return { status, headers: { 'content-type': 'application/json', ...cookies, ...headers }, body: { code, message, details: [] } };
}

/** Whoever ends themselves is done with the cookies, and a cookie that does not authenticate is of no use. */
function clearsCookies(status: number, { method, path, headers }: FailedRequest): boolean {
  return (method === 'PUT' && EXPIRE_SELF.test(path)) || (status === 401 && clientTokenCookie(headers) !== null);
}

/** One answer for missing, unknown, expired, revoked and limited credentials. */
function unauthenticated(request: FailedRequest): Reply {
  const message = 'request was not authenticated';
  return grpc('unauthenticated', message, request, { 'www-authenticate': message });
}

/** The body has no room for what is missing; RFC 6750 section 3 has. */
function denied(permissions: readonly string[], request: FailedRequest): Reply {
  const challenge = `Bearer error="insufficient_scope", scope="${permissions.join(' ')}"`;
  return grpc('permissionDenied', 'permission denied', request, permissions.length > 0 ? { 'www-authenticate': challenge } : {});
}

function retryAfter(seconds: number): Reply['headers'] {
  return { 'retry-after': String(seconds) };
}

/** The decoder stops at the first fault. */
function firstMessage(violations: readonly Violation[]): string {
  return violations.find(({ rule }) => rule !== 'not-an-object' && rule !== 'unstorable')?.message ?? 'invalid values for key(s) in json body';
}

const replies: Replies = {
  'credentials-missing': (_, request) => unauthenticated(request),
  'credentials-invalid': (_, request) => unauthenticated(request),
  'credentials-ambiguous': (_, request) => unauthenticated(request),
  'permission-missing': ({ details }, request) => denied(details.permissions, request),
  'permission-exceeded': ({ details }, request) => denied(details.permissions, request),
  'caller-refused': ({ details }, request) => (details.reason === 'limited-to-projects' ? unauthenticated(request) : denied([], request)),
  'request-malformed': (_, request) => grpc('invalidArgument', 'malformed HTTP request', request),
  'body-malformed': ({ details }, request) => grpc('invalidArgument', details.reason, request),
  'body-too-large': (_, request) => grpc('tooLarge', 'http: request body too large', request),
  'content-type-unsupported': (_, request) => grpc('invalidArgument', 'unsupported content type', request),
  'input-invalid': ({ details }, request) => grpc('invalidArgument', firstMessage(details.violations), request),
  'route-not-found': (_, request) => grpc('notFound', 'Not Found', request),
  // The gateway knows no 405: to gRPC a verb without a rule is a method without an implementation.
  'method-not-allowed': (_, request) => grpc('unimplemented', 'Method Not Allowed', request),
  'not-found': (_, request) => grpc('notFound', 'getting authentication by token: reading authentication: resource not found', request),
  'conflict': ({ message }, request) => grpc('alreadyExists', message, request),
  'precondition-failed': ({ message }, request) => grpc('failedPrecondition', message, request),
  'policy-violated': ({ message }, request) => grpc('permissionDenied', message, request),
  'idempotency-mismatch': ({ message }, request) => grpc('mismatch', message, request),
  'limit-exceeded': ({ message }, request) => grpc('resourceExhausted', message, request),
  'rate-limited': ({ message, details }, request) => grpc('resourceExhausted', message, request, retryAfter(details.retryAfterSeconds)),
  'unavailable': ({ message, details }, request) => grpc('unavailable', message, request, retryAfter(details.retryAfterSeconds)),
  'internal': ({ message }, request) => grpc('internal', message, request),
};

/** A header of another scheme, of another case or with another space is a wrong credential: the cookie is not tried. */
function fliptCredential(headers: IncomingHttpHeaders): PresentedCredential {
  const { authorization } = headers;
  if (authorization !== undefined) return { secret: authorization.startsWith(BEARER) ? authorization.slice(BEARER.length) : '' };
  const cookie = clientTokenCookie(headers);
  return cookie === null ? 'missing' : { secret: cookie };
}

/** Speaks Flipt 1.4x: `/auth/v1`. */
export const fliptDoor: Door = {
  name: 'auth-methods',
  paths: ['/auth/v1'],
  body: { accepts: 'any', malformedFirst: true, empty: 'empty-object', parse: (text) => readFirstJson(text) ?? {} },
  credential: fliptCredential,
  replies,
};
