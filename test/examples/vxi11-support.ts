import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type Procedure, Server } from "farcall";
import { oncProgram } from "farcall/onc";
import * as xdr from "farcall/xdr";

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
