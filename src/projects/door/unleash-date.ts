import { Instant } from '../../kernel/instant.js';

const ZONE = /(?:z|[+-]\d\d(?::?\d\d)?)$/i;

/** A date-time as Unleash writes it: UTC with milliseconds. */
export function toUnleashDate(instant: Instant): string {
  return instant.toRfc3339(3);
}

/** Reads RFC 3339, and as Unleash does, text without a zone as UTC; what lies beyond milliseconds is cut. */
export function parseUnleashDate(text: string): Instant | null {
  const instant = Instant.parse(ZONE.test(text) ? text : `${text}Z`);
  return instant && Instant.parse(instant.toRfc3339(3));
}
