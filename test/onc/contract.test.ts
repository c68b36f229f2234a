import { describe, expect, it } from "vitest";
import { type CallOptions, connect, MemoryNetwork, Server } from "../../src/index.js";
import { oncProgram } from "../../src/onc/index.js";
import { int, struct } from "../../src/xdr/index.js";
import { StoreV1 } from "../support/store.js";

async function pair() {
  const network = new MemoryNetwork();
  const server = new Server({ network, onError: () => {} }).export(StoreV1, {
    read: (key) => key.length,
    write: () => {
      throw new Error("disk full");
    },
    log: () => {},
  });
  const address = await server.listen("memory://store");
  return { server, address, network };
}

describe("a contract", () => {
  it("refuses at run time, too, what would widen it", async () => {
    const { server, address, network } = await pair();
    await using client = await connect(StoreV1, address, { network });
    const widened = { semantics: "at-least-once" } as unknown as CallOptions<"at-most-once">;
    await expect(client.write("a", 1, widened)).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    await expect(client.write("a", 1, widened)).rejects.toThrow(
      /declares at-most-once, which at-least-once would widen/,
    );
    await expect(client.read("a", { semantics: "exactly-once" })).rejects.toThrow(/which exactly-once needs/);
    await using plain = await connect(StoreV1, address, { network, session: "off" });
    await expect(plain.read("a", { semantics: "exactly-once" })).rejects.toThrow(/exactly-once needs a session/);
    expect(await client.read("abc", { semantics: "maybe" })).toBe(3);
    await server.close();
  });

  it("is narrowed for one client, by procedure, and not widened again by a call", async () => {
    const { server, address, network } = await pair();
    const semantics = { read: "at-most-once", log: "maybe" } as const;
    await using client = await connect(StoreV1, address, { network, semantics });
    expect(await client.read("abc")).toBe(3);
    await client.log("abc", { semantics: "at-most-once" });
    const widened = { semantics: "at-least-once" } as unknown as CallOptions<"at-most-once">;
    await expect(client.read("a", widened)).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    await expect(client.read("a", widened)).rejects.toThrow(
      /this client is narrowed to at-most-once, which at-least-once would widen/,
    );
    await expect(client.write("a", 1, widened)).rejects.toThrow(/the contract declares at-most-once/);
    await server.close();
  });

  it("is sent as the client narrowed it: what it declares repeatable is sent once", async () => {
    const sent: number[] = [];
    const network = new MemoryNetwork({
      fate(bytes) {
        sent.push(Buffer.from(bytes).readUInt32BE(20));
        return [];
      },
    });
    const options = {
      network,
      session: "off",
      timeoutMs: 60,
      retransmit: { initialMs: 5, minMs: 5, maxMs: 5 },
    } as const;
    await using client = await connect(StoreV1, "memory+datagram://store", options);
    await using narrowed = await connect(StoreV1, "memory+datagram://store", {
      ...options,
      semantics: { read: "at-most-once" },
    });
    await client.read("a").catch(() => {});
    expect(sent.length).toBeGreaterThan(1);
    sent.length = 0;
    await narrowed.read("a").catch(() => {});
    expect(sent).toHaveLength(1);
  });

  it.each([
    [
      { write: "at-least-once" },
      /semantics\.write: the contract declares at-most-once, which at-least-once would widen/,
    ],
    [{ write: "maybe" }, /semantics\.write: the contract declares at-most-once, which maybe would widen/],
    [{ log: "at-least-once" }, /semantics\.log: the contract declares maybe, which at-least-once would widen/],
    [{ remove: "maybe" }, /STORE_PROG: semantics\.remove: the contract has no procedure remove/],
    [{ toString: "maybe" }, /has no procedure toString/],
    [{ read: "twice" }, /semantics\.read must be one of the four guarantees, not twice/],
    [{ read: "constructor" }, /must be one of the four guarantees, not constructor/],
  ])("refuses a client that would widen it, by the procedure's name: %j", async (semantics, message) => {
    const open = connect(StoreV1, "memory://nobody", { semantics: semantics as never });
    await expect(open).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    await expect(open).rejects.toThrow(message);
  });

  it("gives failures as values on request", async () => {
    const { server, address, network } = await pair();
    await using client = await connect(StoreV1, address, { network });
    expect(await client.$try.read("abcd")).toEqual({ ok: true, value: 4 });
    await using plain = await connect(StoreV1, address, { network, session: "off" });
    const failed = { ok: false, error: { code: "server-error" } };
    expect(await plain.$try.write("a", 1)).toMatchObject({ ...failed, executed: "unknown" });
    // In a session the server says that it ran.
    expect(await client.$try.write("a", 1)).toMatchObject({ ...failed, executed: "yes" });
    expect(await client.$try.write("a", -1)).toMatchObject({
      ok: false,
      executed: "no",
      error: { code: "invalid-argument" },
    });
    await server.close();
  });

  it("takes declarations from an overlay, and leaves the service as it was", () => {
    const overlaid = StoreV1.with({ idempotent: ["write"], maybe: ["read"] });
    expect(overlaid.procedures.write.semantics).toBe("at-least-once");
    expect(overlaid.procedures.read.semantics).toBe("maybe");
    expect(overlaid.procedures.log.semantics).toBe("maybe");
    expect(StoreV1.procedures.write.semantics).toBeUndefined();
    expect(() => StoreV1.with({ idempotent: ["remove" as "read"] })).toThrow(/STORE_PROG has no procedure remove/);
    const stricter = StoreV1.with({ atMostOnce: ["read"], exactlyOnce: ["write"] });
    expect(stricter.procedures.read.semantics).toBe("at-most-once");
    expect(stricter.procedures.write.semantics).toBe("exactly-once");
    expect(() => StoreV1.with({ idempotent: ["read"], maybe: ["read"] })).toThrow(
      /STORE_PROG\.read cannot be both at-least-once and maybe/,
    );
  });

  it.each([
    ["a program number", { program: -1 }, /program number must be an unsigned 32-bit integer, not -1/],
    ["a version number", { version: 1.5 }, /version number must be/],
  ])("refuses %s that the wire cannot carry", (_name, wrong, message) => {
    const right = { name: "A_PROG", program: 1, version: 1, procedures: {} };
    expect(() => oncProgram({ ...right, ...wrong })).toThrow(message);
  });

  it("refuses a guarantee that does not exist", () => {
    const procedures = { a: { number: 1, name: "A", args: [], result: int, semantics: "twice" } };
    expect(() => oncProgram({ name: "A_PROG", program: 1, version: 1, procedures: procedures as never })).toThrow(
      /A_PROG\.a: semantics must be one of the four guarantees, not twice/,
    );
  });

  it("refuses one number for two procedures", () => {
    const one = { number: 1, name: "ONE", args: [struct({ a: int })], result: int } as const;
    expect(() =>
      oncProgram({ name: "A_PROG", program: 1, version: 1, procedures: { a: one, b: one } as never }),
    ).toThrow(/procedures a and b both have number 1/);
  });
});
