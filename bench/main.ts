import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Kind, Sample } from "./contender.js";
import { type Measured, programs, writeDocument } from "./documents.js";
import { benchEcho, connections, echoTasks } from "./echo.js";
import { add, type Figures, median, turns } from "./figures.js";
import { WorkerProcess } from "./worker-process.js";

const usage = `npm run bench -- [options]
  --rounds N     turns of each contender (default 9)
  --ms N         length of a turn in milliseconds (default 700)
  --only NAMES   of calls, codec, xml, async; by commas (default all); echo for the servers of xml alone
  --json         print the figures as JSON instead of the tables
  --smoke        one short turn each: does it still run?`;

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    ms: { type: "string", default: "700" },
    only: { type: "string", default: "calls,codec,xml,async" },
    json: { type: "boolean", default: false },
    smoke: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const rounds = options.smoke ? 1 : positive("rounds", options.rounds);
const ms = options.smoke ? 100 : positive("ms", options.ms);
const only = options.only.split(",");

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`--${name} takes a number above 0, not ${text}`);
  return value;
}

const failures: string[] = [];

/** Clients against servers of their own make: what is called, and how many calls are in flight. */
interface Calls {
  readonly ends: readonly (readonly [name: string, file: string])[];
  readonly tasks: readonly (readonly [kind: Kind, window: number])[];
}

const oncCalls: Calls = {
  ends: [
    ["grpc-js", "grpc"],
    ["farcall", "farcall"],
    ["farcall-plain", "farcall-plain"],
    ["net", "net"],
  ],
  tasks: [
    ["null", 1],
    ["null", 128],
    ["struct", 1],
    ["struct", 128],
  ],
};

const xmlCalls: Calls = {
  ends: [
    ["farcall", "xml-farcall"],
    ["npm-xmlrpc", "xml-npm-xmlrpc"],
  ],
  tasks: [["echo", connections]],
};

/** Requests that are kept, flushed to the disk, before their ids are given. */
const asyncCalls: Calls = {
  ends: [
    ["farcall", "async-sqlite"],
    ["farcall-postgres", "async-postgres"],
  ],
  tasks: [
    ["accept", 1],
    ["accept", 64],
  ],
};

/** What accepting requests is to reach at window 64, each second. */
const acceptsWanted = 3_000;

async function benchCalls(figures: Figures, { ends, tasks }: Calls): Promise<void> {
  const contenders: { name: string; client: WorkerProcess; server: WorkerProcess; kinds: readonly Kind[] }[] = [];
  try {
    for (const [name, file] of ends) {
      const [server, client] = [new WorkerProcess(file), new WorkerProcess(file)];
      try {
        const address = await server.order<string>({ do: "serve" });
        const kinds = await client.order<readonly Kind[]>({ do: "connect", address });
        contenders.push({ name, client, server, kinds });
      } catch (error) {
        failures.push(`${name}: ${(error as Error).message}`);
        server.stop();
        client.stop();
      }
    }
    for (const [kind, window] of tasks) {
      const able = contenders.filter(({ kinds }) => kinds.includes(kind));
      // Warm: the compiler of either end should be done before anything counts.
      for (const { client } of able) await client.order({ do: "run", kind, window, ms: Math.min(ms, 1000) });
      for (let round = 0; round < rounds; round++) {
        for (const { name, client } of turns(able, round)) {
          const sample = await client.order<Sample>({ do: "run", kind, window, ms });
          add(figures, `${kind} window ${window}, calls/s`, name, (sample.calls / sample.ms) * 1000);
          if (sample.p50 !== undefined) add(figures, `${kind} window ${window}, p50 us`, name, sample.p50);
          if (sample.p99 !== undefined) add(figures, `${kind} window ${window}, p99 us`, name, sample.p99);
        }
      }
    }
  } finally {
    for (const { client, server } of contenders) {
      client.stop();
      server.stop();
    }
  }
}

