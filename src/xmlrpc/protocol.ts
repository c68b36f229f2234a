import { type Protocol, RpcError } from "../model/index.js";

/** XML-RPC as a protocol: the lazy edges to its two halves. */
export interface XmlRpc extends Protocol {
  readonly name: "xmlrpc";
}

export const xmlRpc: XmlRpc = {
  name: "xmlrpc",
  client: () => absent("client"),
  server: () => absent("server"),
};

function absent(half: string): Promise<never> {
  return Promise.reject(new RpcError("invalid-argument", `there is no ${half} of XML-RPC yet`, { executed: "no" }));
}
