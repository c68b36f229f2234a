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
  readonly #now: () => number;
  #current: number;
  #since: number;
  /** By the step's place in `callSteps`: when it first began, from the start; below 0 if it did not. */
  readonly #starts = [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1];
  /** By the same place: how long it took. */
  readonly #durations = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

  constructor(now: () => number, first: S, startedAt: number) {
    this.#now = now;
    this.startedAt = startedAt;
    this.#current = places[first];
    this.#since = startedAt;
    this.#starts[this.#current] = 0;
  }

  /** The step before ends, and this one begins or goes on. */
  enter(step: S): void {
    this.leave();
    const place = places[step];
    this.#current = place;
    if ((this.#starts[place] as number) < 0) this.#starts[place] = this.#since - this.startedAt;
  }

  /** Ends the step that the call is in. */
  protected leave(): void {
    const now = this.#now();
    this.#durations[this.#current] = (this.#durations[this.#current] as number) + now - this.#since;
    this.#since = now;
  }

  /** How long a step took so far; 0 if the call did not come to it. */
  protected durationOf(step: CallStep): number {
    return this.#durations[places[step]] as number;
  }

  /** The time of a step, less what others spent of it; undefined if the call did not come to it. */
  protected timeOf(step: CallStep, side: StepTime["side"], spent = 0): StepTime | undefined {
    const startMs = this.#starts[places[step]] as number;
    if (startMs < 0) return undefined;
    return { step, side, startMs, durationMs: Math.max(0, this.durationOf(step) - spent) };
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
  end(transmissions: number, reach: ReachTimes): Timeline {
    this.leave();
    const { server } = this;
    // The server's clock may run a little faster, so that it claims more than there was.
    const spent = server === undefined ? 0 : server.receive + server.unmarshal + server.execute + server.reply;
    const steps: StepTime[] = [];
    let serverMs = 0;
    for (const step of callSteps) {
      const time = this.timeOf(step, "client", step === "network" ? spent : 0);
      if (time !== undefined) {
        steps.push(time);
      } else if (server !== undefined && isServerStep(step)) {
        steps.push({ step, side: "server", startMs: serverMs, durationMs: server[step] });
        serverMs += server[step];
      }
    }
    const { resolveMs, connectMs } = reach;
    const serverTold = server !== undefined;
    const timeline: Timeline = { resolveMs, connectMs, steps, serverTold, totalMs: this.elapsed, transmissions };
    this.#tell(timeline);
    return timeline;
  }
}

/** The server's record of a call. It begins in `receive`, when the message arrived. */
export class ServerRecord extends Steps<ServerStep> {
  /** The object by which whoever watches the call knows it. */
  subject: object | undefined = undefined;
  /** Is told, once, that the call was answered, or that nobody is there any more to answer. */
  onEnd: (() => void) | undefined = undefined;

  constructor(now: () => number, arrivedAt: number) {
    super(now, "receive", arrivedAt);
  }

  /** Nothing more happens to the call. */
  end(): void {
    const tell = this.onEnd;
    this.onEnd = undefined;
    tell?.();
  }

  /** The times so far. To be told in the reply itself they are asked for while it is being written. */
  get times(): ServerTimes {
    this.leave();
    return {
      receive: this.durationOf("receive"),
      unmarshal: this.durationOf("unmarshal"),
      execute: this.durationOf("execute"),
      reply: this.durationOf("reply"),
    };
  }

  /** The steps so far, each with its beginning. */
  get steps(): readonly StepTime[] {
    this.leave();
    const steps: StepTime[] = [];
    for (const step of serverSteps) {
      const time = this.timeOf(step, "server");
      if (time !== undefined) steps.push(time);
    }
    return steps;
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
  const { resolveMs, connectMs } = reach;
  return { resolveMs, connectMs, steps, serverTold: false, totalMs, transmissions };
}

const places = Object.fromEntries(callSteps.map((step, place) => [step, place])) as Readonly<Record<CallStep, number>>;

const serverSteps: readonly ServerStep[] = ["receive", "unmarshal", "execute", "reply"];

function isServerStep(step: CallStep): step is ServerStep {
  return step === "receive" || step === "unmarshal" || step === "execute" || step === "reply";
}
