// Base64 (RFC 4648, section 4). Neither Buffer nor atob is there for code that must run anywhere.

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const values: ReadonlyMap<string, number> = new Map([...digits].map((digit, value) => [digit, value]));

/** Bytes as base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const three = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += digits.charAt(three >> 18) + digits.charAt((three >> 12) & 63);
    text += i + 1 < bytes.length ? digits.charAt((three >> 6) & 63) : "=";
    text += i + 2 < bytes.length ? digits.charAt(three & 63) : "=";
  }
  return text;
}

/** The bytes of base64 text; undefined when it is not exactly that. */
export function fromBase64(text: string): Uint8Array | undefined {
  const body = text.replace(/={1,2}$/, "");
  if (text.length % 4 !== 0 || body.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((body.length * 3) / 4));
  let bits = 0;
  let length = 0;
  let at = 0;
  for (const digit of body) {
    const value = values.get(digit);
    if (value === undefined) return undefined;
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
