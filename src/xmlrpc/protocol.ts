import type { Protocol } from "../model/index.js";

/** XML-RPC as a protocol: the lazy edges to its two halves. */
export interface XmlRpc extends Protocol {
  readonly name: "xmlrpc";
  readonly client: () => Promise<typeof import("./client.js")>;
  readonly server: () => Promise<typeof import("./server.js")>;
}

interface Named {
  readonly procedures: Readonly<Record<string, { readonly name: string }>>;
}

export const xmlRpc: XmlRpc = {
  name: "xmlrpc",
  client: () => import("./client.js"),
  // Not by path: in a browser it is another file, as package.json says under `imports`.
  server: () => import("#xmlrpc/server"),
  fits: (address) => /^(https?|http\+unix|scgi|scgi\+unix):/.test(address),
  clash(one, other) {
    const taken = new Set(Object.values((other as Named).procedures).map(({ name }) => name));
    const twice = Object.values((one as Named).procedures).find(({ name }) => taken.has(name));
    return twice === undefined ? undefined : `the method ${twice.name} is exported already`;
  },
  isNull: (procedure) => (procedure as { readonly isNull?: unknown }).isNull === true,
};
