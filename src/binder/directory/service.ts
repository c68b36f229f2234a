import { randomBytes } from "node:crypto";
import { type CallContext, type Caller, RpcError } from "../../model/index.js";
import { isExchangeAddress, parseExchangeAddress } from "../../net/exchange-address.js";
import { parseAddress } from "../../net/index.js";
import {
  anyVersion,
  type DirectoryEntry,
  type DirectoryStore,
  entryBytes,
  entryKey,
} from "../../store/directory/contract.js";
import { memoryDirectoryStore } from "../../store/directory/memory.js";
import { askerOf } from "../daemon/asker.js";
import { ownerByLoopback } from "../daemon/owner.js";
import { superuser, unknownOwner } from "../registry/registry.js";
import {
  ADDRESS_MAX,
  FarcallDirectoryV1,
  type FarcallDirectoryV1Handlers,
  type Found,
  type InterfaceResult,
  type ListArgs,
  type Listing,
  type LookupArgs,
  REASON_MAX,
  type RegisterArgs,
  type RegisterResult,
  RegisterStatus,
  type WatchArgs,
} from "./directory.js";
import { type DirectoryLimits, leaseMsDefault, leaseMsMin, resolveDirectoryLimits } from "./limits.js";
import { isName, nameRule } from "./names.js";

export interface DirectoryOptions extends DirectoryLimits {
  /** Where the entries are kept; default: in memory. */
  readonly store?: DirectoryStore | undefined;
  /**
   * Who may register: callers on this machine, which is the default, or whoever it says. Servers elsewhere register with a
   * directory on their own machine; a store that both share makes them known here.
   */
  readonly mayRegister?: ((caller: Caller) => boolean) | undefined;
}

/** Entries of one answer to a list: some 100 KiB. */
const listLimit = 256;

/** The longest that WATCH waits, in milliseconds. */
const watchMsMax = 60_000;

interface Watcher {
  readonly name: string;
  readonly answer: () => void;
}

/** What is between the question whether there is room and the answer of the store. */
interface Pending {
  entries: number;
  bytes: number;
  readonly ofOwner: Map<string, number>;
}

/**
 * The directory: where services are served, by name. A server exports it beside whatever else it serves.
 *
 * ```ts
 * const directory = new Directory();
 * server.export(directory.service, directory.handlers);
 * ```
 */
export class Directory implements AsyncDisposable {
  readonly service: typeof FarcallDirectoryV1 = FarcallDirectoryV1;
  readonly handlers: FarcallDirectoryV1Handlers = {
    register: (args, context) => this.#register(args, context.caller),
    withdraw: (id, context) => this.#change(context, () => this.#store.remove(hexOf(id))),
    renew: (id, context) => this.#change(context, () => this.#store.renew(hexOf(id))),
    portLookUp: (args, context) => this.#asked(context, () => this.#lookUp(args)),
    list: (args, context) => this.#asked(context, () => this.#list(args)),
    watch: (args, context) => this.#asked(context, () => this.#watch(args, context)),
    getInterface: (args, context) => this.#asked(context, () => this.#interface(args)),
  };
  readonly #store: DirectoryStore;
  readonly #limits: ReturnType<typeof resolveDirectoryLimits>;
  readonly #mayRegister: (caller: Caller) => boolean;
  readonly #unwatch: () => void;
  readonly #startedAt = performance.now();
  readonly #watchers = new Set<Watcher>();
  readonly #pending: Pending = { entries: 0, bytes: 0, ofOwner: new Map() };
  /** Counts the changes; above what any earlier run of this directory has come to. */
  #revision: bigint = BigInt(Date.now()) << 20n;

  /** @throws RangeError for a limit that is none */
  constructor(options: DirectoryOptions = {}) {
    this.#limits = resolveDirectoryLimits(options);
    this.#store = options.store ?? memoryDirectoryStore();
    this.#mayRegister = options.mayRegister ?? ((caller) => isLocal(caller.address));
    this.#unwatch = this.#store.watch((name) => this.#changed(name));
  }

