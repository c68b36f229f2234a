import type { Shape } from "../model/index.js";
import type { XdrCodec } from "./codec.js";
import type { XdrReader } from "./reader.js";
import type { XdrWriter } from "./writer.js";

/** RFC 4506, section 4.19: `T *`, the value or `null`. */
export function optional<T>(of: XdrCodec<T>): XdrCodec<T | null> {
  return new OptionalCodec(of);
}

/**
 * A type that is used before its definition is complete, by name: what recursive types are made with.
 *
 * ```ts
 * interface Node { value: number; next: Node | null }
 * const node: XdrCodec<Node> = struct({ value: int, next: optional(recursive("Node", () => node)) });
 * ```
 *
 * A struct whose last field is an optional one of itself is a linked list, and is walked in a loop, however long.
 * Everything else may nest as deep as the writer's and the reader's `depthMax`.
 */
export function recursive<T>(name: string, of: () => XdrCodec<T>): XdrCodec<T> {
  return new RecursiveCodec(name, of);
}

class OptionalCodec<T> implements XdrCodec<T | null> {
  readonly of: XdrCodec<T>;
  readonly shape: Shape;

  /** @throws RangeError for an optional optional: `null` would mean two things */
  constructor(of: XdrCodec<T>) {
    if (of instanceof OptionalCodec) throw new RangeError("an optional of an optional: null would mean two things");
    this.of = of;
    this.shape = { kind: "optional", of: of.shape };
  }

  encode(w: XdrWriter, v: T | null): void {
    w.bool(v !== null);
    if (v !== null) this.of.encode(w, v);
  }

  decode(r: XdrReader): T | null {
    return r.bool() ? this.of.decode(r) : null;
  }
}

class RecursiveCodec<T> implements XdrCodec<T> {
  readonly of: () => XdrCodec<T>;
  readonly shape: Shape;

  constructor(name: string, of: () => XdrCodec<T>) {
    this.of = of;
    this.shape = { kind: "reference", name, to: () => of().shape };
  }

  encode(w: XdrWriter, v: T): void {
    w.enter();
    this.of().encode(w, v);
    w.leave();
  }

  decode(r: XdrReader): T {
    r.enter();
    const v = this.of().decode(r);
    r.leave();
    return v;
  }
}

/** Whether `field` is an optional of `struct`, be it through named types: the next node of a list. */
export function isNextOf(field: XdrCodec<unknown>, struct: XdrCodec<unknown>): boolean {
  const pointer = named(field);
  return pointer instanceof OptionalCodec && named(pointer.of) === struct;
}

function named(codec: XdrCodec<unknown>): XdrCodec<unknown> {
  let found = codec;
  // A name that stands for itself never ends; no sensible chain is this long.
  for (let i = 0; found instanceof RecursiveCodec && i < 100; i++) found = found.of();
  return found;
}
