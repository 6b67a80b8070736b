import { isUuid } from '../kernel/ids.js';
import { isReservedSlug } from '../kernel/names.js';

/** Stands in paths and before secrets, so it has no `*`, `[`, `:` or `/`; compared byte by byte, and lower case throughout. */
const KEY = /^[a-z0-9][a-z0-9._-]{0,99}$/;

/** What every organization begins with. */
const FIRST = 'default';

/** True for text that may name a project or an environment. */
export function isProjectKey(text: string): boolean {
  return KEY.test(text);
}

/** True for keys that nothing new may have: words that mean something of their own, and what would pass for an id. */
export function isReservedKey(key: string): boolean {
  return isUuid(key) || (isReservedSlug(key) && key !== FIRST);
}
