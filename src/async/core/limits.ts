/** What a queue of requests allows; docs/limits.md has the reasons for the defaults. */
export interface RequestLimits {
  /** Most requests that are kept, of all owners: waiting, running, or with an outcome that nobody has acknowledged. */
  readonly requestsMax: number;
  /** The same of one owner. */
  readonly requestsPerOwnerMax: number;
  /** Most bytes of arguments, results and checkpoints of one owner. */
  readonly requestBytesPerOwnerMax: number;
  /** Most bytes of the arguments of one request. */
  readonly requestSizeMax: number;
  /** Most bytes of a result, a value of progress, and a checkpoint. */
  readonly resultSizeMax: number;
  readonly progressSizeMax: number;
  readonly checkpointSizeMax: number;
  /** Most events of one request that are not acknowledged; further progress is not kept. */
  readonly requestEventsMax: number;
  /** Milliseconds a request may take from its acceptance, where its caller does not say, and at the most. */
  readonly requestTtlMs: number;
  readonly requestTtlMsMax: number;
  /** Milliseconds that an outcome is kept for. */
  readonly outcomeKeptMs: number;
  /** Milliseconds that the key of an acknowledged request is remembered, so that a late copy is not accepted anew. */
  readonly requestKeyKeptMs: number;
  /** How often a request is started before it fails. */
  readonly attemptsMax: number;
}

export const requestLimitDefaults: RequestLimits = {
  requestsMax: 100_000,
  requestsPerOwnerMax: 10_000,
  requestBytesPerOwnerMax: 256 * 1024 * 1024,
  requestSizeMax: 1024 * 1024,
  resultSizeMax: 8 * 1024 * 1024,
  progressSizeMax: 64 * 1024,
  checkpointSizeMax: 1024 * 1024,
  requestEventsMax: 1_000,
  requestTtlMs: 3_600_000,
  requestTtlMsMax: 7 * 86_400_000,
  outcomeKeptMs: 86_400_000,
  requestKeyKeptMs: 120_000,
  attemptsMax: 5,
};

export type RequestLimitOptions = { readonly [K in keyof RequestLimits]?: RequestLimits[K] | undefined };

/** @throws RangeError for a limit that is none */
export function resolveRequestLimits(options: RequestLimitOptions): RequestLimits {
  const limits: Record<string, number> = { ...requestLimitDefaults };
  for (const name of Object.keys(requestLimitDefaults) as (keyof RequestLimits)[]) {
    const value = options[name];
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`${name} must be a whole number from 1, not ${value}`);
    }
    limits[name] = value;
  }
  return limits as unknown as RequestLimits;
}
