/**
 * Remote procedure calls: every promise settles, and every failure says whether the procedure ran.
 *
 * @module
 */
export {
  BroadcastError,
  type BroadcastOptions,
  type BroadcastReply,
  broadcast,
} from "./binder/broadcast.js";
export { Binder, type BinderOptions } from "./binder/daemon/binder.js";
export type { BinderChange } from "./binder/daemon/desk.js";
export type { RemoteCallOptions } from "./binder/daemon/procedures.js";
export type { DirectoryClientOptions } from "./binder/directory/client.js";
export type { DirectoryLimits } from "./binder/directory/limits.js";
export type { NameRegistration } from "./binder/directory/registrar.js";
export { binderAt, type NameResolver } from "./binder/directory/resolver.js";
export { Directory, type DirectoryOptions } from "./binder/directory/service.js";
export { callIndirect, type IndirectOptions, type IndirectResult } from "./binder/indirect.js";
export type { Registration } from "./binder/registry/registry.js";
// What stands in both is taken from here: `connect` reaches more than a browser does.
export * from "./browser.js";
export { connect } from "./connect.js";
export type {
  AsyncRequest,
  ReportingProcedure,
  RequestEvent,
  RequestEventOptions,
  RequestInfo,
  RequestOptions,
  RequestRun,
  Requests,
  RequestWaitOptions,
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
export { type ServedService, serve } from "./onc/callbacks.js";
export { requests } from "./requests.js";
export { type RegisterByNameOptions, Server, type ServerOptions } from "./server.js";
