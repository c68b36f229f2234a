import type { Alarm } from "../../drive/clock.js";
import { type Machine, realMachine } from "../../drive/machine.js";
import { RpcError } from "../../model/index.js";
import { credentialReader, parseAddress } from "../../net/index.js";
import type { OncService } from "../../onc/program.js";
import { OncServer } from "../../onc/server.js";
import type { ServerLimits } from "../../onc/server-limits.js";
import { Directory } from "../directory/service.js";
import { type Registration, rpcbindProgram } from "../registry/registry.js";
import { BinderStatistics } from "../registry/statistics.js";
import { isWildcard, plainHost, toUniversalAddress } from "../registry/uaddr.js";
import { RpcbindV2, RpcbindV3, RpcbindV4 } from "../rpcbind/rpcbind.js";
import { Desk, type DeskOptions } from "./desk.js";
import { ownerOfUid } from "./owner.js";
import { Procedures, type RemoteCallOptions } from "./procedures.js";

/** Options of a {@link Binder}. */
export interface BinderOptions extends DeskOptions {
  /**
   * Whether it makes calls for others (CALLIT, BCAST, INDIRECT), which come from this machine then; default: not, and these
   * procedures are not there. Programs that trust callers of their own machine are never called.
   */
  readonly remoteCalls?: RemoteCallOptions | boolean | undefined;
  /** What is registered by name, and found by `name:calc`; default: a {@link Directory} in memory. `false`: no names. */
  readonly directory?: Directory | false | undefined;
  /** Milliseconds between two looks for the servers of all registrations; default 30,000. Infinity: never. */
  readonly probeIntervalMs?: number | undefined;
  /** Where time comes from; default: the machine that the process runs on. */
  readonly machine?: Machine | undefined;
}

export const probeIntervalMsDefault = 30_000;

/**
 * What a binder allows whoever connects. Questions and answers are short, and whoever asks goes: some 40 MiB are the most
 * that all of them together take.
 */
export const binderLimits: ServerLimits = {
  // The text of an interface, and what stands around it.
  recordSizeMax: 131_072,
  connectionsMax: 1_024,
  connectionsPerPeerMax: 512,
  idleTimeoutMs: 60_000,
  recordTimeoutMs: 10_000,
  bufferedBytesMax: 8 * 1024 * 1024,
  runningCallsMax: 1_024,
  runningBytesMax: 8 * 1024 * 1024,
  runningDatagramsMax: 512,
  runningDatagramBytesMax: 4 * 1024 * 1024,
  writeBacklogMax: 1024 * 1024,
  writeTimeoutMs: 10_000,
};

const replyCache = { replyEntriesMax: 4_096, replyBytesMax: 4 * 1024 * 1024 };

/**
 * An rpcbind (RFC 1833): tells where the programs of a machine are served, in versions 2, 3 and 4. Beside it, a directory of
 * names.
 *
 * ```ts
 * const binder = new Binder();
 * await binder.listen("tcp://127.0.0.1:111");
 * await binder.listen("udp://127.0.0.1:111");
 * await binder.listen("unix:/run/rpcbind.sock");
 * ```
 *
 * Only callers of the same machine register. A registration belongs to the user who made it, and goes when nobody listens
 * at its address any more.
 */
export class Binder implements AsyncDisposable {
  readonly #desk: Desk;
  readonly #statistics = new BinderStatistics();
  readonly #addresses: string[] = [];
  readonly #probeIntervalMs: number;
  readonly #machine: Machine;
  readonly #alarm: Alarm;
  readonly #procedures: Procedures;
  readonly #remoteCalls: boolean;
  readonly #directory: Directory | undefined;
  #loaded: Promise<OncServer> | undefined;
  #closed = false;

  /** @throws RangeError for a number that is none */
  constructor(options: BinderOptions = {}) {
    const { remoteCalls = false, probeIntervalMs = probeIntervalMsDefault, machine = realMachine } = options;
    if (!(probeIntervalMs > 0)) throw new RangeError(`probeIntervalMs must be above 0, not ${probeIntervalMs}`);
    this.#desk = new Desk(options);
    this.#probeIntervalMs = probeIntervalMs;
    this.#machine = machine;
    this.#alarm = machine.clock.alarm(() => void this.#look());
    const remote = typeof remoteCalls === "object" ? remoteCalls : {};
    this.#procedures = new Procedures(this.#desk, this.#statistics, remote);
    this.#remoteCalls = remoteCalls !== false;
    const { directory = new Directory() } = options;
    this.#directory = directory === false ? undefined : directory;
  }

