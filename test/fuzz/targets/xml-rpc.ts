// Documents of XML-RPC, damaged: what is read is read alike however it comes, and written as it was read.

import { EncodeError } from "../../../src/model/index.js";
import {
  CallDecoder,
  type DecodeOptions,
  double,
  encodeCall,
  encodeFault,
  encodeResponse,
  NaiveDateTime,
  ResponseDecoder,
  type XmlRpcOptions,
  type XmlRpcValue,
} from "../../../src/xmlrpc/index.js";
import { decodeHere, type Input, show, verdictOf } from "../../support/xml-rpc-show.js";
import documents from "../../vectors/xml-rpc-decoding.json" with { type: "json" };
import { damageBytes, damageText, type Random } from "../random.js";
import type { Target } from "../target.js";
import { strangeTree } from "./xml-rpc-tree.js";

/** What has a meaning in XML-RPC, and what has meant trouble. */
const pieces: readonly string[] = [
  ..."<>/&;\"'= \t\r\n",
  ...[
    "value",
    "int",
    "i4",
    "i8",
    "double",
    "string",
    "boolean",
    "struct",
    "member",
    "name",
    "array",
    "data",
    "nil",
  ].flatMap((name) => [`<${name}>`, `</${name}>`, `<${name}/>`]),
  ...["<base64>", "</base64>", "<dateTime.iso8601>", "</dateTime.iso8601>", "<ex:nil/>", "<i1>", "</i1>"],
  ...["<params>", "</params>", "<param>", "</param>", "<fault>", "</fault>", "<methodName>", "</methodName>"],
  ...["<value><int>1</int></value>", "<member><name>a</name><value>b</value></member>", "<value><array><data>"],
  ...["<!-- ", " -->", "<![CDATA[", "]]>", "<?a ", "?>", "<!DOCTYPE a>", '<?xml version="1.0" encoding="'],
  ...["&amp;", "&lt;", "&#13;", "&#0;", "&#x1F600;", "&#xD800;", "&nope;", " a='b'", " xmlns=''"],
  ...["-", "+", ".", "e5", "0x", "1_0", "2147483648", "9223372036854775808", "NaN", "inf", "1e999", "T", "Z", "+02:00"],
  ...["AQ==", "=", "__proto__", "\0", "\ufffe", "\ud800", "é", "😀", "\u0085"],
];

const strings = ["", "a", " a\n", "<&>", "é€😀", "]]>", "\r", "__proto__", "x".repeat(70)] as const;

function anyValue(random: Random, depth: number, count: number): unknown {
  switch (random.below(depth > 3 ? 8 : 11)) {
    case 0:
      return random.next() | 0;
    case 1:
      return BigInt(random.next()) * BigInt(random.next() >>> 1);
    case 2:
      return random.below(2) === 0 ? double(random.below(100)) : (random.next() - 2 ** 31) / 1024;
    case 3:
      return random.below(2) === 0;
    case 4:
      return new Date(random.next() * 1000);
    case 5:
      return Uint8Array.from({ length: random.below(20) }, () => random.below(256));
    case 6:
      return new NaiveDateTime({
        year: random.below(10_000),
        month: 1 + random.below(12),
        day: 1,
        hour: random.below(24),
      });
    case 7:
      return random.pick(strings);
    case 8:
      return Array.from({ length: count > 0 ? count : random.below(4) }, () => anyValue(random, depth + 1, 0));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, () => [random.pick(strings), anyValue(random, depth + 1, 0)]),
      );
  }
}

function documentOf(random: Random, count: number): string {
  const options: XmlRpcOptions = { nil: "nil", dates: "utc-z" };
  const value = count > 0 ? Array.from({ length: count }, () => anyValue(random, 1, 0)) : anyValue(random, 0, 0);
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
  if (random.below(3) === 0) return text(encodeCall("a.b", [value, random.pick(strings)], options));
  if (random.below(10) === 0) return text(encodeFault(random.below(100), random.pick(strings), options));
  return text(encodeResponse(value, options));
}

/** Small documents of the table, which nobody else would write. */
const strange = documents.flatMap((one) => {
  const { call, response, value } = one as { call?: string; response?: string; value?: string };
  const text =
    call ?? response ?? `<methodResponse><params><param><value>${value}</value></param></params></methodResponse>`;
  return [text.replace(/\{\w+\}/g, "")];
});

