import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Binder, type BinderChange, connect, Server } from "farcall";
import { oncProgram } from "farcall/onc";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Desk } from "../../src/binder/daemon/desk.js";
import type { Presence } from "../../src/binder/daemon/probe.js";
import { probeServer } from "../../src/binder/daemon/probe.js";
import type { Registration } from "../../src/binder/registry/registry.js";
import { formatState } from "../../src/binder/registry/state.js";
import { toUniversalAddress } from "../../src/binder/registry/uaddr.js";
import { RpcbindV2, RpcbindV4 } from "../../src/binder/rpcbind/rpcbind.js";
import { startTcpPeer } from "../support/bare-peers.js";
import { buildCli, farcall, startFarcall } from "../support/cli.js";
import { HandClock } from "../support/hand-clock.js";
import { describeWith } from "../support/requirements.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "farcall-binder-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string): string => join(folder, name);

const portOf = (address: string): number => Number(address.split(":").at(-1));
const at = (address: string): string => toUniversalAddress("127.0.0.1", portOf(address));
const [program, version] = [0x2000_0e31, 1];
const Idle = oncProgram<object>({ name: "IDLE", program, version, procedures: {} });
const entry = (netid: string, addr: string, more: Partial<Registration> = {}): Registration => {
  return { prog: program, vers: version, netid, addr, owner: "superuser", ...more };
};

/** A server of a program that does nothing: procedure 0 answers. */
async function serve(...addresses: string[]): Promise<{ readonly server: Server; readonly bound: string[] }> {
  const server = new Server().export(Idle, {});
  const bound: string[] = [];
  for (const address of addresses) bound.push(await server.listen(address));
  return { server, bound };
}

describe("a binder in a program", () => {
  it("serves all three versions, and a server registers with it over a socket of any kind", async () => {
    await using binder = new Binder();
    const addresses = ["tcp://127.0.0.1:0", "udp://127.0.0.1:0", `unix:${file("s")}`];
    for (const address of addresses) await binder.listen(address);
    const { server, bound } = await serve("tcp://127.0.0.1:0", "udp://127.0.0.1:0", `unix:${file("t")}`);
    const [tcp = "", udp = ""] = bound;
    for (const address of binder.addresses) {
      await server.register({ binder: address });
      expect(binder.registrations.map(({ netid, addr }) => [netid, addr])).toEqual([
        ["tcp", at(tcp)],
        ["udp", at(udp)],
        ["local", file("t")],
      ]);
      await server.unregister();
      expect(binder.registrations).toEqual([]);
    }
    await server.close({ drainMs: 0 });
  });

  it("lists itself, in the versions that each kind of transport has", async () => {
    await using binder = new Binder();
    const address = await binder.listen("tcp://127.0.0.1:0");
    await binder.listen("udp://[::1]:0");
    await using client = await connect(RpcbindV4, address, { session: "off" });
    const listed: string[] = [];
    for (let list = await client.dump(); list !== null; list = list.next)
      listed.push(`${list.map.netid} ${list.map.vers}`);
    expect(listed).toEqual(["tcp 4", "tcp 3", "tcp 2", "udp6 4", "udp6 3"]);
    expect(Math.abs((await client.gettime()) - Date.now() / 1_000)).toBeLessThan(60);
  });

  it.each([
    ["tls://127.0.0.1:1", /tcp, udp and unix/],
    ["memory://x", /tcp, udp and unix/],
    ["tcp://", /Bad address/],
  ])("does not listen at %s", async (address, message) => {
    await using binder = new Binder();
    await expect(binder.listen(address)).rejects.toThrow(message);
  });

  it("refuses numbers that are none", () => {
    expect(() => new Binder({ probeIntervalMs: 0 })).toThrow(/probeIntervalMs/);
  });

  it("answers nobody once it is closed", async () => {
    const binder = new Binder();
    const address = await binder.listen("tcp://127.0.0.1:0");
    await binder.close();
    await expect(connect(RpcbindV2, address, { connectTimeoutMs: 2_000 })).rejects.toMatchObject({
      code: "unavailable",
    });
    await expect(binder.listen("tcp://127.0.0.1:0")).rejects.toMatchObject({ code: "closed" });
  });
});

describe("whether a server is there", () => {
  it("is found out over TCP, UDP and Unix sockets", async () => {
    const { server, bound } = await serve("tcp://127.0.0.1:0", "udp://127.0.0.1:0", `unix:${file("there")}`);
    const [tcp = "", udp = ""] = bound;
    const entries = [entry("tcp", at(tcp)), entry("udp", at(udp)), entry("local", file("there"))];
    const wildcard = entry("tcp", toUniversalAddress("0.0.0.0", portOf(tcp)));
    const look = (): Promise<Presence[]> => Promise.all([...entries, wildcard].map((one) => probeServer(one, 5_000)));
    expect(await look()).toEqual(["there", "there", "there", "there"]);
    // Somebody else has the port now.
    expect(await probeServer(entry("tcp", at(tcp), { prog: program + 1 }), 5_000)).toBe("gone");
    // Another version of the program shows that its server is there.
    expect(await probeServer(entry("tcp", at(tcp), { vers: 9 }), 5_000)).toBe("there");
    await server.close({ drainMs: 0 });
    expect(await look()).toEqual(["gone", "gone", "gone", "gone"]);
  });

  it("stays open where it does not answer: it may be busy", async () => {
    await using peer = await startTcpPeer(() => {});
    expect(await probeServer(entry("tcp", at(peer.address)), 100)).toBe("silent");
  });
});

