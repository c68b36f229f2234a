import { emptyTimeline, type Timeline } from "./timeline.js";

/** Whether the procedure ran: never guessed. `no` means not then and not later. */
export type Executed = "no" | "yes" | "unknown";

/**
 * Why a call failed. The list is stable; match on it, never on a message.
 *
 * | code | meaning |
 * |---|---|
 * | `invalid-argument` | the caller's mistake: a value the wire cannot carry, an option out of range, a bad address |
 * | `not-found` | no such host, or the binder knows no such service |
 * | `unavailable` | connection refused or lost, or nobody to connect to |
 * | `deadline-exceeded` | the deadline passed |
 * | `cancelled` | the caller's signal fired |
 * | `closed` | the client was closed |
 * | `busy` | a limit was reached, here or at the server |
 * | `denied` | authentication or authorisation failed |
 * | `unimplemented` | the server has no such program, version or procedure |
 * | `bad-arguments` | the server could not decode the arguments |
 * | `server-error` | the server failed while it handled the call |
 * | `bad-reply` | the reply is not what the contract says |
 * | `stale` | the session has ended, and with it state at the server that the call needs |
 */
export type RpcErrorCode =
  | "invalid-argument"
  | "not-found"
  | "unavailable"
  | "deadline-exceeded"
  | "cancelled"
  | "closed"
  | "busy"
  | "denied"
  | "unimplemented"
  | "bad-arguments"
  | "server-error"
  | "bad-reply"
  | "stale";

/** The protocol's own number for an outcome, with its standard text, and what else the protocol says about it. */
export interface ProtocolStatus {
  readonly number: number;
  readonly text: string;
  /** Lowest and highest supported version, where the peer said so. */
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  /** The reason of an authentication failure (ONC RPC: `auth_stat`), with its name. */
  readonly why?: { readonly number: number; readonly text: string } | undefined;
}

export interface RpcErrorDetails {
  readonly executed: Executed;
  readonly status?: ProtocolStatus | undefined;
  /** How many times the call was tried: sent, or found without a connection. Datagrams sent again do not count. */
  readonly attempts?: number | undefined;
  /** How many times its message was handed to the transport, datagrams sent again included. */
  readonly transmissions?: number | undefined;
  /** The peer's address, such as `tcp://127.0.0.1:2049`. */
  readonly peer?: string | undefined;
  readonly timeline?: Timeline | undefined;
  readonly cause?: unknown;
}

/** How a call failed, and whether the procedure ran. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: RpcErrorCode;
  readonly executed: Executed;
  readonly status: ProtocolStatus | undefined;
  readonly attempts: number;
  readonly transmissions: number;
  readonly peer: string | undefined;
  /** Where the time went; empty when no call was made. */
  readonly timeline: Timeline;

  constructor(code: RpcErrorCode, message: string, details: RpcErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.executed = details.executed;
    this.status = details.status;
    this.attempts = details.attempts ?? 0;
    this.transmissions = details.transmissions ?? 0;
    this.peer = details.peer;
    this.timeline = details.timeline ?? emptyTimeline;
  }
}
