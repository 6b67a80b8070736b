import { LRUCache } from 'lru-cache';
import { DomainError } from '../kernel/failure.js';
import { covers, EVERYTHING, expand, isWildcard } from './permission-pattern.js';

/** What every live credential may do: read what it is itself. */
export const PROFILE_READ = 'profile:read';

/** What a tenant's roles can hold, in the service's own vocabulary `resource[:part]:action`. */
export const TENANT_PERMISSIONS = [
  PROFILE_READ,
  'audit:read',
  'auth-method:token:read',
  'auth-method:token:write',
  'identity:read',
  'identity:token:read',
  'identity:token:write',
  'identity:write',
  'invitation:read',
  'invitation:write',
  'member:read',
  'member:write',
  'organization:api-token:read',
  'organization:api-token:write',
  'organization:child:write',
  'organization:read',
  'organization:write',
  'permission:read',
  'policy:read',
  'policy:write',
  'project:api-token:read',
  'project:api-token:write',
  'project:backend:read',
  'project:frontend:read',
  'project:read',
  'project:write',
  'role:read',
  'role:write',
  'session:read',
  'session:write',
  'token:introspect',
  'token:read',
  'token:write',
  'user:api-token:read',
  'user:api-token:write',
  'webhook:read',
  'webhook:write',
] as const;

/** What only roles of the platform's own organization can hold. */
export const PLATFORM_PERMISSIONS = [
  'platform:organization:read',
  'platform:organization:write',
  'platform:permission:write',
  'platform:policy:write',
  'platform:signing-key:read',
  'platform:signing-key:write',
  'platform:token:introspect',
] as const;

export type Permission = (typeof TENANT_PERMISSIONS)[number] | (typeof PLATFORM_PERMISSIONS)[number];

/** A role as it is stored; built-in ones carry their meaning in their key. */
export interface Role {
  readonly key: string;
  readonly permissions: readonly string[];
}

export const BUILT_IN_ROLES = ['ADMIN', 'MEMBER', 'EXTERNAL'] as const;
export type BuiltInRole = (typeof BUILT_IN_ROLES)[number];

const MEMBER: readonly Permission[] = [
  PROFILE_READ,
  'auth-method:token:read',
  'identity:read',
  'identity:token:read',
  'member:read',
  'organization:api-token:read',
  'organization:read',
  'permission:read',
  'policy:read',
  'project:api-token:read',
  'project:read',
  'role:read',
  'token:read',
  'user:api-token:read',
  'user:api-token:write',
];

/** All that can be held in an organization now: what the service knows, and what the operator has registered beside it. */
export function knownPermissions(registered: readonly string[], platform: boolean): ReadonlySet<string> {
  return new Set([...TENANT_PERMISSIONS, ...registered, ...(platform ? PLATFORM_PERMISSIONS : [])]);
}

/** What the role says, wildcards as they are written. */
export function patternsOfRole({ key, permissions }: Role, platform: boolean): readonly string[] {
  switch (key) {
    case 'ADMIN':
      return [EVERYTHING, ...(platform ? PLATFORM_PERMISSIONS : [])];
    case 'MEMBER':
      return MEMBER;
    case 'EXTERNAL':
      return [PROFILE_READ];
    default:
      return permissions;
  }
}

/**
 * What the role allows in its organization now. A role cannot carry a platform permission outside the platform, nor
 * one that is not, or not any more, registered.
 */
export function permissionsOfRole(role: Role, platform: boolean, registered: readonly string[]): ReadonlySet<string> {
  return permissionsWithin([patternsOfRole(role, platform)], registered, platform);
}

const sets = new LRUCache<string, ReadonlySet<string>>({ max: 1_000 });

/** What the bounds allow together. Most credentials share their bounds with many others, and then also the set. */
export function permissionsWithin(bounds: readonly (readonly string[])[], registered: readonly string[], platform: boolean): ReadonlySet<string> {
  const key = JSON.stringify([bounds, registered, platform]);
  let set = sets.get(key);
  if (!set) {
    const known = knownPermissions(registered, platform);
    sets.set(key, (set = allowedByAll(bounds.map((bound) => expand(bound, known)))));
  }
  return set;
}

/** What all bounds allow together. No bound at all allows nothing: an absent list never means everything. */
function allowedByAll(bounds: readonly (ReadonlySet<string> | null)[]): ReadonlySet<string> {
  const given = bounds.filter((bound) => bound !== null);
  const [first, ...others] = given;
  if (!first) return new Set();
  return new Set([...first].filter((permission) => others.every((bound) => bound.has(permission))));
}

/** The caller would grant what it does not hold. */
export class PermissionExceeded extends DomainError<'permission-exceeded'> {
  constructor(missing: readonly string[]) {
    super('permission-exceeded', `You cannot grant what you do not hold: ${missing.join(', ')}.`, { permissions: missing });
  }
}

/** Refuses to grant more than is held, and says what is missing. */
export function requireHeld(held: ReadonlySet<string>, granted: Iterable<string>): void {
  const missing = [...granted].filter((permission) => !held.has(permission)).sort();
  if (missing.length > 0) throw new PermissionExceeded(missing);
}

/**
 * Refuses to hand over a credential that may do, or may come to do, more than the caller. What its bounds allow together
 * grows with what is registered only where each of them has a wildcard; then one of them must be the caller's to give.
 */
export function requireCovering(caller: Held, credential: Required<Held>): void {
  requireHeld(caller.permissions, credential.permissions);
  if (!credential.bounds.every((bound) => bound.some(isWildcard))) return;
  const beyond = credential.bounds.map((bound) => wildcardsBeyond(caller, bound));
  if (beyond[0] && beyond.every((wildcards) => wildcards.length > 0)) throw new PermissionExceeded(beyond[0]);
}

/** What is held now, and the lists of patterns that bound it, each of them. */
export interface Held {
  readonly permissions: ReadonlySet<string>;
  readonly bounds?: readonly (readonly string[])[];
}

/**
 * Refuses to hand on patterns that stand for more than is held, which is what they stand for now and, as a wildcard does,
 * what will be registered later: it takes one as wide in every bound to hand it on.
 */
export function requireGrantable({ permissions, bounds = [] }: Held, patterns: readonly string[], granted: ReadonlySet<string>): void {
  requireHeld(permissions, granted);
  const beyond = wildcardsBeyond({ permissions, bounds }, patterns);
  if (beyond.length > 0) throw new PermissionExceeded(beyond);
}

function wildcardsBeyond({ bounds = [] }: Held, patterns: readonly string[]): string[] {
  const isCovered = (wildcard: string): boolean => bounds.length > 0 && bounds.every((bound) => bound.some((own) => covers(own, wildcard)));
  return patterns.filter((pattern) => isWildcard(pattern) && !isCovered(pattern)).sort();
}

const FRONTEND: Permission = 'project:frontend:read';

/** True where a token may do what browsers and apps do, and nothing else: then everyone is meant to see its secret. */
export function isPublicSecret(permissions: Iterable<string>): boolean {
  const [only, ...others] = permissions;
  return only === FRONTEND && others.length === 0;
}
