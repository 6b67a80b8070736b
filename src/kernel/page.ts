import { InputInvalid } from './failure.js';
import { isUuid } from './ids.js';
import { Instant } from './instant.js';

/** A place in a list ordered by time and id. It names no tenant: a cursor is only ever applied inside one. */
export interface Cursor {
  readonly at: Instant;
  readonly id: string;
}

export function toCursorText({ at, id }: Cursor): string {
  return Buffer.from(`${at.epochMicros}.${id}`).toString('base64url');
}

/** Reads what `toCursorText` wrote; null for anything else. */
export function parseCursor(text: string): Cursor | null {
  const [micros = '', id] = Buffer.from(text, 'base64url').toString('latin1').split('.', 2);
  return /^-?\d{1,18}$/.test(micros) && isUuid(id) ? { at: Instant.fromEpochMicros(BigInt(micros)), id } : null;
}

export function requireCursor(text: string | undefined): Cursor | null {
  if (text === undefined) return null;
  const cursor = parseCursor(text);
  if (!cursor) throw InputInvalid.at('cursor', 'cursor', 'must be a cursor from an earlier page', text);
  return cursor;
}

/** A part of a list, and where the next part begins: null at the end. */
export interface Page<Entry> {
  readonly entries: readonly Entry[];
  readonly nextCursor: string | null;
}

/** Cuts a page out of entries, of which there is one more than the page where it is not the last. */
export function toPage<Entry extends { readonly createdAt: Instant; readonly id: string }>(entries: readonly Entry[], limit: number): Page<Entry> {
  const page = entries.slice(0, limit);
  const last = page.at(-1);
  return { entries: page, nextCursor: last && entries.length > limit ? toCursorText({ at: last.createdAt, id: last.id }) : null };
}
