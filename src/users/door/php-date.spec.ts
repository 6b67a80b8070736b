import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Instant } from '../../kernel/instant.js';
import { faultOfPhpDate, parsePhpDate, toPhpDate } from './php-date.js';

describe('a date-time of PHP', () => {
  it('reads back what it writes, to the second', () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }), (seconds) => {
        expect(parsePhpDate(toPhpDate(Instant.fromEpochSeconds(seconds)))?.epochSeconds).toBe(seconds);
      }),
    );
  });

  it.each([
    ['2031-01-01T00:00:00+00:00', '2031-01-01T00:00:00+00:00'],
    ['2031-01-01T00:00:00Z', '2031-01-01T00:00:00+00:00'],
    ['2031-01-01t02:30:00+02:30', '2031-01-01T00:00:00+00:00'],
    ['2031-01-01T00:00:00.999999Z', '2031-01-01T00:00:00+00:00'],
    ['1969-12-31T23:59:59.5Z', '1969-12-31T23:59:59+00:00'],
  ])('%s is written %s', (text, written) => {
    expect(toPhpDate(parsePhpDate(text) as Instant)).toBe(written);
    expect(faultOfPhpDate(text)).toBe(null);
  });

  it.each([
    ['', 'The data is either not an string, an empty string, or null;'],
    [' ', 'The data is either not an string, an empty string, or null;'],
    ['nonsense', 'DateTimeImmutable::__construct(): Failed to parse time string (nonsense) at position 0 (n): The timezone could not be found in the database'],
    ['2031-02-30T00:00:00Z', 'The value of the "expiresAt" attribute is not a valid date-time'],
    ['2031-01-01', 'The value of the "expiresAt" attribute is not a valid date-time'],
  ])('names the fault of %j', (text, fault) => {
    expect(parsePhpDate(text)).toBe(null);
    expect(faultOfPhpDate(text)).toMatch(new RegExp(`^${fault.replace(/[().]/g, '\\$&')}`));
  });
});
