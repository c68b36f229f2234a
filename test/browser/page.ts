// What runs in the browser: makes calls, and tells the server that it came from how each ended. Bundled by browser.test.ts.
import { connect, RpcError } from "farcall";
import { connectXmlRpc, overXmlRpc, XmlRpcClient, type XmlRpcClientOptions } from "farcall/xmlrpc";
import { CalcV1 } from "../../examples/calc/calc.js";
import { type Ended, type Places, Web } from "./contract.js";

declare const location: { readonly origin: string; readonly search: string };

const here = location.origin;
const places = JSON.parse(decodeURIComponent(location.search.slice(1))) as Places;

const types = {
  int: -7,
  double: 0.5,
  yes: true,
  text: "Grüße € 👋 <&>",
  date: new Date("2026-01-02T03:04:05Z"),
  bytes: new Uint8Array([0, 1, 254, 255]),
  big: 9_007_199_254_740_993n,
  list: [1, 2, 3],
};

/** A call without a contract. */
async function execute(url: string, name: string, params: unknown[] = [], options: XmlRpcClientOptions = {}) {
  await using client = new XmlRpcClient(url, options);
  return await client.execute(name, params);
}

const cases: Readonly<Record<string, () => Promise<unknown>>> = {
  "typed, same origin": async () => (await connectXmlRpc(Web, `${here}/RPC2`)).types(types),
  "typed, other origin": async () => (await connectXmlRpc(Web, places.other)).types(types),
  "untyped, other origin": () => execute(places.other, "web.twice", ["ab"]),
  "by connect": async () => {
    await using client = await connect(Web, places.other);
    return await client.twice("cd");
  },
  "a service of a .x file": async () => {
    await using calc = await connect(overXmlRpc(CalcV1), places.other);
    return [await calc.add({ a: 1, b: 2 }), await calc.divide({ a: 7, b: 2 })];
  },
  "many at once": async () => {
    await using client = await connectXmlRpc(Web, places.other);
    return await Promise.all(Array.from({ length: 40 }, (_, i) => client.twice(String(i))));
  },
  "a multicall": async () => {
    await using client = await connectXmlRpc(Web, places.other);
    const [first, second] = await client.$multicall((calls) => [calls.twice("ef"), calls.fail()]);
    return [first, second?.ok === false ? second.executed : second];
  },
  "a large answer": async () => {
    await using client = new XmlRpcClient(places.other);
    let received = 0;
    const text = "x".repeat(1_000_000);
    const progress = ({ received: bytes }: { received: number }): void => {
      received = bytes;
    };
    const answer = await client.execute("web.twice", [text], { progress });
    return [answer === text + text, received > 2_000_000];
  },
  "with a password": () => execute(places.guarded, "web.twice", ["gh"], { auth: { user: "me", password: "sesame" } }),
  "without the password": () => execute(places.guarded, "web.twice", ["gh"]),

  "a handler that fails": () => execute(places.other, "web.fail"),
  "a fault of the handler": () => execute(places.other, "web.refuse"),
  "a method that is not there": () => execute(places.other, "web.missing"),
  "an answer that is no XML": () => execute(`${here}/html`, "web.twice", ["x"]),
  "a redirect": () => execute(`${here}/redirect`, "web.twice", ["x"]),
  "nobody there": () => execute(places.nobody, "web.twice", ["x"]),
  "a page that may not call": () => execute(places.closed, "web.twice", ["x"]),
  "a server that hangs up": () => execute(`${here}/cut`, "web.twice", ["x"]),
  "a server that hangs up in its answer": () => execute(`${here}/half`, "web.twice", ["x"]),
  "a server that is silent": () => execute(`${here}/silent`, "web.twice", ["x"], { timeoutMs: 300 }),
  "a call that is cancelled": async () => {
    await using client = new XmlRpcClient(`${here}/silent`);
    const aborter = new AbortController();
    const call = client.execute("web.twice", ["x"], { signal: aborter.signal });
    setTimeout(() => aborter.abort(new Error("enough")), 100);
    return await call;
  },
  "a value that cannot be sent": () => execute(places.other, "web.twice", [{ a: [undefined] }]),
  "a Unix socket": () => execute("http+unix:/tmp/socket", "web.twice", ["x"]),
  "ONC RPC": async () => await connect(CalcV1, "tcp://127.0.0.1:9"),
};

/** Values that JSON does not have, as text. */
function shown(value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `bytes ${[...value].join(" ")}`;
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, shown(member)]));
}

async function run(make: () => Promise<unknown>): Promise<Ended> {
  try {
    return { value: shown(await make()) };
  } catch (error) {
    const { code, executed, message, status } = error as RpcError;
    return { isRpcError: error instanceof RpcError, code, executed, message, status };
  }
}

const ended: Record<string, Ended> = {};
await Promise.all(
  Object.entries(cases).map(async ([name, make]) => {
    ended[name] = await run(make);
  }),
);
await fetch("/report", { method: "POST", body: JSON.stringify(ended) });
