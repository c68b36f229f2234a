/**
 * Remote procedure calls: every promise settles, and every failure says whether the procedure ran.
 *
 * @module
 */
export { type ConnectOptions, connect } from "./connect.js";
export {
  type CallContext,
  type Caller,
  type CallOptions,
  type CallStep,
  type Client,
  type ClientControls,
  type ClientStats,
  callSteps,
  type Executed,
  type Handlers,
  type Identity,
  type OneWayProcedure,
  type Outcome,
  type Procedure,
  type ProtocolStatus,
  type ResolveQuery,
  type Resolver,
  RpcError,
  type RpcErrorCode,
  type Semantics,
  type ServerGuarantee,
  type ServerStep,
  type ServerTimes,
  type Service,
  type Settlement,
  type Shape,
  type StepTime,
  type Timeline,
} from "./model/index.js";
export { type DatagramFate, MemoryNetwork, type MemoryNetworkOptions } from "./net/index.js";
export type {
  ClientCallEnd,
  ClientCallError,
  ClientCallStart,
  ClientConnect,
  ClientConnectError,
  ClientDisconnect,
  ClientRetry,
  DiagnosticEvents,
  ProcedureNames,
  RetryReason,
  ServerCallEnd,
  ServerCallError,
  ServerCallStart,
  ServerConnect,
  ServerDisconnect,
  ServerRefuse,
} from "./observe/events.js";
export { Server, type ServerOptions } from "./server.js";
