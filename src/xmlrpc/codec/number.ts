// Numbers as text, both ways. What the specification of 1998 says of them: a sign and digits; a double has a period and
// no exponent.

const least32 = -0x8000_0000;
const most32 = 0x7fff_ffff;

/** Why a text is not a value of its type. */
export class ScalarError extends Error {}

/** Whether a number goes as an integer of 32 bits. `-0` does not: an integer has no sign of its own. */
export function isInt32(value: number): boolean {
  return (value | 0) === value && !Object.is(value, -0);
}

/**
 * The integer that a text says.
 *
 * @param bits of its range
 * @throws ScalarError for anything but a sign and digits, or beyond the range
 */
export function parseInteger(text: string, type: string, bits: 8 | 16 | 32): number {
  if (bits === 32 && text.length < 10) {
    const short = shortInteger(text);
    if (short >= 0) return short;
  }
  if (!/^[+-]?[0-9]+$/.test(text)) throw notA(type, text);
  // Adding zero makes -0 an ordinary one.
  const value = Number(text) + 0;
  const most = 2 ** (bits - 1);
  if (value < -most || value >= most) throw new ScalarError(`${shorten(text)} does not fit ${type}, of ${bits} bits`);
  return value;
}

/** Nine digits fit whatever they are; -1 for anything else. Most integers are such, and this takes a third of the time. */
function shortInteger(text: string): number {
  if (text.length === 0) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** The same for 64 bits. */
export function parseInteger64(text: string, type: string): bigint {
  const value = parseBigInteger(text, type);
  if (value !== BigInt.asIntN(64, value)) throw new ScalarError(`${shorten(text)} does not fit ${type}, of 64 bits`);
  return value;
}

/** The same for any length; how long the text may be is the caller's matter. */
export function parseBigInteger(text: string, type: string): bigint {
  if (!/^[+-]?[0-9]+$/.test(text)) throw notA(type, text);
  return BigInt(text.startsWith("+") ? text.slice(1) : text);
}

/** A decimal number of any length, which stays the text that it is. */
export function checkDecimal(text: string, type: string): string {
  if (!/^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(text)) throw notA(type, text);
  return text;
}

const notFinite: ReadonlyMap<string, number> = new Map([
  ["nan", Number.NaN],
  ["inf", Number.POSITIVE_INFINITY],
  ["infinity", Number.POSITIVE_INFINITY],
]);

/**
 * The double that a text says.
 *
 * @param strict without an exponent, and with a period, as the specification has it
 * @param nonFinite whether NaN and the infinities are numbers too
 */
export function parseDouble(text: string, type: string, strict: boolean, nonFinite: boolean): number {
  const form = strict ? /^[+-]?([0-9]+\.[0-9]*|\.[0-9]+)$/ : /^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$/;
  if (form.test(text)) {
    const value = Number(text);
    if (Number.isFinite(value)) return value;
    throw new ScalarError(`${shorten(text)} is beyond the range of ${type}`);
  }
  const known = notFinite.get(text.toLowerCase().replace(/^[+-]/, ""));
  if (known === undefined) throw notA(type, text);
  if (!nonFinite) throw new ScalarError(`${shorten(text)} is no ${type}; the option nonFinite takes it`);
  return text.startsWith("-") ? -known : known;
}

/** A number as a sign, digits, a period and digits: JavaScript's shortest text for it without its exponent. */
export function printDouble(value: number): string {
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  if (!text.includes("e")) return text.includes(".") ? text : `${text}.0`;
  const [mantissa, exponent] = text.split("e") as [string, string];
  const sign = mantissa.startsWith("-") ? "-" : "";
  const [whole, fraction = ""] = mantissa.slice(sign.length).split(".") as [string, string?];
  const digits = whole + fraction;
  // Where the period stands among the digits: before all of them, or behind all of them.
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  return `${sign}${digits}${"0".repeat(point - digits.length)}.0`;
}

/** What the message says when a whole number is too large for an `int`. */
export function isWithin32(value: number): boolean {
  return value >= least32 && value <= most32;
}

export function notA(type: string, text: string): ScalarError {
  return new ScalarError(text === "" ? `an empty ${type}` : `${shorten(text)} is no ${type}`);
}

/** A text in a message. */
export function shorten(text: string): string {
  return text.length > 40 ? `a text of ${text.length} characters` : JSON.stringify(text);
}
