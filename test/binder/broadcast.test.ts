import { BroadcastError, broadcast, type OneWayProcedure, type Procedure, Server } from "farcall";
import { oncProgram } from "farcall/onc";
import { int, nothing } from "farcall/xdr";
import { beforeAll, describe, expect, it } from "vitest";
import { broadcastAddress } from "../../src/binder/registry/uaddr.js";
import { buildChild } from "../support/children.js";
import { buildCli } from "../support/cli.js";
import { describeWith } from "../support/requirements.js";
import {
  type BinderKind,
  binders,
  farcallCommand,
  forEither,
  runInRpcbindNamespace,
} from "../support/rpcbind-namespace.js";

// Two machines, near and far, in network namespaces that a veth pair connects: loopback cannot broadcast.

interface Add {
  add: Procedure<[a: number, b: number], number, "at-least-once">;
  once: Procedure<[a: number], number>;
  tell: OneWayProcedure<[a: number]>;
  exactly: Procedure<[a: number], number, "exactly-once">;
}
const Add = oncProgram<Add>({
  name: "ADD",
  program: 0x2000_0e42,
  version: 1,
  procedures: {
    add: { number: 1, name: "ADD", args: [int, int], result: int, semantics: "at-least-once" },
    once: { number: 2, name: "ONCE", args: [int], result: int },
    tell: { number: 3, name: "TELL", args: [int], result: nothing, oneWay: true },
    exactly: { number: 4, name: "EXACTLY", args: [int], result: int, semantics: "exactly-once" },
  },
});

describe.each(binders)("a broadcast, where %s is near", (binder: BinderKind) => {
  describeWith([...forEither[binder], "rpcinfo"], "and another machine far", () => {
    let said: { replies?: { address: string; value: unknown }[]; [other: string]: unknown }[] = [];
    const all = { waitFor: "all", timeoutMs: 500 };
    const direct = { port: 20_999 };
    const steps = [
      ["name", [], { ...all }],
      ["name", [], { ...all, rpcbindVersion: 3 }],
      ["name", [], { ...all, rpcbindVersion: 2 }],
      ["name", [], { ...all, ...direct }],
      ["name", [], { waitFor: 1, timeoutMs: 5_000 }],
      ["name", [], { waitFor: 1, timeoutMs: 5_000, ...direct }],
      ["name", [], { waitFor: 2, timeoutMs: 5_000, ...direct }],
      ["name", [], { waitFor: 3, timeoutMs: 700, ...direct }],
      ["failAt", ["near"], { ...all, ...direct }],
      ["failAt", ["near"], { ...all }],
      ["second", [], { waitFor: 2, timeoutMs: 10_000, ...direct }],
      ["count", [], { ...all, timeoutMs: 1_300, ...direct }],
      ["count", [], { ...all, ...direct }],
      ["name", [], { waitFor: 1, timeoutMs: 300, port: 9 }],
      ["name", [], { ...all, ...direct, addresses: ["10.77.0.2"] }],
    ] as const;

    beforeAll(async () => {
      buildCli();
      const script = await buildChild("broadcast-scenarios");
      const node = `${process.execPath} ${script}`;
      const line = [
        `exec 3< <(exec ${node} serve near 20999); read -r _ <&3`,
        `ip netns exec far ${farcallCommand} bind --foreground --no-socket --remote-calls >&2 &`,
        `until ip netns exec far bash -c 'exec 3<>/dev/tcp/127.0.0.1/111' 2>/dev/null; do sleep 0.05; done`,
        `exec 4< <(exec ip netns exec far ${node} serve far 20999); read -r _ <&4`,
        `${node} call '${JSON.stringify(steps)}'`,
        `${farcallCommand} info -b 536874561 1 --timeout 700 --json`,
        `rpcinfo -b 536874561 1 | sort -u | ${process.execPath} -p "JSON.stringify(require('fs').readFileSync(0, 'utf8'))"`,
      ].join("\n");
      const { code, lines, stderr } = await runInRpcbindNamespace(["bash", "-c", line], {
        binder: binder === "rpcbind" ? binder : "farcall bind --remote-calls",
        far: true,
        timeoutMs: 90_000,
      });
      expect(code, stderr).toBe(0);
      said = lines.map((text) => JSON.parse(text) as (typeof said)[number]);
    }, 100_000);

    const near = { address: "udp://10.77.0.1:20999", value: "near" };
    const far = { address: "udp://10.77.0.2:20999", value: "far" };
    const sorted = (i: number) => [...(said[i]?.replies ?? [])].sort((a, b) => a.address.localeCompare(b.address));

    it.each([
      [0, "through the binders, by BCAST"],
      [1, "through the binders, by CALLIT of version 3"],
      [2, "through the binders, by CALLIT of version 2"],
      [3, "to a port of its own"],
    ])("(%i) %s, is answered by both", (i) => {
      expect(sorted(i)).toEqual([near, far]);
    });

    it.each([
      [4, "through the binders"],
      [5, "to a port"],
    ])("(%i) %s, ends with the first answer, which is a binding", (i) => {
      expect(said[i]?.replies).toHaveLength(1);
      expect([near, far]).toContainEqual(said[i]?.replies?.[0]);
      expect(said[i]?.["bound"]).toBe(said[i]?.replies?.[0]?.value);
    });

    it("that waits for two has two, and for three says so with the two", () => {
      expect(sorted(6)).toEqual([near, far]);
      const message = "broadcast of WHERE.name: 2 of 3 answered within 700 ms";
      expect(said[7]).toMatchObject({ code: "deadline-exceeded", executed: "unknown", message });
      expect(sorted(7)).toEqual([near, far]);
    });

    it.each([
      [8, "to a port"],
      [9, "through the binders"],
    ])("(%i) %s, is not answered by who fails", (i) => {
      expect(sorted(i)).toEqual([far]);
    });

    it("is sent again where the procedure may run twice, and otherwise not", () => {
      expect(sorted(10)).toEqual([near, far]);
      // Of the first, which had time for two transmissions; the second shows how often that ran.
      expect(sorted(11).map(({ value }) => value)).toEqual([1, 1]);
      expect(sorted(12).map(({ value }) => value)).toEqual([2, 2]);
    });

    it("that nobody answers ends in time", () => {
      expect(said[13]).toMatchObject({ code: "deadline-exceeded", executed: "unknown", replies: [] });
    });

    it("is what farcall info -b makes, and finds what rpcinfo finds", () => {
      const found = (said[15] as unknown as { address: string; host: string }[]).map(({ address }) => address).sort();
      expect(found).toEqual(["10.77.0.1.82.7", "10.77.0.2.82.7"]);
      const theirs = (said[16] as unknown as string).trimEnd().split("\n");
      expect(theirs.map((line) => line.split("\t")[0]).sort()).toEqual(found);
    });

    it("goes to given addresses alone", () => {
      expect(sorted(14)).toEqual([far]);
    });
  });
});

