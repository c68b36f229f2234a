import type { ServerRecord } from "../call/steps.js";
import type { Executed } from "../model/index.js";
import { channelOf } from "./channels.js";
import type { ServerCallEnd, ServerCallError, ServerCallStart } from "./events.js";
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

/** One call that is watched at the server, from before its handler runs until it is answered. */
export class ServerCallWatch {
  readonly event: ServerCallStart;
  readonly #record: ServerRecord;
  readonly #explain: ((call: ServerCallResult) => void) | undefined;
  #failure: { readonly error: unknown; readonly executed: Executed } | undefined;

  /** @param explain is given what the channels are given at the end */
  constructor(event: ServerCallStart, record: ServerRecord, explain: ((call: ServerCallResult) => void) | undefined) {
    this.event = event;
    this.#record = record;
    this.#explain = explain;
    started.publish(event);
  }

  /** Something went wrong; the first failure is the call's. */
  fail(error: unknown, executed: Executed): void {
    this.#failure ??= { error, executed };
  }

  /** The call was answered, or nobody is there any more to answer. */
  end(): void {
    const { steps } = this.#record;
    if (this.#failure === undefined) {
      const end: Omit<ServerCallEnd, keyof ServerCallStart> = { executed: "yes", steps };
      const event = Object.assign(this.event, end);
      ended.publish(event);
      this.#tell(event);
    } else {
      const end: Omit<ServerCallError, keyof ServerCallStart> = { ...this.#failure, steps };
      const event = Object.assign(this.event, end);
      failed.publish(event);
      this.#tell(event);
    }
  }

  #tell(result: ServerCallResult): void {
    const explain = this.#explain;
    if (explain !== undefined) tellSafely(() => explain(result));
  }
}