/** A document with something wrong, most often. */
export function damagedDocument(random: Random, large: boolean): Input {
  if (!large && random.below(2) === 0) {
    const text = strangeTree(random);
    return { kind: text.includes("<methodCall") ? "call" : "response", bytes: Buffer.from(text) };
  }
  const [whole, other] = [0, 1].map(() =>
    !large && random.below(3) === 0 ? random.pick(strange) : documentOf(random, large ? 400 : 0),
  ) as [string, string];
  let bytes: Uint8Array = Buffer.from(damageText(random, whole, other, pieces));
  if (random.below(4) === 0) bytes = damageBytes(random, bytes, Buffer.from(other));
  return { kind: whole.includes("<methodCall") ? "call" : "response", bytes };
}

export const xmlRpc: Target = {
  name: "xml-rpc",
  share: 4,
  // The parser of XML has a table of its states in each of its instances, and errors have stacks.
  allowance: 65_536,
  make(random, large) {
    const input = damagedDocument(random, large);
    const options: DecodeOptions = {
      profile: random.pick(["strict", "compat"]),
      dates: random.pick(["utc", "naive", "text"]),
      nonFinite: random.below(2) === 0,
      i8: random.pick(["bigint", "number"]),
    };
    const seed = random.next();
    return {
      size: input.bytes.length,
      prepare() {
        let verdict: ReturnType<typeof decodeHere>;
        return {
          work() {
            verdict = decodeHere(input, options);
          },
          check: () => isRead(input, options, seed, verdict),
        };
      },
    };
  },
};

function isRead(
  input: Input,
  options: DecodeOptions,
  seed: number,
  verdict: ReturnType<typeof decodeHere>,
): string | undefined {
  const differs = (what: string, said: string | undefined): string | undefined =>
    said === verdict.value
      ? undefined
      : `${what} ${JSON.stringify(Buffer.from(input.bytes).toString("latin1"))} is ${said}, not ${verdict.value} (${verdict.refused})`;
  return (
    differs("in pieces", inPieces(input, options, seed).value) ??
    differs("to the XML parser alone", byParser(input, options, verdict.value)) ??
    (verdict.value === undefined ? undefined : writtenAgain(input, options))
  );
}

function inPieces({ kind, bytes }: Input, options: DecodeOptions, seed: number): ReturnType<typeof verdictOf> {
  return verdictOf(() => {
    const decoder = kind === "call" ? new CallDecoder(options) : new ResponseDecoder(options);
    for (let at = 0, step = seed; at < bytes.length; step = (Math.imul(step, 0x9e3779b1) + 1) >>> 0) {
      const size = step % 3 === 0 ? 1 + ((step >>> 8) % 200) : 1 + ((step >>> 8) % 5);
      decoder.push(bytes.subarray(at, at + size));
      at += size;
    }
    return decoder.end();
  });
}

/** A comment before the root is not plain: the plain reader leaves such a document to the XML parser. */
function byParser({ kind, bytes }: Input, options: DecodeOptions, otherwise: string | undefined): string | undefined {
  const text = Buffer.from(bytes).toString("latin1");
  const begins = /^(<\?xml version="1.0"\?>)?(?=<method)/.exec(text);
  if (begins === null) return otherwise;
  const at = begins[0].length;
  const commented = Buffer.concat([bytes.subarray(0, at), Buffer.from("<!---->"), bytes.subarray(at)]);
  return decodeHere({ kind, bytes: commented }, options).value;
}

/** What was read can be written, and is then read as the same. */
function writtenAgain({ kind, bytes }: Input, options: DecodeOptions): string | undefined {
  if (kind === "call") return undefined;
  const decoder = new ResponseDecoder(options);
  decoder.push(bytes);
  const { value } = decoder.end();
  if (value === undefined) return undefined;
  const both: XmlRpcOptions = {
    ...options,
    profile: "compat",
    nil: "nil",
    fractions: "write",
    integers: options.i8 === "bigint" ? "int" : "i8",
    nonFinite: true,
  };
  let written: Uint8Array;
  try {
    written = encodeResponse(value, both);
  } catch (error) {
    // A number of 54 to 63 bits, more than 64, an instant for naive times, or one that a zone moved out of four digits.
    const known = /does not fit an int|has more than 64 bits|is an instant|have four digits/;
    if (error instanceof EncodeError && known.test(error.message)) return undefined;
    throw error;
  }
  const again = new ResponseDecoder(both);
  again.push(written);
  const read = again.end().value as XmlRpcValue;
  const wanted = options.i8 === "number" ? asI8Numbers(value) : value;
  return show(read) === show(wanted) ? undefined : `${show(value)} is written and read as ${show(read)}`;
}

/** What is written of a small `<biginteger>` is an `<i8>`, which such a reader wants as a number. */
function asI8Numbers(value: XmlRpcValue): XmlRpcValue {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(asI8Numbers);
  if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, asI8Numbers(item)]));
}
