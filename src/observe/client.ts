import {
  type CallContext,
  type Executed,
  emptyTimeline,
  type RpcError,
  type Semantics,
  type Timeline,
} from "../model/index.js";
import { channelOf } from "./channels.js";
import type { ClientCallEnd, ClientCallError, ClientCallStart, ProcedureNames } from "./events.js";

const started = channelOf("farcall:client:call:start");
const ended = channelOf("farcall:client:call:end");
const failed = channelOf("farcall:client:call:error");

/** Whether anybody wants to know about the calls of clients. */
export function clientCallsObserved(): boolean {
  return started.hasSubscribers || ended.hasSubscribers || failed.hasSubscribers;
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

  constructor(
    names: ProcedureNames,
    address: string,
    semantics: Semantics,
    context: CallContext | undefined,
    traceparent: string | undefined,
  ) {
    this.protocol = names.protocol;
    this.service = names.service;
    this.procedure = names.procedure;
    this.numbers = names.numbers;
    this.address = address;
    this.semantics = semantics;
    this.context = context;
    this.traceparent = traceparent;
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
    this.executed = "yes";
    this.timeline ??= emptyTimeline;
    ended.publish(this as ClientCallEnd);
    return value;
  }
}
