/** How long to wait between attempts; every time in milliseconds. */
export interface BackoffOptions {
  /** The first wait. Default 50: a restarting server is back in about that time, and a loop of calls stays harmless. */
  readonly initialMs?: number | undefined;
  /** The longest wait. Default 2,000: how long a user waits at most for a server that is back. */
  readonly maxMs?: number | undefined;
  /** What each wait is multiplied by. Default 2. */
  readonly factor?: number | undefined;
}

/**
 * How many repetitions a client may send, of all its calls together: a bucket of tokens. Each repetition takes one, each
 * call puts a part of one back, so repetitions are at most a tenth of the calls, however many fail.
 */
export interface RetryBudgetOptions {
  /** Most tokens, and how many there are at the start. Default 10. */
  readonly tokens?: number | undefined;
  /** What each call puts back. Default 0.1. */
  readonly perCall?: number | undefined;
}

/**
 * How calls are tried again. Whether one may be is not decided here: that follows from its guarantee, and from what is
 * known about its execution. Retransmission of datagrams that got no answer is the transport's business (`retransmit`).
 */
export interface RetryOptions {
  /**
   * Most attempts of one call, the first included. One that found no connection counts. Default: of at-least-once calls
   * as many as fit before the deadline, of others 3.
   */
  readonly attempts?: number | undefined;
  /** How long to wait between attempts of one call, and between attempts to connect. */
  readonly backoff?: BackoffOptions | undefined;
  /** What all calls of the client may repeat together; `false` for no bound. */
  readonly budget?: RetryBudgetOptions | false | undefined;
}

/**
 * A second transmission while the first is still awaited; the first answer wins. It goes over the same connection, and over
 * UDP it is a retransmission that does not wait for its time. Each takes a token out of the retry budget; without one there
 * is none.
 */
export interface HedgeOptions {
  /** Milliseconds without an answer before each further transmission. Take what nine of ten calls need. */
  readonly afterMs: number;
  /** Most further transmissions of one call. Default 1. */
  readonly max?: number | undefined;
}

/** {@link RetryOptions} of one call; what is left out is the client's. The budget is shared by all its calls. */
export interface CallRetryOptions extends Omit<RetryOptions, "budget"> {
  /** `false` to take nothing out of the client's budget. */
  readonly budget?: false | undefined;
}
