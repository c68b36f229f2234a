import type { XdrCodec } from "./codec.js";

/** RFC 4506, section 4.16: `void`, no bytes at all. */
export const nothing: XdrCodec<void> = {
  encode() {},
  decode() {},
  shape: { kind: "void" },
};
