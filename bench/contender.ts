/** What is called: nothing at all, two ints whose sum comes back, a short text that comes back; or an asynchronous request. */
export type Kind = "null" | "struct" | "echo" | "accept";

/** One side of the comparison. Its server and its client run in processes of their own. */
export interface Contender {
  /** Starts serving on a free port of loopback, and gives the address. */
  serve(): Promise<string>;
  connect(address: string): Promise<Caller>;
}

export interface Caller {
  /** Which kinds it can call. */
  readonly kinds: readonly Kind[];
  /** Keeps `window` calls in flight until the time is up. */
  run(kind: Kind, window: number, ms: number): Promise<Sample>;
}

export interface Sample {
  readonly calls: number;
  readonly ms: number;
  /** Percentiles of a call's time in microseconds; at window 1 only, where taking the time costs next to nothing. */
  readonly p50?: number | undefined;
  readonly p99?: number | undefined;
}

/** One codec of the comparison, of the value that {@link hundredEntries} describes. */
export interface CodecContender {
  /** Encodes once, and gives the number of bytes. */
  encode(): number;
  /** Decodes what `encode` wrote, and gives the number of entries. */
  decode(): number;
}

/** 100 entries, 4,004 bytes in XDR. The same values stand in codec/entries.c. */
export function hundredEntries(): { id: number; name: string; weight: number; stamp: bigint }[] {
  return Array.from({ length: 100 }, (_, i) => ({
    id: i,
    name: "some-name-here",
    weight: i * 0.5,
    stamp: BigInt(i) * 1_000_000_007n,
  }));
}
