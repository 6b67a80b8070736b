import type { Principal } from '../access/principal.js';
import type { Verdict, VerifiedToken } from '../tokens/verdict.js';
import type { Introspection } from './introspection.dto.js';

/** All that is said of a token that is dead, unknown or another organization's. */
export const INACTIVE = JSON.stringify({ active: false } satisfies Introspection);

/** What is said of a live token depends on nothing but the token: it is written once, for as long as the token is known. */
const written = new WeakMap<VerifiedToken, string>();

/** JSON; nothing but `active: false` for a token that is dead, unknown or another organization's: all three are one answer. */
export function toIntrospectionText(principal: Principal, issuer: string, verdict: Verdict): string {
  if (!verdict.active || !maySee(principal, verdict.token)) return INACTIVE;
  const { token } = verdict;
  const known = written.get(token);
  if (known) return known;
  const text = JSON.stringify(toIntrospection(issuer, token));
  written.set(token, text);
  return text;
}

function toIntrospection(issuer: string, token: VerifiedToken): Introspection {
  return {
    active: true,
    scope: [...token.permissions].sort().join(' '),
    client_id: token.ownerId,
    ...(token.user && { username: token.user.email }),
    token_type: 'Bearer',
    ...(token.expiresAt && { exp: token.expiresAt.epochSeconds }),
    iat: token.createdAt.epochSeconds,
    sub: token.ownerId,
    iss: issuer,
    jti: token.id,
    organization_id: token.organization.id,
    owner_kind: token.kind,
    owner_id: token.ownerId,
    projects: token.projects === 'all' ? ['*'] : token.projects.map(({ key }) => key),
    environment: token.environment,
  };
}

function maySee(principal: Principal, token: VerifiedToken): boolean {
  if (token.organization.id !== principal.organizationId) return principal.permissions.has('platform:token:introspect');
  if (principal.projects === 'all') return true;
  const own = new Set(principal.projects.map(({ id }) => id));
  return token.projects !== 'all' && token.projects.every(({ id }) => own.has(id));
}
