/** Most bytes of a string or opaque, and most elements of an array, that XDR can say (RFC 4506, section 4.10). */
export const lengthMax = 0xffff_ffff;

/**
 * How deep recursive types may nest, both ways. A level takes three small frames in the combinators; 500 of them use a
 * sixth of Node's default stack, so a deeply nested caller still has room. Linked lists are loops and have no depth.
 */
export const depthMaxDefault = 500;

/**
 * Most elements without bytes (`opaque e[0]`) in one message, all arrays together: their count is not held by the bytes
 * that are present, and every four bytes could claim 2^32 of them. So many take 12 KB of memory, which a few bytes may
 * cost; what would make anybody send more is hard to think of.
 */
export const emptyElementsMax = 1_024;

/** @throws RangeError for what is not a length that XDR can say */
export function checkLength(length: number): void {
  if (typeof length !== "number" || length >>> 0 !== length) {
    throw new RangeError(`a length must be an integer from 0 to ${lengthMax}, not ${length}`);
  }
}
