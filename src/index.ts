/**
 * Remote procedure calls: every promise settles, and every failure says whether the procedure ran.
 *
 * @module
 */
export type { DirectoryClientOptions } from "./binder/directory/client.js";
export type { DirectoryLimits } from "./binder/directory/limits.js";
export type { NameRegistration } from "./binder/directory/registrar.js";
export { binderAt, type NameResolver } from "./binder/directory/resolver.js";
export { Directory, type DirectoryOptions } from "./binder/directory/service.js";
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
  type NameQuery,
  type OneWayProcedure,
  type Outcome,
  type Place,
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
export { type RegisterByNameOptions, Server, type ServerOptions } from "./server.js";
