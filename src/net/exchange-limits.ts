/** What a server of exchanges allows whoever connects. Each limit has a default and a reason; over it, others are served on. */
export interface ExchangeLimits {
  /** Most bytes of a request's body, as sent and inflated; default 16 MiB. Refused with 413. */
  readonly bodySizeMax?: number | undefined;
  /** Most bytes of a request's headers; default 16 KiB, as Node's. Refused with 431. */
  readonly headersSizeMax?: number | undefined;
  /** Most connections at once; default 8,192, below the usual limit of 10,240 descriptors. One more is closed at once. */
  readonly connectionsMax?: number | undefined;
  /** Most connections of one peer address at once; default 4,096: half of all, so that one peer cannot take them all. */
  readonly connectionsPerPeerMax?: number | undefined;
  /** Milliseconds that a connection is kept for its next request; default 65,000: longer than proxies keep theirs. */
  readonly idleTimeoutMs?: number | undefined;
  /** Milliseconds from the first byte of a request to its last; default 60,000: 16 MiB at some 2 Mbit/s. Refused with 408. */
  readonly requestTimeoutMs?: number | undefined;
  /** Most bytes of bodies that are arriving, of all connections; default 256 MiB. Whose request is the oldest loses it. */
  readonly bufferedBytesMax?: number | undefined;
  /** Milliseconds in which a peer that has a response to take must take some; default 60,000. It loses the connection. */
  readonly writeTimeoutMs?: number | undefined;
}

export type ResolvedExchangeLimits = { readonly [K in keyof ExchangeLimits]-?: number };

/** What holds where a user says nothing. */
export const exchangeLimitDefaults: ResolvedExchangeLimits = {
  bodySizeMax: 16 * 1024 * 1024,
  headersSizeMax: 16 * 1024,
  connectionsMax: 8_192,
  connectionsPerPeerMax: 4_096,
  idleTimeoutMs: 65_000,
  requestTimeoutMs: 60_000,
  bufferedBytesMax: 256 * 1024 * 1024,
  writeTimeoutMs: 60_000,
};

/** The limits given, and the defaults of those that are not. Throws RangeError for one that bounds nothing. */
export function resolveExchangeLimits(limits: ExchangeLimits): ResolvedExchangeLimits {
  const resolved: Record<string, number> = { ...exchangeLimitDefaults };
  for (const name of Object.keys(exchangeLimitDefaults) as (keyof ExchangeLimits)[]) {
    const value = limits[name];
    if (value === undefined) continue;
    if (!Number.isFinite(value) || value <= 0) throw new RangeError(`${name} must be above 0 and finite, not ${value}`);
    resolved[name] = value;
  }
  return resolved as ResolvedExchangeLimits;
}

/** A body that is arriving. */
export interface ArrivingBody {
  bytes: number;
  /** Cuts it off. */
  readonly cut: (reason: Error) => void;
}

/** What one server's listeners share: connections by peer, and bytes of bodies that are arriving. */
export class ExchangeLoad {
  readonly limits: ResolvedExchangeLimits;
  #connections = 0;
  readonly #perPeer = new Map<string, number>();
  /** In the order in which they began. */
  readonly #bodies = new Set<ArrivingBody>();
  #buffered = 0;

  constructor(limits: ExchangeLimits) {
    this.limits = resolveExchangeLimits(limits);
  }

  get connections(): number {
    return this.#connections;
  }

  get bufferedBytes(): number {
    return this.#buffered;
  }

  /** Counts a connection; false when it is one too many. */
  enter(host: string): boolean {
    const ofPeer = this.#perPeer.get(host) ?? 0;
    if (this.#connections >= this.limits.connectionsMax || ofPeer >= this.limits.connectionsPerPeerMax) return false;
    this.#connections++;
    this.#perPeer.set(host, ofPeer + 1);
    return true;
  }

  leave(host: string): void {
    this.#connections--;
    const left = (this.#perPeer.get(host) ?? 1) - 1;
    if (left === 0) this.#perPeer.delete(host);
    else this.#perPeer.set(host, left);
  }

  /** So many bytes more of a body are here. Over the limit, the oldest goes: who is quick does not pay for who is slow. */
  grow(body: ArrivingBody, bytes: number): void {
    this.#bodies.add(body);
    body.bytes += bytes;
    this.#buffered += bytes;
    while (this.#buffered > this.limits.bufferedBytesMax) {
      const [oldest] = this.#bodies;
      if (oldest === undefined) return;
      this.done(oldest);
      oldest.cut(new Error("too many bytes of unfinished requests (bufferedBytesMax)"));
      if (oldest === body) return;
    }
  }

  /** A body is whole, or will not be. */
  done(body: ArrivingBody): void {
    if (this.#bodies.delete(body)) this.#buffered -= body.bytes;
  }
}
