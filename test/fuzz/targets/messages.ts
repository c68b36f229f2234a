// The service that the engines are fuzzed with, and valid calls of it and replies to them.
import { opaque, string, struct, type XdrCodec } from "../../../src/xdr/index.js";
import { items } from "../../xdr/types.js";

export const program = 0x20000f00;

/** What its procedures take and give. */
export const reply: XdrCodec<unknown> = struct({ name: string(64), bytes: opaque(), items });
