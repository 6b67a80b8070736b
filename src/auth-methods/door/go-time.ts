import { Instant, type WallTime } from '../../kernel/instant.js';

const LAYOUT = '2006-01-02T15:04:05.999999999Z07:00';

/** Why a text is no time, in the words of Go's time.Parse. */
export class GoTimeError extends Error {}

/**
 * Reads a time as Go reads RFC 3339 with nanoseconds: it forgives a comma before the fraction and an hour of one
 * digit. What lies beyond microseconds is cut. Null for a time outside the years 1 to 9999; throws `GoTimeError`
 * for what is no time.
 */
export function parseGoTime(text: string): Instant | null {
  const { offsetMinutes, ...wall } = new Reading(text).wallTime();
  const local = Instant.fromWallTime(wall);
  const instant = local?.plusSeconds(-offsetMinutes * 60);
  if (!instant) return null;
  return instant.isBefore(FIRST) || LAST.isBefore(instant) ? null : instant;
}

const FIRST = Instant.fromEpochSeconds(-62_135_596_800);
const LAST = Instant.fromEpochSeconds(253_402_300_800).plusSeconds(-0.000001);

/** `2024-02-20T13:39:14Z` with a fraction of 0, 3 or 6 digits: as many groups of three as it takes. */
export function toGoTime(instant: Instant): string {
  if (instant.fraction === '000000') return instant.toRfc3339(0);
  return instant.toRfc3339(instant.fraction.endsWith('000') ? 3 : 6);
}

/** Goes through the layout piece by piece, so that a fault is named as Go names it. */
class Reading {
  private rest: string;

  constructor(private readonly text: string) {
    this.rest = text;
  }

  wallTime(): Required<WallTime> {
    const year = this.number('2006', 4, 4);
    this.mark('-');
    const month = this.number('01', 2, 2, { name: 'month', min: 1, max: 12 });
    this.mark('-');
    const day = this.number('02', 2, 2);
    this.mark('T');
    const hour = this.number('15', 1, 2, { name: 'hour', min: 0, max: 23 });
    this.mark(':');
    const minute = this.number('04', 2, 2, { name: 'minute', min: 0, max: 59 });
    this.mark(':');
    const second = this.number('05', 2, 2, { name: 'second', min: 0, max: 59 });
    const fraction = this.take(/^[.,](\d+)/)?.[1] ?? '';
    const offsetMinutes = this.offset();
    if (this.rest !== '') this.fault(`: extra text: ${quote(this.rest)}`);
    if (day < 1 || day > daysIn(year, month)) this.fault(': day out of range');
    return { year, month, day, hour, minute, second, fraction, offsetMinutes };
  }

  private number(layout: string, digitsMin: number, digitsMax: number, range?: { name: string; min: number; max: number }): number {
    const digits = this.take(new RegExp(`^\\d{${digitsMin},${digitsMax}}`))?.[0] ?? this.cannotParse(layout);
    const value = Number(digits);
    if (range && (value < range.min || value > range.max)) this.fault(`: ${range.name} out of range`);
    return value;
  }

  private mark(separator: string): void {
    if (!this.rest.startsWith(separator)) this.cannotParse(separator);
    this.rest = this.rest.slice(1);
  }

  private offset(): number {
    if (this.take(/^Z/)) return 0;
    const [, sign, hours, minutes] = this.take(/^([+-])(\d\d):(\d\d)/) ?? this.cannotParse('Z07:00');
    // Go's bounds: some people do write offsets of 24 hours or 60 minutes.
    if (Number(minutes) > 60) this.fault(': time zone offset minute out of range');
    if (Number(hours) > 24) this.fault(': time zone offset hour out of range');
    return (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  }

  private take(pattern: RegExp): RegExpExecArray | null {
    const match = pattern.exec(this.rest);
    if (match) this.rest = this.rest.slice(match[0].length);
    return match;
  }

  private cannotParse(layout: string): never {
    return this.fault(` as ${quote(LAYOUT)}: cannot parse ${quote(this.rest)} as ${quote(layout)}`);
  }

  private fault(what: string): never {
    throw new GoTimeError(`parsing time ${quote(this.text)}${what}`);
  }
}

function daysIn(year: number, month: number): number {
  const isLeapYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeapYear ? 29 : [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
}

/** Go's quotes: every byte that is not printable ASCII as `\x…`. */
function quote(text: string): string {
  const bytes = [...Buffer.from(text)].map((byte) => {
    if (byte < 0x20 || byte >= 0x80) return `\\x${byte.toString(16).padStart(2, '0')}`;
    const character = String.fromCharCode(byte);
    return character === '"' || character === '\\' ? `\\${character}` : character;
  });
  return `"${bytes.join('')}"`;
}
