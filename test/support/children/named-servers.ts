// Servers of one name: `node named-servers BINDERS COUNT LEASE_MS`. Prints `READY ADDRESS` for each, once it is registered.
import { Server } from "farcall";
import { StoreV1 } from "../store.js";

const [binders = "", count = "1", leaseMs = "5000"] = process.argv.slice(2);
for (let i = 0; i < Number(count); i++) {
  const server = new Server().export(StoreV1, { read: (key) => key.length, write: () => true, log: () => {} });
  const address = await server.listen("tcp://127.0.0.1:0");
  await server.register({ name: "store", binder: binders.split(","), leaseMs: Number(leaseMs) });
  process.stdout.write(`READY ${address}\n`);
}
