/**
 * The ten steps of a call, in the order in which it takes them.
 *
 * | step | what happens in it | measured by |
 * |---|---|---|
 * | `client` | the call's options are checked | client |
 * | `stub` | the call gets its identity: its place among those that wait for an answer, and in the session | client |
 * | `marshal` | header and arguments are encoded | client |
 * | `send` | the message waits for the connection, for the peer to read, and for the socket to take it | client |
 * | `network` | from there until the answer's bytes are here, less what the server spent; both directions, and all transmissions | client |
 * | `receive` | the server reads the message, knows its caller, and lets it wait its turn | server |
 * | `unmarshal` | the arguments are decoded | server |
 * | `execute` | the procedure runs | server |
 * | `reply` | the result is encoded, kept where replies are kept, and handed to the connection | server |
 * | `return` | the answer is read and the result decoded | client |
 */
export type CallStep =
  | "client"
  | "stub"
  | "marshal"
  | "send"
  | "network"
  | "receive"
  | "unmarshal"
  | "execute"
  | "reply"
  | "return";

/** The steps whose times only the server knows. */
export type ServerStep = "receive" | "unmarshal" | "execute" | "reply";

/** All {@link CallStep}s, in order. */
export const callSteps: readonly CallStep[] = [
  "client",
  "stub",
  "marshal",
  "send",
  "network",
  "receive",
  "unmarshal",
  "execute",
  "reply",
  "return",
];

/** One step of one call. */
export interface StepTime {
  readonly step: CallStep;
  /** Whose clock measured it. The two clocks are never compared. */
  readonly side: "client" | "server";
  /**
   * Milliseconds from the beginning of the call, or, of the server's steps, from the arrival of the message, to the step.
   * A step that is taken again, because the call is sent again, keeps its first beginning and adds up its times.
   */
  readonly startMs: number;
  readonly durationMs: number;
}

/** How long a server spent in each of its steps, in milliseconds: what it tells its client. */
export type ServerTimes = Readonly<Record<ServerStep, number>>;

/** How long it took to find and to reach the server, in milliseconds, for the connection that a call went over. */
export interface ReachTimes {
  /** Asking the binder for the port; absent where the address had one. */
  readonly resolveMs?: number | undefined;
  /** Connecting, name look-up and TLS included. */
  readonly connectMs?: number | undefined;
}

/**
 * Where the time of one call went. The connection may be older than the call, so `resolveMs` and `connectMs` are part
 * of its time only where it waited for them, in `send`.
 */
export interface Timeline extends ReachTimes {
  /**
   * What is known, in the order of {@link callSteps}. Steps that the call never came to are absent, and so are those that
   * nobody measured: the error of a call that was not explained knows `send` and `network` only.
   */
  readonly steps: readonly StepTime[];
  /** Whether the server told its own times. If not, as with every foreign server, `network` includes them. */
  readonly serverTold: boolean;
  /** From the beginning of the call to its end. */
  readonly totalMs: number;
  /** How often it was sent. */
  readonly transmissions: number;
}

/** The time-line of what never became a call. */
export const emptyTimeline: Timeline = { steps: [], serverTold: false, totalMs: 0, transmissions: 0 };
