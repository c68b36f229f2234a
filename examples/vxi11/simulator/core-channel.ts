import type { CallContext } from "farcall";
import {
  type CreateLinkParms,
  type CreateLinkResp,
  type DeviceCoreV1Handlers,
  type DeviceDocmdResp,
  type DeviceError,
  type DeviceGenericParms,
  type DeviceLockParms,
  type DeviceReadParms,
  type DeviceReadResp,
  type DeviceReadStbResp,
  type DeviceWriteParms,
  type DeviceWriteResp,
  ERROR_INVALID_LINK,
  ERROR_IO,
  ERROR_IO_TIMEOUT,
  ERROR_LOCKED,
  ERROR_NO_LOCK,
  ERROR_NONE,
  ERROR_NOT_ACCESSIBLE,
  ERROR_NOT_SUPPORTED,
  ERROR_PARAMETER,
  FLAG_END,
  FLAG_WAIT_LOCK,
} from "../vxi11.js";
import { type Device, Fault, type Link } from "./device.js";

/** Most bytes of one write. The specification wants at least 1,024. */
export const maxRecvSize = 16_384;

// Bits of the status byte: IEEE 488.2, section 11.2, and SCPI's own use of those that it leaves free.
const statusErrors = 0x04;
const statusMessageAvailable = 0x10;

const none = new Uint8Array(0);

/**
 * One client's core channel. It is made for a connection and ends with it: its links and their locks with it, as the
 * specification wants. A link of another connection does not exist here.
 */
export class CoreChannel implements DeviceCoreV1Handlers, Disposable {
  readonly #device: Device;
  readonly #abortPort: number;
  readonly #links = new Map<number, Link>();

  constructor(device: Device, abortPort: number) {
    this.#device = device;
    this.#abortPort = abortPort;
  }

  async createLink(parms: CreateLinkParms, { signal }: CallContext): Promise<CreateLinkResp> {
    const refused = { lid: 0, abortPort: 0, maxRecvSize: 0 };
    return await this.#outcome(refused, async () => {
      if (!/^(?:inst0)?$/i.test(parms.device)) throw new Fault(ERROR_NOT_ACCESSIBLE);
      const link = this.#device.open();
      // Before the lock: should the connection end while it is being taken, the link and its lock end too.
      this.#links.set(link.id, link);
      try {
        if (parms.lockDevice) await link.run(signal, (ended) => this.#take(link, parms.lockTimeout, ended));
      } catch (error) {
        this.#close(link);
        throw error;
      }
      return { lid: link.id, abortPort: this.#abortPort, maxRecvSize };
    });
  }

