export type * from "./access.js";
export type * from "./call.js";
export { type Codec, DecodeError, EncodeError } from "./codec.js";
export {
  type Executed,
  type ProtocolStatus,
  RpcError,
  type RpcErrorCode,
  type RpcErrorDetails,
} from "./error.js";
export { type Hedging, type NarrowedBy, type Narrowing, narrowingProblem, oneWayGuarantee } from "./narrowing.js";
export type {
  AsyncRequest,
  RequestEvent,
  RequestEventOptions,
  RequestInfo,
  RequestOptions,
  RequestRun,
  RequestState,
  Requests,
  RequestWaitOptions,
} from "./requests.js";
export { type Remote, remote } from "./requests.js";
export type { NameQuery, Place, ResolveQuery, Resolver } from "./resolver.js";
export type * from "./retry.js";
export { isSemantics, type Narrowed, narrows, type Semantics } from "./semantics.js";
export type * from "./service.js";
export type * from "./shape.js";
export type { ContextSignal, Signal } from "./signal.js";
export {
  type CallStep,
  callSteps,
  emptyTimeline,
  type ReachTimes,
  type ServerStep,
  type ServerTimes,
  type StepTime,
  type Timeline,
} from "./timeline.js";
export { isTraceparent } from "./trace.js";
