/** A version of a program, and where it is served over one kind of transport: the struct `rpcb` of RFC 1833. */
export interface Registration {
  readonly prog: number;
  readonly vers: number;
  /** `tcp`, `udp`, `tcp6`, `udp6` or `local`. */
  readonly netid: string;
  /** The universal address. */
  readonly addr: string;
  /** `superuser`, a uid in decimal, or `unknown`. */
  readonly owner: string;
}

/** Who may take back what anybody registered. */
export const superuser = "superuser";

/** An owner that could not be found out. */
export const unknownOwner = "unknown";

/** rpcbind itself. */
export const rpcbindProgram = 100_000;

/** What a registry holds at most, so that nobody fills it. */
export interface RegistryLimits {
  /** Registrations; default 4,096. */
  readonly registrationsMax?: number | undefined;
  /** Of these, what one owner may have, the superuser excepted; default 1,024. */
  readonly registrationsPerOwnerMax?: number | undefined;
}

/** What holds where a user says nothing. */
export const registryLimitDefaults: { readonly registrationsMax: number; readonly registrationsPerOwnerMax: number } = {
  registrationsMax: 4_096,
  registrationsPerOwnerMax: 1_024,
};

/** What registering came to. */
export type SetOutcome = "new" | "same" | "taken" | "full" | "refused";

/** The kinds of transport that can be registered, and how each delivers: what `/etc/netconfig` says on Linux. */
export const transports: ReadonlyMap<
  string,
  { readonly delivery: 1 | 2 | 3; readonly family: "inet" | "inet6" | "loopback"; readonly proto: string }
> = new Map([
  ["udp", { delivery: 1, family: "inet", proto: "udp" }],
  ["tcp", { delivery: 3, family: "inet", proto: "tcp" }],
  ["udp6", { delivery: 1, family: "inet6", proto: "udp" }],
  ["tcp6", { delivery: 3, family: "inet6", proto: "tcp" }],
  ["local", { delivery: 3, family: "loopback", proto: "-" }],
]);

/** A table of registrations: who may change it, and what it answers. It knows neither time nor the network. */
export class Registry {
  readonly #limits: typeof registryLimitDefaults;
  /** By program, version and netid, in the order in which they came. */
  readonly #all = new Map<string, Registration>();
  /** By program and netid, the versions. */
  readonly #versions = new Map<string, Map<number, Registration>>();
  readonly #perOwner = new Map<string, number>();
  readonly #permanent = new Set<Registration>();

  constructor(limits: RegistryLimits = {}) {
    const given = Object.entries(limits).filter(
      ([name, value]) => name in registryLimitDefaults && value !== undefined,
    );
    this.#limits = { ...registryLimitDefaults, ...Object.fromEntries(given) };
  }

  get size(): number {
    return this.#all.size;
  }

  /** All registrations, in the order in which they came. */
  all(): IterableIterator<Registration> {
    return this.#all.values();
  }

  /** Enters what nobody can take back: the binder itself. */
  addPermanent(entry: Registration): void {
    if (this.#all.has(keyOf(entry))) return;
    this.#enter(entry);
    this.#permanent.add(entry);
  }

  isPermanent(entry: Registration): boolean {
    return this.#permanent.has(entry);
  }

  /** Registers. What is there already stays, and `same` says that it is the same address. */
  set(entry: Registration): SetOutcome {
    if (entry.prog === rpcbindProgram || !transports.has(entry.netid)) return "refused";
    const known = this.#all.get(keyOf(entry));
    if (known !== undefined) return known.addr === entry.addr ? "same" : "taken";
    const ofOwner = this.#perOwner.get(entry.owner) ?? 0;
    const { registrationsMax, registrationsPerOwnerMax } = this.#limits;
    if (this.#all.size >= registrationsMax) return "full";
    if (entry.owner !== superuser && ofOwner >= registrationsPerOwnerMax) return "full";
    this.#enter(entry);
    return "new";
  }

  /**
   * Takes registrations of a version back.
   *
   * @param netid empty for all kinds of transport
   * @returns what was taken back; undefined when one of them is somebody else's, and then none
   */
  unset(prog: number, vers: number, netid: string, owner: string): Registration[] | undefined {
    const netids = netid === "" ? [...transports.keys()] : [netid.toLowerCase()];
    const found = netids
      .map((one) => this.#all.get(keyOf({ prog, vers, netid: one })))
      .filter((entry) => entry !== undefined);
    if (found.some((entry) => !this.mayRemove(entry, owner))) return undefined;
    for (const entry of found) this.remove(entry);
    return found;
  }

  mayRemove(entry: Registration, owner: string): boolean {
    return !this.#permanent.has(entry) && (owner === superuser || owner === entry.owner);
  }

  /** What serves a version, or where `exact` is not set, what serves another version of the program. */
  find(prog: number, vers: number, netid: string, exact: boolean): Registration | undefined {
    const versions = this.#versions.get(`${prog} ${netid}`);
    const found = versions?.get(vers);
    if (found !== undefined || exact || versions === undefined) return found;
    return [...versions.values()].at(-1);
  }

  /** The versions of a program over a kind of transport. */
  versionsOf(prog: number, netid: string): readonly number[] {
    return [...(this.#versions.get(`${prog} ${netid}`)?.keys() ?? [])];
  }

  /** Removes one registration, if it is still there. */
  remove(entry: Registration): boolean {
    const key = keyOf(entry);
    if (this.#all.get(key) !== entry) return false;
    this.#all.delete(key);
    const group = `${entry.prog} ${entry.netid}`;
    const versions = this.#versions.get(group);
    versions?.delete(entry.vers);
    if (versions?.size === 0) this.#versions.delete(group);
    const left = (this.#perOwner.get(entry.owner) ?? 1) - 1;
    if (left === 0) this.#perOwner.delete(entry.owner);
    else this.#perOwner.set(entry.owner, left);
    return true;
  }

  #enter(entry: Registration): void {
    this.#all.set(keyOf(entry), entry);
    const group = `${entry.prog} ${entry.netid}`;
    const versions = this.#versions.get(group) ?? new Map<number, Registration>();
    versions.set(entry.vers, entry);
    this.#versions.set(group, versions);
    this.#perOwner.set(entry.owner, (this.#perOwner.get(entry.owner) ?? 0) + 1);
  }
}

function keyOf({ prog, vers, netid }: Pick<Registration, "prog" | "vers" | "netid">): string {
  return `${prog} ${vers} ${netid}`;
}