  async destroyLink(lid: number): Promise<DeviceError> {
    return await this.#status(async () => {
      this.#close(this.#link(lid));
    });
  }

  async deviceWrite(parms: DeviceWriteParms, context: CallContext): Promise<DeviceWriteResp> {
    return await this.#outcome({ size: 0 }, async () => {
      if (parms.data.length > maxRecvSize) throw new Fault(ERROR_PARAMETER);
      await this.#operate(parms, context, async ({ exchange }) => {
        if (parms.data.length === 0) return;
        if (!exchange.write(parms.data, (parms.flags & FLAG_END) !== 0)) throw new Fault(ERROR_IO);
      });
      return { size: parms.data.length };
    });
  }

  async deviceRead(parms: DeviceReadParms, context: CallContext): Promise<DeviceReadResp> {
    return await this.#outcome({ reason: 0, data: none }, () =>
      this.#operate(parms, context, async ({ exchange }, signal) => {
        const request = { size: parms.requestSize, flags: parms.flags, termChar: parms.termChar };
        const answer = await exchange.read(request, parms.ioTimeout, signal);
        if (answer === undefined) throw new Fault(ERROR_IO_TIMEOUT);
        return answer;
      }),
    );
  }

  async deviceReadstb(parms: DeviceGenericParms, context: CallContext): Promise<DeviceReadStbResp> {
    return await this.#outcome({ stb: 0 }, () =>
      this.#operate(parms, context, async ({ exchange }) => ({
        stb: (exchange.hasOutput ? statusMessageAvailable : 0) | (this.#device.instrument.hasErrors ? statusErrors : 0),
      })),
    );
  }

  async deviceTrigger(parms: DeviceGenericParms, context: CallContext): Promise<DeviceError> {
    return await this.#status(() => this.#operate(parms, context, async () => this.#device.instrument.trigger()));
  }

  async deviceClear(parms: DeviceGenericParms, context: CallContext): Promise<DeviceError> {
    return await this.#status(() => this.#operate(parms, context, async ({ exchange }) => exchange.clear()));
  }

  /** There is no front panel to lock, nor to free. */
  async deviceRemote(parms: DeviceGenericParms, context: CallContext): Promise<DeviceError> {
    return await this.#status(() => this.#operate(parms, context, async () => {}));
  }

  async deviceLocal(parms: DeviceGenericParms, context: CallContext): Promise<DeviceError> {
    return await this.#status(() => this.#operate(parms, context, async () => {}));
  }

  async deviceLock({ lid, flags, lockTimeout }: DeviceLockParms, { signal }: CallContext): Promise<DeviceError> {
    return await this.#status(async () => {
      const link = this.#link(lid);
      // Also when it is this link's own: the specification wants it so.
      if (this.#device.lock.heldBy(link)) throw new Fault(ERROR_LOCKED);
      await link.run(signal, (ended) => this.#take(link, waitMs(flags, lockTimeout), ended));
    });
  }

  async deviceUnlock(lid: number): Promise<DeviceError> {
    return await this.#status(async () => {
      if (!this.#device.lock.release(this.#link(lid))) throw new Fault(ERROR_NO_LOCK);
    });
  }

  // Service requests and commands to other buses are not part of the simulation.

  async deviceEnableSrq({ lid }: { lid: number }): Promise<DeviceError> {
    return await this.#unsupported({}, lid);
  }

  async deviceDocmd({ lid }: { lid: number }): Promise<DeviceDocmdResp> {
    return await this.#unsupported({ dataOut: none }, lid);
  }

  async createIntrChan(): Promise<DeviceError> {
    return { error: ERROR_NOT_SUPPORTED };
  }

  async destroyIntrChan(): Promise<DeviceError> {
    return { error: ERROR_NOT_SUPPORTED };
  }

  /** The connection is gone. */
  [Symbol.dispose](): void {
    for (const link of this.#links.values()) this.#device.close(link);
    this.#links.clear();
  }

  #close(link: Link): void {
    this.#links.delete(link.id);
    this.#device.close(link);
  }

  #link(lid: number): Link {
    const link = this.#links.get(lid);
    if (link === undefined) throw new Fault(ERROR_INVALID_LINK);
    return link;
  }

  /** Runs what other links' locks keep out and `device_abort` ends. */
  async #operate<T>(
    parms: { readonly lid: number; readonly flags: number; readonly lockTimeout: number },
    context: CallContext,
    work: (link: Link, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const link = this.#link(parms.lid);
    return await link.run(context.signal, async (signal) => {
      const ms = waitMs(parms.flags, parms.lockTimeout);
      if (!(await this.#device.lock.pass(link, ms, signal))) throw new Fault(ERROR_LOCKED);
      return await work(link, signal);
    });
  }

  async #take(link: Link, ms: number, signal: AbortSignal): Promise<void> {
    if (!(await this.#device.lock.take(link, ms, signal))) throw new Fault(ERROR_LOCKED);
  }

  async #unsupported<T extends object>(otherwise: T, lid: number): Promise<T & DeviceError> {
    return await this.#outcome<T>(otherwise, async () => {
      this.#link(lid);
      throw new Fault(ERROR_NOT_SUPPORTED);
    });
  }

  /** As {@link #outcome}, where the error number is all there is. */
  async #status(work: () => Promise<unknown>): Promise<DeviceError> {
    return await this.#outcome({}, async () => {
      await work();
      return {};
    });
  }

  /** A fault becomes the result's error number; the other members are then as `otherwise` says. */
  async #outcome<T extends object>(otherwise: T, work: () => Promise<T>): Promise<T & DeviceError> {
    try {
      return { ...otherwise, ...(await work()), error: ERROR_NONE };
    } catch (error) {
      if (error instanceof Fault) return { ...otherwise, error: error.code };
      throw error;
    }
  }
}

function waitMs(flags: number, lockTimeout: number): number {
  return (flags & FLAG_WAIT_LOCK) !== 0 ? lockTimeout : 0;
}
