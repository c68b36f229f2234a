import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "farcall";
import { clientAuthSys } from "farcall/onc";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { peerArguments, programs, runPeer, startPeer } from "../support/c-peers.js";
import { buildCli, farcall, startFarcall } from "../support/cli.js";
import { chain, connectEveryType, EveryTypeV1, echo, everyTypeServer, everyValue } from "../support/everytype.js";
import type { Running } from "../support/processes.js";
import { describeWith, toBuildC } from "../support/requirements.js";

const everytype = fileURLToPath(new URL("../interop/c/everytype.x", import.meta.url));
const golden = (name: string): string[] =>
  readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8")
    .trimEnd()
    .split("\n");

const folder = mkdtempSync(join(tmpdir(), "farcall-trace-"));
beforeAll(buildCli);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A running `farcall trace`, and where it listens. */
interface Tracer extends AsyncDisposable {
  readonly address: string;
  readonly process: Running;
  /** Interrupts it; gives its lines without what differs from run to run. */
  lines(): Promise<string[]>;
}

async function trace(listen: string, to: string, ...args: string[]): Promise<Tracer> {
  const process = startFarcall(["trace", "--listen", listen, "--to", to, ...args]);
  const address = await listening(process);
  return {
    address,
    process,
    async lines() {
      process.kill("SIGINT");
      expect(await process.ended, process.stderr).toBe(0);
      return process.lines.map(normalised);
    },
    [Symbol.asyncDispose]: () => process.stop(),
  };
}

/** Where it listens, which it says on stderr. */
async function listening(process: Running): Promise<string> {
  for (let waited = 0; waited < 15_000; waited += 10) {
    const [, address] = /^farcall: (\S+) -> \S+; Ctrl-C ends$/m.exec(process.stderr) ?? [];
    if (address !== undefined) return address;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`it does not listen: ${process.describe()}`);
}

