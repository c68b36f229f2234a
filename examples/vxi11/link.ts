import { type Client, type ClientStats, connect, RpcError } from "farcall";
import { Vxi11Error } from "./outcome.js";
import { OneConnection } from "./port-mapper.js";
import {
  type CreateLinkResp,
  DeviceAsyncV1,
  DeviceCoreV1,
  ERROR_IO,
  ERROR_IO_TIMEOUT,
  ERROR_NONE,
  FLAG_END,
  FLAG_TERM_CHAR,
  FLAG_WAIT_LOCK,
  REASON_END,
  REASON_TERM_CHAR,
} from "./vxi11.js";

/** How an instrument is opened. All times are in milliseconds. */
export interface LinkOptions {
  /** Default `inst0`. */
  readonly device?: string | undefined;
  /** Locks the device at once; default false. */
  readonly lock?: boolean | undefined;
  /** How long finding and reaching the instrument may take; default 5,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long the instrument may take for one message, written or read; default 10,000. It is told, with each call. */
  readonly ioTimeoutMs?: number | undefined;
  /** How long to wait for a lock that somebody else holds; default 0, not at all. The instrument is told this too. */
  readonly lockTimeoutMs?: number | undefined;
  /** What the network may add before an answer counts as lost; default 2,000. */
  readonly marginMs?: number | undefined;
  /** Port of the port mapper, where the address has no port; default 111. */
  readonly portMapperPort?: number | undefined;
}

/** What may differ from call to call. */
export interface IoOptions {
  readonly ioTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How a message is read. */
export interface ReadOptions extends IoOptions {
  /** Ends the message after this character too, such as `"\n"`; default: only where the instrument ends it. */
  readonly termChar?: string | undefined;
}

/** Bytes that are asked for at once. */
const requestSize = 65_536;

/** An answer that is longer is not read to its end: 64 MiB. */
const messageSizeMax = 64 * 2 ** 20;

/** A link to an instrument: the calls of VXI-11, with messages in place of pieces, and errors in place of numbers. */
export class Vxi11Link {
  readonly #core: Client<DeviceCoreV1>;
  readonly #created: CreateLinkResp;
  readonly #connectTimeoutMs: number;
  readonly #ioTimeoutMs: number;
  readonly #lockTimeoutMs: number;
  readonly #marginMs: number;
  #abortChannel: Promise<Client<DeviceAsyncV1>> | undefined;
  #written = 0;
  readonly #received: Uint8Array[] = [];

  private constructor(core: Client<DeviceCoreV1>, created: CreateLinkResp, options: LinkOptions) {
    this.#core = core;
    this.#created = created;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? connectTimeoutMsDefault;
    this.#ioTimeoutMs = options.ioTimeoutMs ?? 10_000;
    this.#lockTimeoutMs = options.lockTimeoutMs ?? 0;
    this.#marginMs = options.marginMs ?? marginMsDefault;
  }

  /**
   * @param address `tcp://HOST`, or `tcp://HOST:PORT` where the core channel's port is known
   * @throws RpcError `not-found` or `unavailable` when there is no instrument, always with `executed: "no"`
   * @throws Vxi11Error when it refuses
   */
  static async open(address: string, options: LinkOptions): Promise<Vxi11Link> {
    const [, host, port] = /^tcp:\/\/(\[[^\]]+\]|[^:/]+)(?::(\d+))?$/.exec(address) ?? [];
    if (host === undefined) {
      throw new RpcError("invalid-argument", `${address} is not tcp://HOST or tcp://HOST:PORT`, { executed: "no" });
    }
    const { portMapperPort = 111, lockTimeoutMs = 0, marginMs = marginMsDefault } = options;
    const core = await connect(DeviceCoreV1, `tcp://${host}`, {
      connectTimeoutMs: options.connectTimeoutMs ?? connectTimeoutMsDefault,
      // An instrument has the programs of VXI-11, and may trip over a question about any other.
      session: "off",
      resolver: new OneConnection(port === undefined ? undefined : Number(port), portMapperPort),
      // Each call has its own limit. An instrument that works on one call need not answer another meanwhile.
      probeAfterMs: Number.POSITIVE_INFINITY,
    });
    try {
      const { device = "inst0", lock: lockDevice = false } = options;
      const parms = { clientId: process.pid, lockDevice, lockTimeout: lockTimeoutMs, device };
      const created = await core.createLink(parms, { timeoutMs: lockTimeoutMs + marginMs });
      check(created.error, "create_link");
      return new Vxi11Link(core, created, options);
    } catch (error) {
      await core.$close();
      throw error;
    }
  }

  /** Whether the instrument holds the beginning of a message whose end was not written. */
  get isPartlyWritten(): boolean {
    return this.#written > 0;
  }

  get stats(): ClientStats {
    return this.#core.$stats();
  }

