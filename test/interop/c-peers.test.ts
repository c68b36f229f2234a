import { describe, expect, it } from "vitest";
import { buildPeer, peerArguments, programs, runPeer, startPeer } from "../support/c-peers.js";
import { describeWith, toBuildC } from "../support/requirements.js";
import { forRpcbind, runInRpcbindNamespace } from "../support/rpcbind-namespace.js";

// The C peers against each other: where this fails, no other interop test means anything.

const transports = ["tcp", "udp", "unix"] as const;
const MB = 1024 * 1024;

describeWith(toBuildC, "C client and C server", () => {
  it.each(transports)("exchange every type over %s", async (transport) => {
    await using server = await startPeer(programs.everyTypeServer);
    const args = [...peerArguments(server.address(transport)), "types"];
    const { code, lines } = await runPeer(programs.everyTypeClient, args);
    expect(lines.filter((line) => !line.startsWith("ok "))).toEqual([]);
    expect(lines.length).toBeGreaterThan(50);
    expect(code).toBe(0);
  });

  it.each([
    ["tcp", [1, 1000, 65_536, MB, 8 * MB]],
    ["unix", [1, 1000, 65_536, MB, 8 * MB]],
    ["udp", [1, 1000, 8192, 64_000]],
  ] as const)("exchange opaque data of every size over %s", async (transport, sizes) => {
    await using server = await startPeer(programs.everyTypeServer);
    const args = [...peerArguments(server.address(transport)), "sizes", ...sizes];
    const { code, lines } = await runPeer(programs.everyTypeClient, args);
    expect(lines).toEqual(sizes.flatMap((n) => [`ok echo-${n}`, `ok consume-${n}`, `ok produce-${n}`]));
    expect(code).toBe(0);
  });

  it("print the bytes of every value", async () => {
    const { lines } = await runPeer(programs.everyTypeClient, ["-", "-", "bytes"]);
    expect(lines).toContain("int-min 80000000");
    expect(lines).toContain("quadruple-one 3fff0000000000000000000000000000");
    expect(lines).toContain("string-padded-1 0000000361626300");
  });

  // clnt_stat, its text, and what goes with it: RFC 5531, section 9.
  it.each([
    [0, { stat: 0, text: "RPC: Success", result: "" }],
    [1, { stat: 10, text: "RPC: Procedure unavailable" }],
    [2, { stat: 11, text: "RPC: Server can't decode arguments" }],
    [3, { stat: 12, text: "RPC: Remote system error" }],
    [4, { stat: 8, text: "RPC: Program unavailable" }],
    [5, { stat: 9, text: "RPC: Program/version mismatch", low: 4, high: 9 }],
    [6, { stat: 7, text: "RPC: Authentication error", why: 5 }],
    [101, { stat: 7, text: "RPC: Authentication error", why: 1 }],
    [107, { stat: 7, text: "RPC: Authentication error", why: 7 }],
  ])("say the same about the status that procedure %i chooses", async (procedure, expected) => {
    await using server = await startPeer(programs.statusServer);
    for (const transport of transports) {
      const args = [...peerArguments(server.address(transport)), 0x20000e02, 2, procedure];
      const { lines } = await runPeer(programs.rawClient, args);
      expect(lines.map((line) => JSON.parse(line))).toEqual([{ ...expected, flavor: 0 }]);
    }
  });

  it.each([
    ["a program that is not served", 0x20000e0f, 1, { stat: 8 }],
    ["a version below those served", 0x20000e02, 1, { stat: 9, low: 2, high: 3 }],
    ["a version above those served", 0x20000e02, 4, { stat: 9, low: 2, high: 3 }],
  ])("agree on %s", async (_what, program, version, expected) => {
    await using server = await startPeer(programs.statusServer);
    const { lines } = await runPeer(programs.rawClient, [...peerArguments(server.address("tcp")), program, version, 0]);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject(expected);
  });

  it("show each other's AUTH_SYS credentials", async () => {
    await using server = await startPeer(programs.statusServer);
    const args = ["-s", "workstation,1000,100,4,24,27", ...peerArguments(server.address("tcp")), 0x20000e02, 2, 7];
    const { lines } = await runPeer(programs.rawClient, args);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ stat: 0, flavor: 1 });
    const [seen] = await server.line(/^\{.*\}$/);
    expect(JSON.parse(seen)).toMatchObject({ machine: "workstation", uid: 1000, gid: 100, gids: [4, 24, 27] });
  });

  it("exchange AUTH_SHORT, which the server forgets and the client mends", async () => {
    await using server = await startPeer(programs.statusServer);
    const args = ["-n", 3, "-s", "box,1,2", ...peerArguments(server.address("tcp")), 0x20000e02, 2, 8];
    const { lines } = await runPeer(programs.rawClient, args);
    expect(lines.map((line) => JSON.parse(line))).toEqual(
      Array.from({ length: 3 }, () => ({ stat: 0, text: "RPC: Success", result: "", flavor: 2 })),
    );
  });

  it.each([
    ["does not answer", 9, { stat: 5, text: "RPC: Timed out" }],
    ["closes the connection", 10, { stat: 4, text: "RPC: Unable to receive" }],
  ])("end when the server %s", async (_what, procedure, expected) => {
    await using server = await startPeer(programs.statusServer);
    const args = ["-t", 200, ...peerArguments(server.address("tcp")), 0x20000e02, 2, procedure];
    const { lines } = await runPeer(programs.rawClient, args);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject(expected);
  });
});

describeWith([...toBuildC, ...forRpcbind], "callrpc and registerrpc in C, by way of a real rpcbind", () => {
  it("find each other", async () => {
    const [server, client] = [await buildPeer(programs.classicServer), await buildPeer(programs.classicClient)];
    const call = (args: string) => `${client} ${args}`;
    const { code, lines, stderr } = await runInRpcbindNamespace([
      "bash",
      "-c",
      [
        `exec 3< <(${server}); read -r ready <&3`,
        call("536874499 1 1 21"),
        call("536874499 1 2 hello"),
        `read -r said <&3; echo "$ready $said"`,
        call("536874499 2 1 21"),
        call("536874500 1 1 21"),
      ].join("\n"),
    ]);
    expect(lines, stderr).toEqual([
      `{"stat":0,"text":"RPC: Success","value":42}`,
      `{"stat":0,"text":"RPC: Success","value":0}`,
      "READY hello",
      `{"stat":9,"text":"RPC: Program/version mismatch","value":0}`,
      `{"stat":15,"text":"RPC: Program not registered","value":0}`,
    ]);
    expect(code).toBe(0);
  });
});

describe("the arguments of C clients", () => {
  it.each([
    ["tcp://127.0.0.1:2049", ["tcp", "2049"]],
    ["udp://[::1]:111", ["udp", "111"]],
    ["unix:/run/x.sock", ["unix", "/run/x.sock"]],
  ])("come from the address %s", (address, expected) => {
    expect(peerArguments(address)).toEqual(expected);
  });
});
