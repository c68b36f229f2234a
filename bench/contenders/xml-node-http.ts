import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { answer, type EchoServer } from "../echo/call.js";

const headers = { "Content-Type": "text/xml", "Content-Length": Buffer.byteLength(answer) };

/** What Node's own server can do: it answers a constant, and looks neither at the path nor at the body. */
export const contender: EchoServer = {
  async serve() {
    const server = createServer((_request, response) => {
      response.writeHead(200, headers);
      response.end(answer);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/RPC2`;
  },
};
