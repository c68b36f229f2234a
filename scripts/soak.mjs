// Serves and calls for an hour at half of what this machine can do, and watches memory and descriptors of both ends.
//
//   node scripts/soak.mjs [--minutes 60] [--load 0.5] [--out bench/results/soak.json]
//
// Each end is a process of its own. Every other call is made in a session, as calls are by default, and the rest plainly,
// as with servers that have no sessions. Half load is half of what this mixture comes to with 128 calls under way. The
// first sixth of the time is warm-up; after it the median resident memory of the last third may be at most 10 % above
// that of the first third, and descriptors may not grow. No call may be left pending at the end, and none may fail but
// in the ways that it was made to.
import { fork } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const farcall = await import(new URL("../dist/index.js", import.meta.url).href);
const { oncProgram } = await import(new URL("../dist/onc/index.js", import.meta.url).href);
const { int, nothing, opaque, struct, uint } = await import(new URL("../dist/xdr/index.js", import.meta.url).href);

const SoakV1 = oncProgram({
  name: "SOAK_PROG",
  program: 0x2000_01f0,
  version: 1,
  procedures: {
    add: { number: 1, name: "ADD", args: [struct({ a: int, b: int })], result: int },
    echo: { number: 2, name: "ECHO", args: [opaque()], result: opaque() },
    wait: { number: 3, name: "WAIT", args: [uint], result: nothing },
    fail: { number: 4, name: "FAIL", args: [], result: nothing },
    read: { number: 5, name: "READ", args: [uint], result: opaque(), semantics: "at-least-once" },
  },
});

/** How calls are made: `session` of the clients. */
const kinds = ["require", "off"];

/** What this process holds, after a collection where the runtime lets us ask for one. */
function held() {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return { rss, heapUsed, descriptors: readdirSync("/proc/self/fd").length };
}

async function serve() {
  const server = new farcall.Server({ onError: () => {} });
  server.export(SoakV1, {
    add: ({ a, b }) => (a + b) | 0,
    echo: (bytes) => bytes,
    wait: (ms, { signal }) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        signal.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
      }),
    fail() {
      throw new Error("as asked");
    },
    read: (size) => new Uint8Array(size),
  });
  const path = join(process.env.SOAK_FOLDER, `soak-${process.pid}.sock`);
  const addresses = [];
  for (const address of ["tcp://127.0.0.1:0", "udp://127.0.0.1:0", `unix:${path}`]) {
    addresses.push(await server.listen(address));
  }
  process.send({ addresses });
  process.on("message", (message) => {
    if (message === "held") process.send({ held: held() });
    else server.close({ drainMs: 1000 }).then(() => process.exit(0));
  });
}

if (process.env.SOAK_FOLDER !== undefined) await serve();
else await soak();

