import type { Protocol } from "../model/index.js";

/** ONC RPC (RFC 5531) as a protocol: the lazy edges to its two halves. */
export interface Onc extends Protocol {
  readonly name: "onc";
  readonly client: () => Promise<typeof import("./client.js")>;
  readonly server: () => Promise<typeof import("./server.js")>;
}

export const onc: Onc = {
  name: "onc",
  client: () => import("./client.js"),
  server: () => import("./server.js"),
};
