import type { Failures, Violation } from '../../kernel/failure.js';
import { bearerCredential, type Door, type Failed, type FailedRequest, type Replies, type Reply } from '../../kernel/http/door.js';
import { boundaryText, conflictText, deniedAction, notFoundText, routeOf, unauthorizedText } from './infisical-texts.js';

const NOT_ALLOWED = 'You are not allowed to access this resource';

/** The one envelope of all errors. */
function refuse(status: number, error: string, message: unknown, { id }: FailedRequest, details?: unknown, headers?: Reply['headers']): Reply {
  return { status, headers, body: { reqId: id, statusCode: status, message, ...(details !== undefined && { details }), error } };
}

function unauthorized(message: string, request: FailedRequest): Reply {
  return refuse(401, 'UnauthorizedError', message, request);
}

function badRequest(message: string, request: FailedRequest): Reply {
  return refuse(400, 'BadRequest', message, request);
}

function forbidden(message: string, request: FailedRequest): Reply {
  return refuse(403, 'ForbiddenError', message, request);
}

function toCredentialReply(reason: string, request: FailedRequest): Reply {
  if (reason === 'address-not-allowed') return forbidden('You are not allowed to access this resource from the current IP address', request);
  return unauthorized(unauthorizedText(reason, request), request);
}

/** `identity:token:write` is the action `write` on the subject `identity:token`; `*` is any action on any. */
function toRule(permission: string): { action: string; subject: string } {
  const parts = permission.split(':');
  return { action: parts.at(-1) ?? '', subject: parts.slice(0, -1).join(':') || '*' };
}

/** The dialect lists the rules that decided; here these say what is missing. */
function toDenial([permission = '']: readonly string[], request: FailedRequest): Reply {
  const { action, subject } = toRule(permission);
  return refuse(403, 'PermissionDenied', `You are not allowed to ${deniedAction(permission, request)} on identity`, request, [{ action, inverted: true, subject }]);
}

function toCallerReply({ details, message }: Failed<'caller-refused'>, request: FailedRequest): Reply {
  switch (details.reason) {
    case 'wrong-kind':
      return refuse(403, `Forbidden access to ${request.path}`, NOT_ALLOWED, request);
    case 'parent-organization':
      return forbidden('Sub organization not authorized to access this identity', request);
    case 'limited-to-projects':
      return forbidden(message, request);
    default:
      return forbidden(NOT_ALLOWED, request);
  }
}

/** Issues of zod; an address that is none is found only by the service behind it, which answers in a sentence. */
function toInputReply(violations: readonly Violation[], request: FailedRequest): Reply {
  const issues = violations.filter(({ rule }) => rule !== 'address');
  if (issues.length === 0) return badRequest('The IP is not a valid IPv4, IPv6, or CIDR block', request);
  return refuse(422, 'ValidationFailure', issues.map(toIssue), request);
}

function toIssue({ at, rule, message, value, context }: Violation): object {
  if (context) return { ...context, path: rule === 'body' ? [] : at };
  if (rule !== 'body-missing' && rule !== 'not-an-object') return { code: 'custom', message, path: at };
  const received = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  return { code: 'invalid_type', expected: 'object', received, path: at, message: value === undefined ? 'Required' : `Expected object, received ${received}` };
}

function toNotFoundReply({ resource, id }: Failures['not-found'], request: FailedRequest): Reply {
  const message = notFoundText(resource, id, request);
  if (resource === 'organization') return forbidden(message, request);
  return resource === 'admission' ? unauthorized(message, request) : refuse(404, 'NotFound', message, request);
}

function toRouteReply(request: FailedRequest): Reply {
  return refuse(404, 'NotFound', `Route ${routeOf(request).replace(' ', ':')} not found`, request);
}

const replies: Replies = {
  'credentials-missing': (_, request) => unauthorized('Token missing', request),
  'credentials-invalid': ({ details }, request) => toCredentialReply(details.reason, request),
  'credentials-ambiguous': (_, request) => badRequest('The request carries more than one credential', request),
  'permission-missing': ({ details }, request) => toDenial(details.permissions, request),
  'permission-exceeded': ({ details }, request) =>
    refuse(403, 'PermissionBoundaryError', boundaryText(request), request, { missingPermissions: details.permissions.map(toRule) }),
  'caller-refused': toCallerReply,
  'request-malformed': (_, request) => badRequest('The request is invalid', request),
  'body-malformed': (_, request) => badRequest('The request body is not valid JSON', request),
  'body-too-large': (_, request) => refuse(413, 'PayloadTooLarge', 'Request body is too large', request),
  'content-type-unsupported': ({ details }, request) => refuse(415, 'UnsupportedMediaType', `Unsupported Media Type: ${details.contentType ?? 'none'}`, request),
  'input-invalid': ({ details }, request) => toInputReply(details.violations, request),
  'route-not-found': (_, request) => toRouteReply(request),
  // The dialect knows no 405: a verb that is not served is a route that does not exist.
  'method-not-allowed': (_, request) => toRouteReply(request),
  'not-found': ({ details }, request) => toNotFoundReply(details, request),
  'conflict': ({ details, message }, request) => badRequest(conflictText(details, request) ?? message, request),
  'precondition-failed': ({ message }, request) => badRequest(message, request),
  'policy-violated': ({ message }, request) => forbidden(message, request),
  'idempotency-mismatch': ({ message }, request) => refuse(422, 'UnprocessableContent', message, request),
  'limit-exceeded': ({ message }, request) => badRequest(message, request),
  'rate-limited': ({ details }, request) => {
    const seconds = details.retryAfterSeconds;
    return refuse(429, 'RateLimitExceeded', `Rate limit exceeded. Please try again in ${seconds} seconds`, request, undefined, { 'retry-after': String(seconds) });
  },
  'unavailable': ({ details }, request) =>
    refuse(503, 'ServiceUnavailable', 'The service cannot answer right now', request, undefined, { 'retry-after': String(details.retryAfterSeconds) }),
  'internal': (_, request) => refuse(500, 'InternalServerError', 'Something went wrong', request),
};

/** Speaks Infisical: machine identities, Token Auth and Universal Auth. */
export const infisicalDoor: Door = {
  name: 'machine-identities',
  paths: ['/api/v1/auth/token-auth', '/api/v1/auth/universal-auth', '/api/v1/auth/token', '/api/v1/identities'],
  body: { accepts: ['application/json'], malformedFirst: false, empty: 'absent' },
  credential: bearerCredential,
  replies,
};