  #serve<C>(server: OncServer, service: OncService<C>, handlers: object): void {
    const { procedures, ...rest } = service;
    const chosen = Object.entries(procedures).flatMap(([name, procedure]) => {
      if (name === "indirect") return this.#remoteCalls ? [[name, procedure]] : [];
      if (name !== "callit" && name !== "bcast") return [[name, procedure]];
      // Whether what is called may run twice is for the one to say who asks: none of these is kept from it here.
      return this.#remoteCalls ? [[name, { ...(procedure as object), semantics: "maybe" }]] : [];
    });
    const served = { ...rest, procedures: Object.fromEntries(chosen) } as OncService<C>;
    server.exportService(served, "persistent", () => handlers);
  }

  /**
   * Listens at an address: `tcp://HOST:PORT`, `udp://HOST:PORT` or `unix:/PATH`. Port 0 takes a free one. On `[::]` it serves
   * IPv4 too.
   *
   * @returns the address in use
   * @throws RpcError `invalid-argument` for a bad address, `unavailable` when it cannot be had
   * @throws Error when the state file cannot be used
   */
  async listen(address: string): Promise<string> {
    if (this.#closed) throw new RpcError("closed", "the binder was closed", { executed: "no" });
    const { scheme } = parseAddress(address);
    if (scheme !== "tcp" && scheme !== "udp" && scheme !== "unix") {
      const message = `a binder listens on tcp, udp and unix addresses, not on ${address}`;
      throw new RpcError("invalid-argument", message, { executed: "no" });
    }
    this.#loaded ??= this.#load();
    const server = await this.#loaded;
    const bound = await server.listen(address);
    this.#addresses.push(bound);
    for (const entry of ownEntries(bound)) this.#desk.registry.addPermanent(entry);
    return bound;
  }

  async #load(): Promise<OncServer> {
    await this.#desk.load();
    // Who registers over a Unix socket is said by the kernel, where it can be asked. Everybody may.
    const knowsPeers = await credentialReader().then(
      () => true,
      () => false,
    );
    const server = new OncServer({
      ...binderLimits,
      replyCache,
      sessions: false,
      noAmplification: true,
      authorize: this.#procedures.authorize,
      local: knowsPeers ? { allow: "everyone", remote: "serve", socketMode: 0o666 } : undefined,
      machine: this.#machine,
    });
    this.#serve(server, RpcbindV2, this.#procedures.v2());
    this.#serve(server, RpcbindV3, this.#procedures.v3());
    this.#serve(server, RpcbindV4, this.#procedures.v4());
    const directory = this.#directory;
    if (directory !== undefined) server.exportService(directory.service, "persistent", () => directory.handlers);
    // Some of them may have died with the binder before this one.
    if (this.#desk.registrations.length > 0) this.#machine.clock.soon(() => void this.#look());
    else this.#rest();
    return server;
  }

  /** Where it listens. */
  get addresses(): readonly string[] {
    return [...this.#addresses];
  }

  /** What is registered, the binder itself excepted. */
  get registrations(): readonly Registration[] {
    return this.#desk.registrations;
  }

  /** Looks for the servers of all registrations now, and removes those whose server is gone. */
  probe(): Promise<void> {
    return this.#desk.probe();
  }

  async #look(): Promise<void> {
    await this.#desk.probe();
    this.#rest();
  }

  #rest(): void {
    if (!this.#closed) this.#alarm.set(this.#machine.clock.now() + this.#probeIntervalMs);
  }

  /** Stops listening. The registrations stay in the state file. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#alarm.clear();
    const server = await this.#loaded?.catch(() => undefined);
    await server?.close(0);
    await this.#directory?.close();
    if (server !== undefined) await this.#desk.settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What a binder says of itself: its versions at an address. */
function ownEntries(bound: string): Registration[] {
  const address = parseAddress(bound);
  const owner = ownerOfUid(process.getuid?.() ?? 0);
  const entries = (netid: string, addr: string): Registration[] =>
    (netid === "tcp" || netid === "udp" ? [4, 3, 2] : [4, 3]).map((vers) => ({
      prog: rpcbindProgram,
      vers,
      netid,
      addr,
      owner,
    }));
  if (address.scheme === "unix") return entries("local", address.path);
  if (address.scheme !== "tcp" && address.scheme !== "udp") return [];
  const { scheme, host, port = 0 } = address;
  const plain = plainHost(host);
  if (!plain.includes(":")) return entries(scheme, toUniversalAddress(plain, port));
  const sixth = entries(`${scheme}6`, toUniversalAddress(plain, port));
  return isWildcard(plain) ? [...entries(scheme, toUniversalAddress("0.0.0.0", port)), ...sixth] : sixth;
}
