// What stands between the tags of a value without parts.

import { fromBase64 } from "../../bytes/base64.js";
import { parseDateTime } from "./date.js";
import {
  checkDecimal,
  notA,
  parseBigInteger,
  parseDouble,
  parseInteger,
  parseInteger64,
  ScalarError,
  shorten,
} from "./number.js";
import type { Settings } from "./options.js";
import type { XmlRpcValue } from "./value.js";

/** A type without parts, by the name of its element. */
export interface Scalar {
  /** Beyond the specification of 1998. */
  readonly extension: boolean;
  /** As long as a string, where other types have a few characters. */
  readonly long?: true;
  /** @throws ScalarError for a text that is no value of the type */
  parse(text: string, settings: Settings): XmlRpcValue;
}

function integer(type: string, bits: 8 | 16 | 32, extension: boolean): Scalar {
  return { extension, parse: (text) => parseInteger(text, type, bits) };
}

const i8: Scalar = {
  extension: true,
  parse(text, settings) {
    const value = parseInteger64(text, "i8");
    const number = Number(value);
    return settings.i8 === "number" && Number.isSafeInteger(number) ? number : value;
  },
};

const nil: Scalar = {
  extension: true,
  parse(text) {
    if (text !== "") throw new ScalarError(`a nil with content, ${shorten(text)}`);
    return null;
  },
};

const double: Scalar = {
  extension: false,
  parse: (text, { strict, nonFinite }) => parseDouble(text, "double", strict, nonFinite),
};

const base64: Scalar = {
  extension: false,
  long: true,
  parse(text, { strict }) {
    // MIME breaks lines (RFC 2045, section 6.8).
    let digits = /[ \t\r\n]/.test(text) ? text.replace(/[ \t\r\n]+/g, "") : text;
    if (!strict && digits.length % 4 > 1 && !digits.endsWith("=")) digits = digits.padEnd(digits.length + 1, "=");
    if (!strict && digits.length % 4 === 3) digits += "=";
    const bytes = fromBase64(digits);
    if (bytes === undefined) throw notA("base64", text);
    return bytes;
  },
};

const string: Scalar = { extension: false, long: true, parse: (text) => text };

const float: Scalar = {
  extension: true,
  parse: (text, { nonFinite }) => parseDouble(text, "float", false, nonFinite),
};

const dateTime: Scalar = {
  extension: true,
  parse: (text, { dates }) => parseDateTime(text, "ex:dateTime", false, dates),
};

/** The types without parts, by the names of their elements. */
export const scalars: ReadonlyMap<string, Scalar> = new Map<string, Scalar>([
  ["string", string],
  ["int", integer("int", 32, false)],
  ["i4", integer("i4", 32, false)],
  [
    "boolean",
    {
      extension: false,
      parse(text, { strict }) {
        if (text === "1" || (!strict && text === "true")) return true;
        if (text === "0" || (!strict && text === "false")) return false;
        throw notA("boolean", text);
      },
    },
  ],
  ["double", double],
  [
    "dateTime.iso8601",
    {
      extension: false,
      parse: (text, { strict, dates }) => parseDateTime(text, "dateTime.iso8601", strict, dates),
    },
  ],
  ["base64", base64],
  ["i8", i8],
  ["ex:i8", i8],
  ["nil", nil],
  ["ex:nil", nil],
  ["i1", integer("i1", 8, true)],
  ["ex:i1", integer("ex:i1", 8, true)],
  ["i2", integer("i2", 16, true)],
  ["ex:i2", integer("ex:i2", 16, true)],
  ["float", float],
  ["ex:float", float],
  ["ex:dateTime", dateTime],
  ...["biginteger", "ex:biginteger"].map((name): [string, Scalar] => [
    name,
    { extension: true, parse: (text) => parseBigInteger(text, name) },
  ]),
  ...["bigdecimal", "ex:bigdecimal"].map((name): [string, Scalar] => [
    name,
    { extension: true, parse: (text) => checkDecimal(text, name) },
  ]),
]);
