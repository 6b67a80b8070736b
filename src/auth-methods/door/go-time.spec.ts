import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Instant } from '../../kernel/instant.js';
import { parseGoTime, toGoTime } from './go-time.js';

const LAYOUT = '"2006-01-02T15:04:05.999999999Z07:00"';
const read = (text: string): string | undefined => parseGoTime(text)?.toRfc3339();

describe('a time of Go', () => {
  it('reads back what it writes, to the microsecond', () => {
    const range = { min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n };
    fc.assert(
      fc.property(fc.bigInt(range), (micros) => {
        const instant = Instant.fromEpochMicros(micros);
        expect(parseGoTime(toGoTime(instant))?.epochMicros).toBe(micros);
      }),
    );
  });

  it.each([
    ['2024-02-20T13:39:14Z', '2024-02-20T13:39:14.000000Z', '2024-02-20T13:39:14Z'],
    ['2024-02-20T13:39:14.5Z', '2024-02-20T13:39:14.500000Z', '2024-02-20T13:39:14.500Z'],
    ['2024-02-20T13:39:14.000001Z', '2024-02-20T13:39:14.000001Z', '2024-02-20T13:39:14.000001Z'],
    ['2024-02-20T13:39:14.123456789Z', '2024-02-20T13:39:14.123456Z', '2024-02-20T13:39:14.123456Z'],
    ['2024-02-20T13:39:14,25Z', '2024-02-20T13:39:14.250000Z', '2024-02-20T13:39:14.250Z'],
    ['2024-02-20T13:39:14+02:00', '2024-02-20T11:39:14.000000Z', '2024-02-20T11:39:14Z'],
    ['2024-02-20T13:39:14-24:00', '2024-02-21T13:39:14.000000Z', '2024-02-21T13:39:14Z'],
    ['2024-02-29T9:00:00Z', '2024-02-29T09:00:00.000000Z', '2024-02-29T09:00:00Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000000Z', '0001-01-01T00:00:00Z'],
    ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'],
  ])('%s is %s and is written %s', (text, microseconds, written) => {
    expect(read(text)).toBe(microseconds);
    expect(toGoTime(parseGoTime(text) as Instant)).toBe(written);
  });

  it('is none outside the years 1 to 9999', () => {
    for (const text of ['0000-12-31T23:59:59Z', '0001-01-01T00:00:00+00:01', '9999-12-31T23:59:59-00:01']) expect(parseGoTime(text)).toBe(null);
  });

  it.each([
    ['tomorrow', ` as ${LAYOUT}: cannot parse "tomorrow" as "2006"`],
    ['', ` as ${LAYOUT}: cannot parse "" as "2006"`],
    ['2024', ` as ${LAYOUT}: cannot parse "" as "-"`],
    ['2024-1-02T00:00:00Z', ` as ${LAYOUT}: cannot parse "1-02T00:00:00Z" as "01"`],
    ['2024-01-01', ` as ${LAYOUT}: cannot parse "" as "T"`],
    ['2024-01-01 00:00:00Z', ` as ${LAYOUT}: cannot parse " 00:00:00Z" as "T"`],
    ['2024-01-01T00:00Z', ` as ${LAYOUT}: cannot parse "Z" as ":"`],
    ['2024-01-01T00:00:00', ` as ${LAYOUT}: cannot parse "" as "Z07:00"`],
    ['2024-01-01T00:00:00z', ` as ${LAYOUT}: cannot parse "z" as "Z07:00"`],
    ['2024-01-01T00:00:00+0200', ` as ${LAYOUT}: cannot parse "+0200" as "Z07:00"`],
    ['2024-13-01T00:00:00Z', ': month out of range'],
    ['2024-01-01T24:00:00Z', ': hour out of range'],
    ['2024-01-01T00:60:00Z', ': minute out of range'],
    ['2024-06-30T23:59:60Z', ': second out of range'],
    ['2023-02-29T00:00:00Z', ': day out of range'],
    ['2024-01-00T00:00:00Z', ': day out of range'],
    ['2024-01-01T00:00:00+25:00', ': time zone offset hour out of range'],
    ['2024-01-01T00:00:00Zx', ': extra text: "x"'],
  ])('names the fault of %j as Go does', (text, fault) => {
    expect(() => parseGoTime(text)).toThrow(`parsing time "${text}"${fault}`);
  });

  it('quotes what is not printable ASCII byte by byte', () => {
    expect(() => parseGoTime('é"\n\\')).toThrow('parsing time "\\xc3\\xa9\\"\\x0a\\\\" as ');
  });
});
