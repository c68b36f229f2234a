import { Evidence } from "../../call/executed.js";
import type { RetryPolicy } from "../../call/retry.js";
import type { CallRecord } from "../../call/steps.js";
import type { RpcError, Semantics } from "../../model/index.js";
import type { XmlRpcProcedure } from "../codec/procedure.js";
import type { StoreNote } from "./farcall-header.js";

/** A method as a client calls it. One serves all calls of it. */
export interface CallTarget {
  /** For messages, such as `Calc.add`, or the method's own name. */
  readonly name: string;
  /** What goes into `methodName`. */
  readonly method: string;
  /** With the types of the parameters and of the result, where a contract gives them. */
  readonly procedure?: XmlRpcProcedure | undefined;
  readonly semantics: Semantics;
}

/** How a large body gets on, in bytes. */
export interface CallProgress {
  /** Bytes of the request that have left this process, and how many there are. */
  readonly sent: number;
  readonly toSend: number;
  /** Bytes of the response that have come, inflated, and how many there will be; undefined where the server does not say. */
  readonly received: number;
  readonly toReceive: number | undefined;
}

/** What a call takes with it besides its target and arguments. */
export interface CallLife {
  /** What it promises about repetition. */
  readonly semantics: Semantics;
  /** When it starts and when it ends at the latest, in milliseconds of the engine's clock. */
  readonly startedAt: number;
  readonly deadline: number;
  /** Measures its steps; absent where nobody asks. */
  readonly record?: CallRecord | undefined;
  /** The trace that it is part of. */
  readonly traceparent?: string | undefined;
  /** Headers of this call alone. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly progress?: ((progress: CallProgress) => void) | undefined;
  /** Is told what a farcall server said of the inner calls of a `system.multicall`. */
  readonly noted?: ((inner: string | undefined) => void) | undefined;
  /** How it is tried again; default: as the client says. */
  readonly retry?: RetryPolicy | undefined;
}

/** One call and its one end. It is made by the client's face, lives in the engine, and ends exactly once. */
export class ClientCall extends Evidence {
  readonly target: CallTarget;
  readonly args: readonly unknown[];
  readonly life: CallLife;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: RpcError) => void;
  /** The document of the call. */
  body: Uint8Array = none;
  state: "queued" | "running" | "pausing" | "ended" = "queued";
  /** When a pausing call is queued again, in milliseconds of the engine's clock. */
  due: number = Number.POSITIVE_INFINITY;
  /** When it was first sent; -1 before. */
  sentAt = -1;
  /** How often it was tried; an attempt that found no connection counts. */
  attempts = 0;
  attempt: object | undefined = undefined;
  /** Names the call to a server that keeps replies. */
  key: string | undefined = undefined;
  /** Where that server keeps them; undefined while nobody has said. */
  store: StoreNote | undefined = undefined;
  /** Takes the listener of the caller's signal away. */
  release: (() => void) | undefined = undefined;

  constructor(
    target: CallTarget,
    args: readonly unknown[],
    life: CallLife,
    resolve: (value: unknown) => void,
    reject: (error: RpcError) => void,
  ) {
    super();
    this.target = target;
    this.args = args;
    this.life = life;
    this.resolve = resolve;
    this.reject = reject;
  }
}

const none = new Uint8Array();