/** Without times, identifiers and the numbers of ports. */
function normalised(line: string): string {
  const [, rest] = /^\d\d:\d\d:\d\d\.\d{3} (#.*)$/.exec(line) ?? [undefined, line];
  return rest
    .replace(/ xid=[0-9a-f]{8}/, " xid=X")
    .replace(/ \d+\.\d{3} ms$/, " T ms")
    .replace(/(127\.0\.0\.1:)\d+/, "$1P");
}

/** What `everytype_client ... types` calls, by farcall. */
async function callEverything(address: string, session: "off" | "require" = "off"): Promise<void> {
  await using client = await connectEveryType(address, { session });
  for (const [name, procedure, value] of everyValue) {
    await echo(client, procedure, name === "list-thousand" ? chain(1_000) : value);
  }
  await client.echoVoid();
  await client.subtract(5, 7);
}

describeWith(toBuildC, "farcall trace between a C client and a C server", () => {
  it.each([
    ["tcp", "tcp://127.0.0.1:0", "tcp"],
    ["udp", "udp://127.0.0.1:0", "udp"],
    ["unix to tcp", `unix:${join(folder, "a.sock")}`, "tcp"],
    ["unix to unix", `unix:${join(folder, "b.sock")}`, "unix"],
    ["tcp to unix", "tcp://127.0.0.1:0", "unix"],
  ] as const)("shows every type by name and field, over %s", async (_how, listen, to) => {
    await using server = await startPeer(programs.everyTypeServer);
    await using tracer = await trace(listen, server.address(to), everytype);
    const { code, stdout } = await runPeer(programs.everyTypeClient, [...peerArguments(tracer.address), "types"]);
    expect([code, stdout]).toEqual([0, expect.not.stringContaining("fail")]);
    const [opened, ...rest] = await tracer.lines();
    const who = listen.startsWith("unix") ? "a local process" : `${listen.slice(0, 3)}://127.0.0.1:P`;
    expect(opened).toBe(`#1 opened by ${who}`);
    expect(rest).toEqual([...golden("trace-everytype.txt"), "#1 closed"]);
    expect(tracer.process.stderr).toMatch(/^farcall: connections: 1, calls: 53, replies: 53, malformed: 0$/m);
  });

  it("shows numbers and sizes without the file", async () => {
    await using server = await startPeer(programs.everyTypeServer);
    await using tracer = await trace("tcp://127.0.0.1:0", server.address("tcp"));
    const { code } = await runPeer(programs.everyTypeClient, [...peerArguments(tracer.address), "types"]);
    expect(code).toBe(0);
    const lines = await tracer.lines();
    expect(lines.slice(1, -1)).toEqual(golden("trace-numbers.txt"));
  });

  it("shows large messages by their beginnings, and whole with --full", async () => {
    await using server = await startPeer(programs.everyTypeServer);
    await using tracer = await trace("tcp://127.0.0.1:0", server.address("tcp"), everytype);
    await using full = await trace("tcp://127.0.0.1:0", tracer.address, everytype, "--full");
    const { stdout } = await runPeer(programs.everyTypeClient, [...peerArguments(full.address), "sizes", "300000"]);
    expect(stdout.trimEnd().split("\n")).toEqual(["ok echo-300000", "ok consume-300000", "ok produce-300000"]);
    const start = `"AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK+2vcTL0tng5+71/AMKERgfJi00O0JJ…"(300000 bytes)`;
    expect((await tracer.lines()).slice(1, -1)).toEqual([
      `#1 → EVERY_TYPE/1.echoOpaque(${start}) xid=X`,
      `#1 ← EVERY_TYPE/1.echoOpaque = ${start} xid=X T ms`,
      `#1 → EVERY_TYPE/1.consume(${start}) xid=X`,
      "#1 ← EVERY_TYPE/1.consume = 300000 xid=X T ms",
      "#1 → EVERY_TYPE/1.produce(300000) xid=X",
      `#1 ← EVERY_TYPE/1.produce = ${start} xid=X T ms`,
    ]);
    const whole = (await full.lines())[1] ?? "";
    expect(whole.length).toBe(400_000 + '#1 → EVERY_TYPE/1.echoOpaque("") xid=X'.length);
  });
});

describe("farcall trace between a farcall client and a farcall server", () => {
  it.each([
    ["tcp", "tcp://127.0.0.1:0"],
    ["udp", "udp://127.0.0.1:0"],
    ["unix", `unix:${join(folder, "c.sock")}`],
  ])("shows what it shows between C programs, over %s", async (how, listen) => {
    await using server = await everyTypeServer(
      how === "unix" ? `unix:${join(folder, "d.sock")}` : `${how}://127.0.0.1:0`,
    );
    await using tracer = await trace(listen, server.address, everytype);
    await callEverything(tracer.address);
    const lines = await tracer.lines();
    expect(lines.filter((line) => /^#1 [→←]/.test(line))).toEqual(golden("trace-everytype.txt"));
    if (how === "unix") expect(existsSync(join(folder, "c.sock"))).toBe(false);
  });

  it.each([
    ["tcp", "tcp://127.0.0.1:0"],
    ["udp", "udp://127.0.0.1:0"],
  ])("shows the calls of a session as it shows others, and their places, over %s", async (_how, listen) => {
    await using server = await everyTypeServer(listen);
    await using tracer = await trace(listen, server.address, everytype);
    await callEverything(tracer.address, "require");
    const lines = (await tracer.lines()).filter((line) => /^#1 [→←]/.test(line));
    const place = / session=0\.(\d+)/;
    const calls = lines.filter((line) => place.test(line));
    expect(calls.map((line) => line.replace(place, ""))).toEqual(golden("trace-everytype.txt"));
    const places = calls.flatMap((line) => (line.startsWith("#1 →") ? [Number(place.exec(line)?.[1])] : []));
    expect(places).toEqual(places.map((_, i) => i + 1));
    const own = lines.filter((line) => !place.test(line)).map((line) => line.replace(/[=(]\s*\{?".*/, ""));
    expect(own[0]).toMatch(/^#1 → FARCALL_SESSION\/1\.open/);
    expect(own[1]).toMatch(/^#1 ← FARCALL_SESSION\/1\.open/);
    for (const line of own.slice(2)) expect(line).toMatch(/^#1 → FARCALL_SESSION\/1\.(ack|close)/);
  });

  it("shows in JSON what a session says of a call that did not end well", async () => {
    await using server = await everyTypeServer("tcp://127.0.0.1:0");
    await using tracer = await trace("tcp://127.0.0.1:0", server.address, everytype, "--json");
    const later = { ...EveryTypeV1, version: 9 };
    const client = await connect(later, tracer.address, { session: "require" });
    await expect(client.echoVoid()).rejects.toMatchObject({ code: "unimplemented" });
    await client.$close();
    const events = (await tracer.lines()).map((line) => JSON.parse(line) as Record<string, unknown>);
    const session = { lane: 0, sequence: 1 };
    expect(events.filter((event) => event["session"] !== undefined)).toMatchObject([
      { event: "call", target: { program: EveryTypeV1.program, version: 9, procedure: 1 }, session },
      {
        event: "reply",
        target: { version: 9 },
        session,
        result: { status: "CALL_REFUSED", refused: { low: 1, high: 1 } },
      },
    ]);
  });

  it("shows who calls, and why a call is refused", async () => {
    await using server = await everyTypeServer("tcp://127.0.0.1:0");
    await using tracer = await trace("tcp://127.0.0.1:0", server.address, everytype);
    const auth = clientAuthSys({ uid: 1000, gid: 5, gids: [5, 7], machinename: "mill" });
    await using client = await connectEveryType(tracer.address, { auth });
    await client.$ping();
    const later = { ...EveryTypeV1, version: 9 };
    await using other = await connect(later, tracer.address, { session: "off" });
    await expect(other.echoVoid()).rejects.toMatchObject({ code: "unimplemented" });
    await Promise.all([client.$close(), other.$close()]);
    const lines = await tracer.lines();
    expect(lines.filter((line) => / [→←] /.test(line))).toEqual([
      '#1 → EVERY_TYPE/1.null() xid=X AUTH_SYS(uid=1000 gid=5 gids=5,7 machine="mill")',
      "#1 ← EVERY_TYPE/1.null = void xid=X T ms",
      "#2 → EVERY_TYPE/9.1(0 bytes) xid=X",
      "#2 ← EVERY_TYPE/9.1 accepted PROG_MISMATCH 1 to 1 xid=X T ms",
    ]);
  });

  it("prints JSON that jq can read, and bytes", async () => {
    await using server = await everyTypeServer("tcp://127.0.0.1:0");
    await using tracer = await trace("tcp://127.0.0.1:0", server.address, everytype, "--json", "--bytes");
    await callEverything(tracer.address);
    const events = (await tracer.lines()).map((line) => JSON.parse(line) as Record<string, unknown>);
    const calls = events.filter(({ event }) => event === "call");
    const replies = events.filter(({ event }) => event === "reply");
    expect(calls).toHaveLength(53);
    expect(calls.at(-1)).toMatchObject({
      target: { procedureName: "subtract" },
      args: [5, 7],
      credential: { flavor: "AUTH_NONE" },
    });
    expect(replies.at(-1)).toMatchObject({
      result: -2,
      status: "accepted",
      stat: "SUCCESS",
      bytes: expect.stringMatching(/fffffffe$/),
    });
    expect(replies.map(({ xid }) => xid)).toEqual(calls.map(({ xid }) => xid));
  });

  it("prints bytes below each message with --bytes", async () => {
    await using server = await everyTypeServer("udp://127.0.0.1:0");
    await using tracer = await trace("udp://127.0.0.1:0", server.address, everytype, "--bytes");
    await using client = await connectEveryType(tracer.address, { session: "off" });
    await client.echoString("hello, world");
    const lines = await tracer.lines();
    expect(lines.slice(1, 6).map((line) => line.replace(/(000000 {2})[0-9a-f]{8}(.{29}).*/, "$1xxxxxxxx$2"))).toEqual([
      '#1 → EVERY_TYPE/1.echoString("hello, world") xid=X',
      "  000000  xxxxxxxx 00000000 00000002 20000e01  ",
      "  000010  00000001 0000000a 00000000 00000000  ................",
      "  000020  00000000 00000000 0000000c 68656c6c  ............hell",
      "  000030  6f2c2077 6f726c64                    o, world",
    ]);
  });
});

describe("farcall trace", () => {
  it("says that the server cannot be reached, and ends the connection", async () => {
    await using tracer = await trace("tcp://127.0.0.1:0", "unix:/no/such.sock");
    const failure = await connectEveryType(tracer.address)
      .then((client) => client.echoVoid())
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "unavailable" });
    await tracer.process.line(/#1 closed/);
    const [, failed] = await tracer.lines();
    expect(failed).toMatch(/^#1 failed to reach the server: connect ENOENT/);
  });

  it("says so for datagrams too", async () => {
    await using server = await everyTypeServer("udp://127.0.0.1:0");
    const { address } = server;
    await server.server.close();
    await using tracer = await trace("udp://127.0.0.1:0", address, everytype);
    await using client = await connectEveryType(tracer.address, { session: "off", timeoutMs: 300 });
    await expect(client.echoVoid()).rejects.toMatchObject({ code: "deadline-exceeded" });
    const lines = await tracer.lines();
    expect(lines[2]).toMatch(/^#1 failed to reach the server: recv\w* ECONNREFUSED$/);
    expect(lines.at(-1)).toBe("#1 closed: 1 call without an answer");
  });

  it("knows rpcbind without a file", async () => {
    await using server = await everyTypeServer("tcp://127.0.0.1:0");
    await using tracer = await trace("tcp://127.0.0.1:0", server.address);
    await farcall(["info", "-s", tracer.address]);
    expect((await tracer.lines())[1]).toBe("#1 → RPCBIND/3.dump() xid=X");
  });

  it.each([
    ["no address to listen on", ["--to", "tcp://x:1"], /required option '--listen <address>' not specified/],
    ["no server", ["--listen", "tcp://127.0.0.1:0"], /required option '--to <address>' not specified/],
    ["an address that is none", ["--listen", "here", "--to", "tcp://x:1"], /--listen: Bad address "here"/],
    [
      "an address without a port",
      ["--listen", "tcp://127.0.0.1:0", "--to", "tcp://x"],
      /--to: give the port, such as tcp:\/\/x:2049/,
    ],
    ["TLS", ["--listen", "tcp://127.0.0.1:0", "--to", "tls://x:1"], /--to: TLS cannot be read from outside/],
    [
      "a memory address",
      ["--listen", "memory://x", "--to", "tcp://x:1"],
      /--listen: memory addresses belong to one process/,
    ],
    [
      "datagrams to a stream",
      ["--listen", "udp://127.0.0.1:0", "--to", "tcp://x:1"],
      /both be datagrams \(udp\) or both streams/,
    ],
    ["a file that is not there", ["--listen", "tcp://127.0.0.1:0", "--to", "tcp://x:1", "no.x"], /cannot find "no\.x"/],
    [
      "the same program twice",
      ["--listen", "tcp://127.0.0.1:0", "--to", "tcp://x:1", everytype, everytype],
      /another file has program 536874497 version 1 too/,
    ],
  ])("exits with 2 for %s", async (_what, args, message) => {
    const { code, stdout, stderr } = await farcall(["trace", ...args]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
  });

  it("exits with 1 when it cannot listen", async () => {
    const { code, stderr } = await farcall(["trace", "--listen", "unix:/no/such/folder/s", "--to", "unix:/x"]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^farcall: listen E\w+: .*\/no\/such\/folder\/s/)]);
  });
});
