import type { Violation } from '../../kernel/failure.js';
import type { FailedRequest, Replies, Reply } from '../../kernel/http/door.js';
import { newId } from '../../kernel/ids.js';
import { CONTENT_RULES, SCHEMA_RULES, schemaFault } from './unleash-rules.js';

const INVALID = 'Request validation failed: your request body or params contain invalid data';
const SEE_DETAILS = `${INVALID}. Refer to the \`details\` list for more information.`;
const NOT_LOGGED_IN = 'You must log in to use Unleash.';
/** Sessions begin at POST /auth/login; this is what Unleash says, whose clients look for it. */
const LOGIN_PATH = '/auth/simple/login';
const LOG_IN = `${NOT_LOGGED_IN} Your request had no authorization header, so we could not authorize you. Try logging in at ${LOGIN_PATH}`;
const CHALLENGE = 'Bearer realm="gatehouse"';
/** Unleash checks the body of `POST /api/admin/api-tokens` against a `oneOf`, which adds its own complaint to every other. */
const ONE_OF = {
  message:
    'The "/body" property must match exactly one schema in oneOf. The data you provided matches more than one option in the schema. These options are mutually exclusive. Please refer back to the schema and remove any excess properties.',
  path: '/body',
};
/** In which Unleash tells faults of content, other than those of the schema. */
const CONTENT_ORDER = ['tokenName', 'expiresAt', 'projects', 'environment'];
const TAKES_BODY: ReadonlySet<string> = new Set(['POST', 'PUT']);
const VERBS: Readonly<Record<string, string>> = { GET: 'READ', HEAD: 'READ', POST: 'CREATE', PUT: 'UPDATE', DELETE: 'DELETE' };

/** What Unleash refuses before its handler runs carries an id; what the handler refuses does not. */
function early(status: number, name: string, message: string, members: object = {}, details: readonly object[] = [{ message }]): Reply {
  return { status, body: { id: newId(), name, message, details, ...members } };
}

function late(status: number, name: string, message: string, details: readonly object[] = [{ message }]): Reply {
  return { status, body: { name, message, details } };
}

export function messageOnly(status: number, message: string): Reply {
  return { status, body: { message } };
}

export const wrongTokenType = (): Reply => messageOnly(403, 'invalid token: expected a different token type for this endpoint');

function badData(message: string): Reply {
  return late(400, 'BadDataError', `${INVALID}: ${message}`, [{ message }]);
}

function toInputReply(violations: readonly Violation[], request: FailedRequest): Reply {
  // Unleash asks for a content type before it looks for a body.
  if (request.headers['content-type'] === undefined && violations.some(({ part = 'body' }) => part === 'body') && TAKES_BODY.has(request.method)) return contentType(null);
  const broken = violations.find(({ rule }) => rule === 'required') ?? violations.find(({ rule }) => SCHEMA_RULES.has(rule) || rule === 'not-an-object');
  if (broken) return early(400, 'BadDataError', SEE_DETAILS, {}, [toSchemaDetail(broken), ...(isOneOf(request) ? [ONE_OF] : [])]);
  const content = violations.filter(({ rule }) => CONTENT_RULES.has(rule)).sort((left, right) => rankOf(left) - rankOf(right));
  if (content.length > 0) return late(400, 'BadDataError', SEE_DETAILS, content.map(({ message }) => ({ message })));
  const [first] = violations;
  return badData(first?.rule === 'past' ? 'The expiry date should be in future.' : (first?.message ?? 'The request contains invalid input.'));
}

function rankOf({ at: [property] }: Violation): number {
  return CONTENT_ORDER.indexOf(String(property));
}

/** In the order of members that Unleash sends. */
function toSchemaDetail({ part, at, rule, message, value }: Violation): object {
  if (rule === 'not-an-object') return { message: schemaFault('type', '/body', 'be object', value).message, path: '/body' };
  const path = `/${[part === 'path' ? 'params' : 'body', ...at].join('/')}`;
  return rule === 'required' ? { path, message } : { message, path };
}

function contentType(given: string | null): Reply {
  const which = given === null ? "(you didn't provide one)" : `(${given})`;
  return early(
    415,
    'ContentTypeError',
    `We do not accept the content-type you provided ${which}. Try using one of the content-types we do accept instead (application/json) and make sure the body is in the corresponding format.`,
  );
}

