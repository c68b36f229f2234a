// Runs where everything that passes is captured: `node readable SECRET RESULT`. Calls one service with the same secret
// in clear text, over TLS after AUTH_TLS, and over TLS from the start. Prints `READY CLEAR STARTTLS TLS`, the ports,
// and at the end what the server saw of each caller.
import { readFileSync } from "node:fs";
import { type ConnectOptions, connect, type Procedure, Server } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { string } from "farcall/xdr";

const [secret = "", result = ""] = process.argv.slice(2);
interface Vault {
  exchange: Procedure<[text: string], string>;
}
const VaultV1: OncService<Vault> = oncProgram<Vault>({
  name: "VAULT",
  program: 0x20000e21,
  version: 1,
  procedures: { exchange: { number: 1, name: "EXCHANGE", args: [string()], result: string() } },
});

const file = (name: string): string => readFileSync(process.env[name] ?? "", "utf8");
const ca = file("FARCALL_CA");
const server = new Server({ tls: { ca, cert: file("FARCALL_CERT"), key: file("FARCALL_KEY") } });
const callers: string[] = [];
server.export(VaultV1, {
  exchange(text, { caller }) {
    callers.push(`${caller.tls?.protocol ?? "clear"} ${caller.tls?.subject ?? "-"} ${text === secret}`);
    return result;
  },
});
const own = { cert: file("FARCALL_CLIENT_CERT"), key: file("FARCALL_CLIENT_KEY") };
const tls: ConnectOptions = { tls: { ca, policy: "required", ...own } };
const runs: [address: string, options: ConnectOptions][] = [
  [await server.listen("tcp://127.0.0.1:0"), {}],
  [await server.listen("tcp://127.0.0.1:0"), tls],
  [await server.listen("tls://127.0.0.1:0"), tls],
];
process.stdout.write(`READY ${runs.map(([address]) => address.slice(address.lastIndexOf(":") + 1)).join(" ")}\n`);
for (const [address, options] of runs) {
  await using client = await connect(VaultV1, address, { session: "off", ...options });
  for (let i = 0; i < 3; i++) if ((await client.exchange(secret)) !== result) throw new Error("a wrong result");
  // Larger than a TLS record, so that a session of several records is seen too.
  const large = secret.repeat(2_000);
  if ((await client.exchange(large)) !== result) throw new Error("a wrong result");
}
await server.close();
process.stdout.write(`${callers.join("\n")}\n`);
