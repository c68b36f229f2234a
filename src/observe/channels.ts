import { channel } from "node:diagnostics_channel";
import type { DiagnosticEvents } from "./events.js";

/** A diagnostics channel that knows what it tells. */
export interface TypedChannel<Event> {
  /** Whether anybody listens. Asked first, so that nothing is made for nobody. */
  readonly hasSubscribers: boolean;
  publish(event: Event): void;
}

/** The channel of that name: the same one for everybody in the process. */
export function channelOf<Name extends keyof DiagnosticEvents>(name: Name): TypedChannel<DiagnosticEvents[Name]> {
  return channel(name);
}
