// One process of a contender: `worker.js NAME`. Takes one order at a time from its parent and answers each.
import { encodeResponse } from "farcall/xmlrpc";
import type { Caller, CodecContender, Contender, Kind, Sample } from "./contender.js";
import { type DocumentContender, items } from "./documents/structs.js";

export type Order =
  | { readonly do: "serve" }
  | { readonly do: "connect"; readonly address: string }
  | { readonly do: "run"; readonly kind: Kind; readonly window: number; readonly ms: number }
  | { readonly do: "code"; readonly direction: "encode" | "decode"; readonly ms: number }
  | { readonly do: "document"; readonly direction: "encode" | "decode"; readonly ms: number };

export type Answer = { readonly ok: unknown } | { readonly error: string };

const name = process.argv[2] ?? "";
let caller: Caller | undefined;

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case "serve":
      return await (await load<Contender>(`./contenders/${name}.js`, "contender")).serve();
    case "connect":
      caller = await (await load<Contender>(`./contenders/${name}.js`, "contender")).connect(order.address);
      return caller.kinds;
    case "run":
      return (await caller?.run(order.kind, order.window, order.ms)) satisfies Sample | undefined;
    case "code":
      return nanoseconds(await load<CodecContender>(`./codec/${name}.js`, "codec"), order.direction, order.ms);
    case "document":
      return await milliseconds(await load<DocumentContender>(`./documents/${name}.js`, "documents"), order);
  }
}

async function load<T>(path: string, member: string): Promise<T> {
  return ((await import(path)) as Record<string, T>)[member] as T;
}

function nanoseconds(codec: CodecContender, direction: "encode" | "decode", ms: number): number {
  if (codec.encode() !== 4004) throw new Error(`encoded ${codec.encode()} bytes, not 4004`);
  if (codec.decode() !== 100) throw new Error(`decoded ${codec.decode()} entries, not 100`);
  const batch = 100;
  const start = performance.now();
  let operations = 0;
  // The sum keeps the work from being optimised away.
  let sum = 0;
  while (performance.now() - start < ms) {
    for (let i = 0; i < batch; i++) sum += codec[direction]();
    operations += batch;
  }
  if (sum === 0) throw new Error("nothing was done");
  return ((performance.now() - start) * 1e6) / operations;
}

async function milliseconds(
  documents: DocumentContender,
  { direction, ms }: { readonly direction: "encode" | "decode"; readonly ms: number },
): Promise<number> {
  const value = items();
  const document = encodeResponse(value);
  if ((await documents.decode(document)) !== value.length) throw new Error("decoded something else");
  const start = performance.now();
  let operations = 0;
  let sum = 0;
  do {
    sum += direction === "decode" ? await documents.decode(document) : documents.encode(value);
    operations++;
  } while (performance.now() - start < ms);
  if (sum === 0) throw new Error("nothing was done");
  return (performance.now() - start) / operations;
}

process.on("message", (order: Order) => {
  obey(order).then(
    (ok) => process.send?.({ ok } satisfies Answer),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  );
});
process.on("disconnect", () => process.exit());
