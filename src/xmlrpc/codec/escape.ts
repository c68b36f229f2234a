// Text inside of elements, and what it is written in.

import type { Settings, TextEncoding } from "./options.js";

/** ES2024, which Node has since version 20. */
interface WellFormed {
  isWellFormed(): boolean;
}

declare class TextEncoder {
  encodeInto(text: string, into: Uint8Array): { written: number };
}

const utf8 = new TextEncoder();

// What must not stand in text as it is: markup, and a carriage return, which a reader would take for a line feed.
const special = /[&<>\r]/;
const specials = /[&<>\r]/g;
// Characters that XML 1.0 has no way to say, not even by number (section 2.2).
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const impossible = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;

// What an encoding has no byte for, or has one for that readers take for another character: ISO-8859-1 and windows-1252
// differ from 0x80 to 0x9f, and many readers think the one when they are told the other.
const beyond: Readonly<Record<TextEncoding, RegExp | undefined>> = {
  "utf-8": undefined,
  "utf-16": undefined,
  "us-ascii": /[^\0-\x7f]/gu,
  "iso-8859-1": /[^\0-\x7f\xa0-\xff]/gu,
  "windows-1252": /[^\0-\x7f\xa0-\xff€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]/gu,
};

/** Why a text cannot be written. */
export class EscapeError extends Error {}

/**
 * A string as it stands between tags.
 *
 * @throws EscapeError for a character that XML, or the encoding, cannot carry
 */
export function escapeText(text: string, settings: Settings): string {
  return escapeShort(text) ?? escapeAny(text, settings);
}

/** Up to here a loop is faster than searching for patterns. */
const shortText = 64;

/** A short text of ASCII, which any encoding has; undefined for any other, and for one that cannot be carried. */
function escapeShort(text: string): string | undefined {
  const { length } = text;
  if (length > shortText) return undefined;
  let escaped = "";
  let from = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x20 && code <= 0x7e && code !== 0x26 && code !== 0x3c && code !== 0x3e) continue;
    const reference = code === 0x26 ? "&amp;" : code === 0x3c ? "&lt;" : code === 0x3e ? "&gt;" : undefined;
    if (reference === undefined) return undefined;
    escaped += text.slice(from, i) + reference;
    from = i + 1;
  }
  return from === 0 ? text : escaped + text.slice(from);
}

function escapeAny(text: string, settings: Settings): string {
  if (impossible.test(text)) {
    const [found = ""] = impossible.exec(text) ?? [];
    throw new EscapeError(`XML cannot carry the character ${codeOf(found)}; send such text as base64`);
  }
  if (!(text as unknown as WellFormed).isWellFormed()) {
    throw new EscapeError("a string with half of a surrogate pair is no text");
  }
  let escaped = text;
  if (special.test(text)) {
    escaped = text.replace(specials, (found) => {
      if (found === "&") return "&amp;";
      if (found === "<") return "&lt;";
      return found === ">" ? "&gt;" : reference(found, settings);
    });
  }
  const outside = beyond[settings.encoding];
  return outside === undefined ? escaped : escaped.replace(outside, (found) => reference(found, settings));
}

function reference(character: string, { characterReferences, encoding }: Settings): string {
  if (characterReferences) return `&#${character.codePointAt(0)};`;
  const why = character === "\r" ? "would arrive as a line feed" : `is not in ${encoding}`;
  throw new EscapeError(
    `the character ${codeOf(character)} ${why}, and characterReferences is off: the peer may not know &#...;`,
  );
}

function codeOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Any text as one that can be written: what cannot be becomes `U+FFFD`. For the texts of faults, which must arrive. */
export function mendText(text: string, { encoding, characterReferences }: Settings): string {
  let mended = "";
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const half = code >= 0xd800 && code < 0xe000;
    const lost = !characterReferences && (character === "\r" || matches(beyond[encoding], character));
    if (half || lost || impossible.test(character)) mended += characterReferences ? "\ufffd" : "?";
    else mended += character;
  }
  return mended;
}

function matches(pattern: RegExp | undefined, text: string): boolean {
  return pattern !== undefined && text.search(pattern) >= 0;
}

/**
 * The declaration that stands first. Without a name the encoding is UTF-8: the form that every server knows. Of 16 bits, a
 * byte order mark stands before it.
 */
export function declarationOf(encoding: TextEncoding): string {
  if (encoding === "utf-8") return '<?xml version="1.0"?>';
  return `${encoding === "utf-16" ? "\ufeff" : ""}<?xml version="1.0" encoding="${encoding.toUpperCase()}"?>`;
}

/** What 0x80 to 0x9f are in windows-1252; five of them are nothing. */
export const windows1252: readonly (number | undefined)[] = [
  0x20ac,
  undefined,
  ...[0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152],
  undefined,
  0x017d,
  undefined,
  undefined,
  ...[0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153],
  undefined,
  0x017e,
  0x0178,
];

/** Text whose characters the encoding has, as bytes. */
export function encodeText(text: string, encoding: TextEncoding): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeMaxOf(text, encoding));
  return bytes.slice(0, encodeInto(text, encoding, bytes));
}

/** The most bytes that a text may take. */
export function sizeMaxOf(text: string, encoding: TextEncoding): number {
  return text.length * (encoding === "utf-8" ? 3 : encoding === "utf-16" ? 2 : 1);
}

/** Writes the bytes of a text to a place that has room for them, and gives their number. */
export function encodeInto(text: string, encoding: TextEncoding, into: Uint8Array): number {
  if (encoding === "utf-8" || encoding === "us-ascii") return utf8.encodeInto(text, into).written;
  const { length } = text;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (encoding === "utf-16") {
      // Little end first, as most machines have it.
      into[2 * i] = code & 0xff;
      into[2 * i + 1] = code >>> 8;
    } else into[i] = code < 0x100 ? code : 0x80 + windows1252.indexOf(code);
  }
  return encoding === "utf-16" ? 2 * length : length;
}
