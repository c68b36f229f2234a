import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { connect, type Procedure, Server } from "farcall";
import { oncProgram } from "farcall/onc";
import * as xdr from "farcall/xdr";
import { expect, vi } from "vitest";
import { Simulator } from "../../examples/vxi11/simulator/simulator.js";
import { type CreateLinkResp, DeviceCoreV1, type DeviceCoreV1Client, FLAG_END } from "../../examples/vxi11/vxi11.js";

/** Waits until the instrument works on something. */
export async function untilRunning(simulator: Simulator): Promise<void> {
  await vi.waitFor(() => expect(simulator.device.running).toBe(1), { timeout: 5_000, interval: 5 });
}

/** A link by the bare calls of the contract. */
export async function bareLink(options: { simulator?: Simulator; lock?: boolean } = {}): Promise<BareLink> {
  const simulator = options.simulator ?? (await Simulator.start());
  const core = await connect(DeviceCoreV1, simulator.address, { session: "off" });
  const parms = { clientId: 1, lockDevice: options.lock ?? false, lockTimeout: 0, device: "inst0" };
  const link = await core.createLink(parms);
  return new BareLink(core, link, options.simulator === undefined ? simulator : undefined);
}

export class BareLink implements AsyncDisposable {
  readonly core: DeviceCoreV1Client;
  readonly link: CreateLinkResp;
  readonly io: { lid: number; ioTimeout: number; lockTimeout: number; flags: number };
  readonly #simulator: Simulator | undefined;

  constructor(core: DeviceCoreV1Client, link: CreateLinkResp, simulator: Simulator | undefined) {
    this.core = core;
    this.link = link;
    this.io = { lid: link.lid, ioTimeout: 200, lockTimeout: 0, flags: 0 };
    this.#simulator = simulator;
  }

  async write(text: string): Promise<void> {
    await this.core.deviceWrite({ ...this.io, flags: FLAG_END, data: Buffer.from(text) });
  }

  async read(): Promise<string> {
    const parms = { ...this.io, ioTimeout: 5_000, requestSize: 65_536, termChar: 0 };
    return Buffer.from((await this.core.deviceRead(parms)).data).toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.core.$close();
    await this.#simulator?.close();
  }
}

interface Listening extends AsyncDisposable {
  readonly port: number;
}

/** Accepts connections, and never says a word. */
export async function listenSilently(): Promise<Listening> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A port mapper as instruments have one: version 2, GETPORT, and one answer for everything. */
export async function servePortMapper(answer: number): Promise<Listening> {
  const server = new Server();
  server.export(PortMapper, { getPort: () => answer });
  const address = await server.listen("tcp://127.0.0.1:0");
  return { port: Number(new URL(address).port), [Symbol.asyncDispose]: () => server.close() };
}

interface PortMapper {
  getPort: Procedure<[mapping: { program: number; version: number; protocol: number; port: number }], number>;
}

const PortMapper = oncProgram<PortMapper>({
  name: "PMAP",
  program: 100_000,
  version: 2,
  procedures: {
    getPort: {
      number: 3,
      name: "GETPORT",
      args: [xdr.struct({ program: xdr.uint, version: xdr.uint, protocol: xdr.uint, port: xdr.uint })],
      result: xdr.uint,
    },
  },
});
