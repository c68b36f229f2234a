import { DecodeError } from "../../model/index.js";
import { FaultCode } from "./fault-code.js";

/**
 * What is wrong with a document.
 *
 * | kind | meaning |
 * |---|---|
 * | `syntax` | not well-formed XML, or XML with a DTD |
 * | `encoding` | in an encoding that is not supported, or not the one that was announced |
 * | `character` | bytes that are no characters, or characters that XML cannot hold |
 * | `message` | XML, but no message of XML-RPC |
 * | `value` | a value that is not of its type, such as `<int>12abc</int>` |
 * | `limit` | more than an option allows |
 */
export type DecodeErrorKind = "syntax" | "encoding" | "character" | "message" | "value" | "limit";

const faultCodes: Readonly<Record<DecodeErrorKind, number>> = {
  syntax: FaultCode.NOT_WELL_FORMED,
  encoding: FaultCode.UNSUPPORTED_ENCODING,
  character: FaultCode.INVALID_CHARACTER,
  message: FaultCode.INVALID_REQUEST,
  value: FaultCode.INVALID_PARAMS,
  limit: FaultCode.INVALID_REQUEST,
};

/** A document that cannot be read. The message names the value at fault, such as `params[0].items[3].id`. */
export class XmlRpcDecodeError extends DecodeError {
  readonly kind: DecodeErrorKind;

  constructor(kind: DecodeErrorKind, message: string, path = "") {
    super(path === "" ? message : `${path}: ${message}`);
    this.kind = kind;
    this.path = path;
  }

  /** The fault that a server answers such a document with. */
  get faultCode(): number {
    return faultCodes[this.kind];
  }
}
