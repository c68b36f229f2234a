import type { MaybePromise } from "../call/reply-cache.js";
import type { Machine } from "../drive/machine.js";
import type { CallContext, Caller, LocalOptions } from "../model/index.js";
import type { ExchangeLimits } from "../net/exchange-limits.js";
import type { TlsServerCredentials } from "../net/tls.js";
import type { ServerCallResult } from "../observe/server.js";
import type { XmlRpcOptions } from "./codec/options.js";
import type { HttpFaceOptions } from "./http-face.js";
import type { IdempotencyOptions } from "./idempotency.js";

/** What a server reports beside an error of a handler. */
export interface FailedXmlRpcCall {
  /** The service and procedure, such as `CALC_PROG.add`, or the method. */
  readonly procedure: string;
  readonly caller: Caller;
}

/** What an XML-RPC server allows whoever calls. The size of a body is the document's: `documentSizeMax`. */
export interface XmlRpcServerLimits extends Omit<ExchangeLimits, "bodySizeMax"> {
  /** Most requests whose handlers run at once; default 16,384. One more is answered with 503, and has not run. */
  readonly runningCallsMax?: number | undefined;
  /** Most bytes of the requests whose handlers run; default 256 MiB. As with `runningCallsMax`. */
  readonly runningBytesMax?: number | undefined;
}

/** @typeParam Tx what the reply cache's store lets exactly-once calls work in */
export interface XmlRpcServerOptions<Tx = unknown> extends XmlRpcServerLimits, XmlRpcOptions, HttpFaceOptions {
  /** Refuses a call before its handler runs, by answering false. Asked for each inner call of a `system.multicall`. */
  readonly authorize?: ((context: CallContext & { readonly method: string }) => MaybePromise<boolean>) | undefined;
  /**
   * Local authentication: the kernel says who calls over Unix sockets, and who is on no list is denied. Needs Linux and the
   * package koffi. Default: none.
   */
  readonly local?: LocalOptions | true | undefined;
  /** Records the steps of every call at the server, and is given them once its answer is made. */
  readonly explain?: ((call: ServerCallResult) => void) | undefined;
  /** Is told what a handler threw; the caller is not. Default: writes it to stderr. */
  readonly onError?: ((error: unknown, call: FailedXmlRpcCall) => void) | undefined;
  /** TLS for `https:` addresses. */
  readonly tls?: TlsServerCredentials | undefined;
  /** How calls with an Idempotency-Key are told from new ones when they are sent again; default: in memory. `false` runs them again. */
  readonly replyCache?: IdempotencyOptions<Tx> | false | undefined;
  /** Whether callers may learn the methods (`system.listMethods` and its kin); default true. */
  readonly introspection?: boolean | undefined;
  /** Whether calls may come together (`system.multicall`, at most `multicallMax`); default true. */
  readonly multicall?: boolean | undefined;
  /** Where time and chance come from; default: the machine that the process runs on. */
  readonly machine?: Machine | undefined;
}

/** The defaults, whose reasons are in docs/limits.md. */
export const runningDefaults: { readonly runningCallsMax: number; readonly runningBytesMax: number } = {
  runningCallsMax: 16_384,
  runningBytesMax: 256 * 1024 * 1024,
};
