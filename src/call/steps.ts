import {
  type CallStep,
  callSteps,
  type ReachTimes,
  type ServerStep,
  type ServerTimes,
  type StepTime,
  type Timeline,
} from "../model/index.js";

// How the steps of a call are measured. A call is in one step at a time, so entering one ends the one before, and all
// together they make the whole. Nothing of this exists for a call that nobody asked about.

/** Measures one side's steps of one call. Times are milliseconds of the clock that it is given. */
class Steps<S extends CallStep> {
  readonly startedAt: number;
  protected readonly now: () => number;
  #current: S;
  #since: number;
  readonly #times = new Map<CallStep, { startMs: number; durationMs: number }>();

  constructor(now: () => number, first: S, startedAt: number) {
    this.now = now;
    this.startedAt = startedAt;
    this.#current = first;
    this.#since = startedAt;
    this.#begin(first);
  }

  /** The step before ends, and this one begins or goes on. */
  enter(step: S): void {
    this.#leave();
    this.#current = step;
    this.#begin(step);
  }

  #begin(step: S): void {
    if (this.#times.has(step)) return;
    this.#times.set(step, { startMs: this.#since - this.startedAt, durationMs: 0 });
  }

  #leave(): void {
    const now = this.now();
    const time = this.#times.get(this.#current);
    if (time !== undefined) time.durationMs += now - this.#since;
    this.#since = now;
  }

  /** Ends the step that the call is in, and gives the time of each. */
  protected leave(): ReadonlyMap<CallStep, { readonly startMs: number; durationMs: number }> {
    this.#leave();
    return this.#times;
  }

  protected get elapsed(): number {
    return this.#since - this.startedAt;
  }
}

export interface CallRecordOptions {
  /** The clock, in milliseconds. */
  readonly now: () => number;
  readonly startedAt: number;
  /** Whether the server is to be asked for its times, where it can tell them. */
  readonly asksServer: boolean;
  readonly subject?: object | undefined;
  /** Is given the time-line, once, when the call has ended. */
  readonly tell: (timeline: Timeline) => void;
}

/** The client's record of a call. */
export class CallRecord extends Steps<Exclude<CallStep, ServerStep>> {
  readonly asksServer: boolean;
  /** The object by which whoever watches the call knows it. */
  readonly subject: object | undefined;
  /** What it told. */
  server: ServerTimes | undefined = undefined;
  readonly #tell: (timeline: Timeline) => void;

  constructor(options: CallRecordOptions) {
    super(options.now, "client", options.startedAt);
    this.asksServer = options.asksServer;
    this.subject = options.subject;
    this.#tell = options.tell;
  }

  /** The call has ended, and was sent so often. */
  end(attempts: number, reach: ReachTimes): Timeline {
    const times = this.leave();
    const { server } = this;
    const network = times.get("network");
    if (server !== undefined && network !== undefined) {
      const spent = server.receive + server.unmarshal + server.execute + server.reply;
      // The server's clock may run a little faster.
      network.durationMs = Math.max(0, network.durationMs - spent);
    }
    const steps: StepTime[] = [];
    let serverMs = 0;
    for (const step of callSteps) {
      const time = times.get(step);
      if (time !== undefined) {
        steps.push({ step, side: "client", ...time });
      } else if (server !== undefined && isServerStep(step)) {
        steps.push({ step, side: "server", startMs: serverMs, durationMs: server[step] });
        serverMs += server[step];
      }
    }
    const timeline: Timeline = { ...reach, steps, serverTold: server !== undefined, totalMs: this.elapsed, attempts };
    this.#tell(timeline);
    return timeline;
  }
}

/** The server's record of a call. It begins in `receive`, when the message arrived. */
export class ServerRecord extends Steps<ServerStep> {
  /** The object by which whoever watches the call knows it. */
  subject: object | undefined = undefined;

  constructor(now: () => number, arrivedAt: number) {
    super(now, "receive", arrivedAt);
  }

  /** The times so far. To be told in the reply itself they are asked for while it is being written. */
  get times(): ServerTimes {
    const times = this.leave();
    const ms = (step: ServerStep): number => times.get(step)?.durationMs ?? 0;
    return { receive: ms("receive"), unmarshal: ms("unmarshal"), execute: ms("execute"), reply: ms("reply") };
  }

  /** The steps so far, each with its beginning. */
  get steps(): readonly StepTime[] {
    const times = this.leave();
    return serverSteps.flatMap((step) => {
      const time = times.get(step);
      return time === undefined ? [] : [{ step, side: "server", ...time }];
    });
  }
}

interface CoarseTimes {
  readonly startedAt: number;
  /** Below 0 if it was never sent. */
  readonly sentAt: number;
  readonly transmissions: number;
}

/** What is known of a call that was not recorded: how long it waited to be sent, and then for its answer. */
export function coarseTimeline(call: CoarseTimes, endedAt: number, reach: ReachTimes): Timeline {
  const { startedAt, sentAt, transmissions } = call;
  const totalMs = endedAt - startedAt;
  const waited = sentAt < 0 ? totalMs : sentAt - startedAt;
  const steps: StepTime[] = [{ step: "send", side: "client", startMs: 0, durationMs: waited }];
  if (sentAt >= 0) steps.push({ step: "network", side: "client", startMs: waited, durationMs: totalMs - waited });
  return { ...reach, steps, serverTold: false, totalMs, attempts: transmissions };
}

const serverSteps: readonly ServerStep[] = ["receive", "unmarshal", "execute", "reply"];

function isServerStep(step: CallStep): step is ServerStep {
  return (serverSteps as readonly CallStep[]).includes(step);
}
