import { viewSizeMin } from "../bytes/index.js";

/**
 * About how many bytes of memory a decoded value takes besides its contents: what V8 spends on objects, arrays, bigints
 * and the like, as measured. A message of single bytes takes some thirty times its own, so whoever counts what is
 * kept counts this too.
 */
export function weightOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return weightOfPlain(value);
  let weight = 0;
  // No recursion: a list may have millions of nodes.
  const rest: object[] = [value];
  for (let item = rest.pop(); item !== undefined; item = rest.pop()) {
    if (item instanceof Uint8Array) {
      weight += weightOfBytes(item.length);
    } else if (Array.isArray(item)) {
      // One that grew has room for more, for 17 at the least.
      weight += item.length === 0 ? 32 : 184 + 12 * item.length;
      for (const element of item) {
        if (typeof element === "object" && element !== null) rest.push(element);
        else weight += weightOfPlain(element);
      }
    } else {
      // With room for four fields at the least, as combinators make them.
      let fields = 0;
      for (const name in item) {
        const field: unknown = (item as Record<string, unknown>)[name];
        fields++;
        if (typeof field === "object" && field !== null) rest.push(field);
        else weight += weightOfPlain(field);
      }
      weight += 24 + 8 * Math.max(4, fields);
    }
  }
  return weight;
}

/** A view, bytes beside their object, bytes in it, or the one array for no bytes. */
function weightOfBytes(length: number): number {
  if (length >= viewSizeMin) return 96;
  if (length > 64) return 400;
  return length > 0 ? 200 : 0;
}

/** The place that holds it is not counted, and small whole numbers take no more than that. */
function weightOfPlain(value: unknown): number {
  switch (typeof value) {
    case "string":
    case "bigint":
      return 24;
    case "number":
      return (value | 0) === value ? 0 : 16;
    default:
      return 0;
  }
}