/** Names are Unleash's; the challenge of RFC 6750 section 3.1 names the permission as this service calls it. */
function toPermissionReply(missing: readonly string[], request: FailedRequest): Reply {
  const permissions = missing.flatMap((permission) => toUnleashPermissions(permission, request));
  const quoted = permissions.map((permission) => `"${permission}"`).join(', ');
  const needed = permissions.length === 1 ? `the ${quoted} permission` : `one of the following permissions: ${quoted}`;
  const message = `You don't have the required permissions to perform this operation. To perform this action, you need ${needed}.`;
  return {
    ...early(403, 'PermissionError', message, { permissions }),
    headers: { 'www-authenticate': `${CHALLENGE}, error="insufficient_scope", scope="${missing.join(' ')}"` },
  };
}

function toUnleashPermissions(permission: string, { method, path }: FailedRequest): readonly string[] {
  if (!permission.startsWith('project:api-token:')) return [permission];
  const verb = VERBS[method] ?? 'READ';
  return isProjectLevel(path) ? [`${verb}_PROJECT_API_TOKEN`] : ['ADMIN', `${verb}_CLIENT_API_TOKEN`, `${verb}_FRONTEND_API_TOKEN`];
}

function notFound(resource: string, id: string, { path }: FailedRequest): Reply {
  if (resource === 'environment') return badData(`Environment=${id} does not exist`);
  if (resource === 'project') return isProjectLevel(path) ? late(404, 'NotFoundError', 'No project found') : badData(`Project=${id} does not exist`);
  // Only the routes of one project tell that a token is not there; elsewhere what shall be gone or changed may be gone already.
  return { status: isProjectLevel(path) ? 404 : 200 };
}

function conflict(reason: string, message: string): Reply {
  if (reason === 'other-projects') return { status: 400 };
  return late(409, 'NameExistsError', reason === 'description-taken' ? 'PAT description already exists.' : message);
}

function unavailable(status: number, name: string, message: string, retryAfterSeconds: number): Reply {
  return { ...early(status, name, message), headers: { 'retry-after': String(retryAfterSeconds) } };
}

const noSuchPath = (_: unknown, { path }: FailedRequest): Reply => early(404, 'NotFoundError', `The path you were looking for (${path}) is not available.`);

/** How the admin API of Unleash says each failure. */
export const ADMIN_REPLIES: Replies = {
  'credentials-missing': () => ({
    ...early(401, 'AuthenticationRequired', LOG_IN, { path: LOGIN_PATH, type: 'password', defaultHidden: false }),
    headers: { 'www-authenticate': CHALLENGE },
  }),
  'credentials-invalid': () => ({ ...early(401, 'UnauthorizedError', NOT_LOGGED_IN), headers: { 'www-authenticate': CHALLENGE } }),
  'credentials-ambiguous': ({ message }) => early(400, 'BadDataError', message),
  'permission-missing': ({ details }, request) => toPermissionReply(details.permissions, request),
  'permission-exceeded': ({ details }, request) => toPermissionReply(details.permissions, request),
  'caller-refused': ({ details, message }) => {
    if (details.reason === 'wrong-kind') return wrongTokenType();
    return details.reason === 'user-required' ? late(403, 'ForbiddenError', 'PATs require an authenticated user.') : early(403, 'ForbiddenError', message);
  },
  'request-malformed': ({ details }) => messageOnly(400, details.reason),
  'body-malformed': ({ details }) => messageOnly(400, details.reason),
  'body-too-large': () => messageOnly(413, 'request entity too large'),
  'content-type-unsupported': ({ details }) => contentType(details.contentType),
  'input-invalid': ({ details }, request) => toInputReply(details.violations, request),
  'route-not-found': noSuchPath,
  'method-not-allowed': noSuchPath,
  'not-found': ({ details }, request) => notFound(details.resource, details.id, request),
  'conflict': ({ details, message }) => conflict(details.reason, message),
  'precondition-failed': ({ message }) => late(412, 'PreconditionFailedError', message),
  'policy-violated': ({ message }) => late(403, 'OperationDeniedError', message),
  'idempotency-mismatch': ({ message }) => late(422, 'IdempotencyKeyMismatchError', message),
  'limit-exceeded': ({ details }) => late(403, 'OperationDeniedError', `Too many PATs (${details.limit}) already exist for this user.`),
  'rate-limited': ({ details, message }) => unavailable(429, 'TooManyRequestsError', message, details.retryAfterSeconds),
  'unavailable': ({ details, message }) => unavailable(503, 'ServiceUnavailableError', message, details.retryAfterSeconds),
  'internal': ({ message }) => early(500, 'InternalError', message),
};

function isProjectLevel(path: string): boolean {
  return segmentsOf(path)[2] === 'projects';
}

function isOneOf({ method, path }: FailedRequest): boolean {
  return method === 'POST' && segmentsOf(path).join('/') === 'api/admin/api-tokens';
}

function segmentsOf(path: string): readonly string[] {
  return path.split('/').filter((segment) => segment !== '');
}
