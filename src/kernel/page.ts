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