async function benchCodec(figures: Figures): Promise<void> {
  const contenders: { name: string; measure: (direction: "encode" | "decode", ms: number) => Promise<number> }[] = [];
  const worker = new WorkerProcess("farcall");
  try {
    try {
      await worker.order({ do: "code", direction: "encode", ms: 1 });
      contenders.push({ name: "farcall", measure: (direction, ms) => worker.order({ do: "code", direction, ms }) });
    } catch (error) {
      failures.push(`farcall's codec: ${(error as Error).message}`);
    }
    try {
      const program = buildC();
      contenders.push({
        name: "libtirpc",
        measure: async (direction, ms) => Number(execFileSync(program, [direction, String(ms)], { encoding: "utf8" })),
      });
    } catch (error) {
      failures.push(`libtirpc: ${(error as Error).message}`);
    }
    for (const direction of ["encode", "decode"] as const) {
      for (const { measure } of contenders) await measure(direction, Math.min(ms, 1000));
      for (let round = 0; round < rounds; round++) {
        for (const { name, measure } of turns(contenders, round)) {
          add(figures, `${direction} 100 entries, ns`, name, await measure(direction, ms));
        }
      }
    }
  } finally {
    worker.stop();
  }
}

async function benchDocuments(figures: Figures): Promise<void> {
  const workers = ["farcall", "npm-xmlrpc", "json"].map((name) => [name, new WorkerProcess(name)] as const);
  try {
    const contenders: Measured[] = [];
    for (const [name, worker] of workers) {
      try {
        await worker.order({ do: "document", direction: "encode", ms: 1 });
        contenders.push({ name, measure: (direction, ms) => worker.order({ do: "document", direction, ms }) });
      } catch (error) {
        failures.push(`${name}'s documents: ${(error as Error).message}`);
      }
    }
    const document = writeDocument();
    for (const { name, make } of programs) {
      try {
        contenders.push(make(document));
      } catch (error) {
        failures.push(`${name}'s documents: ${(error as Error).message}`);
      }
    }
    for (const direction of ["decode", "encode"] as const) {
      for (const { measure } of contenders) await measure(direction, Math.min(ms, 1000));
      for (let round = 0; round < rounds; round++) {
        for (const { name, measure } of turns(contenders, round)) {
          add(figures, `${direction} 1.18 MB of XML-RPC, ms`, name, await measure(direction, ms));
        }
      }
    }
  } finally {
    for (const [, worker] of workers) worker.stop();
  }
}

function buildC(): string {
  const bench = fileURLToPath(new URL("../", import.meta.url));
  const cwd = join(bench, "../.build/bench-codec");
  mkdirSync(cwd, { recursive: true });
  const make = (command: string, ...args: string[]) =>
    execFileSync(command, args, { cwd, stdio: ["ignore", "ignore", "pipe"] });
  for (const file of ["bench.x", "codec/entries.c"]) copyFileSync(join(bench, file), join(cwd, basename(file)));
  // rpcgen does not write over a file that is there.
  for (const file of ["bench.h", "bench_xdr.c"]) rmSync(join(cwd, file), { force: true });
  make("rpcgen", "-C", "-M", "-N", "-h", "-o", "bench.h", "bench.x");
  make("rpcgen", "-C", "-M", "-N", "-c", "-o", "bench_xdr.c", "bench.x");
  make("gcc", "-O2", "-w", "-I.", "-I/usr/include/tirpc", "-o", "entries", "entries.c", "bench_xdr.c", "-ltirpc");
  return join(cwd, "entries");
}

/**
 * Names of ratios: which task, over whom. Those of codecs and sessions are of time; those of documents say how many times
 * faster, and those of CPU how many times less. What is counted the other way is inverted.
 */
