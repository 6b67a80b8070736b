import { Instant } from '../../kernel/instant.js';
import { fault, notUnicode, type Outcome, type PydanticType } from './pydantic.js';

/** Numbers beyond this, either way, count milliseconds. */
const SECONDS_MAX = 20_000_000_000;
const YEAR_0 = -62_167_219_200;
const YEAR_1 = -62_135_596_800;
const YEAR_10000 = 253_402_300_800;
const YEAR_0_FAULT = 'year 0 is out of range';
const YEAR_10000_FAULT = 'year 10000 is out of range';
const TOO_LATE = 'dates after 9999 are not supported as unix timestamps';
const TOO_EARLY = 'dates before 0000 are not supported as unix timestamps';
const DATE_LENGTH = 10;
const TIME = /^[Tt_ ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:[Zz]|([+\-\u2212])(\d\d):?(\d\d))?$/;
const DECIMAL = /^[+-]?(?:\d+|(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?)$/;

interface Day {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/**
 * A date and time, a date alone (its midnight) or a Unix time in seconds or milliseconds. What names no zone is UTC;
 * what is finer than microseconds is cut.
 */
export const datetime: PydanticType<Instant> = (input) => {
  if (typeof input === 'number') return fromTimestamp(input, input);
  if (typeof input !== 'string') return fault('datetime_type', 'Input should be a valid datetime', input);
  if (!input.isWellFormed()) return notUnicode(input);
  return fromNumber(input) ?? fromDate(input);
};

/** As Pydantic writes a datetime: no fraction, or six digits of it. */
export function toPydanticDatetime(instant: Instant): string {
  return instant.toRfc3339(instant.fraction === '000000' ? 0 : 6);
}

/** Null where the text is no number, or one that Pydantic does not even take for a time. */
function fromNumber(text: string): Outcome<Instant> | null {
  if (!DECIMAL.test(text)) return null;
  const number = Number(text);
  const error = rangeFault(number);
  if (error === null || error === YEAR_0_FAULT) return fromTimestamp(number, text);
  const isInteger64 = !text.includes('.') && Math.abs(number) < 2 ** 63;
  return isInteger64 ? notADate(text, error) : null;
}

/** What is no datetime is judged as a date, and its faults are told as those of a date. */
function fromDate(text: string): Outcome<Instant> {
  const day = readDay(text);
  if (typeof day === 'string') return notADate(text, day);
  const time = text.length === DATE_LENGTH ? [] : TIME.exec(text.slice(DATE_LENGTH));
  return (time && fromWallTime(text, day, time)) ?? notADate(text, 'unexpected extra characters at the end of the input');
}

/** The date a text begins with, or what is wrong with it. */
function readDay(text: string): Day | string {
  const bytes = Buffer.from(text).toString('latin1');
  if (bytes.length < DATE_LENGTH) return 'input is too short';
  const [year, month, day] = [bytes.slice(0, 4), bytes.slice(5, 7), bytes.slice(8, 10)];
  if (!/^\d{4}$/.test(year)) return 'invalid character in year';
  if (bytes[4] !== '-') return 'invalid date separator, expected `-`';
  if (!/^\d\d$/.test(month)) return 'invalid character in month';
  if (bytes[7] !== '-') return 'invalid date separator, expected `-`';
  if (!/^\d\d$/.test(day)) return 'invalid character in day';
  if (Number(month) < 1 || Number(month) > 12) return 'month value is outside expected range of 1-12';
  if (Number(day) < 1 || Number(day) > daysIn(Number(year), Number(month))) return 'day value is outside expected range';
  return { year: Number(year), month: Number(month), day: Number(day) };
}

function daysIn(year: number, month: number): number {
  const last = new Date(0);
  last.setUTCFullYear(year, month, 0);
  return last.getUTCDate();
}

/** Null where the time of day or its offset does not exist. */
function fromWallTime(text: string, day: Day, [, hour = '0', minute = '0', second = '0', fraction, sign, offsetHours = '0', offsetMinutes = '0']: readonly string[]): Outcome<Instant> | null {
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null;
  if (Number(offsetHours) > 23 || Number(offsetMinutes) > 59) return null;
  const offset = (Number(offsetHours) * 60 + Number(offsetMinutes)) * (sign === '+' || sign === undefined ? 1 : -1);
  const instant = Instant.fromWallTime({
    ...day,
    hour: Number(hour),
    minute: Number(minute),
    second: Number(second),
    fraction,
    offsetMinutes: offset,
  });
  // Pydantic judges the year as it is written; here it must be one in UTC too.
  return instant ? { value: instant } : outOfRange(text, day.year === 9999 ? YEAR_10000_FAULT : YEAR_0_FAULT);
}

function fromTimestamp(timestamp: number, input: unknown): Outcome<Instant> {
  if (Number.isNaN(timestamp)) return outOfRange(input, 'NaN values not permitted');
  const error = rangeFault(timestamp);
  if (error !== null) return outOfRange(input, error);
  const whole = Math.floor(timestamp);
  const micros = Math.round((timestamp - whole) * (isMillis(timestamp) ? 1_000 : 1_000_000));
  return { value: Instant.fromEpochMicros(BigInt(whole) * (isMillis(timestamp) ? 1_000n : 1_000_000n) + BigInt(micros)) };
}

function rangeFault(timestamp: number): string | null {
  const seconds = isMillis(timestamp) ? timestamp / 1000 : timestamp;
  if (seconds >= YEAR_10000) return TOO_LATE;
  if (seconds < YEAR_0) return TOO_EARLY;
  return seconds < YEAR_1 ? YEAR_0_FAULT : null;
}

function isMillis(timestamp: number): boolean {
  return Math.abs(Math.trunc(timestamp)) > SECONDS_MAX;
}

function outOfRange(input: unknown, error: string): Outcome<Instant> {
  return fault('datetime_parsing', `Input should be a valid datetime, ${error}`, input, { error });
}

function notADate(text: string, error: string): Outcome<Instant> {
  return fault('datetime_from_date_parsing', `Input should be a valid datetime or date, ${error}`, text, { error });
}
