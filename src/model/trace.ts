/** The longest `traceparent` that is taken: version 00 has 55 characters, and a later one may have some more. */
const traceparentLengthMax = 255;

/**
 * Whether a text is a `traceparent` of W3C Trace Context, such as
 * `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`: version, trace, span and flags in lower-case hexadecimal.
 * Neither identifier may be all zeros, version `ff` does not exist, and what later versions append is let through.
 */
export function isTraceparent(text: string): boolean {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[\x20-\x7e]*)?$/.exec(text);
  if (match === null || text.length > traceparentLengthMax) return false;
  const [, version, trace = "", span = "", more] = match;
  if (version === "ff" || (version === "00" && more !== undefined)) return false;
  return /[1-9a-f]/.test(trace) && /[1-9a-f]/.test(span);
}
