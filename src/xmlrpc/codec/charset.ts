// From bytes to text, in pieces. What a document is written in: its byte order mark says it, or the HTTP header, or its
// declaration, in this order (RFC 7303, section 3); without any of them it is UTF-8.

import { textOfCodes } from "../../bytes/codes.js";
import { XmlRpcDecodeError } from "./error.js";
import { windows1252 } from "./escape.js";
import type { Settings } from "./options.js";

declare class TextDecoder {
  constructor(label: string, options: { fatal: boolean; ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}

/**
 * Bytes that become text at once. A string keeps alive the text that it was cut from, so the text comes in pieces, and
 * one name that somebody keeps does not keep a whole document.
 */
const pieceSize = 65_536;

/** Bytes without the end of a tag that wait for it. */
const keptMax = 1_024;

/** Bytes that a declaration may take. */
const declarationMax = 1_024;

type Charset = "utf-8" | "utf-16le" | "utf-16be" | "iso-8859-1" | "windows-1252";

const labels: ReadonlyMap<string, Charset | "utf-16"> = new Map([
  // ASCII is UTF-8, and what is not ASCII in it is most often UTF-8 too.
  ...["utf-8", "utf8", "us-ascii", "ascii"].map((label) => [label, "utf-8"] as const),
  ...["utf-16", "utf16"].map((label) => [label, "utf-16"] as const),
  ["utf-16le", "utf-16le"],
  ["utf-16be", "utf-16be"],
  ...["iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1"].map((label) => [label, "iso-8859-1"] as const),
  ...["windows-1252", "cp1252"].map((label) => [label, "windows-1252"] as const),
]);

/** Turns the bytes of one document into text, and counts them. */
export class CharsetReader {
  readonly #settings: Settings;
  readonly #label: string | undefined;
  readonly #text: (text: string) => void;
  #size = 0;
  /** Bytes that are not text yet: the start of the document, or of a character. */
  #kept: Uint8Array = nothing;
  #decode: Decode | undefined;

  /**
   * @param label what the HTTP header says
   * @param text is given the text, in pieces
   */
  constructor(settings: Settings, label: string | undefined, text: (text: string) => void) {
    this.#settings = settings;
    this.#label = label;
    this.#text = text;
  }

  /** @throws XmlRpcDecodeError `limit`, `encoding` or `character` */
  push(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#size > this.#settings.documentSizeMax) {
      throw new XmlRpcDecodeError(
        "limit",
        `the document has more bytes than documentSizeMax, ${this.#settings.documentSizeMax}`,
      );
    }
    this.#take(this.#kept.length === 0 ? chunk : join(this.#kept, chunk), false);
  }

  /** After the last chunk. */
  end(): void {
    this.#take(this.#kept, true);
    if (this.#kept.length > 0) throw notText("the document ends within a character");
  }

  #take(bytes: Uint8Array, last: boolean): void {
    let at = 0;
    if (this.#decode === undefined) {
      const start = startOf(bytes, last, this.#label, this.#settings.strict);
      if (start === undefined) {
        this.#kept = bytes.slice();
        return;
      }
      this.#decode = decoders[start.charset];
      at = start.skip;
    }
    const { tagEnd, whole, text } = this.#decode;
    while (at < bytes.length) {
      const most = Math.min(bytes.length, at + pieceSize);
      // Behind a tag if there is one: a piece that ends within one has to be joined, and joined text is slow to read.
      const tag = tagEnd === undefined ? -1 : bytes.subarray(at, most).lastIndexOf(tagEnd);
      if (tag < 0 && !last && bytes.length - at < keptMax) break;
      const size = tag < 0 ? whole(bytes, at, most) : tag + 1;
      if (size === 0) break;
      this.#text(text(bytes.subarray(at, at + size)));
      at += size;
    }
    // A copy: the chunk's buffer is its owner's.
    this.#kept = at === bytes.length ? nothing : bytes.slice(at);
  }
}

const nothing = new Uint8Array(0);

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

// --- which encoding it is

interface Start {
  readonly charset: Charset;
  /** Bytes before the text: a byte order mark, and in `compat` white space before the declaration. */
  readonly skip: number;
}

/** What the first bytes say; undefined when more are needed. */
function startOf(bytes: Uint8Array, last: boolean, label: string | undefined, strict: boolean): Start | undefined {
  if (bytes.length < 4 && !last) return undefined;
  const [a, b, c] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return afterSpace(bytes, { charset: "utf-8", skip: 3 }, last, strict);
  if (a === 0xff && b === 0xfe) return { charset: "utf-16le", skip: 2 };
  if (a === 0xfe && b === 0xff) return { charset: "utf-16be", skip: 2 };
  const announced = label === undefined ? undefined : charsetOf(label, "the Content-Type");
  // Sixteen bits without a mark show themselves by the zero beside the first "<".
  if (a === 0 && b === 0x3c) return sixteen("utf-16be", announced);
  if (a === 0x3c && b === 0) return sixteen("utf-16le", announced);
  const start = afterSpace(bytes, { charset: "utf-8", skip: 0 }, last, strict);
  if (start === undefined) return undefined;
  if (announced !== undefined) return { ...start, charset: eight(announced, strict, "the Content-Type") };
  // So much space is no empty line that a server prints.
  if (start.skip > declarationMax) return start;
  const declared = declaredIn(bytes, start.skip, last);
  if (declared === undefined) return undefined;
  if (declared === "") return start;
  return { ...start, charset: eight(charsetOf(declared, "the declaration"), strict, "the declaration") };
}

/**
 * Some servers print an empty line before their answer. XML allows none before a declaration: `compat` looks over it.
 */
function afterSpace(bytes: Uint8Array, start: Start, last: boolean, strict: boolean): Start | undefined {
  if (strict) return start;
  let { skip } = start;
  while (skip < bytes.length && isSpace(bytes[skip])) skip++;
  if (skip === bytes.length && !last && skip < declarationMax) return undefined;
  return { ...start, skip };
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** The encoding that a declaration names, or none: `""`. Undefined when more bytes are needed. */
function declaredIn(bytes: Uint8Array, at: number, last: boolean): string | undefined {
  for (let i = 0; i < declarationBegins.length; i++) {
    if (at + i >= bytes.length) return last ? "" : undefined;
    if (bytes[at + i] !== declarationBegins[i]) return "";
  }
  const most = Math.min(bytes.length, at + declarationMax);
  let end = bytes.indexOf(0x3e, at);
  while (end >= 0 && end < most && bytes[end - 1] !== 0x3f) end = bytes.indexOf(0x3e, end + 1);
  if (end < 0 || end >= most) return last || most === at + declarationMax ? "" : undefined;
  // Most say no more than the version.
  if (end - at <= 21) return "";
  const head = textOfCodes(bytes.subarray(at, end));
  const found = /\sencoding\s*=\s*(?:"([^"]*)"|'([^']*)')/.exec(head);
  return found?.[1] ?? found?.[2] ?? "";
}

/** `<?xml` */
const declarationBegins = [0x3c, 0x3f, 0x78, 0x6d, 0x6c];

function charsetOf(label: string, where: string): Charset | "utf-16" {
  const charset = labels.get(label.trim().toLowerCase());
  if (charset !== undefined) return charset;
  const shown = label.length > 40 ? `of ${label.length} characters` : JSON.stringify(label);
  throw new XmlRpcDecodeError("encoding", `${where} names the encoding ${shown}, which is not supported`);
}

function sixteen(seen: "utf-16le" | "utf-16be", announced: Charset | "utf-16" | undefined): Start {
  if (announced === undefined || announced === "utf-16" || announced === seen) return { charset: seen, skip: 0 };
  throw new XmlRpcDecodeError("encoding", `the Content-Type says ${announced} and the document is ${seen}`);
}

/** Eight bits that are said to be sixteen come from programs that print a text of sixteen as UTF-8. */
function eight(charset: Charset | "utf-16", strict: boolean, where: string): Charset {
  if (!charset.startsWith("utf-16")) return charset as Charset;
  if (strict) throw new XmlRpcDecodeError("encoding", `${where} says ${charset} and the document is not`);
  return "utf-8";
}

// --- what the bytes are

interface Decode {
  /** The byte that ends a tag, where it can be nothing else. */
  readonly tagEnd?: number;
  /** How many of the bytes from `at` to `most` are whole characters. */
  whole(bytes: Uint8Array, at: number, most: number): number;
  text(bytes: Uint8Array): string;
}

// "ignoreBOM" means: do not take the mark away. One at the start is gone already.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf16 = new TextDecoder("utf-16le", { fatal: true, ignoreBOM: true });

function notText(message: string): XmlRpcDecodeError {
  return new XmlRpcDecodeError("character", message);
}

function textOr(decoder: TextDecoder, bytes: Uint8Array, name: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw notText(`the bytes of the document are not ${name}`);
  }
}

const decoders: Readonly<Record<Charset, Decode>> = {
  "utf-8": {
    tagEnd: 0x3e,
    whole(bytes, at, most) {
      // Back to the start of the last character, which may be cut off: at most three bytes.
      let start = most - 1;
      while (start > at && most - start < 4 && ((bytes[start] as number) & 0xc0) === 0x80) start--;
      const lead = bytes[start] as number;
      const length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      // What is no lead byte of a cut character is left to the decoder, which refuses it.
      return lead >= 0xc0 && start + length > most ? start - at : most - at;
    },
    text: (bytes) => textOr(utf8, bytes, "UTF-8"),
  },
  "utf-16le": {
    whole: (bytes, at, most) => wholeUtf16(bytes, at, most, 1),
    text: (bytes) => textOr(utf16, bytes, "UTF-16"),
  },
  "utf-16be": {
    whole: (bytes, at, most) => wholeUtf16(bytes, at, most, 0),
    text(bytes) {
      const swapped = new Uint8Array(bytes.length);
      for (let i = 0; i < bytes.length; i += 2) {
        swapped[i] = bytes[i + 1] as number;
        swapped[i + 1] = bytes[i] as number;
      }
      return textOr(utf16, swapped, "UTF-16");
    },
  },
  "iso-8859-1": { tagEnd: 0x3e, whole: (_bytes, at, most) => most - at, text: (bytes) => textOfCodes(bytes) },
  "windows-1252": {
    tagEnd: 0x3e,
    whole: (_bytes, at, most) => most - at,
    text(bytes) {
      const codes = new Uint16Array(bytes.length);
      for (let i = 0; i < bytes.length; i++) {
        const byte = bytes[i] as number;
        const code = byte >= 0x80 && byte < 0xa0 ? windows1252[byte - 0x80] : byte;
        if (code === undefined) throw notText(`windows-1252 has no character 0x${byte.toString(16)}`);
        codes[i] = code;
      }
      return textOfCodes(codes);
    },
  },
};

/** @param high which byte of a unit tells half of a surrogate pair */
function wholeUtf16(bytes: Uint8Array, at: number, most: number, high: 0 | 1): number {
  const even = at + ((most - at) & ~1);
  if (even === at) return 0;
  const isFirstHalf = ((bytes[even - 2 + high] as number) & 0xfc) === 0xd8;
  return even - at - (isFirstHalf ? 2 : 0);
}