async function soak() {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "60" },
      load: { type: "string", default: "0.5" },
      out: { type: "string", default: "bench/results/soak.json" },
    },
  });
  const [minutes, load] = [Number(values.minutes), Number(values.load)];
  if (!(minutes > 0) || !(load > 0 && load <= 1)) throw new RangeError("--minutes and --load take numbers above 0");
  const folder = (await import("node:os")).tmpdir();
  const child = fork(fileURLToPath(import.meta.url), [], { env: { ...process.env, SOAK_FOLDER: folder } });
  const replies = [];
  child.on("message", (message) => replies.shift()?.(message));
  const ask = (message) =>
    new Promise((resolve) => {
      replies.push(resolve);
      if (message !== undefined) child.send(message);
    });
  const { addresses } = await ask();
  const clients = () =>
    Promise.all(
      kinds.map((session) => Promise.all(addresses.map((address) => farcall.connect(SoakV1, address, { session })))),
    );
  let open = await clients();

  const counts = { ok: 0, failed: {}, unexpected: {} };
  /** Calls made, by kind. */
  const made = [0, 0];
  let flying = 0;
  let skipped = 0;
  /** Notes how a call ends; `code` is how it is made to fail, if it is. Each minute some end with their client. */
  const settle = (call, code) => {
    flying++;
    return call.then(
      () => {
        flying--;
        counts.ok++;
      },
      (error) => {
        flying--;
        const key = `${error.code}/${error.executed}`;
        const kind = error.code === code || error.code === "closed" ? counts.failed : counts.unexpected;
        kind[key] = (kind[key] ?? 0) + 1;
      },
    );
  };
  const small = new Uint8Array(1_000);
  const large = new Uint8Array(65_536);
  let turn = 0;
  /** One call of the mixture. */
  const one = () => {
    // In runs of some length, so that each kind gets its part of everything that goes by the number below.
    const kind = (turn >> 4) & 1;
    const [tcp, udp, unix] = open[kind];
    made[kind]++;
    turn++;
    if (turn % 5_000 === 0) return settle(tcp.wait(500, { timeoutMs: 20 }), "deadline-exceeded");
    if (turn % 5_000 === 1_000) {
      return settle(unix.wait(500, { signal: AbortSignal.timeout(20) }), "cancelled");
    }
    if (turn % 1_000 === 500) return settle(tcp.fail(), "server-error");
    if (turn % 500 === 1) return settle(tcp.echo(large));
    if (turn % 100 === 2) return settle(udp.read(100));
    if (turn % 20 === 3) return settle(unix.echo(small));
    return settle(turn % 2 === 0 ? tcp.add({ a: turn | 0, b: 1 }) : unix.add({ a: 1, b: 2 }));
  };

  // The peak: 128 calls under way, for five seconds.
  const until = performance.now() + 5_000;
  const before = turn;
  await Promise.all(
    Array.from({ length: 128 }, async () => {
      while (performance.now() < until) await one();
    }),
  );
  const peak = (turn - before) / 5;
  const rate = peak * load;
  console.log(`peak ${Math.round(peak)} calls/s; ${minutes} min at ${Math.round(rate)} calls/s`);

  const start = performance.now();
  const samples = [];
  let issued = 0;
  let nextSample = start;
  let nextConnect = start + 60_000;
  while (performance.now() - start < minutes * 60_000) {
    const due = ((performance.now() - start) / 1000) * rate;
    // Open loop, but not a burst after a pause: what the machine did not let us send is not made up for.
    if (due - issued > rate) issued = due - rate / 10;
    // Nor does a machine that is busy with something else fill the queues: that would be another experiment.
    for (; issued < due; issued++) {
      if (flying > 5_000) skipped++;
      else void one();
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (performance.now() >= nextSample) {
      nextSample += 10_000;
      const { held: server } = await ask("held");
      samples.push({ s: Math.round((performance.now() - start) / 1000), client: held(), server });
    }
    if (performance.now() >= nextConnect) {
      nextConnect += 60_000;
      const old = open;
      open = await clients();
      // What still flies on the old ones ends as closed.
      await Promise.all(old.flat().map((client) => client.$close()));
    }
  }
  // The longest of them ends by its deadline.
  for (let waited = 0; flying > 0 && waited < 30_000; waited += 50) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const pending = open.flat().map((client) => client.$stats().pending);
  await Promise.all(open.flat().map((client) => client.$close()));
  const judged = judge(samples, { pending, unexpected: counts.unexpected });
  const result = {
    node: process.version,
    cpus: cpus().length,
    minutes,
    callsPerSecond: Math.round(turn / ((performance.now() - start) / 1000)),
    calls: turn,
    inSessions: made[0],
    plainly: made[1],
    peakCallsPerSecond: Math.round(peak),
    load,
    skipped,
    ok: counts.ok,
    failed: counts.failed,
    pendingAtTheEnd: pending,
    ...judged,
    samples,
  };
  mkdirSync(dirname(values.out), { recursive: true });
  writeFileSync(values.out, `${JSON.stringify(result, null, 1)}\n`);
  child.send("end");
  console.log(result.verdict);
  process.exitCode = result.flat && result.complaints.length === 0 ? 0 : 1;
}

function judge(samples, { pending, unexpected }) {
  const steady = samples.slice(Math.floor(samples.length / 6));
  const third = Math.max(1, Math.floor(steady.length / 3));
  const median = (rows, read) => rows.map(read).sort((a, b) => a - b)[rows.length >> 1];
  const ends = {};
  let flat = true;
  for (const end of ["client", "server"]) {
    const [first, last] = [steady.slice(0, third), steady.slice(-third)];
    const rss = [median(first, (row) => row[end].rss), median(last, (row) => row[end].rss)];
    const descriptors = [median(first, (row) => row[end].descriptors), median(last, (row) => row[end].descriptors)];
    flat &&= rss[1] <= rss[0] * 1.1 && descriptors[1] <= descriptors[0];
    ends[end] = { rssMiB: rss.map((bytes) => Math.round(bytes / 2 ** 20)), descriptors };
  }
  const complaints = Object.entries(unexpected).map(([end, count]) => `${count} calls ended as ${end}`);
  if (pending.some((count) => count > 0)) complaints.push("calls that have not ended");
  const text = (end) =>
    `${end} ${ends[end].rssMiB.join(" -> ")} MiB, ${ends[end].descriptors.join(" -> ")} descriptors`;
  const verdict = [
    `${flat ? "flat" : "NOT FLAT"}: ${text("client")}; ${text("server")}`,
    ...complaints.map((complaint) => `NOT EXPECTED: ${complaint}`),
  ].join("; ");
  return { flat, ends, complaints, verdict };
}
