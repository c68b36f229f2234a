import type {
  CallContext,
  Caller,
  Executed,
  ReachTimes,
  RpcError,
  Semantics,
  StepTime,
  Timeline,
  TlsPeer,
} from "../model/index.js";

// What the diagnostics channels tell. One object accompanies a call from its start to its end, so a subscriber may keep
// what it knows of the call under it, in a WeakMap.

/** Which procedure, in the words of its contract and in those of the wire. */
export interface ProcedureNames {
  /** Such as `onc`. */
  readonly protocol: string;
  /** The service's name in its contract, such as `CALC_PROG`; undefined for calls by number, without a contract. */
  readonly service: string | undefined;
  /** The procedure's name in its contract, such as `add`; undefined for calls by number. */
  readonly procedure: string | undefined;
  /** What ONC RPC calls it. */
  readonly numbers: { readonly program: number; readonly version: number; readonly procedure: number } | undefined;
}

/** `farcall:client:call:start`: a client makes a call. */
export interface ClientCallStart extends ProcedureNames {
  /** The server's address, such as `tcp://127.0.0.1:2049`. */
  readonly address: string;
  /** What was promised about repetition. */
  readonly semantics: Semantics;
  /** The context of the call being handled, if the caller passed one. */
  readonly context: CallContext | undefined;
  /** The trace as the caller gave it. A subscriber that makes a span writes its own here; the call then carries that one. */
  traceparent: string | undefined;
}

/** `farcall:client:call:end`: it returned. */
export interface ClientCallEnd extends ClientCallStart {
  /** `unknown` of a one-way call, which ends when its bytes leave. */
  readonly executed: "yes" | "unknown";
  readonly timeline: Timeline;
}

/** `farcall:client:call:error`: it failed. */
export interface ClientCallError extends ClientCallStart {
  readonly executed: Executed;
  readonly error: RpcError;
  readonly timeline: Timeline;
}

/** `farcall:client:connect`: a client has connected, for the first time or again. */
export interface ClientConnect extends ReachTimes {
  readonly protocol: string;
  /** The address in use, with the port. */
  readonly address: string;
}

/** `farcall:client:connect:error`: a client could not connect. */
export interface ClientConnectError {
  readonly protocol: string;
  /** The address as the user wrote it. */
  readonly address: string;
  readonly error: unknown;
}

/** `farcall:client:disconnect`: a client's connection is over. */
export interface ClientDisconnect {
  readonly protocol: string;
  readonly address: string;
  /** Why, where it was not closed in order. */
  readonly error: Error | undefined;
}

/**
 * Why a call is sent again.
 *
 * - `no-answer`: a datagram was not answered in time
 * - `connection-lost`: it goes over the next connection
 * - `hedge`: the answer takes longer than the call's `hedge.afterMs`
 * - `refused`: nobody listened where the datagram came to
 * - `busy`: the server asked for a pause
 * - `credential`: the server refused the credential, and there is a fresh one
 */
export type RetryReason = "no-answer" | "connection-lost" | "refused" | "credential" | "hedge" | "busy";

/** `farcall:client:retry`: a call is about to be sent again. */
export interface ClientRetry extends ProcedureNames {
  readonly address: string;
  /** Which transmission this is, from 2 upwards. */
  readonly transmission: number;
  readonly reason: RetryReason;
  /** The object of the call's start, if anybody listened to that. */
  readonly call: ClientCallStart | undefined;
}

/** `farcall:server:call:start`: a handler is about to run. */
export interface ServerCallStart extends ProcedureNames {
  readonly caller: Caller;
  /** Where the server took the call, such as `tcp://127.0.0.1:2049`. */
  readonly address: string | undefined;
  /** The trace as the client gave it. A subscriber that makes a span writes its own here; the handler's context then has that one. */
  traceparent: string | undefined;
  /** A subscriber may set it to run the handler inside of something, such as an AsyncLocalStorage; it gives what `handler` gives. */
  run: (<T>(handler: () => T) => T) | undefined;
}

/** `farcall:server:call:end`: it was answered. */
export interface ServerCallEnd extends ServerCallStart {
  readonly executed: "yes";
  /** The server's own steps. */
  readonly steps: readonly StepTime[];
}

/** `farcall:server:call:error`: its handler failed, or its result cannot be sent. */
export interface ServerCallError extends ServerCallStart {
  /** `unknown` where it worked in a transaction, which is normally rolled back. */
  readonly executed: Executed;
  /** What was thrown; the caller is not told. */
  readonly error: unknown;
  readonly steps: readonly StepTime[];
}

/** `farcall:server:refuse`: a call was refused before any handler ran. */
export interface ServerRefuse {
  readonly protocol: string;
  /** Who called. */
  readonly peer: string;
  /** The wire's word for it, such as `PROC_UNAVAIL` or `AUTH_ERROR`. */
  readonly reason: string;
  readonly numbers: ProcedureNames["numbers"];
}

/** `farcall:server:connect`: somebody has connected. */
export interface ServerConnect {
  readonly protocol: string;
  readonly peer: string;
  readonly tls: TlsPeer | undefined;
}

/** `farcall:server:disconnect`: a connection is over. */
export interface ServerDisconnect {
  readonly protocol: string;
  readonly peer: string;
  /** Why, where it was not closed in order. */
  readonly error: Error | undefined;
}

/** Every channel, by its name, with what it tells. */
export interface DiagnosticEvents {
  readonly "farcall:client:call:start": ClientCallStart;
  readonly "farcall:client:call:end": ClientCallEnd;
  readonly "farcall:client:call:error": ClientCallError;
  readonly "farcall:client:connect": ClientConnect;
  readonly "farcall:client:connect:error": ClientConnectError;
  readonly "farcall:client:disconnect": ClientDisconnect;
  readonly "farcall:client:retry": ClientRetry;
  readonly "farcall:server:call:start": ServerCallStart;
  readonly "farcall:server:call:end": ServerCallEnd;
  readonly "farcall:server:call:error": ServerCallError;
  readonly "farcall:server:refuse": ServerRefuse;
  readonly "farcall:server:connect": ServerConnect;
  readonly "farcall:server:disconnect": ServerDisconnect;
}
