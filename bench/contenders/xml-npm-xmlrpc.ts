import { once } from "node:events";
import type { Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { keepCalling } from "../calls.js";
import type { Contender } from "../contender.js";
import { text } from "../echo/call.js";

// The package has no types.
const { createServer, createClient } = createRequire(import.meta.url)("xmlrpc") as {
  createServer(options: { host: string; port: number }): {
    readonly httpServer: Server;
    on(
      method: string,
      handle: (error: null, params: unknown[], done: (error: null, value: unknown) => void) => void,
    ): void;
  };
  createClient(url: string): {
    methodCall(method: string, params: unknown[], done: (error: Error | null, value: unknown) => void): void;
  };
};

export const contender: Contender = {
  async serve() {
    const server = createServer({ host: "127.0.0.1", port: 0 });
    server.on("echo", (_error, [value], done) => done(null, value));
    await once(server.httpServer, "listening");
    return `http://127.0.0.1:${(server.httpServer.address() as AddressInfo).port}/RPC2`;
  },

  async connect(url) {
    const client = createClient(url);
    const echo = (): Promise<unknown> =>
      new Promise((resolve, reject) => {
        client.methodCall("echo", [text], (error, value) => (error === null ? resolve(value) : reject(error)));
      });
    return { kinds: ["echo"], run: (_kind, window, ms) => keepCalling(echo, window, ms) };
  },
};