  /** Writes a message, in as many pieces as the instrument wants. */
  async write(message: Uint8Array, options: IoOptions): Promise<void> {
    // One that promises less than the specification does would be asked for a piece per byte.
    const sizeMax = Math.max(1_024, this.#created.maxRecvSize);
    const io = this.#io(options);
    this.#written = 0;
    while (this.#written < message.length) {
      const data = message.subarray(this.#written, this.#written + sizeMax);
      const isLast = this.#written + data.length === message.length;
      const { parms, call } = io.next("device_write", isLast ? FLAG_END : 0);
      const { error, size } = await this.#core.deviceWrite({ ...parms, data }, call);
      this.#written += Math.min(size, data.length);
      check(error, "device_write");
      if (size === 0) throw new Vxi11Error(ERROR_IO, "device_write", ": nothing was accepted");
    }
    this.#written = 0;
  }

  /** Reads a message to its end. What came before an error is kept, and a further read goes on from there. */
  async read(options: ReadOptions): Promise<Uint8Array> {
    const { termChar } = options;
    const io = this.#io(options);
    for (;;) {
      const { parms, call } = io.next("device_read", termChar === undefined ? 0 : FLAG_TERM_CHAR);
      const wanted = { ...parms, requestSize, termChar: termChar?.charCodeAt(0) ?? 0 };
      const { error, reason, data } = await this.#core.deviceRead(wanted, call);
      if (data.length > 0) this.#received.push(data);
      check(error, "device_read");
      if ((reason & (REASON_END | REASON_TERM_CHAR)) !== 0) return Buffer.concat(this.#received.splice(0));
      if (data.length === 0) throw new Vxi11Error(ERROR_IO, "device_read", ": neither bytes nor an end");
      const size = this.#received.reduce((sum, { length }) => sum + length, 0);
      if (size > messageSizeMax)
        throw new Vxi11Error(ERROR_IO, "device_read", `: no end within ${messageSizeMax} bytes`);
    }
  }

  async readStatusByte(options: IoOptions): Promise<number> {
    const { parms, call } = this.#io(options).next("device_readstb");
    const { error, stb } = await this.#core.deviceReadstb(parms, call);
    check(error, "device_readstb");
    return stb;
  }

  async trigger(options: IoOptions): Promise<void> {
    const { parms, call } = this.#io(options).next("device_trigger");
    check((await this.#core.deviceTrigger(parms, call)).error, "device_trigger");
  }

  async clear(options: IoOptions): Promise<void> {
    const { parms, call } = this.#io(options).next("device_clear");
    check((await this.#core.deviceClear(parms, call)).error, "device_clear");
    this.#written = 0;
    this.#received.splice(0);
  }

  async lock(signal: AbortSignal | undefined): Promise<void> {
    const parms = { lid: this.#created.lid, flags: this.#waitFlag, lockTimeout: this.#lockTimeoutMs };
    const call = { timeoutMs: this.#lockTimeoutMs + this.#marginMs, signal };
    check((await this.#core.deviceLock(parms, call)).error, "device_lock");
  }

  async unlock(): Promise<void> {
    const { error } = await this.#core.deviceUnlock(this.#created.lid, { timeoutMs: this.#marginMs });
    check(error, "device_unlock");
  }

  /** Ends what the instrument is doing for this link. The connection for it is made when it is first needed. */
  async abort(): Promise<void> {
    const { hostname } = new URL(this.#core.$address);
    const address = `tcp://${hostname}:${this.#created.abortPort}`;
    this.#abortChannel ??= connect(DeviceAsyncV1, address, {
      connectTimeoutMs: this.#connectTimeoutMs,
      session: "off",
    });
    try {
      const channel = await this.#abortChannel;
      check((await channel.deviceAbort(this.#created.lid, { timeoutMs: this.#marginMs })).error, "device_abort");
    } catch (error) {
      await this.#closeAbortChannel();
      throw error;
    }
  }

  async destroy(): Promise<void> {
    try {
      await this.#core.destroyLink(this.#created.lid, { timeoutMs: this.#marginMs });
    } catch (error) {
      // Where it cannot be said, the end of the connection says it.
      if (!(error instanceof RpcError)) throw error;
    } finally {
      await this.#core.$close();
      await this.#closeAbortChannel();
    }
  }

  async #closeAbortChannel(): Promise<void> {
    const channel = this.#abortChannel;
    this.#abortChannel = undefined;
    await channel?.then(
      (client) => client.$close(),
      () => {},
    );
  }

  get #waitFlag(): number {
    return this.#lockTimeoutMs > 0 ? FLAG_WAIT_LOCK : 0;
  }

  /** The time that one message may take, dealt out to its calls. */
  #io({ ioTimeoutMs = this.#ioTimeoutMs, signal }: IoOptions) {
    const endsAt = performance.now() + ioTimeoutMs;
    return {
      next: (operation: string, flags = 0) => {
        const ioTimeout = Math.ceil(endsAt - performance.now());
        if (ioTimeout < 0) throw new Vxi11Error(ERROR_IO_TIMEOUT, operation);
        const lockTimeout = this.#lockTimeoutMs;
        return {
          parms: { lid: this.#created.lid, flags: flags | this.#waitFlag, ioTimeout, lockTimeout },
          // The instrument is to give up first: then it says so, and both know.
          call: { timeoutMs: ioTimeout + lockTimeout + this.#marginMs, signal },
        };
      },
    };
  }
}

const connectTimeoutMsDefault = 5_000;
const marginMsDefault = 2_000;

function check(error: number, operation: string): void {
  if (error !== ERROR_NONE) throw new Vxi11Error(error, operation);
}
