// Who has how much of a store. Whoever takes all he can get must leave others room, so what an address has weighs against
// it: what all have and what it has are counted together. One address alone gets half, two get a third each, and whoever
// has nothing finds as much room as the greediest have taken.

/** What one address has. */
export interface Share {
  readonly name: string;
  /** How many callers of it are known. */
  callers: number;
  entries: number;
  bytes: number;
}

/** How much is kept, in all and for each address. */
export class Shares {
  entries = 0;
  bytes = 0;
  readonly #shares = new Map<string, Share>();

  /**
   * The share that something counts in; an address has one, whatever the transports and ports, for as long as callers of it are known.
   *
   * @param from undefined for what nobody shares with
   */
  of(from: string | undefined): Share | undefined {
    if (from === undefined) return undefined;
    const name = from.replace(/^\w+:(?=\/\/)|:\d+$/g, "");
    return this.#shares.get(name) ?? { name, callers: 0, entries: 0, bytes: 0 };
  }

  /** Whether there is room for one more; the last one may exceed it. */
  hasRoom(share: Share | undefined, entriesMax: number, bytesMax: number): boolean {
    return this.entries + (share?.entries ?? 0) < entriesMax && this.bytes + (share?.bytes ?? 0) < bytesMax;
  }

  /** So much more is kept, or less. */
  count(share: Share | undefined, entries: number, bytes: number): void {
    this.entries += entries;
    this.bytes += bytes;
    if (share === undefined) return;
    share.entries += entries;
    share.bytes += bytes;
  }

  /** One more caller has this share. */
  join(share: Share | undefined): void {
    if (share !== undefined && share.callers++ === 0) this.#shares.set(share.name, share);
  }

  /** A caller is known no more. */
  leave(share: Share | undefined): void {
    if (share !== undefined && --share.callers === 0) this.#shares.delete(share.name);
  }

  /** How many addresses have something. */
  get size(): number {
    return this.#shares.size;
  }
}
