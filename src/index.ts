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
  type Client,
  type ClientControls,
  type ClientStats,
  type Executed,
  type Handlers,
  type Identity,
  type Outcome,
  type Procedure,
  type ProtocolStatus,
  type ResolveQuery,
  type Resolver,
  RpcError,
  type RpcErrorCode,
  type Semantics,
  type Service,
  type Shape,
  type Timeline,
} from "./model/index.js";
export { type DatagramFate, MemoryNetwork, type MemoryNetworkOptions } from "./net/index.js";
export { Server, type ServerOptions } from "./server.js";
