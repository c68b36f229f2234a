// dateTime.iso8601, both ways. The specification of 1998 has one form, 19980717T14:08:55, and says that it has no zone.

import { notA, ScalarError, shorten } from "./number.js";
import type { Dates } from "./options.js";
import { NaiveDateTime } from "./value.js";

const strictForm = /^(\d{4})(\d\d)(\d\d)T(\d\d):(\d\d):(\d\d)$/;
/** With dashes or without, colons or without, parts of a second, a zone. */
const compatForm =
  /^(\d{4})(-?)(\d\d)\2(\d\d)T(\d\d)(:?)(\d\d)\6(\d\d)(?:[.,](\d{1,9}))?(?:(Z)|([+-])(\d\d)(?::?(\d\d))?)?$/;

/**
 * The time that a text says: an instant where it has a zone, and otherwise what `dates` makes of it.
 *
 * @throws ScalarError for a text of another form, and for a time that no calendar has
 */
export function parseDateTime(
  text: string,
  type: string,
  strict: boolean,
  dates: Dates,
): Date | NaiveDateTime | string {
  if (dates === "text") return text;
  const { naive, offset } = strict ? readStrict(text, type) : readCompat(text, type);
  if (offset !== undefined) return new Date(naive.toDate("utc").getTime() - offset * 60_000);
  if (dates === "naive") return naive;
  if (dates !== "local") return naive.toDate("utc");
  const date = naive.toDate("local");
  // In spring clocks skip an hour, and JavaScript would move a time in it.
  if (date.getHours() === naive.hour && date.getMinutes() === naive.minute) return date;
  throw new ScalarError(`${shorten(text)} does not exist in the zone of this process`);
}

/** A time and its zone's offset in minutes. */
interface Read {
  readonly naive: NaiveDateTime;
  readonly offset: number | undefined;
}

function readStrict(text: string, type: string): Read {
  const [, year, month, day, hour, minute, second] = strictForm.exec(text) ?? fail(type, text);
  return { naive: naiveOf(text, [year, month, day, hour, minute, second], ""), offset: undefined };
}

function readCompat(text: string, type: string): Read {
  const found = compatForm.exec(text) ?? fail(type, text);
  const [, year, , month, day, hour, , minute, second, fraction = "", utc, sign, hours, minutes = "0"] = found;
  const naive = naiveOf(text, [year, month, day, hour, minute, second], fraction);
  if (utc !== undefined) return { naive, offset: 0 };
  if (sign === undefined) return { naive, offset: undefined };
  if (Number(hours) > 23 || Number(minutes) > 59) throw new ScalarError(`${shorten(text)} has a zone that cannot be`);
  const offset = Number(hours) * 60 + Number(minutes);
  return { naive, offset: sign === "-" ? -offset : offset };
}

function naiveOf(text: string, parts: readonly (string | undefined)[], fraction: string): NaiveDateTime {
  const [year, month, day, hour, minute, second] = parts.map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const digits = fraction.padEnd(9, "0");
  try {
    return new NaiveDateTime({
      year,
      month,
      day,
      hour,
      minute,
      second,
      millisecond: Number(digits.slice(0, 3)),
      microsecond: Number(digits.slice(3, 6)),
      nanosecond: Number(digits.slice(6)),
    });
  } catch (error) {
    throw new ScalarError(`${shorten(text)} is no time: ${(error as RangeError).message}`);
  }
}

function fail(type: string, text: string): never {
  throw notA(type, text);
}

/**
 * A time in the form of the specification, with parts of a second behind it where there are any.
 *
 * @param zone what is written behind it
 */
export function printDateTime(time: NaiveDateTime, zone: "" | "Z"): string {
  const [date = "", clock = ""] = time.toString().split("T");
  return `${date.replaceAll("-", "")}T${clock}${zone}`;
}
