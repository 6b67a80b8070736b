import { STATUS_CODES } from 'node:http';
import { ApiProperty } from '@nestjs/swagger';
import type { FailureCode, Violation } from '../failure.js';
import { bearerCredential, type Door, type FailedRequest, type Replies, type Reply } from './door.js';

export class ProblemFault {
  @ApiProperty({ example: 'limit', description: 'Where the fault is, as a path into the body or the query.' })
  path!: string;

  @ApiProperty({ example: 'must be a whole number from 1 to 100' })
  message!: string;
}

/** RFC 9457. */
export class Problem {
  @ApiProperty({ example: 'urn:gatehouse:error:permission-missing' })
  type!: string;

  @ApiProperty({ example: 'Forbidden' })
  title!: string;

  @ApiProperty({ example: 403 })
  status!: number;

  @ApiProperty({ example: 'permission-missing', description: 'Stable code of the failure; docs/errors.md lists them all.' })
  code!: string;

  @ApiProperty({ example: 'This needs the permission token:read.' })
  detail!: string;

  @ApiProperty({ example: 'req-4rTq0cJb2mXw9Z' })
  request_id!: string;

  @ApiProperty({ type: [String], required: false, example: ['token:read'], description: 'Permissions that were missing.' })
  permissions?: string[];

  @ApiProperty({ type: [String], required: false, example: ['lifetime-too-long'], description: 'Rules of the policy that would be broken.' })
  rules?: string[];

  @ApiProperty({ type: [ProblemFault], required: false })
  errors?: ProblemFault[];
}

const STATUS: Record<FailureCode, number> = {
  'credentials-missing': 401,
  'credentials-invalid': 401,
  'credentials-ambiguous': 400,
  'permission-missing': 403,
  'permission-exceeded': 403,
  'caller-refused': 403,
  'request-malformed': 400,
  'body-malformed': 400,
  'body-too-large': 413,
  'content-type-unsupported': 415,
  'input-invalid': 400,
  'route-not-found': 404,
  'method-not-allowed': 405,
  'not-found': 404,
  'conflict': 409,
  'precondition-failed': 412,
  'policy-violated': 403,
  'idempotency-mismatch': 422,
  'limit-exceeded': 403,
  'rate-limited': 429,
  'unavailable': 503,
  'internal': 500,
};

/** The reply of our own routes to a failure, and the ground the OAuth routes build theirs on. */
export function problemReply(code: FailureCode, message: string, request: FailedRequest, members: Partial<Problem> = {}, headers: Reply['headers'] = {}): Reply {
  const status = STATUS[code];
  const title = STATUS_CODES[status] ?? 'Error';
  return {
    status,
    headers: { 'content-type': 'application/problem+json; charset=utf-8', ...headers },
    body: { type: `urn:gatehouse:error:${code}`, title, status, code, detail: message, request_id: request.id, ...members },
  };
}

const REALM = 'Bearer realm="gatehouse"';

export const PROBLEM_REPLIES: Replies = {
  'credentials-missing': ({ code, message }, request) => problemReply(code, message, request, {}, { 'www-authenticate': REALM }),
  // RFC 6750 section 3.1
  'credentials-invalid': ({ code, message }, request) =>
    problemReply(code, message, request, {}, { 'www-authenticate': `${REALM}, error="invalid_token"` }),
  'credentials-ambiguous': ({ code, message }, request) =>
    problemReply(code, message, request, {}, { 'www-authenticate': `${REALM}, error="invalid_request"` }),
  'permission-missing': ({ code, message, details }, request) =>
    problemReply(code, message, request, { permissions: [...details.permissions] }, {
      'www-authenticate': `${REALM}, error="insufficient_scope", scope="${details.permissions.join(' ')}"`,
    }),
  'permission-exceeded': ({ code, message, details }, request) => problemReply(code, message, request, { permissions: [...details.permissions] }),
  'caller-refused': ({ code, message }, request) => problemReply(code, message, request),
  'request-malformed': ({ code, message, details }, request) => problemReply(code, `${message} (${details.reason})`, request),
  'body-malformed': ({ code, message }, request) => problemReply(code, message, request),
  'body-too-large': ({ code, message }, request) => problemReply(code, message, request),
  'content-type-unsupported': ({ code, message, details }, request) =>
    problemReply(code, message, request, {}, details.supported.length > 0 ? { accept: details.supported.join(', ') } : {}),
  'input-invalid': ({ code, message, details }, request) => problemReply(code, message, request, { errors: details.violations.map(toProblemFault) }),
  'route-not-found': ({ code, message }, request) => problemReply(code, message, request),
  'method-not-allowed': ({ code, message, details }, request) => problemReply(code, message, request, {}, { allow: details.allowed.join(', ') }),
  'not-found': ({ code, message }, request) => problemReply(code, message, request),
  'conflict': ({ code, message }, request) => problemReply(code, message, request),
  'precondition-failed': ({ code, message }, request) => problemReply(code, message, request),
  'policy-violated': ({ code, message, details }, request) => problemReply(code, message, request, { rules: [...details.rules] }),
  'idempotency-mismatch': ({ code, message }, request) => problemReply(code, message, request),
  'limit-exceeded': ({ code, message }, request) => problemReply(code, message, request),
  'rate-limited': ({ code, message, details }, request) =>
    problemReply(code, message, request, {}, { 'retry-after': String(details.retryAfterSeconds) }),
  'unavailable': ({ code, message, details }, request) =>
    problemReply(code, message, request, {}, { 'retry-after': String(details.retryAfterSeconds) }),
  'internal': ({ code, message }, request) => problemReply(code, message, request),
};

/** Values are never echoed: one of them may be a secret. */
function toProblemFault({ at, message }: Violation): ProblemFault {
  return { path: at.join('.'), message };
}

/** Our own routes: everything that belongs to no other door. */
export const problemDoor: Door = {
  name: 'gatehouse',
  paths: [],
  body: { accepts: ['application/json'], malformedFirst: false, refusesOthers: true, empty: 'absent' },
  credential: bearerCredential,
  replies: PROBLEM_REPLIES,
};
