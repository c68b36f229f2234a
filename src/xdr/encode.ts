import type { XdrCodec } from "./codec.js";
import { explainDecode, explainEncode } from "./locate.js";
import { XdrReader, type XdrReaderOptions } from "./reader.js";
import { XdrWriter, type XdrWriterOptions } from "./writer.js";

/**
 * Encodes one value.
 *
 * @throws EncodeError for a value that XDR cannot carry, with the path of the field
 */
export function encode<T>(codec: XdrCodec<T>, value: NoInfer<T>, options?: XdrWriterOptions | undefined): Uint8Array {
  const writer = new XdrWriter(options);
  try {
    codec.encode(writer, value);
  } catch (error) {
    throw explainEncode(error, codec.shape, value);
  }
  return writer.take();
}

/**
 * Decodes one value, which must take all of the bytes. Long opaque data in it are views of `bytes`.
 *
 * @throws DecodeError for bytes that are not one value, with the path of the field and the offset
 */
export function decode<T>(codec: XdrCodec<T>, bytes: Uint8Array, options?: XdrReaderOptions | undefined): T {
  const reader = new XdrReader(bytes, options);
  try {
    const value = codec.decode(reader);
    reader.finish();
    return value;
  } catch (error) {
    throw explainDecode(error, codec.shape, bytes, 0, bytes.length, options);
  }
}
