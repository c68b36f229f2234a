// READDIR and READDIRPLUS: RFC 1813, sections 3.3.16 and 3.3.17.
//
// A listing comes in pages, and a cookie says where the next page begins, whatever was created or removed meanwhile.
// So entries are ordered by a keyed hash of their names, and the hash is the cookie: it means the same place as long as
// the key is the same, after a restart too. The cookie verifier is of the key, so cookies of another key are refused.
import { createHmac } from "node:crypto";
import { type BigIntStats, readdirSync } from "node:fs";
import { postOp } from "./attributes.js";
import type { Opened } from "./entry.js";
import { handleSize } from "./handle.js";
import { type Entry3, type Entryplus3, Nfsstat3, type NfsV3Handlers } from "./nfs.js";
import { inspect, type Share } from "./operation.js";
import { NfsError } from "./status.js";

/** What clients are told to ask for: some 350 entries with attributes, which take some milliseconds to look up. */
export const listSizePreferred = 64 * 1024;
/** Most bytes of a page, whatever the client asks for: a page is looked up in one go, while other calls wait. */
const listSizeMax = 128 * 1024;

/** How many directories' orders to keep between pages. */
const orderedMax = 16;
/** A directory's time of change ticks this coarsely on some kernels; an order made sooner after it may lack an entry. */
const tickNs = 20_000_000n;

interface Place {
  readonly cookie: bigint;
  readonly name: Buffer;
}

interface Order {
  readonly places: readonly Place[];
  readonly changed: bigint;
  readonly settled: boolean;
}

/** The order of a directory's entries. */
export class Orders {
  readonly verifier: Uint8Array;
  readonly #key: Buffer;
  readonly #orders = new Map<string, Order>();

