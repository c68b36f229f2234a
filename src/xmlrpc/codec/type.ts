import type { XmlRpcValue } from "./value.js";
import type { XmlRpcWriter } from "./writer.js";

/** Both directions of one type of a contract. */
export interface XmlRpcType<T> {
  /** @throws EncodeError with the path of a value that is not of the type */
  encode(writer: XmlRpcWriter, value: T): void;
  /** @throws DecodeError with the path of a value that is not of the type */
  decode(value: XmlRpcValue | undefined): T;
}
