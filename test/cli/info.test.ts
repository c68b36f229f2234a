import { fileURLToPath } from "node:url";
import { Server } from "farcall";
import { oncProgram } from "farcall/onc";
import { beforeAll, describe, expect, it } from "vitest";
import { type MappingList, RpcbindV2, RpcbindV3, type RpcbList } from "../../src/binder/rpcbind/rpcbind.js";
import { startTcpPeer } from "../support/bare-peers.js";
import { buildPeer, programs } from "../support/c-peers.js";
import { buildChild } from "../support/children.js";
import { buildCli, farcall } from "../support/cli.js";
import { run } from "../support/processes.js";
import { fragment, fromHex, opaqueHex, words } from "../support/raw-messages.js";
import { describeWith, toBuildC } from "../support/requirements.js";
import { handlersOf } from "../support/rpcbind-handlers.js";
import { binders, forEither, runInRpcbindNamespace } from "../support/rpcbind-namespace.js";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

beforeAll(buildCli);

/** Statistics without what the question itself has counted: the calls of procedure 0, and of GETSTAT, which is the last. */
const uncounted = (text: string): string =>
  text.replace(/(statistics\nNULL.*\n)\d+ +/g, "$1").replace(/^(VERADDR.*\n.*?)\d+ +$/gm, "$1");

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe.each(binders)("farcall info beside rpcinfo, where %s listens", (binder) => {
  describeWith([...toBuildC, ...forEither[binder], "rpcinfo"], "with programs of farcall and C", () => {
    // The C server speaks UDP, program 536874499 versions 1; the last farcall program has no name in /etc/rpc.
    const all = [
      [],
      ["-p"],
      ["-s"],
      ["127.0.0.1"],
      ["-p", "localhost"],
      ["-p", "::1"],
      ["-s", "127.0.0.1"],
      ["-t", "127.0.0.1", "portmapper"],
      ["-u", "127.0.0.1", "sunrpc"],
      ["-t", "127.0.0.1", "nfs"],
      ["-u", "127.0.0.1", "100003", "4"],
      ["-t", "::1", "nfs", "3"],
      ["-t", "localhost", "1073741823", "2000000000"],
      ["-u", "127.0.0.1", "536874499"],
      ["-u", "127.0.0.1", "536874499", "1"],
      // Versions 1 and 3, so 2 is in the range and not there.
      ["-u", "127.0.0.1", "mountd"],
      ["-t", "127.0.0.1", "nfs", "9"],
      ["-u", "127.0.0.1", "100000", "5"],
      ["-t", "127.0.0.1", "536874499"],
      ["-t", "127.0.0.1", "ypserv"],
      ["-u", "no-such-host.invalid", "nfs"],
      ["-p", "no-such-host.invalid"],
      ["-m"],
      ["-l", "127.0.0.1", "nfs", "3"],
      ["-l", "::1", "nfs", "4"],
      ["-l", "127.0.0.1", "portmapper", "4"],
      ["-l", "127.0.0.1", "nfs", "9"],
      ["-l", "127.0.0.1", "1073741823", "2000000000"],
      ["-T", "tcp", "127.0.0.1", "nfs"],
      ["-T", "udp", "127.0.0.1", "nfs", "9"],
      ["-T", "tcp6", "::1", "nfs", "3"],
      ["-T", "local", "localhost", "100000"],
      ["-T", "tcp", "127.0.0.1", "77"],
      ["-T", "nonsense", "127.0.0.1", "nfs"],
      ["-T", "tcp", "no-such-host.invalid", "nfs"],
      ["-a", "127.0.0.1.0.111", "-T", "tcp", "100000"],
      ["-a", "127.0.0.1.0.111", "-T", "udp", "100000", "9"],
      ["-a", "127.0.0.1.0.1", "-T", "tcp", "100000", "4"],
      ["-d", "77", "1"],
      ["-d", "-T", "udp", "100024", "1"],
      ["-u", "127.0.0.1", "100024"],
      ["-m", "127.0.0.1"],
    ];
    // Where ours listens, what it answers is what is looked at.
    const ofOurs = ["", "-p", "-s", "-t ::1 nfs 3", "-T local localhost 100000", "-d -T udp 100024 1", "-m 127.0.0.1"];
    const commands =
      binder === "rpcbind" ? all : all.filter((args) => args[0] === "-l" || ofOurs.includes(args.join(" ")));
    let said: readonly { readonly theirs: Said; readonly ours: Said }[] = [];

    beforeAll(async () => {
      const script = await buildChild("info-beside-rpcinfo");
      const server = await buildPeer(programs.classicServer);
      const command = [process.execPath, script, main, server, JSON.stringify(commands)];
      const { code, lines, stderr } = await runInRpcbindNamespace(command, { binder });
      expect(code, stderr).toBe(0);
      said = lines.map((line) => JSON.parse(line) as { theirs: Said; ours: Said });
    }, 120_000);

    it.each(commands.map((args, i) => [args.join(" "), i] as const))(
      "prints the same, byte for byte: %s",
      (_args, i) => {
        const { theirs, ours } = said[i] as { theirs: Said; ours: Said };
        expect(uncounted(ours.stdout)).toBe(uncounted(theirs.stdout));
        expect(ours.code).toBe(theirs.code);
        // rpcinfo gives a host's name before what its library says, and its own before what it says itself.
        expect(ours.stderr.replace(/^farcall: (?!RPC)/gm, "")).toContain(
          theirs.stderr
            .replace(/^rpcinfo: (?!RPC)/gm, "")
            .replace(/^rpcinfo: /gm, "farcall: ")
            .replace(/^no-such-host.invalid: |\n$/g, ""),
        );
      },
    );

    it("and there is something to print", () => {
      const tables = said.slice(0, 3).map(({ theirs }) => theirs.stdout);
      for (const table of tables) expect(table).toMatch(/100003.* nfs/);
      expect(tables[0]).toMatch(/^1073741823 ?2000000000 +local +\/run\/any\.sock +- +superuser$/m);
      expect(tables[1]).toMatch(/^ 536874499 +1 +udp +\d+$/m);
    });
  });
});

