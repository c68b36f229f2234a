// What XML-RPC values are in JavaScript, beside JavaScript's own types.

/** What a decoded document holds, when no contract says more. */
export type XmlRpcValue =
  | number
  | bigint
  | boolean
  | string
  | null
  | Date
  | NaiveDateTime
  | Uint8Array
  | XmlRpcDouble
  | XmlRpcValue[]
  | { [name: string]: XmlRpcValue };

/** A number that goes as a `double`, whatever its value. Made by `double(21)`. */
export class XmlRpcDouble {
  readonly value: number;

  /** @throws TypeError for what is no number */
  constructor(value: number) {
    if (typeof value !== "number") throw new TypeError(`double takes a number, not ${typeof value}`);
    this.value = value;
  }

  valueOf(): number {
    return this.value;
  }
}

/** The parts of a date and time, named as Temporal names them. */
export interface DateTimeParts {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  readonly hour?: number | undefined;
  readonly minute?: number | undefined;
  readonly second?: number | undefined;
  readonly millisecond?: number | undefined;
  readonly microsecond?: number | undefined;
  readonly nanosecond?: number | undefined;
}

/**
 * A date and time of no zone, which is what `dateTime.iso8601` says by itself. Its parts and its text are those of
 * `Temporal.PlainDateTime`, so `Temporal.PlainDateTime.from(String(naive))` is the same time.
 */
export class NaiveDateTime implements Required<DateTimeParts> {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly millisecond: number;
  readonly microsecond: number;
  readonly nanosecond: number;

  /** @throws RangeError for a time that no calendar has, such as February 30 */
  constructor(parts: DateTimeParts) {
    this.year = part(parts.year, "year", 0, 9999);
    this.month = part(parts.month, "month", 1, 12);
    this.day = part(parts.day, "day", 1, daysOf(this.year, this.month));
    this.hour = part(parts.hour ?? 0, "hour", 0, 23);
    this.minute = part(parts.minute ?? 0, "minute", 0, 59);
    this.second = part(parts.second ?? 0, "second", 0, 59);
    this.millisecond = part(parts.millisecond ?? 0, "millisecond", 0, 999);
    this.microsecond = part(parts.microsecond ?? 0, "microsecond", 0, 999);
    this.nanosecond = part(parts.nanosecond ?? 0, "nanosecond", 0, 999);
  }

  /** The instant that this time is in a zone. Parts of a millisecond are dropped: `Date` has none. */
  toDate(zone: "utc" | "local"): Date {
    const date = new Date(0);
    if (zone === "utc") {
      date.setUTCFullYear(this.year, this.month - 1, this.day);
      date.setUTCHours(this.hour, this.minute, this.second, this.millisecond);
    } else {
      date.setFullYear(this.year, this.month - 1, this.day);
      date.setHours(this.hour, this.minute, this.second, this.millisecond);
    }
    return date;
  }

  /** What clocks of a zone show at an instant. */
  static of(date: Date, zone: "utc" | "local"): NaiveDateTime {
    return zone === "utc"
      ? new NaiveDateTime({
          year: date.getUTCFullYear(),
          month: date.getUTCMonth() + 1,
          day: date.getUTCDate(),
          hour: date.getUTCHours(),
          minute: date.getUTCMinutes(),
          second: date.getUTCSeconds(),
          millisecond: date.getUTCMilliseconds(),
        })
      : new NaiveDateTime({
          year: date.getFullYear(),
          month: date.getMonth() + 1,
          day: date.getDate(),
          hour: date.getHours(),
          minute: date.getMinutes(),
          second: date.getSeconds(),
          millisecond: date.getMilliseconds(),
        });
  }

  /** Nanoseconds within the second. */
  get fraction(): number {
    return this.millisecond * 1_000_000 + this.microsecond * 1_000 + this.nanosecond;
  }

  /** Such as `1998-07-17T14:08:55`, with as many digits of a fraction as there are. */
  toString(): string {
    const { year, month, day, hour, minute, second, fraction } = this;
    const digits = fraction === 0 ? "" : `.${pad(fraction, 9).replace(/0+$/, "")}`;
    return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}T${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}${digits}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

function part(value: number, name: string, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`the ${name} of a date must be an integer from ${least} to ${most}, not ${value}`);
  }
  return value;
}

function daysOf(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, "0");
}
