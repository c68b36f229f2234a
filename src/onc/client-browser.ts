import { RpcError } from "../model/index.js";

// ONC RPC's halves where there are no sockets: bundlers for browsers take this file in place of client.ts and server.ts, by
// the package's `imports`. Programs are described all the same, so that they can be called over XML-RPC.

function refuse(what: string): never {
  const text = `${what} a browser, which has no sockets; over XML-RPC it is reached by overXmlRpc(service)`;
  throw new RpcError("invalid-argument", text, { executed: "no" });
}

export async function connectService({ name }: { readonly name: string }): Promise<never> {
  refuse(`${name} is ONC RPC and cannot be called from`);
}

export class ProtocolServer {
  constructor() {
    refuse("ONC RPC is not served from");
  }
}
