import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { newWebSocketRpcSession, RpcTarget } from "capnweb";
import { WebSocket, WebSocketServer } from "ws";
import { type Contender, causeOf, type Double } from "../contender.js";

class Doubler extends RpcTarget {
  readonly #double: Double;

  constructor(double: Double) {
    super();
    this.#double = double;
  }

  double(n: number): Promise<number> {
    return this.#double(n);
  }
}

/** `ws` has a type of its own for what it makes. */
type AnySocket = Parameters<typeof newWebSocketRpcSession>[0];

// Node 20 has none of its own.
globalThis.WebSocket ??= WebSocket as unknown as typeof globalThis.WebSocket;

export const contender: Contender = {
  async serve(double) {
    const server = createServer();
    new WebSocketServer({ server }).on("connection", (socket) => {
      newWebSocketRpcSession(socket as unknown as AnySocket, new Doubler(double));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  },

  async connect(url) {
    const stub = newWebSocketRpcSession<Doubler>(url);
    return { double: async (n) => stub.double(n), describe: (error) => ({ cause: causeOf(error) }) };
  },
};
