import { Instant } from '../../kernel/instant.js';

/** A date-time as PHP's DATE_ATOM writes it: `2021-01-01T00:00:00+00:00`. */
export function toPhpDate(instant: Instant): string {
  return `${instant.wallClock}+00:00`;
}

/** Reads RFC 3339; the fraction is dropped, for the dialect has none. */
export function parsePhpDate(text: string): Instant | null {
  const instant = Instant.parse(text);
  return instant && Instant.fromEpochSeconds(instant.epochSeconds);
}
