import type { ServerRecord } from "../call/steps.js";
import type { Caller, Executed, StepTime } from "../model/index.js";
import { channelOf } from "./channels.js";
import type { ProcedureNames, ServerCallEnd, ServerCallError, ServerCallStart } from "./events.js";
import { tellSafely } from "./safely.js";

const started = channelOf("farcall:server:call:start");
const ended = channelOf("farcall:server:call:end");
const failed = channelOf("farcall:server:call:error");

/** How a call ended at the server. */
export type ServerCallResult = ServerCallEnd | ServerCallError;

/** Whether anybody wants to know about the calls of servers. */
export function serverCallsObserved(): boolean {
  return started.hasSubscribers || ended.hasSubscribers || failed.hasSubscribers;
}

/** One call that is watched at the server: the object that the channels give, from before its handler runs until it is answered. */
export class ServerCallWatch implements ServerCallStart {
  readonly protocol: string;
  readonly service: string | undefined;
  readonly procedure: string | undefined;
  readonly numbers: ProcedureNames["numbers"];
  readonly caller: Caller;
  readonly address: string | undefined;
  traceparent: string | undefined;
  run: ServerCallStart["run"] = undefined;
  executed: Executed | undefined = undefined;
  steps: readonly StepTime[] | undefined = undefined;
  error: unknown = undefined;
  #failed = false;

  constructor(names: ProcedureNames, caller: Caller, address: string | undefined, traceparent: string | undefined) {
    this.protocol = names.protocol;
    this.service = names.service;
    this.procedure = names.procedure;
    this.numbers = names.numbers;
    this.caller = caller;
    this.address = address;
    this.traceparent = traceparent;
  }

  /** A handler is about to run. */
  start(): void {
    started.publish(this);
  }

  /** Something went wrong; the first failure is the call's. */
  fail(error: unknown, executed: Executed): void {
    if (this.#failed) return;
    this.#failed = true;
    this.error = error;
    this.executed = executed;
  }

  /** The call was answered, or nobody is there any more to answer. */
  end(record: ServerRecord, explain: ((call: ServerCallResult) => void) | undefined): void {
    this.steps = record.steps;
    if (this.#failed) {
      failed.publish(this as ServerCallError);
    } else {
      this.executed = "yes";
      ended.publish(this as ServerCallEnd);
    }
    if (explain !== undefined) tellSafely(() => explain(this as ServerCallResult));
  }
}
