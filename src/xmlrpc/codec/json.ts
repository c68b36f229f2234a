/**
 * Values as JSON text and back, without a contract: what the command line shows and takes. What is printed means the same
 * value when it is read.
 *
 * | value | JSON |
 * |---|---|
 * | `int`, an `i8` that a number holds, `double` | a number |
 * | a `double` that is a whole number, for a server that wants one | `{"$double": 21}` |
 * | any other `i8`, `biginteger` | `{"$bigint": "9007199254740993"}` |
 * | `boolean`, `string`, `array` | `true`, `"text"`, `[...]` |
 * | `struct` | an object; `{"$struct": {...}}` where its only member begins with `$` |
 * | `dateTime.iso8601` | `{"$date": "1998-07-17T14:08:55"}`, an instant with its zone: `"...Z"` |
 * | `base64` | `{"$base64": "AQID"}` |
 * | `nil` | `null` |
 */

import { fromBase64, toBase64 } from "../../bytes/base64.js";
import { describe } from "../../model/describe.js";
import { EncodeError } from "../../model/index.js";
import { getProperty, type Properties, setProperty } from "../../model/property.js";
import { parseDateTime } from "./date.js";
import { parseDouble, ScalarError } from "./number.js";
import { joinPart } from "./path.js";
import { NaiveDateTime, XmlRpcDouble, type XmlRpcValue } from "./value.js";

/** Levels of JSON that are read: twice those of a document, and far from the end of the stack. */
const depthMax = 512;

/** A decoded value as JSON text on one line. */
export function toJson(value: XmlRpcValue): string {
  return JSON.stringify(spelled(value));
}

/** A decoded value as what JSON can hold. */
function spelled(value: XmlRpcValue): unknown {
  switch (typeof value) {
    case "bigint":
      return { $bigint: String(value) };
    case "number":
      // JSON has neither, and `JSON.stringify` writes null for them and 0 for minus zero.
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $double: Object.is(value, -0) ? "-0" : `${value}` };
    case "object":
      break;
    default:
      return value;
  }
  if (value === null) return null;
  if (value instanceof Date) return { $date: value.toISOString().replace(".000Z", "Z") };
  if (value instanceof NaiveDateTime) return { $date: String(value) };
  if (value instanceof Uint8Array) return { $base64: toBase64(value) };
  if (value instanceof XmlRpcDouble) return { $double: value.value };
  if (Array.isArray(value)) return value.map(spelled);
  const names = Object.keys(value);
  const made: Properties = {};
  for (const name of names) setProperty(made, name, spelled(getProperty(value, name) as XmlRpcValue));
  return names.length === 1 && names[0]?.startsWith("$") ? { $struct: made } : made;
}

/**
 * The value that parsed JSON stands for.
 *
 * @param parsed what `JSON.parse` gave
 * @throws EncodeError for JSON that is no value, with the path of the part
 */
export function fromJson(parsed: unknown): unknown {
  return read(parsed, "", 0);
}

function read(parsed: unknown, path: string, depth: number): unknown {
  if (depth > depthMax) return fail(path, `more than ${depthMax} levels`);
  if (typeof parsed === "number") {
    if (Number.isInteger(parsed) && !Number.isSafeInteger(parsed)) {
      fail(
        path,
        `a whole number of this size is not exact in JSON; write {"$bigint": "..."}, or {"$double": ${parsed}}`,
      );
    }
    return parsed;
  }
  if (typeof parsed !== "object" || parsed === null) return parsed;
  if (Array.isArray(parsed)) return parsed.map((part, i) => read(part, joinPart(path, i), depth + 1));
  const names = Object.keys(parsed);
  const [only = ""] = names;
  if (names.length === 1 && only.startsWith("$"))
    return readTag(only, getProperty(parsed as Properties, only), path, depth);
  return readStruct(parsed as Properties, path, depth);
}

function readStruct(parsed: Properties, path: string, depth: number): Properties {
  const made: Properties = {};
  for (const name of Object.keys(parsed)) {
    setProperty(made, name, read(getProperty(parsed, name), joinPart(path, name), depth + 1));
  }
  return made;
}

/** What JSON has no word for. */
function readTag(tag: string, content: unknown, path: string, depth: number): unknown {
  const wanted = (what: string): never => fail(path, `${tag} takes ${what}, not ${describe(content)}`);
  switch (tag) {
    case "$bigint":
      if (typeof content === "number" && Number.isSafeInteger(content)) return BigInt(content);
      // No more digits than 64 bits have: long ones take long to convert.
      return typeof content === "string" && /^[+-]?\d{1,20}$/.test(content)
        ? BigInt(content.replace("+", ""))
        : wanted('a whole number in a string, such as "5"');
    case "$double":
      if (typeof content === "number") return new XmlRpcDouble(content);
      return new XmlRpcDouble(
        typeof content === "string" ? scalar(path, () => parseDouble(content, tag, false, true)) : wanted("a number"),
      );
    case "$date":
      return typeof content === "string"
        ? scalar(path, () => parseDateTime(content, tag, false, "naive"))
        : wanted('a time, such as "1998-07-17T14:08:55"');
    case "$base64":
      return (typeof content === "string" ? fromBase64(content) : undefined) ?? wanted("bytes as base64");
    case "$struct":
      return typeof content === "object" && content !== null && !Array.isArray(content)
        ? readStruct(content as Properties, path, depth)
        : wanted("an object");
    default:
      return fail(path, `there is no ${tag}; a struct whose only member begins with $ is {"$struct": {...}}`);
  }
}

function scalar<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ScalarError) return fail(path, error.message);
    throw error;
  }
}

function fail(path: string, message: string): never {
  const error = new EncodeError(path === "" ? message : `${path}: ${message}`);
  error.path = path;
  throw error;
}
