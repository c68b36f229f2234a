import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createTRPCClient, createWSClient, wsLink } from "@trpc/client";
import { applyWSSHandler } from "@trpc/server/adapters/ws";
import { WebSocket, WebSocketServer } from "ws";
import { type Contender, causeOf } from "../contender.js";
import { type Router, routerOf } from "./trpc.js";
import { codeOf } from "./trpc-http.js";

export const contender: Contender = {
  async serve(double) {
    const wss = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    applyWSSHandler({ wss, router: routerOf(double) });
    await once(wss, "listening");
    return `ws://127.0.0.1:${(wss.address() as AddressInfo).port}`;
  },

  async connect(url) {
    // Node 20 has no WebSocket of its own.
    const socket = createWSClient({ url, WebSocket: WebSocket as unknown as typeof globalThis.WebSocket });
    const client = createTRPCClient<Router>({ links: [wsLink({ client: socket })] });
    return {
      double: (n) => client.double.mutate(n),
      describe: (error) => ({ code: codeOf(error), cause: causeOf(error) }),
    };
  },
};
