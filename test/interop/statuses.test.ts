import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RpcError, Server } from "farcall";
import {
  AuthStat,
  type DynamicCallOptions,
  type Handlers,
  OncClient,
  type OncService,
  oncProgram,
  type Procedure,
} from "farcall/onc";
import { int, nothing } from "farcall/xdr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Peer, peerArguments, programs, runPeer, startPeer } from "../support/c-peers.js";
import { ask, callMessage, words } from "../support/raw-messages.js";
import { describeWith, toBuildC } from "../support/requirements.js";

// Every status of RFC 5531, section 9, between farcall and libtirpc.

const transports = ["tcp", "udp", "unix"] as const;

/** Calls a procedure without arguments or result, and gives how it failed. */
async function failure(
  client: OncClient,
  target: Parameters<OncClient["call"]>[0],
  options: DynamicCallOptions = { timeoutMs: 10_000 },
): Promise<RpcError> {
  const error: unknown = await client.call(target, nothing, undefined, nothing, options).then(
    () => new Error("the call succeeded"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof RpcError)) throw error;
  return error;
}

describeWith(toBuildC, "a farcall client is told by a C server", () => {
  const program = 0x20000e02;
  let peer: Peer;
  beforeAll(async () => {
    peer = await startPeer(programs.statusServer);
  });
  afterAll(() => peer.stop());

  // The number and text are C's own clnt_stat for the same reply: c-peers.test.ts holds libtirpc to the same table.
  it.each([
    [1, "unimplemented", "no", { number: 10, text: "RPC: Procedure unavailable" }],
    [2, "bad-arguments", "no", { number: 11, text: "RPC: Server can't decode arguments" }],
    [3, "server-error", "unknown", { number: 12, text: "RPC: Remote system error" }],
    [4, "unimplemented", "no", { number: 8, text: "RPC: Program unavailable" }],
    [5, "unimplemented", "no", { number: 9, text: "RPC: Program/version mismatch", low: 4, high: 9 }],
    [6, "denied", "no", { number: 7, text: "RPC: Authentication error", why: { number: 5, text: "AUTH_TOOWEAK" } }],
    ...Object.entries(AuthStat)
      .filter(([, number]) => number > 0)
      .map(
        ([name, number]) =>
          [
            100 + number,
            "denied",
            "no",
            { number: 7, text: "RPC: Authentication error", why: { number, text: name } },
          ] as const,
      ),
  ] as const)("the status that procedure %i chooses: %s, executed %s", async (procedure, code, executed, status) => {
    for (const transport of transports) {
      await using client = await OncClient.open(peer.address(transport));
      const error = await failure(client, { program, version: 2, procedure });
      expect({ ...error, status: { ...error.status } }, transport).toMatchObject({
        code,
        executed,
        status,
        attempts: 1,
        peer: peer.address(transport),
      });
      expect(error.status).toEqual(status);
    }
  });

  it.each([
    ["a program that it does not serve", { program: 0x20000e0f, version: 1 }, { number: 8 }],
    ["a version below those it serves", { program, version: 1 }, { number: 9, low: 2, high: 3 }],
    ["a version above those it serves", { program, version: 4 }, { number: 9, low: 2, high: 3 }],
  ] as const)("of %s", async (_what, target, status) => {
    for (const transport of transports) {
      await using client = await OncClient.open(peer.address(transport));
      const error = await failure(client, { ...target, procedure: 0 });
      expect(error).toMatchObject({ code: "unimplemented", executed: "no", status });
    }
  });

  it("nothing at all, and ends by its deadline, not knowing whether it ran", async () => {
    for (const transport of transports) {
      await using client = await OncClient.open(peer.address(transport));
      const error = await failure(client, { program, version: 2, procedure: 9 }, { timeoutMs: 300 });
      expect(error).toMatchObject({
        code: "deadline-exceeded",
        executed: "unknown",
        status: { number: 5, text: "RPC: Timed out" },
      });
    }
  });

  it("nothing, because the connection is closed in mid-call", async () => {
    for (const transport of ["tcp", "unix"] as const) {
      await using client = await OncClient.open(peer.address(transport));
      const error = await failure(client, { program, version: 2, procedure: 10 });
      expect(error).toMatchObject({
        code: "unavailable",
        executed: "unknown",
        status: { number: 4, text: "RPC: Unable to receive" },
      });
    }
  });

  it.each([
    ["once when it may not run twice", "at-most-once", 1, 1],
    ["once when it may be lost", "maybe", 1, 1],
    ["again and again when it may run twice", "at-least-once", 3, 10],
  ] as const)("nothing, and sends a datagram %s", async (_what, semantics, least, most) => {
    await using client = await OncClient.open(peer.address("udp"), { retransmit: { initialMs: 20, minMs: 20 } });
    const error = await failure(client, { program, version: 2, procedure: 9 }, { timeoutMs: 400, semantics });
    expect(error).toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
    expect(error.transmissions).toBeGreaterThanOrEqual(least);
    expect(error.transmissions).toBeLessThanOrEqual(most);
  });
});

interface Moods {
  twice: Procedure<[value: number], number>;
  fail: Procedure<[], void>;
}

