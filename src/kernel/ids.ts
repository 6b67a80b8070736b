import { randomUUID } from 'node:crypto';
import type { Instant } from './instant.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function newId(): string {
  return randomUUID();
}

/**
 * For rows that come by the million (UUIDv7, RFC 9562): those of one time lie side by side in every index, where random ids would
 * each change a page of their own. Says when it was drawn; what follows is random.
 */
export function newOrderedId(at: Instant): string {
  if (at !== latest.at) latest = { at, head: headOf(at) };
  return latest.head + randomUUID().slice(15);
}

/** Many are drawn at one time. */
let latest: { readonly at: Instant | null; readonly head: string } = { at: null, head: '' };

function headOf(at: Instant): string {
  const millis = BigInt.asUintN(48, at.epochMicros / 1000n).toString(16).padStart(12, '0');
  return `${millis.slice(0, 8)}-${millis.slice(8)}-7`;
}

/** True for text that PostgreSQL can hold in a `uuid` column; everything else names nothing that exists. */
export function isUuid(text: unknown): text is string {
  return typeof text === 'string' && UUID.test(text);
}
