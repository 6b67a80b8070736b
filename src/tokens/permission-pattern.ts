/** Stands for all that a tenant can hold, now and later. Only the built-in role ADMIN holds it. */
export const EVERYTHING = '*';

/** The resource that belongs to the operator: no wildcard stands for it. */
const PLATFORM = 'platform';
const WILDCARD = '*';
const SEGMENT = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const LENGTH_MAX = 100;

/** True for `resource[:part]:action` in lower-case words. */
export function isPermissionKey(text: string): boolean {
  return hasShape(text, (segment) => SEGMENT.test(segment));
}

/** True for a permission in which `*` may stand for any one segment, such as `invoice:*` or `user:*:read`. */
export function isPermissionPattern(text: string): boolean {
  return hasShape(text, (segment) => segment === WILDCARD || SEGMENT.test(segment));
}

export function isWildcard(pattern: string): boolean {
  return pattern.includes(WILDCARD);
}

/**
 * True where the pattern stands for everything the other one can ever stand for; a permission is a pattern that stands
 * for itself. Compared segment by segment: a longer or shorter text, or a part of a word, is never covered.
 */
export function covers(pattern: string, other: string): boolean {
  if (pattern === other) return true;
  if (!pattern.includes(WILDCARD)) return false;
  const [own, asked] = [pattern.split(':'), other.split(':')];
  if (asked[0] === PLATFORM && own[0] === WILDCARD) return false;
  if (pattern === EVERYTHING) return true;
  return other !== EVERYTHING && own.length === asked.length && own.every((segment, place) => segment === WILDCARD || segment === asked[place]);
}

/** Every pattern that covers the permission, itself included: the ways to hold it. */
export function patternsCovering(permission: string): string[] {
  const ways = permission.split(':').reduce<string[][]>((begun, segment) => begun.flatMap((way) => [[...way, segment], [...way, WILDCARD]]), [[]]);
  return [...ways.map((way) => way.join(':')), EVERYTHING].filter((pattern) => covers(pattern, permission));
}

/** Those of the permissions that any of the patterns stands for. */
export function expand(patterns: readonly string[], permissions: Iterable<string>): ReadonlySet<string> {
  const named = new Set(patterns);
  const wildcards = patterns.filter(isWildcard);
  return new Set([...permissions].filter((permission) => named.has(permission) || wildcards.some((pattern) => covers(pattern, permission))));
}

/** Patterns that stand for what both lists stand for, and for nothing else; none of them is covered by another one. */
export function intersectPatterns(one: readonly string[], other: readonly string[]): string[] {
  const common = [...new Set(one.flatMap((left) => other.map((right) => intersection(left, right)).filter((pattern) => pattern !== null)))];
  return common.filter((pattern) => !common.some((wider) => wider !== pattern && covers(wider, pattern)));
}

function intersection(left: string, right: string): string | null {
  const [own, others] = [left.split(':'), right.split(':')];
  const both = own.map((segment, place) => (segment === WILDCARD ? (others[place] ?? '') : segment)).join(':');
  return own.length === others.length && covers(left, both) && covers(right, both) ? both : null;
}

function hasShape(text: string, isSegment: (segment: string) => boolean): boolean {
  const segments = text.split(':');
  return text.length <= LENGTH_MAX && (segments.length === 2 || segments.length === 3) && segments.every(isSegment);
}