const ratios: readonly (readonly [name: string, task: string, other: string, inverted?: "inverted"])[] = [
  ["onc-tcp-w1/net", "null window 1, calls/s", "net"],
  ["onc-tcp-w128/net", "null window 128, calls/s", "net"],
  ["onc-tcp-w1/grpc-js", "null window 1, calls/s", "grpc-js"],
  ["onc-tcp-w128/grpc-js", "null window 128, calls/s", "grpc-js"],
  ["onc-tcp-struct-w1/grpc-js", "struct window 1, calls/s", "grpc-js"],
  ["onc-tcp-struct-w128/grpc-js", "struct window 128, calls/s", "grpc-js"],
  ["session-w1/plain", "struct window 1, calls/s", "farcall-plain", "inverted"],
  ["session-w128/plain", "struct window 128, calls/s", "farcall-plain", "inverted"],
  ["xdr-encode/libtirpc", "encode 100 entries, ns", "libtirpc"],
  ["xdr-decode/libtirpc", "decode 100 entries, ns", "libtirpc"],
  ["xml-echo/npm-xmlrpc", echoTasks.speed, "npm-xmlrpc"],
  ["xml-echo/node-http", echoTasks.speed, "node-http"],
  ["xml-echo/xmlrpc-c", echoTasks.speed, "xmlrpc-c"],
  ["xml-echo/farcall-mounted", echoTasks.speed, "farcall-mounted"],
  ["xml-echo-cpu/npm-xmlrpc", echoTasks.cpu, "npm-xmlrpc", "inverted"],
  ["xml-echo-cpu/node-http", echoTasks.cpu, "node-http", "inverted"],
  ["xml-echo-cpu/xmlrpc-c", echoTasks.cpu, "xmlrpc-c", "inverted"],
  ["xml-echo-both-ends/npm-xmlrpc", `echo window ${connections}, calls/s`, "npm-xmlrpc"],
  ["xml-decode/npm-xmlrpc", "decode 1.18 MB of XML-RPC, ms", "npm-xmlrpc", "inverted"],
  ["xml-encode/npm-xmlrpc", "encode 1.18 MB of XML-RPC, ms", "npm-xmlrpc", "inverted"],
  ["xml-decode/xmlrpc-c", "decode 1.18 MB of XML-RPC, ms", "xmlrpc-c", "inverted"],
  ["xml-encode/xmlrpc-c", "encode 1.18 MB of XML-RPC, ms", "xmlrpc-c", "inverted"],
  ["xml-decode/python", "decode 1.18 MB of XML-RPC, ms", "python", "inverted"],
];

function print(figures: Figures): void {
  const round = (value: number) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1));
  for (const [task, row] of figures) {
    const cells = [...row].map(([name, values]) => {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      return `${name} ${round(median(values) ?? Number.NaN)} (${round(low)} to ${round(high)})`;
    });
    console.log(`${task}: ${cells.join(" | ")}`);
  }
}

if (options.help) {
  console.log(usage);
} else {
  const figures: Figures = new Map();
  if (only.includes("calls")) await benchCalls(figures, oncCalls);
  if (only.includes("codec")) await benchCodec(figures);
  if (only.includes("xml") || only.includes("echo")) {
    await benchEcho(figures, rounds, ms, failures);
    await benchCalls(figures, xmlCalls);
  }
  if (only.includes("xml")) await benchDocuments(figures);
  if (only.includes("async")) await benchCalls(figures, asyncCalls);
  const result: Record<string, number> = {};
  for (const [name, task, other, inverted] of ratios) {
    const row = figures.get(task);
    const theirs = row?.get(other);
    // Round by round: the machine has fast and slow minutes, and a round's turns share theirs.
    const ratio = median(row?.get("farcall")?.map((ours, round) => ours / (theirs?.[round] ?? Number.NaN)));
    if (ratio !== undefined && theirs !== undefined) result[name] = inverted === undefined ? ratio : 1 / ratio;
  }
  const accepts = figures.get("accept window 64, calls/s");
  for (const [name, contender] of [
    ["async-accept-w64-sqlite", "farcall"],
    ["async-accept-w64-postgres", "farcall-postgres"],
  ] as const) {
    const rate = median(accepts?.get(contender));
    if (rate !== undefined) result[`${name}/${acceptsWanted}`] = rate / acceptsWanted;
  }
  if (options.json) {
    const rows = [...figures].map(([task, row]) => [task, Object.fromEntries(row)] as const);
    console.log(
      JSON.stringify({ node: process.version, cpus: cpus().length, figures: Object.fromEntries(rows), ratios: result }),
    );
  } else {
    console.log(
      `Node ${process.version}, ${cpus().length} cores; median of ${rounds} rounds of ${ms} ms (lowest to highest)`,
    );
    print(figures);
    for (const failure of failures) console.log(`not measured: ${failure}`);
    for (const [name, ratio] of Object.entries(result))
      console.log(`${name}: ${ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2)}`);
  }
  if (failures.length > 0) process.exitCode = 1;
}
