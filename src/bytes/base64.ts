// Base64 (RFC 4648, section 4). Neither Buffer nor atob is there for code that must run anywhere.

import { textOfCodes } from "./codes.js";

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const codes = Uint8Array.from(digits, (digit) => digit.charCodeAt(0));
const pad = 0x3d;

/** What a character code stands for: a digit's value, or 255. */
const values = new Uint8Array(128).fill(0xff);
for (const [value, code] of codes.entries()) values[code] = value;

/** Bytes as base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  const length = bytes.length;
  const out = new Uint8Array(Math.ceil(length / 3) * 4);
  let at = 0;
  for (let i = 0; i < length; i += 3) {
    const three = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    out[at++] = codes[three >> 18] as number;
    out[at++] = codes[(three >> 12) & 63] as number;
    out[at++] = i + 1 < length ? (codes[(three >> 6) & 63] as number) : pad;
    out[at++] = i + 2 < length ? (codes[three & 63] as number) : pad;
  }
  return textOfCodes(out);
}

/** The bytes of base64 text; undefined when it is not exactly that. */
export function fromBase64(text: string): Uint8Array | undefined {
  let end = text.length;
  if (end % 4 !== 0) return undefined;
  // Up to two characters of padding, which the length above accounts for.
  for (let padding = 0; padding < 2 && end > 0 && text.charCodeAt(end - 1) === pad; padding++) end--;
  const bytes = new Uint8Array(Math.floor((end * 3) / 4));
  let at = 0;
  let bits = 0;
  let length = 0;
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i);
    const value = code < 128 ? (values[code] as number) : 0xff;
    if (value === 0xff) return undefined;
    bits = ((bits << 6) | value) & 0xffff;
    length += 6;
    if (length >= 8) {
      length -= 8;
      bytes[at++] = bits >> length;
    }
  }
  // Bits beyond the last byte would be lost.
  return (bits & ((1 << length) - 1)) === 0 ? bytes : undefined;
}
