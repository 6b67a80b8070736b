import type { FailedRequest } from '../../kernel/http/door.js';

/** What the dialect says of a failure depends on the route it happened at. */
export function routeOf({ method, path }: FailedRequest): string {
  return `${method} ${path.replace(/\/{2,}/g, '/').replace(/(.)\/$/, '$1')}`;
}

const NOTHING_ALLOWED = 'You are not allowed to access this resource';

const UNAUTHORIZED: Readonly<Record<string, string>> = {
  'unknown': 'No identity access token found',
  'expired': 'Your token has expired. Please re-authenticate.',
  'replaced': 'Your token has expired. Please re-authenticate.',
  'revoked': 'Failed to authorize: token has been revoked',
  'owner-gone': 'Failed to authorize: Identity is not a member of the organization',
  'owner-disabled': 'Failed to authorize: Identity organization membership is inactive',
  'uses-spent': 'Failed to authorize: token usage limit reached',
  'client': 'Invalid credentials',
  'client-locked-out': 'This identity auth method is temporarily locked, please try again later',
  'client-secret-expired': 'Access denied due to expired client secret',
  'client-secret-spent': 'Access denied due to client secret usage limit reached',
};

const CANNOT_RENEW: Readonly<Record<string, string>> = {
  'unknown': 'Cannot renew revoked or unknown access token',
  'revoked': 'Cannot renew: token has been revoked',
  'uses-spent': 'Cannot renew exhausted access token',
};

/** Why a credential does not open the route. */
export function unauthorizedText(reason: string, request: FailedRequest): string {
  const renewing = routeOf(request).endsWith('/auth/token/renew');
  return (renewing ? CANNOT_RENEW[reason] : undefined) ?? UNAUTHORIZED[reason] ?? NOTHING_ALLOWED;
}

/** The dialect's own name of what the caller may not do there. */
export function deniedAction(permission: string, request: FailedRequest): string {
  const route = routeOf(request);
  if (permission.endsWith(':read')) return 'read';
  if (/^POST .*\/(tokens|client-secrets)$/.test(route)) return 'create-token';
  if (/^DELETE .*\/v1\/identities\//.test(route)) return 'delete';
  return /^POST (?!.*\/(revoke|clear-lockouts)$)/.test(route) ? 'create' : 'edit';
}

const BOUNDARIES: readonly (readonly [route: RegExp, text: string])[] = [
  [/^POST .*\/token-auth\/identities\/[^/]+\/tokens$/, 'Failed to create token for identity with more privileged role'],
  [/^PATCH .*\/token-auth\/tokens\//, 'Failed to update token for identity with more privileged role'],
  [/^POST .*\/token-auth\//, 'Failed to attach token auth to identity with more privileged role'],
  [/^PATCH .*\/token-auth\//, 'Failed to update token auth of identity with more privileged role'],
  [/^DELETE .*\/token-auth\//, 'Failed to revoke token auth of identity with more privileged role'],
  [/^POST .*\/client-secrets$/, 'Failed to create client secret for identity.'],
  [/^POST .*\/client-secrets\/[^/]+\/revoke$/, 'Failed to revoke identity client secret with more privileged role'],
  [/^POST .*\/universal-auth\//, 'Failed to attach universal auth to identity with more privileged role'],
  [/^PATCH .*\/universal-auth\//, 'Failed to update universal auth of identity with more privileged role'],
  [/^DELETE .*\/universal-auth\//, 'Failed to revoke universal auth of identity with more privileged role'],
  [/^PATCH /, 'Failed to update identity'],
  [/^DELETE /, 'Failed to delete identity with more privileged role'],
];

/** The caller would act beyond what it holds. */
export function boundaryText(request: FailedRequest): string {
  const route = routeOf(request);
  return BOUNDARIES.find(([pattern]) => pattern.test(route))?.[1] ?? 'Failed to create identity';
}

/** What does not exist there. */
export function notFoundText(resource: string, id: string, request: FailedRequest): string {
  const route = routeOf(request);
  switch (resource) {
    case 'identity':
      return `Failed to find identity with ${/\/v1\/identities\//.test(route) ? 'id' : 'ID'} ${id}`;
    case 'token':
      return `Token with ID ${id} not found${route.endsWith('/revoke') ? ' or already revoked' : ''}`;
    case 'token-auth':
      return 'Token Auth configuration not found for identity';
    case 'universal-auth':
      return `Failed to find universal auth for identity with ID ${id}`;
    case 'client-secret':
      return `Client secret with ID ${id} not found`;
    case 'sub-organization':
      return `Sub organization with slug ${id} not found`;
    case 'admission':
      return `Identity not authorized to access sub organization ${id}`;
    case 'organization':
      return `Your token is scoped to a different organization than the one with ID ${id}`;
    case 'role':
      return `Specified roles '${id}' was not found in the organization`;
    default:
      return 'The requested entity is not found';
  }
}

const CONFLICTS: Readonly<Record<string, string>> = {
  'token-auth attached': 'Failed to add Token Auth to already configured identity',
  'token-auth not-attached': 'The identity does not have Token Auth',
  'token-auth ttl-beyond-max': 'Access token TTL cannot be greater than max TTL',
  'universal-auth attached': 'Failed to add universal auth to already configured identity',
  'universal-auth not-attached': 'The identity does not have universal auth',
  'universal-auth ttl-beyond-max': 'Access token TTL cannot be greater than max TTL',
  'identity delete-protected': 'Identity has delete protection',
  'token other-kind': 'Token is not an identity access token',
};

/** What contradicts what is there; undefined where the dialect has no sentence for it. */
export function conflictText({ resource, reason }: { resource: string; reason: string }, { method }: FailedRequest): string | undefined {
  if (`${resource} ${reason}` === 'token-auth not-attached' && method === 'PATCH') return 'The identity does not have token auth';
  return CONFLICTS[`${resource} ${reason}`];
}
