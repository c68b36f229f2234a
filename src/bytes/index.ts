export { Reader, type ReaderOptions, viewSizeMin } from "./reader.js";
export { Writer, type WriterOptions, writerSizeMax } from "./writer.js";
