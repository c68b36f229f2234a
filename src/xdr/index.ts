export type { XdrCodec } from "./codec.js";
export { depthMaxDefault, emptyElementsMax, lengthMax } from "./limits.js";
export { Quadruple } from "./quadruple.js";
export { XdrReader, type XdrReaderOptions } from "./reader.js";
export { XdrWriter, type XdrWriterOptions } from "./writer.js";
