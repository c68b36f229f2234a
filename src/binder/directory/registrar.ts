import { networkInterfaces } from "node:os";
import type { Alarm, Clock } from "../../drive/clock.js";
import { type Machine, realMachine } from "../../drive/machine.js";
import { RpcError, type RpcErrorCode } from "../../model/index.js";
import { parseAddress } from "../../net/index.js";
import { DirectoryClient, type DirectoryClientOptions } from "./client.js";
import { type RegisterArgs, type RegisterResult, RegisterStatus } from "./directory.js";
import { leaseMsDefault } from "./limits.js";
import { bindersOf } from "./resolver.js";

/** What a server is registered as, beside its versions and addresses. */
export interface NameRegistration {
  /** What callers ask for, as in `name:calc`: letters, digits, and . _ - / between them. */
  readonly name: string;
  /** Addresses of binders; default: `FARCALL_BINDER`, or else this machine's. */
  readonly binder?: string | readonly string[] | undefined;
  /**
   * Milliseconds after which a server that has died is gone from the directory; default 10,000. It is renewed four times
   * in that time.
   */
  readonly leaseMs?: number | undefined;
  /** The addresses that callers are given; default: those that the server listens on. */
  readonly addresses?: readonly string[] | undefined;
}

/** A version of a service, with the text that describes it. */
export interface RegisteredVersion {
  readonly version: number;
  readonly interface: string;
}

/** The share of a lease after which it is renewed: three may fail, and the fourth is in time. */
const renewals = 4;

/** Between two attempts when no binder answers, in milliseconds; at most, since a lease is running out. */
const pauseMs = { first: 100, most: 1_000 } as const;

interface Entry extends RegisterArgs {
  /** Undefined as long as it has to be registered. */
  id: Uint8Array | undefined;
}

/** Keeps a server registered in a directory: renews, and registers anew where the directory has forgotten it. */
export class Registrar {
  readonly #client: DirectoryClient;
  readonly #entries: Entry[];
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  #leaseMs: number;
  #pause: number = pauseMs.first;
  #working: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(client: DirectoryClient, entries: Entry[], leaseMs: number, clock: Clock) {
    this.#client = client;
    this.#entries = entries;
    this.#leaseMs = leaseMs;
    this.#clock = clock;
    this.#alarm = clock.alarm(() => {
      this.#working = this.#renew();
    });
  }

  /**
   * Registers versions of a service at addresses, and resolves when that is done.
   *
   * @throws RpcError `unavailable` when no binder answers, `denied`, `busy` or `invalid-argument` when it refuses
   */
  static async start(
    registration: NameRegistration,
    versions: readonly RegisteredVersion[],
    addresses: readonly string[],
    options: DirectoryClientOptions = {},
  ): Promise<Registrar> {
    const { name, binder, leaseMs = leaseMsDefault } = registration;
    const binders = binder === undefined ? process.env["FARCALL_BINDER"] : binder;
    const client = new DirectoryClient(typeof binders === "object" ? binders : bindersOf(binders), options);
    const places = registration.addresses ?? addresses.map(reachable);
    const entries = versions.flatMap((version) =>
      places.map((address) => ({ name, ...version, address, lease: leaseMs, id: undefined })),
    );
    const machine: Machine = options.machine ?? realMachine;
    const registrar = new Registrar(client, entries, leaseMs, machine.clock);
    try {
      for (const entry of entries) await registrar.#register(entry);
    } catch (error) {
      await registrar.close();
      throw error;
    }
    registrar.#again();
    return registrar;
  }

  async #register(entry: Entry): Promise<void> {
    const { name, version, address, lease, interface: text } = entry;
    const result = await this.#client.register({ name, version, address, lease, interface: text });
    if (result.status !== RegisterStatus.REGISTER_OK) throw refusal(result, entry);
    entry.id = result.granted.id;
    // The directory may give less, or more where it was too short.
    this.#leaseMs = result.granted.lease;
  }

  #again(): void {
    if (!this.#closed) this.#alarm.set(this.#clock.now() + this.#leaseMs / renewals);
  }

  async #renew(): Promise<void> {
    try {
      for (const entry of this.#entries) {
        if (this.#closed) return;
        if (entry.id !== undefined && !(await this.#client.renew(entry.id))) entry.id = undefined;
        if (entry.id === undefined && !this.#closed) await this.#register(entry);
      }
      this.#pause = pauseMs.first;
      this.#again();
    } catch {
      // Whatever it is, the server is alive, and is to be found again as soon as that is possible.
      if (!this.#closed) this.#alarm.set(this.#clock.now() + this.#pause);
      this.#pause = Math.min(this.#pause * 2, pauseMs.most, this.#leaseMs / renewals);
    }
  }

  /** Takes the registrations back, as far as a binder answers: the others end with their leases. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#alarm.clear();
    await this.#working;
    try {
      for (const { id } of this.#entries) if (id !== undefined) await this.#client.withdraw(id);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
    }
    await this.#client.close();
  }
}

const codes: Readonly<Record<Exclude<RegisterStatus, 0>, RpcErrorCode>> = {
  [RegisterStatus.REGISTER_DENIED]: "denied",
  [RegisterStatus.REGISTER_TAKEN]: "denied",
  [RegisterStatus.REGISTER_FULL]: "busy",
  [RegisterStatus.REGISTER_INVALID]: "invalid-argument",
  [RegisterStatus.REGISTER_UNAVAILABLE]: "unavailable",
};

function refusal(
  { status, reason }: Exclude<RegisterResult, { status: typeof RegisterStatus.REGISTER_OK }>,
  { name, version, address }: Entry,
): RpcError {
  const text = `cannot register ${name} version ${version} at ${address}: ${reason}`;
  return new RpcError(codes[status] ?? "unavailable", text, { executed: "no" });
}

/** An address that others can use, of one that means all of this machine's. */
function reachable(text: string): string {
  let address: ReturnType<typeof parseAddress>;
  try {
    address = parseAddress(text);
  } catch {
    return text;
  }
  if (!("host" in address)) return text;
  const family = { "0.0.0.0": "IPv4", "::": "IPv6" }[address.host];
  if (family === undefined) return text;
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  // A socket on :: takes IPv4 as well.
  const found =
    own.find(({ family: of, internal, scopeid }) => of === family && !internal && !scopeid) ??
    own.find(({ family: of, internal }) => of === "IPv4" && !internal);
  const host = found?.address ?? "127.0.0.1";
  return `${address.scheme}://${host.includes(":") ? `[${host}]` : host}:${address.port}`;
}
