import { DomainError } from '../kernel/failure.js';

/** What every live credential may do: read what it is itself. */
export const PROFILE_READ = 'profile:read';

/** What a tenant's roles can hold, in the service's own vocabulary `resource[:part]:action`. */
export const TENANT_PERMISSIONS = [
  PROFILE_READ,
  'auth-method:token:read',
  'auth-method:token:write',
  'identity:read',
  'identity:token:read',
  'identity:token:write',
  'identity:write',
  'organization:api-token:read',
  'organization:api-token:write',
  'organization:read',
  'project:api-token:read',
  'project:api-token:write',
  'project:backend:read',
  'project:frontend:read',
  'project:read',
  'project:write',
  'token:introspect',
  'token:read',
  'token:write',
  'user:api-token:read',
  'user:api-token:write',
] as const;

/** What only roles of the platform's own organization can hold. */
export const PLATFORM_PERMISSIONS = ['platform:token:introspect'] as const;

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
  'organization:api-token:read',
  'organization:read',
  'project:api-token:read',
  'project:read',
  'token:read',
  'user:api-token:read',
  'user:api-token:write',
];

/** What the role allows in its organization now. A role cannot carry a platform permission outside the platform. */
export function permissionsOfRole(role: Role, platform: boolean): ReadonlySet<string> {
  switch (role.key) {
    case 'ADMIN':
      return new Set([...TENANT_PERMISSIONS, ...(platform ? PLATFORM_PERMISSIONS : [])]);
    case 'MEMBER':
      return new Set(MEMBER);
    case 'EXTERNAL':
      return new Set([PROFILE_READ]);
    default:
      return new Set(role.permissions.filter((permission) => platform || !permission.startsWith('platform:')));
  }
}

/** What all bounds allow together. No bound at all allows nothing: an absent list never means everything. */
export function allowedByAll(bounds: readonly (ReadonlySet<string> | null)[]): ReadonlySet<string> {
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
