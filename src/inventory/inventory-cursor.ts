import { InputInvalid } from '../kernel/failure.js';
import { isStorable } from '../kernel/http/plain-text.js';
import { isUuid } from '../kernel/ids.js';
import { Instant } from '../kernel/instant.js';
import { SORT_KEYS, type TokenPlace, type TokenSort } from '../tokens/token-sort.js';

/** Longer than any cursor we write. */
export const CURSOR_LENGTH_MAX = 1_000;

/** Names a place in a list, and how that list is sorted. It names no tenant: it is only ever applied inside one. */
export function toCursor({ key, descending }: TokenSort, place: TokenPlace | null): string | null {
  return place && Buffer.from(JSON.stringify([key, descending, place.key, place.id])).toString('base64url');
}

/** Reads what `toCursor` wrote for a list sorted alike; `InputInvalid` for anything else. */
export function readCursor(sort: TokenSort, text: string | undefined): TokenPlace | null {
  if (text === undefined) return null;
  const [key, descending, value, id] = parse(text);
  if (typeof value !== 'string' || typeof id !== 'string' || !isUuid(id)) throw InputInvalid.at('cursor', 'cursor', 'must be a cursor from an earlier page');
  if (key !== sort.key || descending !== sort.descending) throw InputInvalid.at('cursor', 'cursor', 'is of a list sorted in another way');
  if (!fits(sort, value)) throw InputInvalid.at('cursor', 'cursor', 'must be a cursor from an earlier page');
  return { key: value, id };
}

function parse(text: string): readonly unknown[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}

/** What the database compares with must be of the type of the column. */
function fits({ key }: TokenSort, value: string): boolean {
  if (SORT_KEYS[key].type === 'text') return value.length <= 100 && isStorable(value);
  return /^-?infinity$/.test(value) || Instant.parse(value) !== null;
}
