import { createHash } from 'node:crypto';
import type { Instant } from '../instant.js';

/** A strong entity tag (RFC 9110 section 8.8.3) of what changes whenever this instant does. */
export function toEntityTag(updatedAt: Instant): string {
  return `"${updatedAt.epochMicros.toString(36)}"`;
}

/** A strong entity tag of what consists of this and nothing else. */
export function entityTagOf(content: unknown): string {
  return `"${createHash('sha256').update(JSON.stringify(content)).digest('base64url').slice(0, 27)}"`;
}

/**
 * What `If-Match` asks for (RFC 9110 section 13.1.1): true where none was sent or it names the current state. Compared
 * strongly, so a weak tag never does.
 */
export function matches(ifMatch: string | undefined, updatedAt: Instant): boolean {
  return namesTag(ifMatch, toEntityTag(updatedAt));
}

/** The same for a tag. */
export function namesTag(ifMatch: string | undefined, tag: string): boolean {
  if (ifMatch === undefined || ifMatch.trim() === '*') return true;
  return ifMatch.split(',').some((each) => each.trim() === tag);
}
