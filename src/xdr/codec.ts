import type { Codec } from "../model/index.js";
import type { XdrReader } from "./reader.js";
import type { XdrWriter } from "./writer.js";

/** Both directions of one type in XDR. */
export type XdrCodec<T> = Codec<T, XdrWriter, XdrReader>;

/** The type of a codec's values, such as `ValueOf<typeof int>`, which is `number`. */
export type ValueOf<C> = C extends { decode(reader: XdrReader): infer T } ? T : never;
