import { describe, expect, it } from "vitest";
import { connect, MemoryNetwork, RpcError, Server } from "../../src/index.js";
import { StoreV1 } from "../support/store.js";

const handlers = { read: (key: string) => key.length, write: () => true, log: () => {} };

describe("a client", () => {
  it("connects again when a call wants it, unless it is told not to", async () => {
    const network = new MemoryNetwork();
    const serve = async (): Promise<Server> => {
      const server = new Server({ network }).export(StoreV1, handlers);
      await server.listen("memory://store");
      return server;
    };
    const first = await serve();
    await using again = await connect(StoreV1, "memory://store", { network });
    await using never = await connect(StoreV1, "memory://store", { network, reconnect: false });
    expect([await again.read("a"), await never.read("a")]).toEqual([1, 1]);
    await first.close();
    await using _second = await serve();
    expect(await again.read("abc")).toBe(3);
    await expect(never.write("a", 1)).rejects.toMatchObject({ code: "unavailable", executed: "no" });
    await expect(never.read("abc")).rejects.toThrow(/reconnect: false/);
  });

  it.each([
    ["an error of its own", new Error("no such name"), { code: "unavailable", executed: "no" }],
    [
      "an RpcError of a call of its own",
      new RpcError("deadline-exceeded", "slow", { executed: "unknown" }),
      { code: "deadline-exceeded", executed: "no" },
    ],
    ["an RpcError", new RpcError("not-found", "who?", { executed: "no" }), { code: "not-found", executed: "no" }],
  ])("that was not sent anywhere says so, when its resolver rejects with %s", async (_name, error, expected) => {
    const resolver = { resolve: () => Promise.reject(error) };
    for (const address of ["tcp://store.example", "udp://store.example"]) {
      await expect(connect(StoreV1, address, { resolver })).rejects.toMatchObject(expected);
    }
  });

  it.each([
    ["timeoutMs", { timeoutMs: Number.POSITIVE_INFINITY }],
    ["timeoutMs", { timeoutMs: 0 }],
    ["connectTimeoutMs", { connectTimeoutMs: Number.NaN }],
  ])("refuses a %s that would never end a call, or end it at once", async (name, options) => {
    await expect(connect(StoreV1, "memory://nobody", options)).rejects.toMatchObject({ code: "invalid-argument" });
    await expect(connect(StoreV1, "memory://nobody", options)).rejects.toThrow(name);
  });

  it("refuses retry options that make no sense, by name, for itself and for one call", async () => {
    const open = connect(StoreV1, "memory://nobody", { retry: { attempts: 0 } });
    await expect(open).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    await expect(open).rejects.toThrow(/retry\.attempts/);
    const network = new MemoryNetwork();
    await using server = new Server({ network }).export(StoreV1, handlers);
    await using client = await connect(StoreV1, await server.listen("memory://store"), { network });
    const call = client.read("a", { retry: { backoff: { factor: 0 } } });
    await expect(call).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    await expect(call).rejects.toThrow(/retry\.backoff\.factor/);
  });

  it("that asks whether somebody is there is told at once", async () => {
    const network = new MemoryNetwork();
    const server = new Server({ network }).export(StoreV1, handlers);
    const address = await server.listen("memory+datagram://store");
    await using client = await connect(StoreV1, address, { network });
    await client.$ping();
    await server.close();
    await expect(client.$ping()).rejects.toMatchObject({ code: "unavailable", executed: "unknown", attempts: 1 });
    const patient = client.$ping({ retry: { attempts: 2, backoff: { initialMs: 1 } } });
    await expect(patient).rejects.toMatchObject({ code: "unavailable", executed: "unknown", attempts: 2 });
  });

  it("is no promise, whatever looks at it", async () => {
    const network = new MemoryNetwork();
    await using server = new Server({ network }).export(StoreV1, handlers);
    const client = await connect(StoreV1, await server.listen("memory://store"), { network });
    expect("then" in client).toBe(false);
    expect("toString" in client).toBe(false);
    await client.$close();
    await expect(client.read("a")).rejects.toMatchObject({ code: "closed", executed: "no" });
  });

  it("ends a nested call with the call that it is part of", async () => {
    const network = new MemoryNetwork();
    const never = new Promise<number>(() => {});
    await using inner = new Server({ network }).export(StoreV1, { ...handlers, read: () => never });
    const innerAddress = await inner.listen("memory://inner");
    await using nested = await connect(StoreV1, innerAddress, { network, session: "off" });
    const ends: unknown[] = [];
    await using outer = new Server({ network, onError: () => {} }).export(StoreV1, {
      ...handlers,
      read: (key, context) =>
        nested.read(key, { context }).catch((error: unknown) => {
          ends.push(error);
          throw error;
        }),
    });
    const client = await connect(StoreV1, await outer.listen("memory://outer"), { network });
    const call = client.read("a").catch((error: unknown) => error);
    while (nested.$stats().pending === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await client.$close();
    expect(await call).toMatchObject({ code: "closed", executed: "unknown" });
    while (ends.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(ends).toMatchObject([{ code: "cancelled", executed: "unknown" }]);
    await inner.close({ drainMs: 0 });
  });
});