  /** Ends it: callers that wait for changes are answered, and the store is closed. */
  async close(): Promise<void> {
    this.#unwatch();
    for (const watcher of [...this.#watchers]) watcher.answer();
    await this.#store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // --- registering

  async #register(args: RegisterArgs, caller: Caller): Promise<RegisterResult> {
    if (!this.#mayRegister(caller)) {
      const text = `${caller.address} may not register here: by default only this machine's own programs may`;
      return refused(RegisterStatus.REGISTER_DENIED, text);
    }
    const problem = this.#problem(args);
    if (problem !== undefined) return refused(RegisterStatus.REGISTER_INVALID, problem);
    if (!this.#store.writable) {
      return refused(RegisterStatus.REGISTER_UNAVAILABLE, "this directory is read-only: register where it reads from");
    }
    const leaseMs = Math.min(Math.max(args.lease || leaseMsDefault, leaseMsMin), this.#limits.leaseMsMax);
    const entry: DirectoryEntry = {
      id: randomBytes(16).toString("hex"),
      name: args.name,
      version: args.version,
      address: args.address,
      interface: args.interface,
      owner: ownerOf(caller),
      leaseMs,
      priority: 0,
      weight: 1,
    };
    const reserved = await this.#reserve(entry);
    if (typeof reserved !== "function") return reserved;
    try {
      await this.#store.put(entry);
    } catch (error) {
      const text = `the registration cannot be kept now: ${error instanceof Error ? error.message : String(error)}`;
      return refused(RegisterStatus.REGISTER_UNAVAILABLE, text);
    } finally {
      reserved();
    }
    return { status: RegisterStatus.REGISTER_OK, granted: { id: Buffer.from(entry.id, "hex"), lease: leaseMs } };
  }

  #problem({ name, address, interface: text }: RegisterArgs): string | undefined {
    const { nameSizeMax, interfaceSizeMax } = this.#limits;
    const size = Buffer.byteLength(name);
    if (size > nameSizeMax) return `a name has at most ${nameSizeMax} bytes, not ${size} (nameSizeMax)`;
    if (!isName(name)) return `${JSON.stringify(name)} is no name: ${nameRule}`;
    const bad = addressProblem(address);
    if (bad !== undefined) return bad;
    const textSize = Buffer.byteLength(text);
    if (textSize > interfaceSizeMax) {
      return `an interface has at most ${interfaceSizeMax} bytes, not ${textSize} (interfaceSizeMax)`;
    }
    return undefined;
  }

  /** @returns what gives the room back once the store counts the entry itself, or why there is none */
  async #reserve(entry: DirectoryEntry): Promise<(() => void) | RegisterResult> {
    const { registrationsMax, registrationsPerOwnerMax, registrationBytesMax } = this.#limits;
    const { owner } = entry;
    const { entries } = await this.#store.find(entry.name, entry.version);
    const old = entries.find(({ address }) => address === entry.address);
    if (old !== undefined && old.owner !== owner) {
      const text = `${entry.name} version ${entry.version} at ${entry.address} is registered by ${old.owner}`;
      return refused(RegisterStatus.REGISTER_TAKEN, text);
    }
    const usage = await this.#store.usage(owner);
    const pending = this.#pending;
    const ofOwner = pending.ofOwner.get(owner) ?? 0;
    const bytes = entryBytes(entry);
    // One that replaces another takes its place.
    const [more, moreBytes] = old === undefined ? [1, bytes] : [0, Math.max(0, bytes - entryBytes(old))];
    const full = (what: string): RegisterResult =>
      refused(RegisterStatus.REGISTER_FULL, `the directory is full: ${what}`);
    if (usage.entries + pending.entries + more > registrationsMax) {
      return full(`it holds ${registrationsMax} registrations at most (registrationsMax)`);
    }
    if (usage.ofOwner + ofOwner + more > registrationsPerOwnerMax) {
      return full(`${owner} may have ${registrationsPerOwnerMax} registrations at most (registrationsPerOwnerMax)`);
    }
    if (usage.bytes + pending.bytes + moreBytes > registrationBytesMax) {
      return full(`registrations take ${registrationBytesMax} bytes at most (registrationBytesMax)`);
    }
    pending.entries += more;
    pending.bytes += moreBytes;
    pending.ofOwner.set(owner, ofOwner + more);
    return () => {
      pending.entries -= more;
      pending.bytes -= moreBytes;
      const left = (pending.ofOwner.get(owner) ?? 0) - more;
      if (left > 0) pending.ofOwner.set(owner, left);
      else pending.ofOwner.delete(owner);
    };
  }

  async #change(context: CallContext, work: () => Promise<boolean>): Promise<boolean> {
    // Whoever may not register has nothing to renew, and need not learn which ids there are.
    if (!this.#mayRegister(context.caller)) return false;
    return await work();
  }

  // --- asking

  /** Over UDP a stranger's address may be pretended: it gets no answers that are longer than its questions. */
  async #asked<T>({ caller }: CallContext, work: () => Promise<T>): Promise<T> {
    if (caller.address.startsWith("udp:") && !isLocal(caller.address)) {
      throw new RpcError("denied", "the directory answers strangers over streams only", { executed: "no" });
    }
    return await work();
  }

