import type { Principal } from '../access/principal.js';
import type { VerifiedToken } from '../tokens/verdict.js';
import type { IDENTITY_HEADERS } from './forward-auth.dto.js';

type Headers = readonly (readonly [name: keyof typeof IDENTITY_HEADERS, value: string])[];

/** Of a token they are written once, for as long as it is known. */
const written = new WeakMap<VerifiedToken, Headers>();

/** Whose credential it is and what it may do, as an upstream reads it. */
export function toIdentityHeaders(principal: Principal): Headers {
  const { token } = principal;
  const known = token && written.get(token);
  if (known) return known;
  const headers = write(principal);
  if (token) written.set(token, headers);
  return headers;
}

function write({ organizationId, actor, user, token, permissions, projects }: Principal): Headers {
  const values: Partial<Record<keyof typeof IDENTITY_HEADERS, string | null | undefined>> = {
    'x-gatehouse-organization-id': organizationId,
    'x-gatehouse-owner-kind': token?.kind ?? actor.kind,
    'x-gatehouse-owner-id': actor.id,
    'x-gatehouse-username': user?.email,
    'x-gatehouse-token-id': token?.id,
    'x-gatehouse-scope': [...permissions].sort().join(' '),
    'x-gatehouse-projects': projects === 'all' ? '*' : projects.map(({ key }) => key).join(','),
    'x-gatehouse-environment': token?.environment,
  };
  return Object.entries(values).flatMap(([name, value]) => (value == null ? [] : [[name as keyof typeof IDENTITY_HEADERS, toHeaderText(value)] as const]));
}

/** Header fields carry ASCII (RFC 9110 section 5.5). */
function toHeaderText(value: string): string {
  return value.toWellFormed().replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent);
}
