// When a client is bound to its server: in its code, when it is made, or when it calls. docs/binding.md.
import { afterEach, describe, expect, it, vi } from "vitest";
import { Binder, binderAt, type Client, connect, Server } from "../../src/index.js";
import { StoreV1 } from "../support/store.js";

const open: AsyncDisposable[] = [];
const kept = <T extends AsyncDisposable>(resource: T): T => {
  open.unshift(resource);
  return resource;
};
afterEach(async () => {
  for (const resource of open.splice(0)) await resource[Symbol.asyncDispose]();
});

/** A binder, and servers that come and go, each at a port of its own. */
async function scene() {
  const binder = kept(new Binder());
  const at = await binder.listen("tcp://127.0.0.1:0");
  const resolver = kept(binderAt(at));
  const find = vi.spyOn(resolver, "find");
  const serve = async (number: number, address = "tcp://127.0.0.1:0"): Promise<{ server: Server; address: string }> => {
    const server = kept(new Server().export(StoreV1, { read: () => number, write: () => true, log: () => {} }));
    const bound = await server.listen(address);
    await server.register({ name: "store", binder: at });
    return { server, address: bound };
  };
  const client = async (address: string, lazy = false): Promise<Client<StoreV1>> => {
    const made = await connect(StoreV1, address, { resolver, lazy });
    kept({ [Symbol.asyncDispose]: () => made.$close() });
    return made;
  };
  return { serve, client, find };
}

describe("a client that is bound", () => {
  it("at compile time has its address in its code: it finds the server that comes back there, and no other", async () => {
    const { serve, client, find } = await scene();
    const first = await serve(1);
    const store = await client(first.address);
    expect(await store.read("a")).toBe(1);
    await first.server.close();
    const elsewhere = await serve(2);
    await expect(store.write("a", 1, { timeoutMs: 2_000 })).rejects.toMatchObject({ executed: "no" });
    await elsewhere.server.close();
    await serve(3, first.address);
    expect(await store.read("a")).toBe(3);
    expect(find).not.toHaveBeenCalled();
  });

  it("at link time needs its server when it is made, and finds it at another address later", async () => {
    const { serve, client } = await scene();
    await expect(client("name:store")).rejects.toMatchObject({ code: "not-found", executed: "no" });
    const first = await serve(1);
    const store = await client("name:store");
    expect(await store.read("a")).toBe(1);
    await first.server.close();
    const second = await serve(2);
    expect(await store.read("a")).toBe(2);
    expect(store.$address).toBe(second.address);
  });

  it("at call time asks nobody before the first call, and again after each failure", async () => {
    const { serve, client, find } = await scene();
    const store = await client("name:store", true);
    expect(find).not.toHaveBeenCalled();
    expect(store.$stats().connects).toBe(0);
    await expect(store.read("a", { retry: false })).rejects.toMatchObject({ code: "not-found", executed: "no" });
    const first = await serve(1);
    expect(await store.read("a")).toBe(1);
    await first.server.close();
    await expect(store.read("a", { retry: false, timeoutMs: 2_000 })).rejects.toMatchObject({
      executed: expect.stringMatching(/no|unknown/),
    });
    await serve(2);
    expect(await store.read("a")).toBe(2);
  });

  it("at call time to an address connects at the first call", async () => {
    const { serve, client } = await scene();
    const { address, server } = await serve(1);
    await server.close();
    const store = await client(address, true);
    await expect(store.read("a", { retry: false })).rejects.toMatchObject({ code: "unavailable", executed: "no" });
    await serve(2, address);
    expect(await store.read("a")).toBe(2);
  });

  it("over datagrams is bound when it is made", async () => {
    const { client } = await scene();
    await expect(client("udp://127.0.0.1:9", true)).rejects.toMatchObject({
      code: "invalid-argument",
      message: expect.stringMatching(/^lazy: udp:\/\/127\.0\.0\.1:9 is bound to when the client is made/),
    });
  });
});
