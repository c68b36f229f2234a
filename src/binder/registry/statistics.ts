/** The versions of rpcbind. */
export type RpcbindVersion = 2 | 3 | 4;

/** Most programs, versions and netids that are counted apart, so that questions without end take no memory without end. */
export const countedMax = 256;

/** Counters end there instead of turning negative. */
const counterMax = 0x7fff_ffff;

interface AddressCounter {
  readonly prog: number;
  readonly vers: number;
  readonly netid: string;
  success: number;
  failure: number;
}

interface RemoteCounter extends AddressCounter {
  readonly proc: number;
  /** The procedure that it was asked by. */
  readonly indirect: number;
}

class Counters {
  /** Calls of each procedure, 0 to 12. */
  readonly calls: number[] = Array<number>(13).fill(0);
  sets = 0;
  unsets = 0;
  readonly addresses = new Map<string, AddressCounter>();
  readonly remotes = new Map<string, RemoteCounter>();
}

/** What was asked of a binder: GETSTAT of RFC 1833. */
export class BinderStatistics {
  readonly #byVersion: Readonly<Record<RpcbindVersion, Counters>> = {
    2: new Counters(),
    3: new Counters(),
    4: new Counters(),
  };

  /** A procedure was called. */
  called(version: RpcbindVersion, procedure: number): void {
    const { calls } = this.#byVersion[version];
    calls[procedure] = plusOne(calls[procedure] ?? 0);
  }

  /** Something was registered. */
  set(version: RpcbindVersion): void {
    const counters = this.#byVersion[version];
    counters.sets = plusOne(counters.sets);
  }

  /** Registrations were taken back. */
  unset(version: RpcbindVersion): void {
    const counters = this.#byVersion[version];
    counters.unsets = plusOne(counters.unsets);
  }

  /** An address was asked for. */
  asked(version: RpcbindVersion, prog: number, vers: number, netid: string, found: boolean): void {
    const { addresses } = this.#byVersion[version];
    const make = (): AddressCounter => ({ prog, vers, netid, success: 0, failure: 0 });
    count(addresses, `${prog} ${vers} ${netid}`, make, found);
  }

  /** A call was made for somebody, or refused. */
  forwarded(
    version: RpcbindVersion,
    call: { readonly prog: number; readonly vers: number; readonly proc: number },
    indirect: number,
    netid: string,
    found: boolean,
  ): void {
    const { prog, vers, proc } = call;
    const make = (): RemoteCounter => ({ prog, vers, proc, indirect, netid, success: 0, failure: 0 });
    count(this.#byVersion[version].remotes, `${prog} ${vers} ${proc} ${indirect} ${netid}`, make, found);
  }

  /** The counters as GETSTAT answers, versions 2, 3 and 4; what was asked last is first. */
  report(): StatisticsReport[] {
    return ([2, 3, 4] as const).map((version) => {
      const { calls, sets, unsets, addresses, remotes } = this.#byVersion[version];
      return {
        info: [...calls],
        setinfo: sets,
        unsetinfo: unsets,
        addrinfo: listOf([...addresses.values()]),
        rmtinfo: listOf([...remotes.values()]),
      };
    });
  }
}

type Linked<T> = (T & { next: Linked<T> }) | null;

export interface StatisticsReport {
  info: number[];
  setinfo: number;
  unsetinfo: number;
  addrinfo: Linked<AddressCounter>;
  rmtinfo: Linked<RemoteCounter>;
}

function listOf<T>(items: readonly T[]): Linked<T> {
  let list: Linked<T> = null;
  for (const item of items) list = { ...item, next: list };
  return list;
}

function count<T extends AddressCounter>(counters: Map<string, T>, key: string, make: () => T, found: boolean): void {
  let counter = counters.get(key);
  if (counter === undefined) {
    if (counters.size >= countedMax) return;
    counter = make();
    counters.set(key, counter);
  }
  if (found) counter.success = plusOne(counter.success);
  else counter.failure = plusOne(counter.failure);
}

const plusOne = (value: number): number => Math.min(value + 1, counterMax);
