/**
 * What `farcall/xmlrpc` is in a browser: everything but servers. It has no imports of Node's.
 *
 * @module
 */

export {
  connectXmlRpc,
  type HttpCallOptions,
  type TypedXmlRpcClientOptions,
  type XmlRpcCapability,
  XmlRpcClient,
  type XmlRpcClientOptions,
  type XmlRpcExecuteOptions,
  type XmlRpcServiceClient,
} from "./client.js";
export type { ElementHandler } from "./codec/builder.js";
export { array, nullable, optional, record, recursive, rest, type StructValue, struct } from "./codec/composite.js";
export { type DecodeErrorKind, XmlRpcDecodeError } from "./codec/error.js";
export { type FaultOutcome, faultOutcome } from "./codec/fault.js";
export { FaultCode } from "./codec/fault-code.js";
export { encodeFault, type Fault } from "./codec/fault-document.js";
export { limitDefaults, type XmlRpcLimits } from "./codec/limits.js";
export {
  CallDecoder,
  type DecodedCall,
  type DecodedResponse,
  type DecodeOptions,
  decodeCall,
  decodeResponse,
  encodeCall,
  encodeResponse,
  ResponseDecoder,
} from "./codec/message.js";
export type { Dates, Preset, Profile, TextEncoding, XmlRpcOptions } from "./codec/options.js";
export {
  decodeParams,
  decodeResult,
  encodeProcedureCall,
  encodeResult,
  type XmlRpcProcedure,
} from "./codec/procedure.js";
export {
  any,
  base64,
  boolean,
  dateTime,
  double,
  i8,
  int,
  naiveDateTime,
  nothing,
  string,
  type ValueOf,
  type XmlRpcType,
} from "./codec/type.js";
export { type DateTimeParts, NaiveDateTime, type XmlRpcDouble, type XmlRpcValue } from "./codec/value.js";
export type { XmlRpcWriter } from "./codec/writer.js";
export { type CallProgress, HttpAnswerError, XmlRpcFault } from "./engine/index.js";
export type { HttpAuth } from "./headers.js";
export type { XmlRpcMethodDescription } from "./introspection.js";
export { type OverXmlRpcOptions, overXmlRpc, type ShapedProcedure } from "./over.js";
export { type XmlRpc, xmlRpc } from "./protocol.js";
export type { Redirects } from "./redirect.js";
export {
  type ArgsOfTypes,
  type ContractOf,
  method,
  type XmlRpcMethod,
  type XmlRpcService,
  xmlRpcService,
} from "./service.js";