describe("a broadcast", () => {
  const server = new Server().export(Add, {
    add: (a, b) => a + b,
    once: (a) => a,
    tell() {},
    exactly: (a) => a,
  });
  let port = 0;
  beforeAll(async () => {
    port = Number((await server.listen("udp://127.0.0.1:0")).split(":").at(-1));
    return async () => await server.close({ drainMs: 0 });
  });
  const here = () => ({ port, addresses: ["127.0.0.1"], timeoutMs: 5_000 });

  it("gives typed answers", async () => {
    const [first] = await broadcast(Add, "add", [1, 2], here());
    expect(first).toEqual({ address: `udp://127.0.0.1:${port}`, value: 3 });
    const value: number | undefined = first?.value;
    expect(value).toBe(3);
    // @ts-expect-error: two arguments
    const wrong = broadcast(Add, "add", [1], here());
    await expect(wrong).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
  });

  it.each([
    ["no procedure", "nothing", [], {}, /no such procedure/],
    ["a one-way procedure", "tell", [1], {}, /one-way/],
    ["an exactly-once procedure", "exactly", [1], {}, /exactly-once/],
    ["a wrong argument", "add", [1, "x"], {}, /args\[1\]/],
    ["nobody to wait for", "add", [1, 2], { waitFor: 0 }, /waitFor must be/],
    ["half an answer", "add", [1, 2], { waitFor: 1.5 }, /waitFor must be/],
    ["no time", "add", [1, 2], { timeoutMs: 0 }, /timeoutMs/],
    ["no port", "add", [1, 2], { port: 70_000 }, /port 70000/],
  ])("refuses %s", async (_what, procedure, args, options, message) => {
    const made = broadcast(Add, procedure as "add", args as [number, number], { ...here(), ...options } as never);
    await expect(made).rejects.toMatchObject({
      code: "invalid-argument",
      executed: "no",
      message: expect.stringMatching(message) as string,
    });
  });

  it("can be cancelled, before it is sent and after", async () => {
    const aborted = { ...here(), signal: AbortSignal.abort() };
    await expect(broadcast(Add, "once", [1], aborted)).rejects.toMatchObject({ code: "cancelled", executed: "no" });
    const controller = new AbortController();
    const waiting = broadcast(Add, "once", [1], { ...here(), waitFor: 2, signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(waiting).rejects.toMatchObject({ code: "cancelled", executed: "unknown" });
  });

  it("counts one answer of a server, however often it answers", async () => {
    const twice = { ...here(), addresses: ["127.0.0.1", "127.0.0.1"] };
    expect(await broadcast(Add, "add", [1, 2], { ...twice, waitFor: "all", timeoutMs: 300 })).toHaveLength(1);
    const lonely = broadcast(Add, "add", [1, 2], { ...twice, waitFor: 2, timeoutMs: 300 });
    await expect(lonely).rejects.toBeInstanceOf(BroadcastError);
  });

  it.each([
    ["10.77.0.1", "255.255.255.0", "10.77.0.255"],
    ["172.16.5.4", "255.255.240.0", "172.16.15.255"],
    ["10.0.0.1", "255.255.255.254", undefined],
    ["10.0.0.1", "255.255.255.255", undefined],
    ["::1", "ffff::", undefined],
  ])("from %s with %s goes to %s", (address, netmask, to) => {
    expect(broadcastAddress(address, netmask)).toBe(to);
  });
});
