// Asks binders, a step after the other, and prints what came of each as a line of JSON.
//   node binder-caller STEPS-AS-JSON
// A step is [ADDRESS, VERSION, PROCEDURE, ARGUMENT?] with the procedure's name in the contract, or ["as", UID].
import { RpcError } from "farcall";
import { connectOnc } from "farcall/onc";
import { RpcbindV2, RpcbindV3, RpcbindV4 } from "../../../src/binder/rpcbind/rpcbind.js";

type Step =
  | readonly [address: string, version: 2 | 3 | 4, procedure: string, argument?: unknown]
  | readonly ["as", number];

const services = { 2: RpcbindV2, 3: RpcbindV3, 4: RpcbindV4 } as const;

const plain = (_key: string, value: unknown): unknown =>
  value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;

/** Bytes are written as `{ "hex": ... }`. */
const revive = (_key: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && "hex" in value ? Buffer.from(String(value.hex), "hex") : value;

async function ask(address: string, version: 2 | 3 | 4, procedure: string, argument: unknown): Promise<unknown> {
  const service = services[version] as typeof RpcbindV4;
  try {
    await using client = await connectOnc(service, address, { session: "off", retry: false, timeoutMs: 4_000 });
    const calls = client as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    const call = procedure === "ping" ? () => client.$ping() : calls[procedure];
    if (call === undefined) throw new Error(`no procedure ${procedure}`);
    return { value: (await (argument === undefined ? call() : call(argument))) ?? null };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return { code: error.code, executed: error.executed, status: error.status?.number, why: error.status?.why?.number };
  }
}

for (const step of JSON.parse(process.argv[2] ?? "[]", revive) as Step[]) {
  if (step[0] === "as") {
    process.setuid?.(step[1]);
    continue;
  }
  const [address, version, procedure, argument] = step as Exclude<Step, readonly ["as", number]>;
  process.stdout.write(`${JSON.stringify(await ask(address, version, procedure, argument), plain)}\n`);
}
process.exit();
