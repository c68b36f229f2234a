/** One procedure, as every contender offers it: doubles a number above 0, and never answers 0. */
export type Double = (n: number) => Promise<number>;

/** One RPC system, as its own first pages show it: with every default. Its server and its client are two processes. */
export interface Contender {
  /** Serves on a free port of loopback, and gives the address. */
  serve(double: Double): Promise<string>;
  connect(address: string): Promise<Caller>;
}

export interface Caller {
  readonly double: Double;
  /** What a caller can tell of a failure without reading its message, as far as the system has codes at all. */
  describe(error: unknown): Description;
}

export interface Description {
  readonly code?: string | undefined;
  readonly executed?: string | undefined;
  /** A code of the runtime's, which a caller finds who digs for it. */
  readonly cause?: string | undefined;
}

/** The code that Node's own errors carry, also where it lies deeper. */
export function causeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const { code } = at as { code?: unknown };
    if (typeof code === "string") return code;
  }
  return undefined;
}
