import type { Shape } from "../model/index.js";
import type { XdrCodec } from "./codec.js";

/** RFC 4506, section 4.4. */
export const bool: XdrCodec<boolean> = {
  encode: (w, v) => w.bool(v),
  decode: (r) => r.bool(),
  shape: { kind: "boolean" },
};

/**
 * RFC 4506, section 4.3: some of the ints, by name. A number that is none of them is an error both ways.
 *
 * ```ts
 * const Color = { RED: 0, GREEN: 1 } as const;
 * const color = enumeration("Color", Color);       // XdrCodec<0 | 1>
 * ```
 *
 * @throws RangeError for a member that is not an int
 */
export function enumeration<const M extends Readonly<Record<string, number>>>(
  name: string,
  members: M,
): XdrCodec<M[keyof M]> {
  const set: ReadonlySet<M[keyof M]> = new Set(Object.values(members) as M[keyof M][]);
  for (const [member, value] of Object.entries(members)) {
    if ((value | 0) !== value) throw new RangeError(`enum ${name}: ${member} must be an int, not ${value}`);
  }
  const shape: Shape = { kind: "enum", name, members };
  return {
    encode: (w, v) => w.enumeration(v, set, name),
    decode: (r) => r.enumeration(set, name),
    shape,
  };
}
