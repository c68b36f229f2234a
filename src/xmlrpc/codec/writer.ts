// Values as XML: the lowest common denominator of all peers. No attributes, no namespaces but for `ex:`, no self-closing
// tags, no white space between tags.

import { toBase64 } from "../../bytes/base64.js";
import { describe } from "../../model/describe.js";
import { EncodeError } from "../../model/index.js";
import { printDateTime } from "./date.js";
import { declarationOf, EscapeError, escapeText } from "./escape.js";
import { isInt32, isWithin32, printDouble } from "./number.js";
import type { Settings } from "./options.js";
import { joinPath } from "./path.js";
import { TextWriter } from "./text-writer.js";
import { NaiveDateTime, XmlRpcDouble } from "./value.js";

/** The namespace of the extensions that begin with `ex:`. */
export const extensionNamespace = "http://ws.apache.org/xmlrpc/namespaces/extensions";

/** Characters that are gathered before they become bytes: a text of this size is gone before V8 counts it as old. */
const pieceSize = 16_384;

/** Writes a document. It knows where it is, so that a value it refuses is named. */
export class XmlRpcWriter {
  readonly settings: Settings;
  /** What was written and is not bytes yet; of a part, all of it. */
  text: string;
  readonly #isPart: boolean;
  readonly #bytes: TextWriter;
  #values = 0;
  /** Where the writer is: names of members and indices of elements, and what holds them. */
  readonly #path: (string | number)[] = [];
  readonly #holders: object[] = [];
  #depth = 0;

  /**
   * @param root what paths begin with
   * @param makes a whole document, or a part of one, which stays text
   */
  constructor(settings: Settings, root: string, makes: "document" | "part" = "document") {
    this.settings = settings;
    this.#isPart = makes === "part";
    this.text = this.#isPart ? "" : declarationOf(settings.encoding);
    this.#bytes = new TextWriter(settings.encoding);
    this.#path[0] = root;
  }

  /** The document. */
  finish(): Uint8Array<ArrayBuffer> {
    this.#flush();
    const { documentSizeMax } = this.settings;
    const { position } = this.#bytes;
    if (position > documentSizeMax) {
      throw new EncodeError(`the document has ${position} bytes, more than documentSizeMax, ${documentSizeMax}`);
    }
    return this.#bytes.take() as Uint8Array<ArrayBuffer>;
  }

  /** The document, as text where it is short and UTF-8. */
  print(): string | Uint8Array<ArrayBuffer> {
    const { encoding, documentSizeMax } = this.settings;
    // Three bytes is the most that a unit of a JavaScript string takes.
    const isShort = this.#bytes.position === 0 && this.text.length * 3 <= documentSizeMax;
    return isShort && encoding === "utf-8" ? this.text : this.finish();
  }

