import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Server } from "farcall";
import { PortMapperV2 } from "../../src/binder/rpcbind/program.js";

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

/** A port mapper as instruments have one: version 2 only, with one answer for everything. */
export async function servePortMapper(answer: number): Promise<Listening> {
  const server = new Server();
  const refuse = (): never => {
    throw new Error("not here");
  };
  server.export(PortMapperV2, { getPort: () => answer, set: refuse, unset: refuse });
  const address = await server.listen("tcp://127.0.0.1:0");
  return { port: Number(new URL(address).port), [Symbol.asyncDispose]: () => server.close() };
}
