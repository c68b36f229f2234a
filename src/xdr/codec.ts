import type { Codec } from "../model/index.js";
import type { XdrReader } from "./reader.js";
import type { XdrWriter } from "./writer.js";

/** Both directions of one type in XDR. */
export type XdrCodec<T> = Codec<T, XdrWriter, XdrReader>;
