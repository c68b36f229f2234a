import { describe } from "../model/describe.js";
import type { Shape } from "../model/index.js";
import { getProperty, isProperties, type Properties, setProperty } from "../model/property.js";
import type { ValueOf, XdrCodec } from "./codec.js";
import { isNextOf } from "./optional.js";
import type { XdrReader } from "./reader.js";
import type { XdrWriter } from "./writer.js";

/** The value of a struct, from the codecs of its fields. */
export type StructValue<F> = { -readonly [K in keyof F]: ValueOf<F[K]> };

/**
 * RFC 4506, section 4.14: the fields one after another, in the order in which they are given.
 *
 * ```ts
 * const pair = struct({ a: int, b: int }, "Pair");    // XdrCodec<{ a: number; b: number }>
 * ```
 *
 * Properties that are not fields are not sent.
 *
 * @throws RangeError for a field named like an index, whose place JavaScript would change
 */
export function struct<F extends Readonly<Record<string, XdrCodec<unknown>>>>(
  fields: F,
  name?: string | undefined,
): XdrCodec<StructValue<F>> {
  return new StructCodec(Object.entries(fields), name) as XdrCodec<unknown> as XdrCodec<StructValue<F>>;
}

class StructCodec implements XdrCodec<Properties> {
  readonly shape: Shape;
  readonly #names: readonly string[];
  readonly #codecs: readonly XdrCodec<unknown>[];
  /** Whether the last field leads to the next node of a list; found out at the first use, when all types are defined. */
  #isList: boolean | undefined;

  constructor(fields: readonly (readonly [string, XdrCodec<unknown>])[], name: string | undefined) {
    for (const [field] of fields) {
      if (/^(0|[1-9]\d*)$/.test(field))
        throw new RangeError(`a field cannot be named ${field}: its place would not be kept`);
    }
    this.#names = fields.map(([field]) => field);
    this.#codecs = fields.map(([, codec]) => codec);
    this.shape = {
      kind: "struct",
      name,
      fields: fields.map(([field, codec]) => ({ name: field, shape: codec.shape })),
    };
  }

  #findList(): boolean {
    const last = this.#codecs.at(-1);
    this.#isList = last !== undefined && isNextOf(last, this);
    return this.#isList;
  }

  encode(w: XdrWriter, v: Properties): void {
    if (!(this.#isList ?? this.#findList())) {
      this.#encodeFields(w, v, this.#codecs.length);
      return;
    }
    const own = this.#codecs.length - 1;
    const next = this.#names[own] as string;
    for (let node: unknown = v; ; ) {
      this.#encodeFields(w, node, own);
      node = getProperty(node as Properties, next);
      w.bool(node !== null);
      if (node === null) return;
    }
  }

  #encodeFields(w: XdrWriter, v: unknown, count: number): void {
    if (!isProperties(v)) w.fail(`expected an object, got ${describe(v)}`);
    for (let i = 0; i < count; i++) this.#codecs[i]?.encode(w, getProperty(v, this.#names[i] as string));
  }

  decode(r: XdrReader): Properties {
    if (!(this.#isList ?? this.#findList())) return this.#decodeFields(r, this.#codecs.length);
    const own = this.#codecs.length - 1;
    const next = this.#names[own] as string;
    const first = this.#decodeFields(r, own);
    let last = first;
    while (r.bool()) {
      const node = this.#decodeFields(r, own);
      setProperty(last, next, node);
      last = node;
    }
    setProperty(last, next, null);
    return first;
  }

  #decodeFields(r: XdrReader, count: number): Properties {
    const v: Properties = {};
    for (let i = 0; i < count; i++) setProperty(v, this.#names[i] as string, this.#codecs[i]?.decode(r));
    return v;
  }
}