describeWith(["unshare", "ip", "namespaces"], "farcall info where no rpcbind listens", () => {
  const inside = `mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"`;
  const info = (...args: string[]) =>
    run("unshare", ["--net", "--mount", "bash", "-c", inside, "bash", process.execPath, main, "info", ...args]);

  it.each([
    [
      ["-p"],
      "farcall: can't contact portmapper: RPC: Remote system error - Connection refused (tcp://127.0.0.1:111)\n",
    ],
    [
      ["-s", "::1"],
      "farcall: can't contact rpcbind: RPC: Remote system error - Connection refused (tcp://[::1]:111)\n",
    ],
    [
      ["-t", "127.0.0.1", "100003"],
      /^farcall: 127\.0\.0\.1: RPC: Port mapper failure - RPC: Remote system error - Connection refused\n$/,
    ],
    [["-u", "127.0.0.1", "100003", "3"], /^farcall: 127\.0\.0\.1: RPC: Port mapper failure/],
  ])("%s says so, and exits with 1", async (args, message) => {
    const { code, stdout, stderr } = await info(...args);
    expect([code, stdout]).toEqual([1, ""]);
    if (typeof message === "string") expect(stderr).toBe(message);
    else expect(stderr).toMatch(message);
  });
});

describe("farcall info and a rpcbind at an address of its own", () => {
  const entry = { prog: 4711, vers: 2, netid: "tcp", addr: "127.0.0.1.8.1", owner: "me" };
  const row = { program: 4711, version: 2, netid: "tcp", address: "127.0.0.1.8.1", owner: "me" };
  const v3 = (list: RpcbList | null) => handlersOf(RpcbindV3, { dump: () => list });
  const v2 = (list: MappingList | null) => handlersOf(RpcbindV2, { dump: () => list });

  async function serving(server: Server, use: (address: string) => Promise<void>): Promise<void> {
    try {
      await use(await server.listen("tcp://127.0.0.1:0"));
    } finally {
      await server.close({ drainMs: 0 });
    }
  }

  it("prints JSON on one line", async () => {
    const server = new Server()
      .export(RpcbindV3, v3({ map: entry, next: { map: { ...entry, netid: "udp", vers: 1 }, next: null } }))
      .export(RpcbindV2, v2({ map: { prog: 4711, vers: 2, prot: 6, port: 2049 }, next: null }));
    await serving(server, async (address) => {
      const say = async (...args: string[]) => JSON.parse((await farcall(["info", ...args, address, "--json"])).stdout);
      expect(await say("-p")).toEqual([{ program: 4711, version: 2, protocol: "tcp", port: 2049, service: null }]);
      expect(await say("-s")).toEqual([
        { program: 4711, versions: [1, 2], netids: ["udp", "tcp"], service: null, owner: "me" },
      ]);
      expect(await say()).toEqual([
        { ...row, service: null },
        { ...row, netid: "udp", version: 1, service: null },
      ]);
    });
  });

  it("says when nothing is registered", async () => {
    await serving(new Server().export(RpcbindV2, v2(null)).export(RpcbindV3, v3(null)), async (address) => {
      for (const args of [[], ["-p"], ["-s"]]) {
        expect(await farcall(["info", ...args, address])).toEqual({
          code: 0,
          stdout: "No remote programs registered.\n",
          stderr: "",
        });
      }
    });
  });

  it("asks a port mapper of version 2 in its own words, where there is no other", async () => {
    const mappings = v2({
      map: { prog: 7, vers: 1, prot: 17, port: 2049 },
      next: { map: { prog: 7, vers: 1, prot: 132, port: 80 }, next: null },
    });
    await serving(new Server().export(RpcbindV2, mappings), async (address) => {
      const { stdout } = await farcall(["info", address]);
      expect(stdout.split("\n").slice(1)).toEqual([
        "         7    1    udp       0.0.0.0.8.1            -          unknown",
        "         7    1    132       0.0.0.0.0.80           -          unknown",
        "",
      ]);
    });
  });

  it("lets nothing that a rpcbind says command the terminal", async () => {
    const hostile = { ...entry, owner: "\u001b[2J\u009b2J\u202eme" };
    await serving(new Server().export(RpcbindV3, v3({ map: hostile, next: null })), async (address) => {
      const { stdout } = await farcall(["info", "-s", address]);
      expect(stdout).toMatch(/ \\u001b\[2J\\u009b2J\\u202eme\n$/);
    });
  });

  it("prints versions above 2^31, of which rpcinfo makes negative numbers", async () => {
    const late = { ...entry, vers: 4_000_000_000 };
    await serving(new Server().export(RpcbindV3, v3({ map: late, next: null })), async (address) => {
      expect((await farcall(["info", "-s", address])).stdout).toMatch(/^ {6}4711 {2}4000000000tcp {30}-/m);
    });
  });

  it("lists 20,000 programs", async () => {
    let list: RpcbList | null = null;
    for (let program = 20_000; program > 0; program--) list = { map: { ...entry, prog: program }, next: list };
    await serving(new Server().export(RpcbindV3, v3(list)), async (address) => {
      const { stdout } = await farcall(["info", "-s", address]);
      expect(stdout.trimEnd().split("\n")).toHaveLength(20_001);
    });
  });

  it("asks a program at a port of its own, and a bounded number of versions", async () => {
    const version = (number: number) =>
      oncProgram<object>({ name: "WISE", program: 4711, version: number, procedures: {} });
    const server = new Server().export(version(0), {}).export(version(0xffff_ffff), {});
    await serving(server, async (address) => {
      const port = address.split(":").at(-1) ?? "";
      const one = await farcall(["info", "-t", "127.0.0.1", "4711", "0", "-n", port]);
      expect(one).toEqual({ code: 0, stdout: "program 4711 version 0 ready and waiting\n", stderr: "" });
      const json = await farcall(["info", "-t", "127.0.0.1", "4711", "5", "-n", port, "--json"]);
      expect([json.code, JSON.parse(json.stdout)]).toMatchObject([
        1,
        [{ program: 4711, version: 5, ready: false, error: { status: { number: 9, low: 0, high: 0xffff_ffff } } }],
      ]);
      const all = await farcall(["info", "-t", "127.0.0.1", "4711", "-n", port]);
      expect(all.code).toBe(1);
      expect(all.stdout.trimEnd().split("\n")).toHaveLength(1_000);
      expect(all.stderr).toMatch(/claims versions 0 to 4294967295; only the first 1000 were asked\n$/);
    });
  });

  it("does not wait for a rpcbind that never answers", async () => {
    const server = new Server().export(RpcbindV3, { ...v3(null), dump: () => new Promise<never>(() => {}) });
    await serving(server, async (address) => {
      const { code, stderr } = await farcall(["info", "-s", address, "--timeout", "100"]);
      expect([code, stderr]).toEqual([1, `farcall: can't contact rpcbind: RPC: Timed out (${address})\n`]);
    });
  });
});

describe("farcall info is harmed by no rpcbind", () => {
  // rpcinfo has been crashed, and made to take gigabytes, by such.
  const xidOf = (received: Buffer): number => received.readUInt32BE(4);
  const accepted = (received: Buffer): string => words(xidOf(received), 1, 0, 0, 0, 0);
  const reply = (received: Buffer, body: string): Uint8Array => fragment(fromHex(accepted(received) + body), true);
  const entryHex = words(1, 4711, 2) + opaqueHex(Buffer.from("tcp")) + opaqueHex(Buffer.from("127.0.0.1.8.1"));
  const noise = Uint8Array.from({ length: 5_000 }, (_, i) => (i * 2_654_435_761) >>> 24);

  it.each<[string, (received: Buffer) => Uint8Array | "end"]>([
    ["hangs up", () => "end"],
    ["sends noise", () => noise],
    ["announces a record of 2 GB", () => fromHex(words(0xffff_ffff, 0, 0))],
    ["sends fragments without end", () => new Uint8Array(4 * 5_000)],
    ["answers another call", () => fragment(fromHex(words(99, 1, 0, 0, 0, 0, 0)), true)],
    ["answers with a call", (received) => fragment(fromHex(words(xidOf(received), 0, 2, 100_000, 4, 4)), true)],
    ["claims text of 4 GB", (received) => reply(received, words(1, 4711, 2, 0xffff_ffff))],
    ["claims an owner of 2 GB", (received) => reply(received, `${entryHex}${words(0x7fff_fffc)}`)],
    ["ends a list in the middle", (received) => reply(received, entryHex)],
    ["never ends its list", (received) => reply(received, `${entryHex}${words(0)}`.repeat(10_000))],
    ["sends more than a list", (received) => reply(received, `${words(0)}${words(1, 2, 3)}`)],
    ["says neither yes nor no", (received) => reply(received, words(7))],
    ["sends text that is none", (received) => reply(received, words(1, 4711, 2, 4, 0xff_fe_fd_fc))],
    ["stops in the middle of a reply", (received) => reply(received, entryHex).subarray(0, 40)],
  ])("that %s", async (_what, answer) => {
    await using peer = await startTcpPeer((received, socket) => {
      const bytes = answer(received);
      if (bytes === "end") socket.destroy();
      else socket.write(bytes);
    });
    const asks = [[peer.address], ["-p", peer.address], ["-t", peer.address, "4711"]];
    const all = await Promise.all(asks.map((args) => farcall(["info", ...args, "--timeout", "300"])));
    for (const [i, { code, stdout, stderr }] of all.entries()) {
      expect([code, stdout, stderr], asks[i]?.join(" ")).toEqual([1, "", expect.stringMatching(/^farcall: [^\n]+\n$/)]);
    }
  });
});

describe("farcall info exits with 2 for", () => {
  it.each([
    ["two questions at once", ["-p", "-s"], /choose one of -p and -s/],
    ["a program without a transport", ["127.0.0.1", "nfs"], /needs -t or -u/],
    ["a question without a program", ["-t", "127.0.0.1"], /-t needs a host and a program/],
    ["a port without a program", ["-p", "-n", "1"], /it needs -t or -u/],
    ["a transport where none is asked over", ["-p", "-T", "tcp"], /-T does not go with -p/],
    ["an address of no transport", ["-a", "127.0.0.1.8.1", "nfs"], /-a needs -T/],
    [
      "an address that is none of its transport",
      ["-T", "tcp6", "-a", "127.0.0.1.8.1", "nfs"],
      /no universal address of tcp6/,
    ],
    ["addresses of no version", ["-l", "127.0.0.1", "nfs"], /-l needs a host, a program and a version/],
    ["a broadcast without a version", ["-b", "nfs"], /-b needs a program and a version/],
    ["a registration at a host", ["-d", "127.0.0.1", "nfs", "3"], /-d needs a program and a version/],
    ["a program that has no name", ["-t", "127.0.0.1", "no-such"], /no-such is unknown service/],
    ["a program that is no number", ["-t", "127.0.0.1", "4294967296"], /unknown service/],
    ["a version that is none", ["-u", "127.0.0.1", "100003", "x"], /x is illegal version number/],
    ["an address that is none", ["-p", "tcp://"], /Bad address/],
    ["one argument too many", ["-t", "127.0.0.1", "1", "2", "3"], /too many arguments/],
  ])("%s", async (_what, args, message) => {
    const { code, stdout, stderr } = await farcall(["info", ...args]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
  });
});