const moods = (version: number): OncService<Moods> =>
  oncProgram<Moods>({
    name: "MOODS",
    program: 0x20000e10,
    version,
    procedures: {
      twice: { number: 1, name: "TWICE", args: [int], result: int },
      fail: { number: 2, name: "FAIL", args: [], result: nothing },
    },
  });

describe("a farcall server tells", () => {
  const folder = mkdtempSync(join(tmpdir(), "farcall-"));
  const errors: unknown[] = [];
  const server = new Server({
    onError: (error) => errors.push(error),
    authorize: ({ procedure, caller }) =>
      procedure === "twice" && caller.identity.flavor === "sys" ? AuthStat.AUTH_TOOWEAK : undefined,
  });
  const program = 0x20000e10;
  const addresses: Record<(typeof transports)[number], string> = { tcp: "", udp: "", unix: "" };
  let ran = 0;

  beforeAll(async () => {
    const handlers: Handlers<Moods> = {
      twice(value) {
        ran++;
        return 2 * value;
      },
      fail() {
        throw new Error("the password is hunter2");
      },
    };
    server.export(moods(2), handlers).export(moods(5), handlers);
    addresses.tcp = await server.listen("tcp://127.0.0.1:0");
    addresses.udp = await server.listen("udp://127.0.0.1:0");
    addresses.unix = await server.listen(`unix:${join(folder, "s")}`);
  });
  afterAll(async () => {
    await server.close({ drainMs: 0 });
    rmSync(folder, { recursive: true, force: true });
  });

  describeWith(toBuildC, "a C client", () => {
    it.each([
      ["the result", program, 2, 1, "00000015", { stat: 0, result: "0000002a" }],
      ["procedure 0", program, 5, 0, "", { stat: 0 }],
      ["a program that it does not serve", 0x20000e11, 1, 0, "", { stat: 8 }],
      ["a version below those it serves", program, 1, 0, "", { stat: 9, low: 2, high: 5 }],
      ["a version between those it serves", program, 3, 0, "", { stat: 9, low: 2, high: 5 }],
      ["a version above those it serves", program, 6, 0, "", { stat: 9, low: 2, high: 5 }],
      ["a procedure that there is not", program, 2, 7, "", { stat: 10 }],
      ["arguments that are missing", program, 2, 1, "", { stat: 11 }],
      ["arguments with bytes behind them", program, 2, 1, "0000001500000000", { stat: 11 }],
      ["a handler that throws", program, 2, 2, "", { stat: 12 }],
    ] as const)("%s", async (_what, prog, version, procedure, args, expected) => {
      for (const transport of transports) {
        const where = [...peerArguments(addresses[transport]), prog, version, procedure, args];
        const { lines } = await runPeer(programs.rawClient, ["-r", expected.stat === 0 && args ? 4 : 0, ...where]);
        expect(JSON.parse(lines[0] ?? ""), transport).toMatchObject(expected);
      }
    });

    it("that its credential does not do, before anything runs", async () => {
      const before = ran;
      for (const transport of transports) {
        const where = [...peerArguments(addresses[transport]), program, 2, 1, "00000015"];
        const { lines } = await runPeer(programs.rawClient, ["-r", 4, "-s", "box,1,2", ...where]);
        expect(JSON.parse(lines[0] ?? ""), transport).toMatchObject({ stat: 7, why: 5 });
      }
      expect(ran).toBe(before);
    });
  });

  // What no library sends. Replies: RFC 5531, section 9.
  const denied = words(7, 1, 1);
  it.each([
    ["RPC version 3", { rpcvers: 3 }, denied + words(0, 2, 2)],
    ["RPC version 0", { rpcvers: 0 }, denied + words(0, 2, 2)],
    ["an AUTH_SYS credential that is cut short", { credential: words(1, 8, 0, 9) }, denied + words(1, 1)],
    [
      "an AUTH_SYS credential with 17 groups",
      { credential: words(1, 88, 0, 0, 1, 1, 17, ...Array<number>(17).fill(5)) },
      denied + words(1, 1),
    ],
    ["a credential of 404 bytes", { credential: words(1, 404, ...Array<number>(101).fill(0)) }, denied + words(1, 1)],
    ["a verifier of 404 bytes", { verifier: words(0, 404, ...Array<number>(101).fill(0)) }, denied + words(1, 3)],
    ["a flavor that the server lacks", { credential: words(6, 4, 1) }, denied + words(1, 2)],
    ["a flavor that nobody has", { credential: words(0x12345678, 0) }, denied + words(1, 2)],
    ["a short handle that it never gave out", { credential: words(2, 4, 99) }, denied + words(1, 2)],
  ] as const)("%s what is wrong with it", async (_what, wrong, answer) => {
    const before = ran;
    const message = callMessage({ program, version: 2, procedure: 1, args: words(21), ...wrong });
    expect(await ask(addresses.tcp, message)).toBe(answer);
    expect(await ask(addresses.udp, message)).toBe(answer);
    expect(ran).toBe(before);
  });

  it("nobody what a handler threw, but its error hook", async () => {
    errors.length = 0;
    const message = callMessage({ program, version: 2, procedure: 2 });
    for (const transport of ["tcp", "udp"] as const) {
      expect(await ask(addresses[transport], message)).toBe(words(7, 1, 0, 0, 0, 5));
    }
    expect(errors.map(String)).toEqual(Array(2).fill("Error: the password is hunter2"));
  });
});
