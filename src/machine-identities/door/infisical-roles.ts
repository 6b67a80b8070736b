import { NotFound } from '../../kernel/failure.js';
import type { RoleView } from '../../organizations/roles.service.js';

/** The dialect's built-in roles, and the house's. */
const BUILT_IN: Readonly<Record<string, string | null>> = { 'admin': 'ADMIN', 'member': 'MEMBER', 'no-access': null };
export const NO_ACCESS = 'no-access';

/** Every other slug is the key of a role itself. */
export function toRoleKey(slug: string): string | null {
  return Object.hasOwn(BUILT_IN, slug) ? (BUILT_IN[slug] ?? null) : slug;
}

/** The same of a role to give: a built-in one is known by the dialect's name alone. */
export function toRoleKeyToGive(slug: string): string | null {
  if (Object.values(BUILT_IN).includes(slug)) throw new NotFound('role', slug);
  return toRoleKey(slug);
}

/** The dialect's name of a built-in role, null for a custom one. */
export function toBuiltInSlug(role: RoleView | null): string | null {
  if (role === null) return NO_ACCESS;
  return Object.keys(BUILT_IN).find((slug) => BUILT_IN[slug] === role.key) ?? null;
}
