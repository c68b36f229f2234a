import { type Client, type NameQuery, type Place, RpcError } from "../../model/index.js";
import { connectOnc, type OncClientOptions } from "../../onc/index.js";
import { ClntStat, clntStatus } from "../../onc/status.js";
import { FarcallDirectoryV1, type Listed, type RegisterArgs, type RegisterResult } from "./directory.js";

export interface DirectoryClientOptions extends Pick<OncClientOptions, "auth" | "network" | "machine" | "tls"> {
  /** Milliseconds that a question to one binder may take before the next is asked; default 2,000. */
  readonly timeoutMs?: number | undefined;
}

const timeoutMsDefault = 2_000;

/** The same for a registration, which a directory may have to bring to a cluster that is electing a leader. */
const registerMs = 8_000;

/** Names whose places are kept for the time when no binder answers. */
const knownMax = 1_024;

/** Bytes of an answer: what the largest one can have, a list of places. */
const recordSizeMax = 8 * 2 ** 20;

/** WATCH waits so long at the binder; then the question is asked anew, so that a binder that is gone is found out. */
const watchMs = 20_000;

/** Between two questions when all binders fail, in milliseconds. */
const pauseMs = { first: 100, most: 2_000 } as const;

/** What is registered, as a list has it. */
export interface Registered extends Omit<Listed, "key" | "lease"> {
  readonly leaseMs: number;
}

/**
 * Asks the directories of one binder or of several that share a store: the one that answered last, and the others when it
 * does not. Where nobody answers, look-ups give what was known last.
 */
export class DirectoryClient implements AsyncDisposable {
  readonly #binders: readonly string[];
  readonly #options: DirectoryClientOptions;
  readonly #clients = new Map<string, Promise<Client<FarcallDirectoryV1>>>();
  /** The binder that answered last, as an index. */
  #current = 0;
  readonly #known = new Map<string, { readonly places: readonly Place[]; readonly revision: bigint }>();
  readonly #asking = new Map<string, Promise<readonly Place[]>>();
  #closed = false;

  constructor(binders: readonly string[], options: DirectoryClientOptions = {}) {
    this.#binders = binders;
    this.#options = options;
  }

  /**
   * Where a version of a service is served: at least one place.
   *
   * @throws RpcError `not-found` when nobody has registered it, `unavailable` when no binder answers and none has before
   */
  async find({ name, version, timeoutMs }: NameQuery): Promise<readonly Place[]> {
    const key = `${version} ${name}`;
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      // Many clients that look for one name at once ask once.
      asking = this.#find(key, name, version, timeoutMs).finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    return await asking;
  }

