// A binder whose names are in etcd: `node named-binder ADDRESS ENDPOINTS PREFIX`. Prints `READY ADDRESS`.
import { Binder, Directory } from "farcall";
import { openEtcdDirectoryStore } from "farcall/store";

const [address = "", endpoints = "", prefix = ""] = process.argv.slice(2);
const store = await openEtcdDirectoryStore({ endpoints: endpoints.split(","), prefix, checkMs: 300 });
const binder = new Binder({ directory: new Directory({ store }) });
process.stdout.write(`READY ${await binder.listen(address)}\n`);
