import { beforeAll, describe, expect, it } from "vitest";
import { buildPeer, programs } from "../support/c-peers.js";
import { buildChild } from "../support/children.js";
import { buildCli } from "../support/cli.js";
import { run } from "../support/processes.js";
import { describeWith, toBuildC } from "../support/requirements.js";
import {
  type BinderKind,
  binders,
  forEither,
  type NamespaceOptions,
  runInRpcbindNamespace,
} from "../support/rpcbind-namespace.js";

// farcall's servers and clients, C's, and a binder that is rpcbind or our own, in a namespace where port 111 is nobody else's. What happens inside is in
// test/support/children/rpcbind-scenarios.ts; here is what it must come to.

beforeAll(buildCli);

/** Runs a scenario where a binder listens. */
async function scenario(binder: NamespaceOptions["binder"], name: string, ...args: string[]): Promise<unknown[]> {
  const script = await buildChild("rpcbind-scenarios");
  const { code, lines, stderr } = await runInRpcbindNamespace([process.execPath, script, name, ...args], { binder });
  expect(code, stderr).toBe(0);
  return lines.map((line) => JSON.parse(line) as unknown);
}

/** Runs a scenario where nothing listens on port 111. */
async function withoutRpcbind(name: string, ...args: string[]): Promise<unknown[]> {
  const script = await buildChild("rpcbind-scenarios");
  const inside = `mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"`;
  const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const command = ["bash", "-c", inside, "bash", process.execPath, script, name, ...args];
  const { code, lines, stderr } = await run("unshare", [...namespaces, ...command], {
    env: { PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
  });
  expect(code, stderr).toBe(0);
  return lines.map((line) => JSON.parse(line) as unknown);
}

const notRegistered = {
  code: "not-found",
  executed: "no",
  status: { number: 15, text: "RPC: Program not registered" },
};

describe.each(binders)("%s", (binder: BinderKind) => {
  describeWith([...forEither[binder], "rpcinfo"], "and a farcall server", () => {
    it("register, find and forget each other", async () => {
      const [before, listed, tcp, udp, infoTcp, infoUdp, localhost, after, gone] = await scenario(binder, "register");
      expect(before).toMatchObject(notRegistered);
      expect(listed).toEqual(["2 local", "2 tcp", "2 udp", "3 local", "3 tcp", "3 udp"]);
      expect(tcp).toEqual({ result: 42, found: true });
      expect(udp).toEqual({ result: 42, found: true });
      expect(infoTcp).toMatch(/version 2 ready/);
      expect(infoUdp).toMatch(/version 2 ready[\s\S]*version 3 ready/);
      expect(localhost).toMatchObject({ value: { result: 42 } });
      expect(after).toEqual([]);
      expect(gone).toMatchObject(notRegistered);
    });

    it("replace what a server left behind, and take back what a server had that closes", async () => {
      expect(await scenario(binder, "replace")).toEqual([true, []]);
    });

    it("find each other on every address of a host, and over IPv6", async () => {
      const netids = ["2 tcp", "2 tcp6", "2 udp", "2 udp6", "3 tcp", "3 tcp6", "3 udp", "3 udp6"];
      expect(await scenario(binder, "wildcard")).toEqual([netids, 42, 42, 42, 42]);
    });

    it("say that a program is not registered, before anything is sent", async () => {
      const outcomes = await scenario(binder, "notRegistered");
      expect(outcomes).toEqual(
        ["tcp", "udp"].map((transport) => ({
          ...notRegistered,
          message: `program 536874517 is not registered for ${transport} with the rpcbind at ${transport}://127.0.0.1:111; start its server, or give the port`,
        })),
      );
    });

    it("say which versions there are where another one is registered", async () => {
      const mismatch = { number: 9, text: "RPC: Program/version mismatch", low: 2, high: 3 };
      expect(await scenario(binder, "otherVersion")).toMatchObject(
        Array(2).fill({ code: "unimplemented", executed: "no", status: mismatch }),
      );
    });
  });
});

describeWith(["unshare", "ip", "namespaces"], "a farcall client and a rpcbind of some versions only", () => {
  it.each([
    [["4", "3", "2"], 4],
    [["3", "2"], 3],
    [["3"], 3],
    [["2"], 2],
  ])("asks the highest of versions %s that there is", async (versions, asked) => {
    expect(await withoutRpcbind("fallback", ...versions)).toEqual(Array(2).fill({ result: 42, asked: [asked] }));
  });

  it("and where there is none: unavailable, and port mapper failure", async () => {
    const [tcp, udp, register, classic] = await withoutRpcbind("noRpcbind");
    const failure = { code: "unavailable", executed: "no", status: { number: 14, text: "RPC: Port mapper failure" } };
    for (const [outcome, binder] of [
      [tcp, "tcp://127.0.0.1:111"],
      [udp, "udp://127.0.0.1:111"],
    ] as const) {
      expect(outcome).toMatchObject({ ...failure, message: expect.stringContaining(binder) as string });
      expect(outcome).toMatchObject({
        message: expect.stringMatching(/rpcbind.*ECONNREFUSED.*give the port/) as string,
      });
    }
    expect(register).toMatchObject({
      ...failure,
      message: expect.stringMatching(/no rpcbind answers.*ECONNREFUSED/) as string,
    });
    expect(classic).toEqual({ stat: 14 });
  });
});

describe.each(binders)("%s", (binder: BinderKind) => {
  describeWith([...toBuildC, ...forEither[binder]], "and the classic face and C's own", () => {
    it("callrpc calls what C's registerrpc serves", async () => {
      const server = await buildPeer(programs.classicServer);
      const script = await buildChild("rpcbind-scenarios");
      const line = `exec 3< <(${server}); read -r ready <&3; "${process.execPath}" "${script}" callrpc; read -r said <&3; echo "\\"$said\\""`;
      const { code, lines, stderr } = await runInRpcbindNamespace(["bash", "-c", line], { binder });
      expect(code, stderr).toBe(0);
      expect(lines.map((text) => JSON.parse(text) as unknown)).toEqual([
        { stat: 0, value: 42 },
        { stat: 0 },
        { stat: 9, executed: "no", text: "RPC: Program/version mismatch" },
        { stat: 15, executed: "no", text: "RPC: Program not registered" },
        // C's registerrpc does not answer for a procedure that it has not.
        { stat: 5, executed: "unknown", text: "RPC: Timed out" },
        { stat: 1, executed: "no", text: "RPC: Can't encode arguments" },
        { stat: 2, executed: "yes", text: "RPC: Can't decode result" },
        { stat: 13, executed: "no", text: "RPC: Unknown host" },
        "hello",
      ]);
    });

    it("registerrpc and svc_run serve C's callrpc", async () => {
      const client = await buildPeer(programs.classicClient);
      const script = await buildChild("rpcbind-scenarios");
      const program = 0x20000e16;
      const line = [
        `exec 3< <("${process.execPath}" "${script}" registerrpc 2>/dev/null); read -r ready <&3; echo "$ready"`,
        `${client} ${program} 1 1 21`,
        `${client} ${program} 1 2 hello; read -r said <&3; echo "$said"`,
        `${client} ${program} 1 4 21`,
        `${client} ${program} 1 9 21`,
        `${client} ${program} 2 1 21`,
        `${client} ${program} 1 0 21`,
        `${client} ${program} 1 3 5; read -r end <&3; echo "$end"`,
      ].join("\n");
      const { code, lines, stderr } = await runInRpcbindNamespace(["bash", "-c", line], { binder });
      expect(lines, stderr).toEqual([
        "READY",
        `{"stat":0,"text":"RPC: Success","value":42}`,
        `{"stat":0,"text":"RPC: Success","value":0}`,
        "hello",
        `{"stat":12,"text":"RPC: Remote system error","value":0}`,
        `{"stat":10,"text":"RPC: Procedure unavailable","value":0}`,
        `{"stat":9,"text":"RPC: Program/version mismatch","value":0}`,
        // Procedure 0 takes nothing, and was given an int.
        `{"stat":11,"text":"RPC: Server can't decode arguments","value":0}`,
        `{"stat":0,"text":"RPC: Success","value":5}`,
        "ended",
      ]);
      expect(code).toBe(0);
    });

    it("a libtirpc server registers, and a libtirpc client finds it, over TCP and UDP", async () => {
      const [server, client] = [await buildPeer(programs.registeredServer), await buildPeer(programs.findingClient)];
      const find = (host: string, netid: string, version = 3): string =>
        `${client} ${host} ${netid} 0x20000e21 ${version} 21`;
      const line = [
        `exec 3< <(exec ${server} tcp udp tcp6 udp6); server=$!; read -r ready <&3; echo "$ready"`,
        `rpcinfo -s | awk '$1 == 536874529 { print $2, $3 }'`,
        find("127.0.0.1", "tcp"),
        find("127.0.0.1", "udp"),
        find("127.0.0.1", "tcp", 4),
        `kill "$server"; read -r ended <&3; echo "$ended"`,
        `rpcinfo -s | grep -c 536874529`,
        find("127.0.0.1", "tcp"),
        find("127.0.0.1", "udp"),
      ].join("\n");
      const { lines, stderr } = await runInRpcbindNamespace(["bash", "-c", line], { binder });
      const success = { stat: 0, text: "RPC: Success", value: 42 };
      const unknown = { stat: 15, text: "RPC: Program not registered", value: 0 };
      const parsed = lines.map((text) => (text.startsWith("{") ? (JSON.parse(text) as unknown) : text));
      expect(parsed, stderr).toEqual([
        "READY",
        "3 udp6,tcp6,udp,tcp",
        success,
        success,
        { stat: 9, text: "RPC: Program/version mismatch", value: 0 },
        "ENDED",
        "0",
        unknown,
        unknown,
      ]);
    });
  });
});

describe("without namespaces", () => {
  it("the scenarios at least build", async () => {
    expect(await buildChild("rpcbind-scenarios")).toMatch(/rpcbind-scenarios-[0-9a-f]{16}/);
  });
});
