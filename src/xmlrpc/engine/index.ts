export { charsetOf, isXmlType } from "./answer.js";
export { Attempt, type Place } from "./attempt.js";
export { type CallLife, type CallProgress, type CallTarget, ClientCall } from "./client-call.js";
export {
  ClientEngine,
  type ClientEngineOptions,
} from "./client-engine.js";
export { CookieJar } from "./cookies.js";
export { type Answer, Dispatcher, type DispatchHost, type ReadCall } from "./dispatcher.js";
export {
  type FarcallNote,
  innerExecuted,
  readFarcallHeader,
  type StoreNote,
  writeFarcallHeader,
} from "./farcall-header.js";
export { XmlRpcFault } from "./fault-error.js";
export { HttpAnswerError } from "./http-answer-error.js";
export { MethodTable, type ServedMethod } from "./method-table.js";
export { type Request, ServerCall } from "./server-call.js";
