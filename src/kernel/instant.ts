const MICROS_PER_SECOND = 1_000_000n;
const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2})(?::?(\d{2}))?)$/;

/** Where requests come fast, one second is written out many times: that of now, and that in which what is made now ends. */
const written = new Map<number, string>();
const WRITTEN_MAX = 100;

export interface WallTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** Digits after the decimal point; what lies beyond microseconds is cut. */
  readonly fraction?: string;
  readonly offsetMinutes?: number;
}

/** A point in time with the precision of PostgreSQL's timestamptz(6): microseconds, from year 1 to year 9999. */
export class Instant {
  /** Written out many times where requests come fast. */
  #text: string | undefined;

  private constructor(readonly epochMicros: bigint) {}

  static fromEpochMicros(epochMicros: bigint): Instant {
    return new Instant(epochMicros);
  }

  static fromEpochMillis(epochMillis: number): Instant {
    return new Instant(BigInt(Math.trunc(epochMillis)) * 1000n);
  }

  static fromEpochSeconds(epochSeconds: number): Instant {
    return Instant.fromEpochMillis(epochSeconds * 1000);
  }

  /** Null where the fields name no real day, time or offset, or leave years 1 to 9999. */
  static fromWallTime(wall: WallTime): Instant | null {
    const { year, month, day, hour, minute, second, offsetMinutes = 0 } = wall;
    const calendar = new Date(0);
    calendar.setUTCFullYear(year, month - 1, day);
    const isRealDay = calendar.getUTCMonth() === month - 1 && calendar.getUTCDate() === day;
    if (year < 1 || !isRealDay || hour > 23 || minute > 59 || second > 59 || Math.abs(offsetMinutes) >= 24 * 60) return null;
    const seconds = BigInt(calendar.getTime() / 1000) + BigInt(hour * 3600 + (minute - offsetMinutes) * 60 + second);
    const micros = BigInt((wall.fraction ?? '').slice(0, 6).padEnd(6, '0'));
    const instant = new Instant(seconds * MICROS_PER_SECOND + micros);
    const utcYear = new Date(Number(seconds) * 1000).getUTCFullYear();
    return utcYear < 1 || utcYear > 9999 ? null : instant;
  }

  /** Reads RFC 3339 text and PostgreSQL's own spelling of a timestamptz; null for anything else. */
  static parse(text: string): Instant | null {
    const match = RFC_3339.exec(text);
    if (!match) return null;
    const [, year, month, day, hour, minute, second, fraction, sign, offsetHours = '0', offsetRest = '0'] = match;
    if (Number(offsetHours) > 23 || Number(offsetRest) > 59) return null;
    const offset = (Number(offsetHours) * 60 + Number(offsetRest)) * (sign === '-' ? -1 : 1);
    return Instant.fromWallTime({
      year: Number(year),
      month: Number(month),
      day: Number(day),
      hour: Number(hour),
      minute: Number(minute),
      second: Number(second),
      fraction,
      offsetMinutes: offset,
    });
  }

  plusSeconds(seconds: number): Instant {
    return new Instant(this.epochMicros + BigInt(Math.round(seconds * 1_000_000)));
  }

  isBefore(other: Instant): boolean {
    return this.epochMicros < other.epochMicros;
  }

  equals(other: Instant): boolean {
    return this.epochMicros === other.epochMicros;
  }

  static earliest(...instants: readonly (Instant | null)[]): Instant | null {
    const known = instants.filter((instant): instant is Instant => instant !== null);
    return known.reduce<Instant | null>((first, next) => (first && first.isBefore(next) ? first : next), null);
  }

  /** Whole seconds from `earlier` to this, rounded down; negative when this comes first. */
  secondsSince(earlier: Instant): number {
    const micros = this.epochMicros - earlier.epochMicros;
    const whole = micros / MICROS_PER_SECOND;
    return Number(micros < 0n && micros % MICROS_PER_SECOND !== 0n ? whole - 1n : whole);
  }

  get epochSeconds(): number {
    return this.secondsSince(new Instant(0n));
  }

  /** Microseconds within the second, always six digits. */
  get fraction(): string {
    const rest = this.epochMicros % MICROS_PER_SECOND;
    return String(rest < 0n ? rest + MICROS_PER_SECOND : rest).padStart(6, '0');
  }

  /** `2026-11-22T02:08:31`, in UTC, without fraction or zone. */
  get wallClock(): string {
    const { epochSeconds } = this;
    const known = written.get(epochSeconds);
    if (known !== undefined) return known;
    if (written.size === WRITTEN_MAX) written.clear();
    const text = new Date(epochSeconds * 1000).toISOString().slice(0, 19);
    written.set(epochSeconds, text);
    return text;
  }

  /** RFC 3339 in UTC with exactly so many digits of fraction; what is left over is cut, not rounded. */
  toRfc3339(digits: 0 | 3 | 6 = 6): string {
    if (digits === 6) return (this.#text ??= `${this.wallClock}.${this.fraction}Z`);
    return digits === 0 ? `${this.wallClock}Z` : `${this.wallClock}.${this.fraction.slice(0, digits)}Z`;
  }

  toJSON(): string {
    return this.toRfc3339(6);
  }

  /** How `pg` sends this value. */
  toPostgres(): string {
    return this.toRfc3339(6);
  }
}