  #flush(): void {
    this.#bytes.write(this.text);
    this.text = "";
  }

  /** @throws EncodeError with the path of the value */
  fail(message: string): never {
    const path = joinPath(this.#path.slice(0, this.#depth + 1));
    const error = new EncodeError(path === "" ? message : `${path}: ${message}`);
    error.path = path;
    throw error;
  }

  /** Says what the next value is in messages, such as the parameter's number. */
  root(name: string): void {
    this.#path[0] = name;
  }

  // --- values, each with its `value` element

  int(value: number): void {
    const { integers } = this.settings;
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) this.fail(`${describe(value)} is no integer`);
    if (integers !== "i8" && !isWithin32(value)) this.fail(beyond32(value));
    this.#element(integers, String(value));
  }

  i8(value: bigint): void {
    const { bigints } = this.settings;
    if (bigints === "refuse") {
      // What fits an int is one.
      if (value !== BigInt.asIntN(32, value))
        this.fail(`${describe(value)} needs an i8, which this peer does not know`);
      this.#element(this.settings.integers, String(value));
      return;
    }
    if (value !== BigInt.asIntN(64, value)) this.fail(`${describe(value)} has more than 64 bits`);
    this.#element(bigints, String(value));
  }

  double(value: number): void {
    if (Number.isFinite(value)) this.#element("double", printDouble(value));
    else if (this.settings.nonFinite) this.#element("double", String(value));
    else this.fail(`${value} is no double of XML-RPC; the option nonFinite sends it to peers that take it`);
  }

  boolean(value: boolean): void {
    this.#element("boolean", value ? "1" : "0");
  }

  string(value: string): void {
    if (value.length > this.settings.stringLengthMax) {
      this.fail(
        `a string of ${value.length} characters is longer than stringLengthMax, ${this.settings.stringLengthMax}`,
      );
    }
    this.#element("string", this.#escape(value));
  }

  base64(value: Uint8Array): void {
    if (value.length > (this.settings.stringLengthMax / 4) * 3) {
      this.fail(`${value.length} bytes make more text than stringLengthMax, ${this.settings.stringLengthMax}`);
    }
    this.#element("base64", toBase64(value));
  }

  dateTime(value: Date | NaiveDateTime): void {
    const { dates, fractions } = this.settings;
    let naive: NaiveDateTime;
    if (value instanceof NaiveDateTime) naive = value;
    else {
      if (Number.isNaN(value.getTime())) this.fail("an invalid Date");
      if (dates === "naive" || dates === "text") {
        this.fail(
          "a Date is an instant and this peer's times have no zone; give a NaiveDateTime, or set the option dates",
        );
      }
      const year = dates === "local" ? value.getFullYear() : value.getUTCFullYear();
      if (year < 0 || year > 9999) this.fail(`the year ${year} does not have four digits`);
      naive = NaiveDateTime.of(value, dates === "local" ? "local" : "utc");
    }
    if (naive.fraction !== 0 && fractions !== "write") {
      if (fractions === "refuse") {
        this.fail(
          `dateTime.iso8601 has whole seconds only, not ${naive}; set the option fractions to "drop" or "write"`,
        );
      }
      const { year, month, day, hour, minute, second } = naive;
      naive = new NaiveDateTime({ year, month, day, hour, minute, second });
    }
    const zone = dates === "utc-z" && !(value instanceof NaiveDateTime) ? "Z" : "";
    this.#element("dateTime.iso8601", printDateTime(naive, zone));
  }

  nil(): void {
    const { nil } = this.settings;
    if (nil === "refuse") this.fail("null is not in the specification; the option nil sends it to peers that take it");
    this.#count();
    this.text += `<value><${nil}/></value>`;
  }

  /** What a procedure without a result answers: XML-RPC has no void. */
  nothing(): void {
    if (this.settings.nil === "refuse") this.string("");
    else this.nil();
  }

  // --- composites

  /** @param holder the value, which must not contain itself */
  beginArray(holder: object): void {
    this.#begin(holder);
    this.text += "<value><array><data>";
  }

  /** Before each element. */
  element(index: number): void {
    this.#path[this.#depth] = index;
  }

  endArray(): void {
    this.#depth--;
    this.text += "</data></array></value>";
  }

  beginStruct(holder: object): void {
    this.#begin(holder);
    this.text += "<value><struct>";
  }

  /** Before each member's value. */
  member(name: string): void {
    this.#path[this.#depth] = name;
    if (name.length > this.settings.nameLengthMax) {
      this.fail(`a member's name is longer than nameLengthMax, ${this.settings.nameLengthMax} characters`);
    }
    this.text += `<member><name>${this.#escape(name)}</name>`;
  }

  endMember(): void {
    this.text += "</member>";
  }

  endStruct(): void {
    this.#depth--;
    this.text += "</struct></value>";
  }

  #begin(holder: object): void {
    this.#count();
    for (let i = 0; i < this.#depth; i++) {
      if (this.#holders[i] === holder) this.fail("the value contains itself");
    }
    if (this.#depth === this.settings.depthMax)
      this.fail(`arrays and structs nest deeper than depthMax, ${this.#depth}`);
    this.#holders[this.#depth++] = holder;
    this.#path[this.#depth] = "";
  }

  // --- any value

  /** A value by its JavaScript type, as the table of the documentation says. */
  value(value: unknown): void {
    switch (typeof value) {
      case "string":
        this.string(value);
        return;
      case "number":
        if (Number.isInteger(value) && !Object.is(value, -0)) this.#wholeNumber(value);
        else this.double(value);
        return;
      case "boolean":
        this.boolean(value);
        return;
      case "bigint":
        this.i8(value);
        return;
      case "object":
        if (value === null) this.nil();
        else this.#object(value);
        return;
      default:
        this.fail(`XML-RPC has no ${typeof value}`);
    }
  }

  /** One that no integer type could hold is a double. One that an `i8` could hold may be meant so: it is not guessed. */
  #wholeNumber(value: number): void {
    if (isInt32(value)) this.int(value);
    else if (value >= 2 ** 63 || value < -(2 ** 63)) this.double(value);
    else if (this.settings.integers === "i8" && Number.isSafeInteger(value)) this.int(value);
    else this.fail(beyond32(value));
  }

  #object(value: object): void {
    if (Array.isArray(value)) {
      this.beginArray(value);
      for (let i = 0; i < value.length; i++) {
        this.#path[this.#depth] = i;
        this.value(value[i]);
      }
      this.endArray();
    } else if (value instanceof Date || value instanceof NaiveDateTime) {
      this.dateTime(value);
    } else if (value instanceof Uint8Array) {
      this.base64(value);
    } else if (value instanceof XmlRpcDouble) {
      this.double(value.value);
    } else if (value instanceof Map) {
      this.#map(value);
    } else {
      this.#struct(value);
    }
  }

  #struct(value: object): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    // An object of another realm is plain too: its prototype is a root.
    if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      const temporal = naiveOf(value);
      if (temporal === undefined) this.fail(`XML-RPC has no ${nameOf(value)}; give a plain object`);
      this.dateTime(temporal);
      return;
    }
    this.beginStruct(value);
    for (const name of Object.keys(value)) {
      this.member(name);
      this.value((value as Record<string, unknown>)[name]);
      this.text += "</member>";
    }
    this.endStruct();
  }

  #map(value: ReadonlyMap<unknown, unknown>): void {
    this.beginStruct(value);
    for (const [name, member] of value) {
      if (typeof name !== "string") this.fail(`a member's name must be a string, not ${describe(name)}`);
      this.member(name);
      this.value(member);
      this.text += "</member>";
    }
    this.endStruct();
  }

  #element(type: string, content: string): void {
    this.#count();
    this.text += `<value><${type}>${content}</${type}></value>`;
  }

  #count(): void {
    if (this.text.length > pieceSize && !this.#isPart) this.#flush();
    if (this.#bytes.position + (this.#isPart ? this.text.length : 0) > this.settings.documentSizeMax) {
      this.fail(`the document has more bytes than documentSizeMax, ${this.settings.documentSizeMax}`);
    }
    if (++this.#values > this.settings.valuesMax) {
      this.fail(`there are more values than valuesMax, ${this.settings.valuesMax}`);
    }
  }

  #escape(text: string): string {
    try {
      return escapeText(text, this.settings);
    } catch (error) {
      if (error instanceof EscapeError) this.fail(error.message);
      throw error;
    }
  }
}

function beyond32(value: number): string {
  return `${value} does not fit an int, of 32 bits; give a bigint for an i8, or double(${value})`;
}

/** Times of Temporal are known by their tag: not every runtime has the classes. */
function naiveOf(value: object): NaiveDateTime | Date | undefined {
  const tag = (value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag];
  if (tag === "Temporal.PlainDateTime") return new NaiveDateTime(value as NaiveDateTime);
  if (tag === "Temporal.Instant") return new Date((value as { epochMilliseconds: number }).epochMilliseconds);
  return undefined;
}

function nameOf(value: object): string {
  const name: unknown = (Object.getPrototypeOf(value) as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === "string" && name !== "" ? name : "such object";
}
