import type { Shape } from "./shape.js";

/**
 * Both directions of one type on one wire. `W` and `R` are the writer and the reader of that wire; a codec of one
 * wire cannot be handed to another.
 */
export interface Codec<T, W, R> {
  /** Appends the value. Throws `EncodeError` for a value that the wire cannot carry exactly. */
  encode(writer: W, value: T): void;
  /** Takes one value. Throws `DecodeError` for bytes that are not one. */
  decode(reader: R): T;
  /** What a value looks like. */
  readonly shape: Shape;
}

/** A value that the wire cannot carry exactly. The codec knows only what is wrong; `path` is found by whoever reports it. */
export class EncodeError extends Error {
  override readonly name = "EncodeError";
  /** The field at fault, such as `pair.items[3].id`; empty when it is the value itself or not yet known. */
  path = "";
}

/** Bytes that are not a value of the expected type. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
  /** The field at fault, such as `entries[3].name`; empty when it is the value itself or not yet known. */
  path = "";
  /** Where the reader stood, in bytes from its start; -1 when not known. */
  offset = -1;
}
