import { networkInterfaces } from "node:os";
import { type InterfaceAddress, isOwn, mergeAddress } from "../registry/merge.js";
import { type Registration, Registry, type RegistryLimits } from "../registry/registry.js";
import { ipBytes, isWildcard, parseUniversalAddress } from "../registry/uaddr.js";
import type { Asker } from "./asker.js";
import { type Probe, probeServer } from "./probe.js";
import { readState, StateFile } from "./state-file.js";

/** What became of a registration: registered, taken back, or gone with its server. */
export interface BinderChange {
  readonly kind: "set" | "unset" | "gone";
  readonly registration: Registration;
}

export interface DeskOptions extends RegistryLimits {
  /** A file that keeps the registrations, for the next binder that is started with it. */
  readonly state?: string | undefined;
  /** Milliseconds that a server may take to show that it is there; default 5,000. */
  readonly probeTimeoutMs?: number | undefined;
  /** Is told what changes. */
  readonly onChange?: ((change: BinderChange) => void) | undefined;
  /** Is told that the state file could not be written. Default: writes it to stderr. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Looks for servers; default: asks them. */
  readonly probe?: Probe | undefined;
  /** The machine's addresses; default: those of its interfaces. */
  readonly interfaces?: (() => readonly InterfaceAddress[]) | undefined;
}

export const probeTimeoutMsDefault = 5_000;

/** Servers that are looked for at once. */
const probesMax = 16;

/** The longest path of a Unix socket on Linux. */
const pathMax = 107;

/** Where registrations are made and asked for: the registry with what it needs of the machine. */
export class Desk {
  readonly registry: Registry;
  readonly #probe: Probe;
  readonly #probeTimeoutMs: number;
  readonly #state: StateFile | undefined;
  readonly #options: DeskOptions;
  #probing: Promise<void> | undefined;

  constructor(options: DeskOptions = {}) {
    this.#options = options;
    this.registry = new Registry(options);
    this.#probe = options.probe ?? probeServer;
    this.#probeTimeoutMs = options.probeTimeoutMs ?? probeTimeoutMsDefault;
    const { state } = options;
    this.#state = state === undefined ? undefined : new StateFile(state, () => this.registrations);
  }

  /** All registrations but the binder's own. */
  get registrations(): Registration[] {
    return [...this.registry.all()].filter((entry) => !this.registry.isPermanent(entry));
  }

  /** Takes up what an earlier binder left; who of them is still there is found out by the next `probe`. */
  async load(): Promise<void> {
    const { state } = this.#options;
    if (state === undefined) return;
    for (const entry of await readState(state)) this.registry.set(entry);
  }

  /**
   * Registers, and keeps it. Where somebody else is registered whose server is gone, its place is free.
   *
   * @returns whether it is registered now
   */
  async set(entry: Registration): Promise<boolean> {
    if (!this.#isOfThisMachine(entry)) return false;
    let outcome = this.registry.set(entry);
    if (outcome === "taken") {
      const other = this.registry.find(entry.prog, entry.vers, entry.netid, true);
      if (other !== undefined) await this.#look(other);
      outcome = this.registry.set(entry);
    }
    if (outcome === "new") {
      this.#tell("set", entry);
      await this.#save();
    }
    return outcome === "new" || outcome === "same";
  }

  /**
   * Takes registrations back.
   *
   * @param netid empty for all kinds of transport
   * @returns false when one of them is somebody else's
   */
  async unset(prog: number, vers: number, netid: string, owner: string): Promise<boolean> {
    const gone = this.registry.unset(prog, vers, netid, owner);
    if (gone === undefined) return false;
    for (const entry of gone) this.#tell("unset", entry);
    if (gone.length > 0) await this.#save();
    return true;
  }

  /** An address as an asker reaches it; empty when there is no way. */
  merged(entry: Registration, asker: Asker, hint: string): string {
    return mergeAddress(entry.addr, asker.host, hint, this.#interfaces());
  }

  /** Looks for the server of every registration, and removes those that are gone. */
  probe(): Promise<void> {
    this.#probing ??= this.#lookAtAll().finally(() => {
      this.#probing = undefined;
    });
    return this.#probing;
  }

  /** Resolves when the state file is as the registrations are. */
  async settle(): Promise<void> {
    await this.#probing;
    await this.#save();
  }

  async #lookAtAll(): Promise<void> {
    const left = this.registrations;
    let anyGone = false;
    const worker = async (): Promise<void> => {
      for (let entry = left.pop(); entry !== undefined; entry = left.pop()) {
        if (await this.#look(entry)) anyGone = true;
      }
    };
    await Promise.all(Array.from({ length: probesMax }, worker));
    if (anyGone) await this.#save();
  }

  /** @returns whether it is gone */
  async #look(entry: Registration): Promise<boolean> {
    if (this.registry.isPermanent(entry)) return false;
    if ((await this.#probe(entry, this.#probeTimeoutMs)) !== "gone" || !this.registry.remove(entry)) return false;
    this.#tell("gone", entry);
    return true;
  }

  /**
   * Whether an address is one of this machine. Others are refused: the binder would look for their servers, and so be
   * made to call whatever a user of this machine names.
   */
  #isOfThisMachine({ netid, addr }: Registration): boolean {
    if (netid === "local") return addr.startsWith("/") && addr.length <= pathMax && !addr.includes("\0");
    const parsed = parseUniversalAddress(addr);
    if (parsed === undefined || parsed.port === 0) return false;
    const { host } = parsed;
    if (ipBytes(host)?.length !== (netid.endsWith("6") ? 16 : 4)) return false;
    return isWildcard(host) || isOwn(host, this.#interfaces());
  }

  #interfaces(): readonly InterfaceAddress[] {
    return (this.#options.interfaces ?? machineInterfaces)();
  }

  #tell(kind: BinderChange["kind"], registration: Registration): void {
    this.#options.onChange?.({ kind, registration });
  }

  /** A file that cannot be written is no reason to refuse a server. */
  async #save(): Promise<void> {
    try {
      await this.#state?.save();
    } catch (error) {
      const { onError } = this.#options;
      if (onError !== undefined) return onError(error);
      // biome-ignore lint/suspicious/noConsole: an error that nobody asked to be told must not vanish
      console.error("farcall: the binder's state file:", error);
    }
  }
}

function machineInterfaces(): InterfaceAddress[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
}
