import type { Protocol } from "../model/index.js";

/** ONC RPC (RFC 5531) as a protocol: the lazy edges to its two halves. */
export interface Onc extends Protocol {
  readonly name: "onc";
  readonly client: () => Promise<typeof import("./client.js")>;
  readonly server: () => Promise<typeof import("./server.js")>;
}

interface Version {
  readonly program: number;
  readonly version: number;
}

export const onc: Onc = {
  name: "onc",
  // Not by path: in a browser they are another file, as package.json says under `imports`.
  client: () => import("#onc/client"),
  server: () => import("#onc/server"),
  fits: (address) => /^(tcp|udp|tls|unix|memory|memory\+datagram):/.test(address),
  clash(one, other) {
    const [a, b] = [one as Version, other as Version];
    if (a.program !== b.program || a.version !== b.version) return undefined;
    return `program ${a.program} version ${a.version} is exported already`;
  },
  isNull: (procedure) => (procedure as { readonly number?: unknown }).number === 0,
};
