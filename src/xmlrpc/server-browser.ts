import { RpcError } from "../model/index.js";

// The server's half where there is none: bundlers for browsers take this file in place of server.ts, by the package's `imports`.

export class ProtocolServer {
  constructor() {
    const text = "XML-RPC is not served from a browser: nothing can connect to a page";
    throw new RpcError("invalid-argument", text, { executed: "no" });
  }
}
