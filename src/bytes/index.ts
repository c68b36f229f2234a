export { murmur3 } from "./murmur.js";
export { Reader, type ReaderOptions, viewSizeMin } from "./reader.js";
export { Slab } from "./slab.js";
export { Writer, type WriterOptions, writerSizeMax } from "./writer.js";
