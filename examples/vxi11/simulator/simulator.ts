import { Server } from "farcall";
import { DeviceAsyncV1, DeviceCoreV1, ERROR_INVALID_LINK, ERROR_NONE } from "../vxi11.js";
import { CoreChannel, maxRecvSize } from "./core-channel.js";
import { Device } from "./device.js";
import { Instrument } from "./scpi.js";

export interface SimulatorOptions {
  /** Where it listens; default loopback. */
  readonly host?: string | undefined;
  /** TCP port of the core channel; default a free one. */
  readonly port?: number | undefined;
  /** Tells this machine's rpcbind, which is where other people's clients ask; default false. */
  readonly register?: boolean | undefined;
  /** The answer to `*IDN?`. */
  readonly identity?: string | undefined;
}

/** A voltmeter on the network. */
export class Simulator implements AsyncDisposable {
  readonly device: Device;
  /** The core channel's address. */
  readonly address: string;
  readonly #servers: readonly Server[];

  private constructor(device: Device, address: string, servers: readonly Server[]) {
    this.device = device;
    this.address = address;
    this.#servers = servers;
  }

  /** @throws RpcError when an address cannot be had, or no rpcbind takes the registration */
  static async start(options: SimulatorOptions = {}): Promise<Simulator> {
    const { host = "127.0.0.1", port = 0, identity = "farcall,VXI-11 simulator,0,1" } = options;
    const device = new Device(new Instrument(identity));
    // A server of its own: the abort channel is a port of its own, which nobody looks up.
    const abort = new Server();
    abort.export(DeviceAsyncV1, {
      deviceAbort(lid) {
        const link = device.find(lid);
        link?.abort();
        return { error: link === undefined ? ERROR_INVALID_LINK : ERROR_NONE };
      },
    });
    const abortPort = Number(new URL(await abort.listen(`tcp://${host}:0`)).port);
    // What stands around the data of the largest write fits in another KiB.
    const core = new Server({ recordSizeMax: maxRecvSize + 1_024 });
    core.export(DeviceCoreV1, () => new CoreChannel(device, abortPort), { lifetime: "per-session" });
    const simulator = new Simulator(device, await core.listen(`tcp://${host}:${port}`), [core, abort]);
    if (options.register === true) await core.register();
    return simulator;
  }

  async close(): Promise<void> {
    // Reads may wait for answers that never come.
    await Promise.all(this.#servers.map((server) => server.close({ drainMs: 0 })));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