  async #find(key: string, name: string, version: number, timeoutMs: number): Promise<readonly Place[]> {
    const last = this.#known.get(key);
    const known = last?.places ?? [];
    const answer = await this.#ask((client) => client.portLookUp({ name, version }), timeoutMs).catch((error) => {
      if (known.length > 0) return undefined;
      throw unanswered(error, this.#binders, name);
    });
    if (answer === undefined) return known;
    const { instances, versions, complete, revision } = answer;
    // A directory that has just started does not know all yet: it takes nothing away from what was known before.
    const knowsLess = !complete && last !== undefined && !isSameRun(last.revision, revision);
    const isListed = ({ address }: Place): boolean => instances.some((place) => place.address === address);
    const missing = knowsLess ? known.filter((place) => !isListed(place)) : [];
    const places = [...instances, ...missing];
    this.#known.delete(key);
    if (places.length === 0) throw unregistered(name, version, versions, this.#binders);
    if (this.#known.size >= knownMax) this.#known.delete(this.#known.keys().next().value as string);
    // As long as any of them is from before, so is the answer.
    this.#known.set(key, { places, revision: missing.length > 0 ? (last?.revision ?? revision) : revision });
    return places;
  }

  /** Everything that is registered, or all of one name. */
  async list(name = ""): Promise<{ entries: Registered[]; complete: boolean; revision: bigint }> {
    const entries: Registered[] = [];
    let after = "";
    for (;;) {
      const page = await this.#ask((client) => client.list({ name, after }));
      for (const { key, lease, ...entry } of page.entries) {
        // A binder that goes back would be listened to for ever.
        if (key <= after) throw unusable("it lists its entries out of order");
        entries.push({ ...entry, leaseMs: lease });
        after = key;
      }
      if (!page.more || page.entries.length === 0) return { entries, complete: page.complete, revision: page.revision };
    }
  }

  /**
   * What is registered under a name, or under all, and again whenever that changes; goes on while binders are away.
   * Ends when the signal fires.
   */
  async *watch(name = "", signal?: AbortSignal): AsyncGenerator<Registered[]> {
    let last = "";
    let pause: number = pauseMs.first;
    const over = (): boolean => signal?.aborted === true || this.#closed;
    while (!over()) {
      try {
        const { entries, complete, revision } = await this.list(name);
        const text = JSON.stringify(entries);
        if (text !== last && (complete || entries.length > 0 || last === "")) {
          last = text;
          yield entries;
        }
        await this.#ask((client) => client.watch({ name, revision, wait: watchMs }, { signal }), 2 * watchMs);
        pause = pauseMs.first;
      } catch (error) {
        if (over()) return;
        if (!(error instanceof RpcError) || !passes(error)) throw error;
        await sleep(pause, signal);
        pause = Math.min(pause * 2, pauseMs.most);
      }
    }
  }

  /** The text of the interface that a version is served under; undefined when its servers do not tell. */
  async interfaceOf(name: string, version: number): Promise<string | undefined> {
    const answer = await this.#ask((client) => client.getInterface({ name, version }));
    return answer.known ? answer.text : undefined;
  }

  register(args: RegisterArgs): Promise<RegisterResult> {
    return this.#ask((client) => client.register(args, { timeoutMs: Math.max(registerMs, this.#limitMs) }));
  }

  renew(id: Uint8Array): Promise<boolean> {
    return this.#ask((client) => client.renew(id));
  }

  withdraw(id: Uint8Array): Promise<boolean> {
    return this.#ask((client) => client.withdraw(id));
  }

  get #limitMs(): number {
    return this.#options.timeoutMs ?? timeoutMsDefault;
  }

  /** Asks one binder after another until one answers. */
  async #ask<T>(question: (client: Client<FarcallDirectoryV1>) => Promise<T>, timeoutMs?: number): Promise<T> {
    const count = this.#binders.length;
    const first = this.#current;
    for (let i = 0; ; i++) {
      const index = (first + i) % count;
      try {
        const answer = await question(await this.#client(this.#binders[index] as string, timeoutMs));
        this.#current = index;
        return answer;
      } catch (error) {
        if (!(error instanceof RpcError) || !passes(error) || i === count - 1 || this.#closed) throw error;
      }
    }
  }

  /** One client for each binder, which connects again by itself. */
  async #client(binder: string, timeoutMs?: number): Promise<Client<FarcallDirectoryV1>> {
    if (this.#closed) throw new RpcError("closed", "the directory's client was closed", { executed: "no" });
    const known = this.#clients.get(binder);
    if (known !== undefined) return await known;
    const limit = this.#limitMs;
    const { auth, network, machine, tls } = this.#options;
    const connecting = connectOnc(FarcallDirectoryV1, withPort(binder), {
      auth,
      network,
      machine,
      tls,
      timeoutMs: limit,
      connectTimeoutMs: Math.min(limit, timeoutMs ?? limit),
      // Whoever has another binder to ask wants to know now.
      retry: false,
      session: "off",
      recordSizeMax,
      probeAfterMs: 2_000,
      probeTimeoutMs: 2_000,
    });
    this.#clients.set(binder, connecting);
    try {
      return await connecting;
    } catch (error) {
      this.#clients.delete(binder);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const clients = [...this.#clients.values()];
    this.#clients.clear();
    for (const client of clients) await client.then((open) => open.$close()).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Revisions begin at the time of the directory's start, in units that no run of it counts up in a millisecond. */
function isSameRun(one: bigint, other: bigint): boolean {
  return other - one >= 0n && other - one < 1n << 20n;
}

/** Whether another binder, or a later moment, may have an answer. */
function passes({ code }: RpcError): boolean {
  return code !== "invalid-argument" && code !== "closed" && code !== "cancelled" && code !== "bad-reply";
}

/** A binder is where rpcbind is, unless its address says otherwise. */
function withPort(binder: string): string {
  return /^(tcp|tls):\/\/(\[[^\]]*\]|[^:/[\]]*)\/?$/.test(binder) ? `${binder.replace(/\/$/, "")}:111` : binder;
}

function unanswered(error: unknown, binders: readonly string[], name: string): RpcError {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof RpcError ? error.code : "unavailable";
  const message =
    `cannot ask the binder at ${binders.join(" or ")} for the name ${name}: ${text}. ` +
    "Start it with farcall bind, or say where it is (FARCALL_BINDER, or the option resolver)";
  return new RpcError(code === "not-found" || code === "bad-reply" ? code : "unavailable", message, {
    executed: "no",
    peer: binders[0],
    cause: error,
    status: clntStatus(ClntStat.RPC_PMAPFAILURE),
  });
}

function unregistered(
  name: string,
  version: number,
  versions: readonly number[],
  binders: readonly string[],
): RpcError {
  const other = versions.length === 0 ? "" : `, only version ${versions.join(", ")}`;
  const text = `no server is registered under the name ${name}, version ${version}${other}, with the binder at ${binders.join(" or ")}`;
  return new RpcError("not-found", text, {
    executed: "no",
    peer: binders[0],
    status: clntStatus(ClntStat.RPC_PROGNOTREGISTERED),
  });
}

function unusable(why: string): RpcError {
  return new RpcError("bad-reply", `the binder's answer cannot be used: ${why}`, { executed: "yes" });
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end, { once: true });
  });
}
