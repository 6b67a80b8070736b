import type { IncomingHttpHeaders } from 'node:http';
import type { Violation } from '../../kernel/failure.js';
import { bearerCredential, type Door, type PresentedCredential, type Replies, type Reply } from '../../kernel/http/door.js';
import { toEcho } from './pydantic-echo.js';
import { findJsonFault } from './python-json.js';

export const DEEPSET_SECRET_PREFIX = 'api_';

/** FastAPI's own refusals have a `detail`, deepset's have `errors`; clients look for either. */
function refusal(status: number, message: string, headers: Reply['headers'] = {}): Reply {
  return { status, headers, body: { errors: [message], detail: message } };
}

/** What FastAPI itself says. */
function fastapi(status: number, detail: unknown, headers: Reply['headers'] = {}): Reply {
  return { status, headers, body: { detail } };
}

const CHALLENGE = { 'www-authenticate': 'Bearer' };

function toMissingBody(): Reply {
  return fastapi(422, [{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }]);
}

function toValidationError({ part = 'body', at, rule, message, value, context }: Violation): object {
  return { type: rule, loc: [part, ...at], msg: message, input: toEcho(value), ...(context && { ctx: context }) };
}

function toInvalidInput(violations: readonly Violation[]): Reply {
  const whole = violations.find(({ rule }) => rule === 'body-missing' || rule === 'not-an-object');
  if (!whole) return fastapi(422, violations.map(toValidationError));
  if (whole.value === undefined || whole.value === null) return toMissingBody();
  const message = 'Input should be a valid dictionary or object to extract fields from';
  return fastapi(422, [toValidationError({ ...whole, rule: 'model_attributes_type', message })]);
}

/** Python reads some bodies that are refused here all the same: too deep, not UTF-8, or with NaN in them. */
function toUnreadableBody(body: string): Reply {
  const fault = body === '' ? null : findJsonFault(body);
  if (!fault) return fastapi(400, 'There was an error parsing the body');
  return fastapi(422, [
    { type: 'json_invalid', loc: ['body', fault.position], msg: 'JSON decode error', input: {}, ctx: { error: fault.message } },
  ]);
}

/** The dialect's names of what may be missing. */
const RESOURCES: Readonly<Record<string, string>> = { token: 'API token', project: 'workspace' };

function toNotFound(resource: string): Reply {
  return refusal(404, `There is no such ${RESOURCES[resource] ?? resource}.`);
}

const replies: Replies = {
  'credentials-missing': () => fastapi(401, 'Not authenticated', CHALLENGE),
  'credentials-invalid': () => refusal(401, 'Invalid API key', CHALLENGE),
  'credentials-ambiguous': ({ message }) => refusal(400, message),
  'permission-missing': ({ message }) => refusal(403, message),
  'permission-exceeded': ({ message }) => refusal(403, message),
  'caller-refused': ({ message }) => refusal(403, message),
  'request-malformed': ({ message }) => refusal(400, message),
  'body-malformed': ({ details }) => toUnreadableBody(details.body),
  'body-too-large': ({ message }) => refusal(413, message),
  'content-type-unsupported': ({ message }) => refusal(415, message),
  'input-invalid': ({ details }) => toInvalidInput(details.violations),
  'route-not-found': () => fastapi(404, 'Not Found'),
  'method-not-allowed': ({ details }) => fastapi(405, 'Method Not Allowed', { allow: details.allowed.join(', ') }),
  'not-found': ({ details }) => toNotFound(details.resource),
  'conflict': ({ message }) => refusal(409, message),
  'precondition-failed': ({ message }) => refusal(412, message),
  'policy-violated': ({ message }) => refusal(403, message),
  'idempotency-mismatch': ({ message }) => refusal(422, message),
  'limit-exceeded': ({ message }) => refusal(403, message),
  'rate-limited': ({ message, details }) => refusal(429, message, { 'retry-after': String(details.retryAfterSeconds) }),
  'unavailable': ({ message, details }) => refusal(503, message, { 'retry-after': String(details.retryAfterSeconds) }),
  'internal': ({ message }) => refusal(500, message),
};

/** To FastAPI's HTTPBearer whatever is no bearer credential is none at all. */
function deepsetCredential(headers: IncomingHttpHeaders): PresentedCredential {
  const presented = bearerCredential(headers);
  return typeof presented === 'object' && presented.secret === '' ? 'missing' : presented;
}

/** Speaks deepset: `/api/v1/token` and what belongs to it. */
export const deepsetDoor: Door = {
  name: 'organizations',
  paths: ['/api/v1/token', '/api/v1/me', '/api/v1/users', '/api/v1/workspaces', '/api/v1/organization'],
  body: {
    accepts: 'any',
    isText: (mediaType) => !/^application\/(?:.+\+)?json$/.test(mediaType),
    malformedFirst: false,
    empty: 'absent',
  },
  credential: deepsetCredential,
  replies,
};
