import type { RpcError, Timeline } from "../model/index.js";
import { emptyTimeline } from "../model/index.js";
import { channelOf } from "./channels.js";
import type { ClientCallEnd, ClientCallError, ClientCallStart } from "./events.js";

const started = channelOf("farcall:client:call:start");
const ended = channelOf("farcall:client:call:end");
const failed = channelOf("farcall:client:call:error");

/** Whether anybody wants to know about the calls of clients. */
export function clientCallsObserved(): boolean {
  return started.hasSubscribers || ended.hasSubscribers || failed.hasSubscribers;
}

/**
 * Makes a call and tells the channels of its start and its end. Every start is followed by one end or one error.
 *
 * @param event what is known at the start; what becomes known is added to it
 * @param make makes the call, with the trace that the event then has; `explain` is to be given its time-line
 */
export async function observeClientCall(
  event: ClientCallStart,
  make: (explain: (timeline: Timeline) => void) => Promise<unknown>,
): Promise<unknown> {
  let timeline = emptyTimeline;
  started.publish(event);
  let value: unknown;
  try {
    value = await make((told) => {
      timeline = told;
    });
  } catch (reason) {
    // A call fails with nothing else.
    const error = reason as RpcError;
    const end: Omit<ClientCallError, keyof ClientCallStart> = {
      executed: error.executed,
      error,
      timeline: error.timeline,
    };
    failed.publish(Object.assign(event, end));
    throw error;
  }
  const end: Omit<ClientCallEnd, keyof ClientCallStart> = { executed: "yes", timeline };
  ended.publish(Object.assign(event, end));
  return value;
}
