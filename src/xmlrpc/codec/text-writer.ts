import { Writer } from "../../bytes/index.js";
import { encodeInto, sizeMaxOf } from "./escape.js";
import type { TextEncoding } from "./options.js";

/** Writes text as the bytes of an encoding. */
export class TextWriter extends Writer {
  readonly #encoding: TextEncoding;

  constructor(encoding: TextEncoding) {
    // What a document may have is its writer's matter, in its own words.
    super({ sizeMax: Number.MAX_SAFE_INTEGER });
    this.#encoding = encoding;
  }

  /** Text whose characters the encoding has. */
  write(text: string): void {
    this.ensure(sizeMaxOf(text, this.#encoding));
    this.at += encodeInto(text, this.#encoding, this.buffer.subarray(this.at));
  }
}
