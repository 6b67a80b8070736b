import { describe, expect, it } from 'vitest';
import { Instant } from '../../kernel/instant.js';
import { datetime, toPydanticDatetime } from './pydantic-datetime.js';

function read(input: unknown): string {
  const outcome = datetime(input);
  return 'value' in outcome ? toPydanticDatetime(outcome.value) : outcome.faults.map(({ rule, message }) => `${rule}: ${message}`).join();
}

const DATE_FAULT = 'datetime_from_date_parsing: Input should be a valid datetime or date, ';
const FAULT = 'datetime_parsing: Input should be a valid datetime, ';

describe('datetime', () => {
  it.each([
    ['2024-01-01', '2024-01-01T00:00:00Z'],
    ['2024-02-29 10:30', '2024-02-29T10:30:00Z'],
    ['2024-01-01_10:30z', '2024-01-01T10:30:00Z'],
    ['2024-01-01t10:30:59Z', '2024-01-01T10:30:59Z'],
    ['2024-01-01T00:00:00.1', '2024-01-01T00:00:00.100000Z'],
    ['2024-01-01T00:00:00,1234567890123Z', '2024-01-01T00:00:00.123456Z'],
    ['2024-01-01T00:00:00+0200', '2023-12-31T22:00:00Z'],
    ['2024-01-01T00:00-23:59', '2024-01-01T23:59:00Z'],
    ['2024-01-01T00:00:00\u221202:00', '2024-01-01T02:00:00Z'],
    ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'],
  ])('reads %s as %s', (text, instant) => {
    expect(read(text)).toBe(instant);
  });

  it.each([
    [0, '1970-01-01T00:00:00Z'],
    ['20240101', '1970-08-23T06:15:01Z'],
    ['2024', '1970-01-01T00:33:44Z'],
    ['+1700000000', '2023-11-14T22:13:20Z'],
    ['-1.5', '1969-12-31T23:59:58.500000Z'],
    ['.5', '1970-01-01T00:00:00.500000Z'],
    ['1.7e9', '2023-11-14T22:13:20Z'],
    [1.9999995, '1970-01-01T00:00:01.999999Z'],
    [20_000_000_000, '2603-10-11T11:33:20Z'],
    [20_000_000_001, '1970-08-20T11:33:20.001000Z'],
    ['1700000000123', '2023-11-14T22:13:20.123000Z'],
    [1700000000123.456, '2023-11-14T22:13:20.123456Z'],
    ['253402300799999', '9999-12-31T23:59:59.999000Z'],
    [-62_135_596_800_000, '0001-01-01T00:00:00Z'],
  ])('reads the Unix time %s as %s', (input, instant) => {
    expect(read(input)).toBe(instant);
  });

  it.each([
    ['', 'input is too short'],
    ['1e9', 'input is too short'],
    ['.', 'input is too short'],
    ['2024-1-1', 'input is too short'],
    ['hello world', 'invalid character in year'],
    [' 2024-01-01', 'invalid character in year'],
    ['２０２４-01-01', 'invalid character in year'],
    ['2024/01/01', 'invalid date separator, expected `-`'],
    ['2024-01x01', 'invalid date separator, expected `-`'],
    ['20240101T000000Z', 'invalid date separator, expected `-`'],
    ['2024-0a-01', 'invalid character in month'],
    ['2024-é1-01', 'invalid character in month'],
    ['2024-01-0a', 'invalid character in day'],
    ['2024-13-01', 'month value is outside expected range of 1-12'],
    ['2024-00-45', 'month value is outside expected range of 1-12'],
    ['2023-02-29', 'day value is outside expected range'],
    ['2024-04-00', 'day value is outside expected range'],
    ['2024-01-01T', 'unexpected extra characters at the end of the input'],
    ['2024-01-01T00', 'unexpected extra characters at the end of the input'],
    ['2024-01-01T24:00', 'unexpected extra characters at the end of the input'],
    ['2024-01-01T00:60', 'unexpected extra characters at the end of the input'],
    ['2024-01-01T00:00:60Z', 'unexpected extra characters at the end of the input'],
    ['2024-01-01T00:00:00.Z', 'unexpected extra characters at the end of the input'],
    ['2024-01-01T00:00:00+24:00', 'unexpected extra characters at the end of the input'],
    ['2024-01-01T00:00:00+02:60', 'unexpected extra characters at the end of the input'],
    ['2024-01-01T00:00:00+02', 'unexpected extra characters at the end of the input'],
    ['2024-01-01T00:00:00Zx', 'unexpected extra characters at the end of the input'],
    ['2024-01-01 ', 'unexpected extra characters at the end of the input'],
    ['253402300800000', 'dates after 9999 are not supported as unix timestamps'],
    ['-62167219200001', 'dates before 0000 are not supported as unix timestamps'],
  ])('finds in %j: %s', (text, error) => {
    expect(read(text)).toBe(DATE_FAULT + error);
  });

  it.each([
    [1e20, 'dates after 9999 are not supported as unix timestamps'],
    [-1e20, 'dates before 0000 are not supported as unix timestamps'],
    [Infinity, 'dates after 9999 are not supported as unix timestamps'],
    [NaN, 'NaN values not permitted'],
    ['0000-01-01', 'year 0 is out of range'],
    ['-62135596800001', 'year 0 is out of range'],
  ])('finds in %s: %s', (input, error) => {
    expect(read(input)).toBe(FAULT + error);
  });

  it('takes no year that leaves 1 to 9999 in UTC', () => {
    expect(read('0001-01-01T00:00:00+23:59')).toBe(`${FAULT}year 0 is out of range`);
    expect(read('9999-12-31T23:59:59-23:59')).toBe(`${FAULT}year 10000 is out of range`);
  });

  it('takes nothing but text and numbers', () => {
    for (const value of [true, null, {}, []]) expect(read(value)).toBe('datetime_type: Input should be a valid datetime');
    expect(read('\ud800')).toMatch(/^string_unicode/);
  });
});

describe('toPydanticDatetime', () => {
  it('writes six digits of fraction, or none', () => {
    const second = Instant.fromEpochSeconds(0);
    expect([second, second.plusSeconds(0.5), second.plusSeconds(0.000001)].map(toPydanticDatetime)).toEqual([
      '1970-01-01T00:00:00Z',
      '1970-01-01T00:00:00.500000Z',
      '1970-01-01T00:00:00.000001Z',
    ]);
  });
});
