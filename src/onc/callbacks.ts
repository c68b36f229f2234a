import type { CallContext, Caller, Handlers } from "../model/index.js";
import type { OncService } from "./program.js";

/** A service with what serves it, as the option `callbacks` of `connect` takes it. Made by {@link serve}. */
export interface ServedService {
  readonly service: OncService<unknown>;
  readonly lifetime: "persistent" | "per-session" | "per-call";
  readonly make: () => object;
}

/** What a client says about its callbacks. */
export interface CallbackServingOptions {
  /**
   * Services that the server may call over this client's connection: `[serve(ProgressV1, handlers)]`. Such a client keeps the
   * process alive, and connects again by itself, until it is closed. Not for datagrams.
   */
  readonly callbacks?: readonly ServedService[] | undefined;
  /** Most callbacks that run at once; default 1,024. One more is answered with SYSTEM_ERR. */
  readonly callbacksMax?: number | undefined;
  /** Most bytes of their arguments; default 64 MiB. As with `callbacksMax`; the last may exceed it. */
  readonly callbackBytesMax?: number | undefined;
  /** Is told what a handler of a callback threw; the server is not. Default: writes it to stderr. */
  readonly onCallbackError?: ((error: unknown, call: FailedCallback) => void) | undefined;
}

/** What a client is told beside an error of a callback's handler. */
export interface FailedCallback {
  /** The service and procedure, such as `PROGRESS_PROG.report`. */
  readonly procedure: string;
  /** The server. */
  readonly caller: Caller;
}

/** What a client's connections are served by. */
export interface ServedCallbacks {
  /** Is called when something is to be sent. */
  onChange: () => void;
  /** Whether a context is that of a callback which this serves. */
  isContext(context: CallContext): boolean;
  /** A connection is gone. */
  lost(link: object, reason: Error | undefined): void;
  close(): Promise<void>;
}

/**
 * A service that a client offers its server, which calls it over the client's own connection:
 *
 * ```ts
 * const calc = await connect(CalcV1, address, { callbacks: [serve(ProgressV1, { report: (done) => console.log(done) })] });
 * ```
 *
 * The server's handler reaches it as `context.callback(ProgressV1)`.
 */
export function serve<C>(service: OncService<C>, handlers: Handlers<C>): ServedService {
  return { service: service as OncService<unknown>, lifetime: "persistent", make: () => handlers };
}
