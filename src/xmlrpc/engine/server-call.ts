import type { ServerRecord } from "../../call/steps.js";
import { type CallContext, type Caller, type ContextSignal, type Executed, RpcError } from "../../model/index.js";

/** The part of `AbortController` that a call needs; declared here because the core compiles without Node and DOM. */
export interface Aborter {
  readonly signal: ContextSignal;
  abort(reason: unknown): void;
}

/** One request, as its calls see it. A `system.multicall` makes several. */
export interface Request {
  readonly caller: Caller;
  /** Whether whoever asks may call a method at all; absent where everybody may. */
  readonly admits?: ((method: { readonly service?: object | undefined; readonly key: string }) => boolean) | undefined;
  /** When the caller gives up, in milliseconds of `performance.now()`; undefined where it does not say. */
  readonly deadline: number | undefined;
  readonly traceparent: string | undefined;
  /** Nobody waits for the answer any more. */
  readonly gone: boolean;
  /** What the reply store gave an exactly-once call to work in. */
  readonly transaction: unknown;
  /** When it was read, in milliseconds of the server's clock. */
  readonly arrivedAt: number;
  /** Made when the first handler looks at its signal. */
  readonly aborter: Aborter;
}

/** One call at the server: what handlers get as their context. */
export class ServerCall implements CallContext {
  readonly #request: Request;
  #traceparent: string | undefined;
  /** Measures its steps; undefined where nobody asks. */
  record: ServerRecord | undefined = undefined;
  /** Of the method on the wire, such as `calc.add`. */
  readonly method: string;
  /** In the contract, such as `add`; without one, the method's. */
  readonly procedure: string;

  constructor(request: Request, method: string, procedure: string) {
    this.#request = request;
    this.method = method;
    this.procedure = procedure;
  }

  /** Is told how the call ended: with what went wrong, or with nothing. */
  onEnd: ((failure: { readonly error: unknown; readonly executed: Executed } | undefined) => void) | undefined =
    undefined;

  get signal(): ContextSignal {
    return this.#request.aborter.signal;
  }

  get deadline(): number | undefined {
    return this.#request.deadline;
  }

  /** When its request was read, in milliseconds of the server's clock. */
  get arrivedAt(): number {
    return this.#request.arrivedAt;
  }

  get caller(): Caller {
    return this.#request.caller;
  }

  /** HTTP has none: the connections of one client come and go, and a proxy's carry those of many. */
  get session(): undefined {
    return undefined;
  }

  /** HTTP has no calls of the server's. */
  callback(): never {
    const message = "a caller over HTTP cannot be called back; let it export an address, and connect to that";
    throw new RpcError("invalid-argument", message, { executed: "no" });
  }

  get transaction(): unknown {
    return this.#request.transaction;
  }

  get traceparent(): string | undefined {
    return this.#traceparent ?? this.#request.traceparent;
  }

  /** Whoever watches the call puts another trace into its place. */
  set traceparent(traceparent: string | undefined) {
    this.#traceparent = traceparent;
  }
}
