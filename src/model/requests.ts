import type { Executed, RpcError } from "./error.js";
import type { ArgsOf, Procedure, ProgressOf, ResultOf } from "./service.js";
import type { Signal } from "./signal.js";

/** Under which a client has what `requests` reaches the server through. */
export const remote: unique symbol = Symbol.for("farcall.remote") as never;

declare const contract: unique symbol;

/** A client's protocol, service and channel, in the protocol's own types. */
export interface Remote<C> {
  readonly [contract]?: C | undefined;
  readonly protocol: string;
  readonly service: object;
  readonly channel: object;
}

/** The states of an asynchronous request; the last four are final. */
export type RequestState = "queued" | "running" | "done" | "failed" | "cancelled" | "expired";

/** Options of a request that is submitted. */
export interface RequestOptions {
  /**
   * The same key of the same owner gives the same request, so that whoever does not know whether it was accepted may ask
   * again. Default: a random one.
   */
  readonly key?: string | undefined;
  /** Milliseconds until the request expires unless it has ended; default: the server's, an hour. */
  readonly ttlMs?: number | undefined;
  /** Milliseconds that submitting may take; default 25,000. */
  readonly timeoutMs?: number | undefined;
  /** Ends submitting early. The request may have been accepted: `executed` says so. */
  readonly signal?: Signal | undefined;
}

/** What may be waited for, and until when. */
export interface RequestWaitOptions {
  readonly signal?: Signal | undefined;
  /** Milliseconds to wait; default: until the request's time to live is over. */
  readonly timeoutMs?: number | undefined;
}

export interface RequestEventOptions extends RequestWaitOptions {
  /** Begins behind this event; default 0, with the first one that is kept. */
  readonly after?: number | undefined;
  /**
   * Acknowledges each event when the next one is asked for: it has been dealt with then, and is not kept any longer. Default
   * false: events stay until they are acknowledged, or the outcome's time is over.
   */
  readonly acknowledge?: boolean | undefined;
}

/** An AsyncEventMessage. Numbers begin at 1 and have no gaps; `at` is in milliseconds since 1970 by the queue's clock. */
export type RequestEvent<Result, Progress> = { readonly number: number; readonly at: number } & (
  | { readonly kind: "running" }
  | { readonly kind: "progress"; readonly value: Progress }
  /** Its worker was lost or has ended, and it waits for another. */
  | { readonly kind: "interrupted" }
  | { readonly kind: "done"; readonly value: Result }
  | { readonly kind: "failed" | "cancelled" | "expired"; readonly error: RpcError }
);

/** What is known of a request. */
export interface RequestInfo {
  readonly id: string;
  /** The procedure's name in the contract; undefined for one of another service. */
  readonly procedure: string | undefined;
  /** The procedure in its protocol's own terms, such as `536871169.1.4`. */
  readonly target: string;
  readonly state: RequestState;
  /** Of one that has ended: whether its procedure ran. */
  readonly executed: Executed;
  /** How often it was started. */
  readonly attempt: number;
  /** Milliseconds since it was accepted, and until it expires. */
  readonly ageMs: number;
  readonly ttlMs: number;
  readonly lastEvent: number;
  readonly acknowledged: number;
  /** Whether it runs and its owner wants it to end. */
  readonly cancelled: boolean;
}

/** A request that was accepted. Whoever has its id and is its owner may go on with it, from any process. */
export interface AsyncRequest<Result, Progress> {
  /** The AsyncRequestId. */
  readonly id: string;
  /**
   * Waits for the result, across lost connections and restarts of the server, until the request's time to live is over.
   *
   * @throws RpcError `server-error` when it failed, `cancelled`, or `deadline-exceeded` when it expired, each with `executed`
   *   as the queue knows it; `not-found` when nothing is known of it any more
   */
  result(options?: RequestWaitOptions): Promise<Result>;
  /** Its events in order, the last one included, across lost connections and restarts. */
  events(options?: RequestEventOptions): AsyncIterableIterator<RequestEvent<Result, Progress>>;
  /** Says that events up to this one have been dealt with. Once that is the last one, the outcome is not kept any longer. */
  acknowledge(through: number): Promise<void>;
  /**
   * Asks to end it. `cancelled`: it waited, and never runs. `requested`: it runs and is told; `result` says what it made of
   * that. `too-late`: it had ended.
   */
  cancel(): Promise<"cancelled" | "requested" | "too-late">;
  /** What has become of it so far. */
  look(): Promise<RequestInfo>;
}

/** The procedures of a contract as asynchronous requests. */
export type Requests<C> = {
  readonly [K in keyof C]: C[K] extends Procedure<infer _A, infer _R, infer _S>
    ? (
        ...args: [...ArgsOf<C[K]>, options?: RequestOptions | undefined]
      ) => Promise<AsyncRequest<ResultOf<C[K]>, ProgressOf<C[K]>>>
    : never;
} & {
  /**
   * Goes on with a request by its id, in any process of its owner.
   *
   * @throws RpcError `not-found` when there is none that this caller may know of
   */
  $attach<K extends keyof C>(procedure: K, id: string): Promise<AsyncRequest<ResultOf<C[K]>, ProgressOf<C[K]>>>;
  /** Which procedure of this contract a request is of; undefined for one of another service. Throws as `$attach` does. */
  $procedureOf(id: string): Promise<(keyof C & string) | undefined>;
  /** The caller's requests, the newest first. */
  $list(options?: { readonly count?: number | undefined }): Promise<RequestInfo[]>;
};

/** What the handler of an asynchronous request has besides. */
export interface RequestRun<Progress> {
  readonly id: string;
  /** From 1: how often it was started. It grows with each start, so it fences off whoever held the request before. */
  readonly attempt: number;
  /** What `checkpoint` kept last, of a request that goes on where another run was lost; undefined at the beginning. */
  readonly resumed: Uint8Array | undefined;
  /**
   * Tells the owner how far it is. Resolves when that is kept.
   *
   * @returns false when it is not kept: the owner has left too many events unread, or the run counts no more
   */
  progress(value: Progress): Promise<boolean>;
  /** Keeps where to go on, for a procedure whose restart policy is `resume`. Resolves to false when the run counts no more. */
  checkpoint(bytes: Uint8Array): Promise<boolean>;
}
