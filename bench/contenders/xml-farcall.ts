import { XmlRpcClient, XmlRpcServer } from "farcall/xmlrpc";
import { keepCalling } from "../calls.js";
import type { Contender } from "../contender.js";
import { text } from "../echo/call.js";

/** As a user writes them: limits, introspection and the cache of answers are on. */
export const contender: Contender = {
  async serve() {
    const server = new XmlRpcServer();
    server.addHandler("echo", (value: string) => value);
    return await server.listen("http://127.0.0.1:0/RPC2");
  },

  async connect(url) {
    const client = new XmlRpcClient(url);
    return {
      kinds: ["echo"],
      run: (_kind, window, ms) => keepCalling(() => client.execute("echo", [text]), window, ms),
    };
  },
};