  constructor(key: Uint8Array) {
    this.#key = createHmac("sha256", key).update("cookie").digest();
    this.verifier = createHmac("sha256", this.#key).update("verifier").digest().subarray(0, 8);
  }

  /** The entries behind a cookie; from the first on with 0. */
  behind({ entry, object }: Opened, cookie: bigint): { places: readonly Place[]; from: number } {
    let order = cookie === 0n ? undefined : this.#orders.get(entry.key);
    if (order === undefined || !order.settled || order.changed !== object.stat.ctimeNs) {
      order = this.#make(object);
      this.#orders.delete(entry.key);
      this.#orders.set(entry.key, order);
      const [oldest] = this.#orders.keys();
      if (this.#orders.size > orderedMax && oldest !== undefined) this.#orders.delete(oldest);
    }
    const { places } = order;
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((places[middle] as Place).cookie > cookie) high = middle;
      else low = middle + 1;
    }
    return { places, from: low };
  }

  #make(object: Opened["object"]): Order {
    const changed = object.restat().ctimeNs;
    const settled = BigInt(Date.now()) * 1_000_000n - changed > tickNs;
    const places: Place[] = [
      { cookie: 1n, name: Buffer.from(".") },
      { cookie: 2n, name: Buffer.from("..") },
    ];
    const hashed = readdirSync(object.self, { encoding: "buffer" })
      .map((name) => ({ cookie: this.#cookieOf(name), name }))
      .sort((a, b) => (a.cookie < b.cookie ? -1 : a.cookie > b.cookie ? 1 : Buffer.compare(a.name, b.name)));
    let last = 2n;
    for (const { cookie, name } of hashed) {
      // Two names with one hash are not to be met in practice; even so both are listed.
      last = cookie > last ? cookie : last + 1n;
      places.push({ cookie: last, name });
    }
    return { places, changed, settled };
  }

  /** 62 bits: some clients take cookies for signed, and 0 to 2 are taken. */
  #cookieOf(name: Buffer): bigint {
    return (createHmac("sha256", this.#key).update(name).digest().readBigUInt64BE(0) >> 2n) | 4n;
  }
}

// The sizes of what is answered, with all of XDR's overhead, section 2.4: attributes 4 + 84, a verifier 8, and the ends
// of the list 4 + 4.
const answerSize = 104;
const padded = (size: number): number => (size + 3) & ~3;
const entrySize = (name: Uint8Array): number => 4 + 8 + 4 + padded(name.length) + 8;
const plusSize: number = 4 + 84 + 4 + 4 + padded(handleSize);

export function lists(share: Share, orders: Orders): Pick<NfsV3Handlers, "readdir" | "readdirplus"> {
  const { tree } = share;

  function page<E extends { nextentry: E | null }>(
    directory: Opened,
    from: { cookie: bigint; cookieverf: Uint8Array; size: number; nameSize: number; extra: number },
    entryOf: (place: Place, stat: BigIntStats) => E,
  ): { entries: E | null; eof: boolean } {
    if (from.cookie !== 0n && Buffer.compare(from.cookieverf, orders.verifier) !== 0) {
      throw new NfsError(Nfsstat3.NFS3ERR_BAD_COOKIE, "a cookie of another time");
    }
    const { places, from: start } = orders.behind(directory, from.cookie);
    let size = answerSize;
    let nameSize = 0;
    let first: E | null = null;
    let last: E | null = null;
    for (let i = start; i < places.length; i++) {
      const place = places[i] as Place;
      size += entrySize(place.name) + from.extra;
      nameSize += entrySize(place.name);
      if (size > Math.min(from.size, listSizeMax) || (nameSize > from.nameSize && first !== null)) {
        if (first === null) throw new NfsError(Nfsstat3.NFS3ERR_TOOSMALL, "no entry fits into the answer");
        return { entries: first, eof: false };
      }
      const stat = statOf(directory, place);
      // Gone since the directory was read.
      if (stat === undefined) continue;
      const entry: E = entryOf(place, stat);
      if (last === null) first = entry;
      else last.nextentry = entry;
      last = entry;
    }
    return { entries: first, eof: true };
  }

  function statOf(directory: Opened, { cookie, name }: Place): BigIntStats | undefined {
    if (cookie === 1n) return directory.object.restat();
    if (cookie === 2n) return tree.above(directory).stat;
    try {
      return directory.object.statOf(name);
    } catch {
      return undefined;
    }
  }

  return {
    async readdir({ dir, cookie, cookieverf, count }) {
      const done = await inspect(tree.openDirectory(dir), (directory) =>
        page(directory, { cookie, cookieverf, size: count, nameSize: count, extra: 0 }, (place, stat): Entry3 => {
          return { fileid: stat.ino, name: place.name, cookie: place.cookie, nextentry: null };
        }),
      );
      if (!done.ok) return { status: done.status, resfail: { dirAttributes: done.attributes } };
      return {
        status: Nfsstat3.NFS3_OK,
        resok: { dirAttributes: done.attributes, cookieverf: orders.verifier, reply: done.value },
      };
    },

    async readdirplus({ dir, cookie, cookieverf, dircount, maxcount }) {
      const done = await inspect(tree.openDirectory(dir), (directory) => {
        const from = { cookie, cookieverf, size: maxcount, nameSize: dircount, extra: plusSize };
        return page(directory, from, (place, stat): Entryplus3 => {
          const isDot = place.cookie <= 2n;
          return {
            fileid: stat.ino,
            name: place.name,
            cookie: place.cookie,
            nameAttributes: postOp(stat),
            nameHandle: isDot
              ? { handleFollows: false }
              : { handleFollows: true, handle: tree.handleOf(tree.remember(directory.entry, place.name, stat)) },
            nextentry: null,
          };
        });
      });
      if (!done.ok) return { status: done.status, resfail: { dirAttributes: done.attributes } };
      return {
        status: Nfsstat3.NFS3_OK,
        resok: { dirAttributes: done.attributes, cookieverf: orders.verifier, reply: done.value },
      };
    },
  };
}