  async #lookUp({ name, version }: LookupArgs): Promise<Found> {
    const revision = this.#revision;
    const { entries, complete } = await this.#store.find(name);
    const instances = entries
      .filter((entry) => isVersion(entry, version))
      .slice(0, 4_096)
      .map(({ address, priority, weight }) => ({ address, priority, weight }));
    const versions = [...new Set(entries.map((entry) => entry.version))].slice(0, 256);
    return { instances, versions, complete: this.#complete(complete), revision };
  }

  async #list({ name, after }: ListArgs): Promise<Listing> {
    const revision = this.#revision;
    const { entries, complete } =
      name === "" ? await this.#store.list(after, listLimit + 1) : await this.#named(name, after);
    const shown = entries.slice(0, listLimit).map((entry) => ({
      key: entryKey(entry),
      name: entry.name,
      version: entry.version,
      address: entry.address,
      owner: entry.owner.slice(0, 64),
      lease: entry.leaseMs,
      interfaceSize: Buffer.byteLength(entry.interface),
    }));
    return { entries: shown, more: entries.length > listLimit, complete: this.#complete(complete), revision };
  }

  async #named(name: string, after: string): ReturnType<DirectoryStore["find"]> {
    const { entries, complete } = await this.#store.find(name);
    return { entries: entries.filter((entry) => entryKey(entry) > after), complete };
  }

  /**
   * One that has just started does not know yet who is there: nobody could renew or register while no directory ran, so what
   * was kept may have run out meanwhile.
   */
  #complete(known: boolean): boolean {
    const { writable, durable } = this.#store;
    const settled = performance.now() - this.#startedAt >= (durable ? leaseMsDefault / 2 : leaseMsDefault);
    return known && (!writable || settled);
  }

  async #interface({ name, version }: LookupArgs): Promise<InterfaceResult> {
    const { entries } = await this.#store.find(name);
    const text = entries.find((entry) => isVersion(entry, version) && entry.interface !== "")?.interface;
    return text === undefined ? { known: false } : { known: true, text };
  }

  // --- watching

  async #watch({ name, revision, wait }: WatchArgs, { signal }: CallContext): Promise<bigint> {
    if (revision !== this.#revision || wait === 0) return this.#revision;
    const { watchersMax } = this.#limits;
    for (const watcher of this.#watchers) {
      if (this.#watchers.size < watchersMax) break;
      watcher.answer();
    }
    await new Promise<void>((resolve) => {
      const answer = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", answer);
        this.#watchers.delete(watcher);
        resolve();
      };
      const watcher = { name, answer };
      const timer = setTimeout(answer, Math.min(wait, watchMsMax));
      timer.unref();
      signal.addEventListener("abort", answer, { once: true });
      this.#watchers.add(watcher);
    });
    return this.#revision;
  }

  #changed(name: string): void {
    this.#revision++;
    for (const watcher of [...this.#watchers]) {
      if (watcher.name === "" || watcher.name === name) watcher.answer();
    }
  }
}

/** An entry without a version, as DNS has them, serves any. */
function isVersion(entry: DirectoryEntry, version: number): boolean {
  return entry.version === version || entry.version === anyVersion;
}

function hexOf(id: Uint8Array): string {
  return Buffer.from(id).toString("hex");
}

function refused(status: Exclude<RegisterStatus, typeof RegisterStatus.REGISTER_OK>, reason: string): RegisterResult {
  return { status, reason: reason.slice(0, REASON_MAX / 4) };
}

function addressProblem(address: string): string | undefined {
  if (Buffer.byteLength(address) > ADDRESS_MAX) return `an address has at most ${ADDRESS_MAX} bytes`;
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(address)) return "an address has no control characters";
  try {
    if (isExchangeAddress(address)) {
      parseExchangeAddress(address);
      return undefined;
    }
    const parsed = parseAddress(address);
    if (!("port" in parsed) || (parsed.port ?? 0) > 0) return undefined;
    return `${address} has no port, which its callers need`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Whether a caller is on this machine, as far as its address can prove it. */
function isLocal(address: string): boolean {
  return /^(unix:|memory)/.test(address) || /^\w+:\/\/(127\.|\[::1\])/.test(address);
}

/**
 * Whose a registration is: of a principal that was proved, of the user whose process or socket it came from, as far as the
 * machine tells, or else of whoever comes from the same address.
 */
function ownerOf({ identity, address, uid }: Caller): string {
  if (identity.verified && identity.principal !== undefined) return `${identity.flavor}:${identity.principal}`;
  if (uid !== undefined) return `uid ${uid}`;
  const asker = askerOf(address);
  if (asker.host === undefined) return address.startsWith("unix:") ? "unix" : "memory";
  const user = ownerByLoopback(asker, undefined);
  if (user === unknownOwner) return asker.host;
  return user === superuser ? "uid 0" : `uid ${user}`;
}
