import {
  type CallContext,
  type Executed,
  emptyTimeline,
  type RpcError,
  type Semantics,
  type Timeline,
} from "../model/index.js";
import { channelOf } from "./channels.js";
import type { ClientCallEnd, ClientCallError, ClientCallStart, ClientRetry, ProcedureNames } from "./events.js";

const started = channelOf("farcall:client:call:start");
const ended = channelOf("farcall:client:call:end");
const failed = channelOf("farcall:client:call:error");
const repeated = channelOf("farcall:client:retry");

/** Whether anybody wants to know about the calls of clients. */
export function clientCallsObserved(): boolean {
  return started.hasSubscribers || ended.hasSubscribers || failed.hasSubscribers;
}

/** What is known of a call before it is made. */
export interface ClientCallDescription {
  readonly names: ProcedureNames;
  readonly address: string;
  readonly semantics: Semantics;
  readonly context: CallContext | undefined;
  readonly traceparent: string | undefined;
  /** Nothing answers it, so nobody learns whether it ran. */
  readonly oneWay?: boolean | undefined;
}

/** Makes a call, and tells of it where anybody wants to know. `make` is given the watch, if there is one. */
export function watchClientCall<T>(
  describe: () => ClientCallDescription,
  make: (watch: ClientCallWatch | undefined) => Promise<T>,
): Promise<T> {
  if (!clientCallsObserved()) return make(undefined);
  const watch = new ClientCallWatch(describe());
  return watch.around(() => make(watch));
}

/** Tells of a call that is about to be sent again. */
export function publishRetry(event: ClientRetry): void {
  if (repeated.hasSubscribers) repeated.publish(event);
}

/** One call that is watched at the client: the object that the channels give from its start to its end. */
export class ClientCallWatch implements ClientCallStart {
  readonly protocol: string;
  readonly service: string | undefined;
  readonly procedure: string | undefined;
  readonly numbers: ProcedureNames["numbers"];
  readonly address: string;
  readonly semantics: Semantics;
  readonly context: CallContext | undefined;
  traceparent: string | undefined;
  executed: Executed | undefined = undefined;
  timeline: Timeline | undefined = undefined;
  error: RpcError | undefined = undefined;
  readonly #oneWay: boolean;

  constructor({ names, address, semantics, context, traceparent, oneWay = false }: ClientCallDescription) {
    this.protocol = names.protocol;
    this.service = names.service;
    this.procedure = names.procedure;
    this.numbers = names.numbers;
    this.address = address;
    this.semantics = semantics;
    this.context = context;
    this.traceparent = traceparent;
    this.#oneWay = oneWay;
  }

  /**
   * Tells of the start, makes the call and tells of its end: of one end or one error. `make` finds in `traceparent` the
   * trace that the call is to carry, and sees that `timeline` is set when the call returns.
   */
  async around<T>(make: () => Promise<T>): Promise<T> {
    started.publish(this);
    let value: T;
    try {
      value = await make();
    } catch (reason) {
      // A call fails with nothing else.
      const error = reason as RpcError;
      this.executed = error.executed;
      this.timeline = error.timeline;
      this.error = error;
      failed.publish(this as ClientCallError);
      throw error;
    }
    this.executed = this.#oneWay ? "unknown" : "yes";
    this.timeline ??= emptyTimeline;
    ended.publish(this as ClientCallEnd);
    return value;
  }
}
