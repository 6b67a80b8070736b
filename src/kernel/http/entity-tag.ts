import type { Instant } from '../instant.js';

/** A strong entity tag (RFC 9110 section 8.8.3) of what changes whenever this instant does. */
export function toEntityTag(updatedAt: Instant): string {
  return `"${updatedAt.epochMicros.toString(36)}"`;
}

/**
 * What `If-Match` asks for (RFC 9110 section 13.1.1): true where none was sent or it names the current state. Compared
 * strongly, so a weak tag never does.
 */
export function matches(ifMatch: string | undefined, updatedAt: Instant): boolean {
  if (ifMatch === undefined || ifMatch.trim() === '*') return true;
  return ifMatch.split(',').some((tag) => tag.trim() === toEntityTag(updatedAt));
}
