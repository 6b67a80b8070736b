import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Instant } from './instant.js';

describe('Instant', () => {
  it.each([
    ['2026-11-22T02:08:31Z', '2026-11-22T02:08:31.000000Z'],
    ['2026-11-22 02:08:31.123456+00', '2026-11-22T02:08:31.123456Z'],
    ['2031-01-02T03:04:05+02:00', '2031-01-02T01:04:05.000000Z'],
    ['2031-01-02t03:04:05.1234567899z', '2031-01-02T03:04:05.123456Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000000Z'],
    ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'],
    ['1969-12-31T23:59:59.5-00:30', '1970-01-01T00:29:59.500000Z'],
  ])('reads %s', (text, expected) => {
    expect(Instant.parse(text)?.toRfc3339()).toBe(expected);
  });

  it.each(['', 'tomorrow', '2026-02-30T00:00:00Z', '2026-13-01T00:00:00Z', '2026-01-01', '2026-01-01T24:00:00Z', '2026-01-01T00:60:00Z',
    '0000-01-01T00:00:00Z', '9999-12-31T23:59:59-01:00', '+275760-09-13T00:00:00Z', '2026-01-01T00:00:00', '2026-01-01T00:00:00+24:00'])(
    'refuses %j',
    (text) => {
      expect(Instant.parse(text)).toBeNull();
    },
  );

  it('keeps every microsecond between year 1 and year 9999', () => {
    const micros = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n });
    fc.assert(fc.property(micros, (value) => {
      const instant = Instant.fromEpochMicros(value);
      expect(Instant.parse(instant.toRfc3339())?.epochMicros).toBe(value);
    }));
  });

  it('counts whole seconds downwards on both sides of 1970', () => {
    expect(Instant.parse('1969-12-31T23:59:58.5Z')?.epochSeconds).toBe(-2);
    expect(Instant.parse('1970-01-01T00:00:01.9Z')?.epochSeconds).toBe(1);
  });
});
