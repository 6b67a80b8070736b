import type { Violation } from '../../kernel/failure.js';
import { bearerCredential, type Door, type FailedRequest, type Replies, type Reply } from '../../kernel/http/door.js';
import { isUuid } from '../../kernel/ids.js';

export const FYNN_SECRET_PREFIX = 'api_';

const CONTENT_TYPE_MISSING = 'The "Content-Type" header must exist.';

/** API Platform's problem document of its 3.0 and 3.1 line, which Fynn answers. */
function problem(status: number, detail: string, members: object = {}, headers: Reply['headers'] = {}): Reply {
  return {
    status,
    headers: { 'content-type': 'application/problem+json; charset=utf-8', ...headers },
    body: { type: 'https://tools.ietf.org/html/rfc2616#section-10', title: 'An error occurred', detail, ...members },
  };
}

/** LexikJWTAuthenticationBundle answers for the firewall, in a shape of its own. */
function unauthenticated(message: string): Reply {
  return { status: 401, headers: { 'www-authenticate': 'Bearer', 'content-type': 'application/json' }, body: { code: 401, message } };
}

function toUnauthenticated(reason: string): Reply {
  return unauthenticated(reason === 'expired' ? 'Expired JWT Token' : 'Invalid JWT Token');
}

/** A constraint of Symfony, known by its UUID, is 422; what does not even deserialize is 400, the first fault alone. */
function toInputProblem(violations: readonly Violation[]): Reply {
  const broken = violations.find(({ rule }) => !isUuid(rule));
  if (broken?.rule === 'body-missing') return problem(415, CONTENT_TYPE_MISSING);
  if (broken) return problem(400, broken.message);
  return problem(422, violations.map(({ at, message }) => `${at.join('.')}: ${message}`).join('\n'), {
    violations: violations.map(({ at, message, rule }) => ({ propertyPath: at.join('.'), message, code: rule })),
  });
}

function toContentTypeProblem(supported: readonly string[], contentType = ''): Reply {
  if (contentType === '') return problem(415, CONTENT_TYPE_MISSING);
  const types = supported.map((type) => `"${type}"`).join(', ');
  return problem(415, `The content-type "${contentType}" is not supported. Supported MIME types are ${types}.`);
}

const notFound = (): Reply => problem(404, 'Not Found');
const denied = (): Reply => problem(403, 'Access Denied.');

const replies: Replies = {
  'credentials-missing': () => unauthenticated('JWT Token not found'),
  'credentials-invalid': ({ details }) => toUnauthenticated(details.reason),
  'credentials-ambiguous': () => problem(400, 'The request carries more than one credential.'),
  'permission-missing': ({ details }) => problem(403, 'Access Denied.', { permissions: details.permissions }),
  'permission-exceeded': ({ details }) => problem(403, 'Access Denied.', { permissions: details.permissions }),
  'caller-refused': denied,
  'request-malformed': () => problem(400, 'Bad Request'),
  'body-malformed': () => problem(400, 'Syntax error'),
  'body-too-large': () => problem(413, 'Content Too Large'),
  'content-type-unsupported': ({ details }, { headers }) => toContentTypeProblem(details.supported, headers['content-type']),
  'input-invalid': ({ details }) => toInputProblem(details.violations),
  'route-not-found': (_, request: FailedRequest) => problem(404, `No route found for "${request.method} ${request.path}"`),
  'method-not-allowed': ({ details }, request) =>
    problem(405, `No route found for "${request.method} ${request.path}": Method Not Allowed (Allow: ${details.allowed.join(', ')})`, {}, { allow: details.allowed.join(', ') }),
  'not-found': notFound,
  'conflict': ({ message }) => problem(409, message),
  'precondition-failed': ({ message }) => problem(412, message),
  'policy-violated': ({ message, details }) => problem(403, message, { rules: details.rules }),
  'idempotency-mismatch': ({ message }) => problem(422, message),
  'limit-exceeded': ({ message }) => problem(403, message),
  'rate-limited': ({ details }) => problem(429, 'Too Many Requests', {}, { 'retry-after': String(details.retryAfterSeconds) }),
  'unavailable': ({ details }) => problem(503, 'Service Unavailable', {}, { 'retry-after': String(details.retryAfterSeconds) }),
  'internal': () => problem(500, 'Internal Server Error'),
};

/** Speaks Fynn: `/user/api-tokens` and `/user/tenants`. */
export const fynnDoor: Door = {
  name: 'users',
  paths: ['/user'],
  body: { accepts: ['application/json', 'text/html'], malformedFirst: false, empty: 'malformed' },
  credential: bearerCredential,
  replies,
};
