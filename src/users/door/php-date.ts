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

/** Why a text is no date-time, in the words of Symfony and PHP where they have some; null where it is one. */
export function faultOfPhpDate(text: string): string | null {
  if (parsePhpDate(text)) return null;
  if (text.trim() === '') {
    return 'The data is either not an string, an empty string, or null; you should pass a string that can be parsed with the passed format or a valid DateTime string.';
  }
  // A word that PHP does not know could still be the name of a time zone.
  if (/^[A-Za-z]/.test(text)) {
    return `DateTimeImmutable::__construct(): Failed to parse time string (${text}) at position 0 (${text.charAt(0)}): The timezone could not be found in the database`;
  }
  return 'The value of the "expiresAt" attribute is not a valid date-time: it must be like 2021-01-01T00:00:00+00:00.';
}
