/**
 * XML-RPC: the specification of 1998, the extensions that the field has added, and what its peers make of both.
 *
 * @module
 */
export { type DecodeErrorKind, XmlRpcDecodeError } from "./codec/error.js";
export { FaultCode } from "./codec/fault-code.js";
export { limitDefaults, type XmlRpcLimits } from "./codec/limits.js";
export {
  CallDecoder,
  type DecodedCall,
  type DecodedResponse,
  type DecodeOptions,
  decodeCall,
  decodeResponse,
  encodeCall,
  encodeFault,
  encodeResponse,
  type Fault,
  ResponseDecoder,
} from "./codec/message.js";
export type { Dates, Preset, Profile, TextEncoding, XmlRpcOptions } from "./codec/options.js";
export { type DateTimeParts, double, NaiveDateTime, type XmlRpcDouble, type XmlRpcValue } from "./codec/value.js";