const linkInstead = (): void => {
  rmSync(file("bad"));
  symlinkSync(file("elsewhere"), file("bad"));
};

describe("what is registered", () => {
  const deskWith = (presence: (entry: Registration) => Presence, more: object = {}) => {
    const changes: string[] = [];
    const onChange = ({ kind, registration }: BinderChange): void => void changes.push(`${kind} ${registration.vers}`);
    return { desk: new Desk({ probe: async (one) => presence(one), onChange, ...more }), changes };
  };
  const one = (vers: number, addr = "0.0.0.0.8.1") => entry("tcp", addr, { vers });

  it("goes when its server is gone, and stays when it is silent", async () => {
    const fates: Record<number, Presence> = { 1: "there", 2: "gone", 3: "silent" };
    const { desk, changes } = deskWith(({ vers }) => fates[vers] ?? "there");
    for (const vers of [1, 2, 3]) expect(await desk.set(one(vers))).toBe(true);
    await desk.probe();
    expect(desk.registrations.map(({ vers }) => vers)).toEqual([1, 3]);
    expect(changes).toEqual(["set 1", "set 2", "set 3", "gone 2"]);
  });

  it("stays when it was made anew while its server was looked for", async () => {
    let answer: (presence: Presence) => void = () => {};
    const desk = new Desk({ probe: () => new Promise((resolve) => (answer = resolve)) });
    await desk.set(one(1));
    const looking = desk.probe();
    await desk.unset(program, 1, "", "superuser");
    await desk.set(one(1));
    answer("gone");
    await looking;
    expect(desk.registrations).toHaveLength(1);
  });

  it("gives its place to the next, if its server is gone, and not otherwise", async () => {
    let presence: Presence = "there";
    const { desk, changes } = deskWith(() => presence);
    await desk.set(one(1));
    expect(await desk.set(one(1, "0.0.0.0.8.2"))).toBe(false);
    presence = "gone";
    expect(await desk.set(one(1, "0.0.0.0.8.2"))).toBe(true);
    expect(desk.registrations).toEqual([one(1, "0.0.0.0.8.2")]);
    expect(changes).toEqual(["set 1", "gone 1", "set 1"]);
  });

  it("is looked for again and again", async () => {
    const clock = new HandClock();
    const looked: string[] = [];
    const probe = async ({ vers }: Registration): Promise<Presence> => {
      looked.push(`${vers} at ${clock.now()}`);
      return looked.length < 3 ? "there" : "gone";
    };
    const random = { random: () => 0, randomBytes: (size: number) => new Uint8Array(size) };
    await using binder = new Binder({ probe, probeIntervalMs: 1_000, machine: { clock, ...random } });
    const address = await binder.listen("tcp://127.0.0.1:0");
    await using client = await connect(RpcbindV4, address, { session: "off" });
    expect(await client.set(one(1))).toBe(true);
    const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const start = clock.now();
    for (let times = 0; times < 3; times++) {
      await clock.pass(1_000);
      await settled();
    }
    expect(looked).toEqual([1, 2, 3].map((times) => `1 at ${start + 1_000 * times}`));
    expect(binder.registrations).toEqual([]);
  });

  it("is kept in the state file before it is answered, and taken up by the next", async () => {
    const state = file("state.json");
    const { desk } = deskWith(() => "there", { state });
    await Promise.all([desk.set(one(1)), desk.set(one(2)), desk.set(one(3))]);
    expect(readFileSync(state, "utf8")).toBe(formatState([one(1), one(2), one(3)]));
    await desk.unset(program, 2, "", "superuser");
    expect(statSync(state).mode & 0o777).toBe(0o600);
    const { desk: next } = deskWith(({ vers }) => (vers === 1 ? "gone" : "there"), { state });
    await next.load();
    expect(next.registrations).toEqual([one(1), one(3)]);
    await next.probe();
    expect(readFileSync(state, "utf8")).toBe(formatState([one(3)]));
  });

  it("is registered even where the state file cannot be written, and that is told", async () => {
    const errors: unknown[] = [];
    const { desk } = deskWith(() => "there", {
      state: file("no/such/folder"),
      onError: (error: unknown) => errors.push(error),
    });
    expect(await desk.set(one(1))).toBe(true);
    expect(errors).toMatchObject([{ code: "ENOENT" }]);
  });

  it.each([
    ["others may write it", () => chmodSync(file("bad"), 0o666), /bad is not used: others may write it/],
    ["it is a link", linkInstead, /it is no plain file/],
    ["it is broken", () => writeFileSync(file("bad"), "{"), /bad is not used: .*JSON/],
  ])("is not taken from a state file when %s", async (_what, spoil, message) => {
    writeFileSync(file("bad"), formatState([one(1)]), { mode: 0o600 });
    spoil();
    try {
      await using binder = new Binder({ state: file("bad") });
      await expect(binder.listen("tcp://127.0.0.1:0")).rejects.toThrow(message);
    } finally {
      rmSync(file("bad"), { force: true });
    }
  });
});

