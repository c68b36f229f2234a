/**
 * What `farcall` is in a browser: the contracts, and `connect` for services that are called over HTTP.
 *
 * @module
 */
import type { connect as connectByAnyProtocol } from "./connect.js";
import { connectAny } from "./connect-any.js";

export type { ConnectOptions } from "./connect.js";
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

/** {@link connectByAnyProtocol}, where there are no sockets: `http:` and `https:` alone. */
export const connect: typeof connectByAnyProtocol = connectAny as typeof connectByAnyProtocol;
