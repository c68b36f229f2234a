import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { XmlRpcServer } from "farcall/xmlrpc";
import type { EchoServer } from "../echo/call.js";

/** The same methods within a server of Node's, which then reads the requests. */
export const contender: EchoServer = {
  async serve() {
    const server = new XmlRpcServer();
    server.addHandler("echo", (value: string) => value);
    const { node } = await server.handlers();
    const host = createServer(node);
    await once(host.listen(0, "127.0.0.1"), "listening");
    return `http://127.0.0.1:${(host.address() as AddressInfo).port}/RPC2`;
  },
};