describe("farcall bind", () => {
  beforeAll(buildCli);
  const quiet = ["--foreground", "--host", "127.0.0.1", "--port", "0", "--no-socket"];
  const whereIs = async (running: ReturnType<typeof startFarcall>): Promise<string> => {
    for (let times = 0; times < 600; times++) {
      const match = /rpcbind at (tcp:\S+?),/.exec(running.stderr);
      if (match?.[1] !== undefined) return match[1];
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(running.describe());
  };

  it("that is killed and started again has the registrations of servers that live, and none of the dead", async () => {
    const options = [...quiet, "--state", file("warm.json"), "--probe-interval", "600000"];
    const [alive, dying] = [await serve("tcp://127.0.0.1:0", "udp://127.0.0.1:0"), await serve("udp://127.0.0.1:0")];
    {
      await using first = startFarcall(["bind", ...options]);
      const binder = await whereIs(first);
      await alive.server.register({ binder });
      await using client = await connect(RpcbindV4, binder, { session: "off" });
      expect(await client.set(entry("udp", at(dying.bound[0] ?? ""), { vers: 77 }))).toBe(true);
      first.kill("SIGKILL");
      expect(await first.ended).toBeNull();
    }
    await dying.server.close({ drainMs: 0 });
    await using second = startFarcall(["bind", ...options]);
    const address = await whereIs(second);
    await second.line(/^gone program \d+ version 77 udp/);
    await using client = await connect(RpcbindV4, address, { session: "off" });
    const found: string[] = [];
    for (let list = await client.dump(); list !== null; list = list.next) {
      if (list.map.prog === program) found.push(`${list.map.vers} ${list.map.netid} ${list.map.addr}`);
    }
    expect(found).toEqual(alive.bound.map((bound, i) => `${version} ${["tcp", "udp"][i]} ${at(bound)}`));
    second.kill("SIGTERM");
    expect(await second.ended).toBe(0);
    await alive.server.close({ drainMs: 0 }).catch(() => {});
  });

  it("goes to the background when it serves, and says as which process", async () => {
    const socket = file("background");
    const { code, stderr } = await farcall(["bind", "--host", "127.0.0.1", "--port", "0", "--socket", socket]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^farcall: rpcbind at unix:.*; process \d+\n$/)]);
    const pid = Number(/process (\d+)/.exec(stderr)?.[1]);
    try {
      expect(statSync(socket).mode & 0o777).toBe(0o666);
      const { stdout } = await farcall(["info", "-s", `unix:${socket}`]);
      expect(stdout).toMatch(/100000 {2}2,3,4/);
    } finally {
      process.kill(pid);
    }
  });

  it("says what is wrong where a port is in use", async () => {
    const other = await serve("tcp://127.0.0.1:0");
    const port = String(portOf(other.bound[0] ?? ""));
    for (const more of [["--foreground"], []]) {
      const { code, stdout, stderr } = await farcall([
        "bind",
        "--host",
        "127.0.0.1",
        "--port",
        port,
        "--no-socket",
        ...more,
      ]);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/^farcall: cannot listen on tcp:.*EADDRINUSE.*Another rpcbind is there: end it .*--port/);
    }
    await other.server.close({ drainMs: 0 });
  });

  describeWith(["root", "setpriv"], "without the right to its port", () => {
    it("says what it takes", async () => {
      const under = ["setpriv", "--bounding-set=-net_bind_service"];
      const options = ["--foreground", "--host", "127.0.0.1", "--port", "111", "--no-socket"];
      const { code, stderr } = await farcall(["bind", ...options], { under });
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /^farcall: cannot listen on tcp:.*111.*EACCES.*needs root or .*CAP_NET_BIND_SERVICE.*--port/,
      );
    });
  });

  it.each([
    [["--host", "192.0.2.1"], 1, /EADDRNOTAVAIL.*No interface of this machine/],
    [["--state", "/dev/null"], 1, /no plain file/],
    [["--host", "localhost"], 2, /IP address/],
    [["--port", "65536"], 2, /from 0 to 65535/],
    [["--refuse", "7"], 2, /--refuse goes with --remote-calls/],
    [["extra"], 2, /too many arguments/],
  ])("with %s exits with %i", async (more, exit, message) => {
    const { code, stderr } = await farcall(["bind", ...quiet, ...more]);
    expect([code, stderr]).toEqual([exit, expect.stringMatching(message)]);
  });
});
