// Names: servers register with a directory, clients find them there. The directory is a server like any other.
import { afterEach, describe, expect, it, vi } from "vitest";
import { Binder, binderAt, connect, Directory, type DirectoryOptions, MemoryNetwork, Server } from "../../src/index.js";
import { StoreV1 } from "../support/store.js";

const open: AsyncDisposable[] = [];
const kept = <T extends AsyncDisposable>(resource: T): T => {
  open.unshift(resource);
  return resource;
};

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const resource of open.splice(0)) await resource[Symbol.asyncDispose]();
});

/** A binder: a server that exports a directory. */
async function serveDirectory(address = "tcp://127.0.0.1:0", options: DirectoryOptions = {}) {
  const directory = kept(new Directory(options));
  const server = kept(new Server().export(directory.service, directory.handlers));
  return { address: await server.listen(address), server, directory };
}

/** A server that says who it is: `read` gives its number. */
async function serveStore(number: number, name: string | undefined, binder: string, leaseMs?: number) {
  const handlers = { read: () => number, write: () => true, log: () => {} };
  const server = kept(new Server().export(StoreV1, handlers));
  const address = await server.listen("tcp://127.0.0.1:0");
  if (name !== undefined) await server.register({ name, binder, leaseMs });
  return { server, address };
}

describe("a name", () => {
  it("leads to the server that has registered under it", async () => {
    const binder = await serveDirectory();
    const { address } = await serveStore(7, "store", binder.address);
    await using resolver = binderAt(binder.address);
    await using store = await connect(StoreV1, "name:store", { resolver });
    expect(await store.read("a")).toBe(7);
    expect(store.$address).toBe(address);
  });

  it("is asked of the resolver, or else of FARCALL_BINDER's binder, or else of this machine's", async () => {
    const [one, two] = [await serveDirectory(), await serveDirectory()];
    await serveStore(1, "store", one.address);
    await serveStore(2, "store", two.address);
    vi.stubEnv("FARCALL_BINDER", two.address);
    await using resolver = binderAt(one.address);
    await using given = await connect(StoreV1, "name:store", { resolver });
    await using environment = await connect(StoreV1, "name:store");
    expect([await given.read("a"), await environment.read("a")]).toEqual([1, 2]);
    vi.stubEnv("FARCALL_BINDER", "");
    await expect(connect(StoreV1, "name:no-such-store")).rejects.toThrow(/binder at tcp:\/\/127\.0\.0\.1:111/);
  });

  it("that nobody has registered is not found, and the error says which versions there are", async () => {
    const binder = await serveDirectory();
    await serveStore(1, "store", binder.address);
    await using resolver = binderAt(binder.address);
    await expect(connect(StoreV1, "name:shop", { resolver })).rejects.toMatchObject({
      code: "not-found",
      executed: "no",
      message: expect.stringContaining("no server is registered under the name shop, version 1"),
    });
    const StoreV9 = { ...StoreV1, version: 9 };
    await expect(connect(StoreV9, "name:store", { resolver })).rejects.toThrow(/version 9, only version 1/);
  });

  it("is gone when its server closes, and the client goes to another that has come", async () => {
    const binder = await serveDirectory();
    const first = await serveStore(1, "store", binder.address);
    await using resolver = binderAt(binder.address);
    await using store = await connect(StoreV1, "name:store", { resolver });
    expect(await store.read("a")).toBe(1);
    await first.server.close();
    await serveStore(2, "store", binder.address);
    expect(await store.read("a")).toBe(2);
    expect(await resolver.find({ name: "store", version: 1, timeoutMs: 1_000 })).toHaveLength(1);
  });

  it("is bound when the client is made, or, lazily, at the first call", async () => {
    const binder = await serveDirectory();
    await using resolver = binderAt(binder.address);
    await expect(connect(StoreV1, "name:store", { resolver })).rejects.toMatchObject({ code: "not-found" });
    await using store = await connect(StoreV1, "name:store", { resolver, lazy: true });
    await expect(store.read("a", { retry: false })).rejects.toMatchObject({ code: "not-found", executed: "no" });
    await serveStore(3, "store", binder.address);
    expect(await store.read("a")).toBe(3);
  });

  it("is remembered while no binder answers", async () => {
    const binder = await serveDirectory();
    await serveStore(4, "store", binder.address);
    await using resolver = binderAt(binder.address);
    await using _first = await connect(StoreV1, "name:store", { resolver });
    await binder.server.close({ drainMs: 0 });
    await using second = await connect(StoreV1, "name:store", { resolver });
    expect(await second.read("a")).toBe(4);
    await expect(connect(StoreV1, "name:other", { resolver })).rejects.toMatchObject({ code: "unavailable" });
  });

  it("is registered again with a binder that has lost it", async () => {
    const binder = await serveDirectory();
    await serveStore(5, "store", binder.address, 1_000);
    await binder.server.close({ drainMs: 0 });
    const again = await serveDirectory(binder.address);
    await using resolver = binderAt(again.address);
    await vi.waitFor(
      async () => expect(await resolver.find({ name: "store", version: 1, timeoutMs: 1_000 })).toHaveLength(1),
      {
        timeout: 15_000,
      },
    );
  });

  it("is known to a Binder, which is an rpcbind too", async () => {
    const binder = kept(new Binder());
    const address = await binder.listen("tcp://127.0.0.1:0");
    const { server } = await serveStore(8, "store", address);
    await server.register({ binder: address });
    await using resolver = binderAt(address);
    await using store = await connect(StoreV1, "name:store", { resolver });
    expect(await store.read("a")).toBe(8);
    expect(binder.registrations).toMatchObject([{ prog: StoreV1.program, vers: 1 }]);
    const none = kept(new Binder({ directory: false }));
    const nameless = await none.listen("tcp://127.0.0.1:0");
    await expect(server.register({ name: "store", binder: nameless })).rejects.toMatchObject({ code: "unimplemented" });
  });

  it("is looked up at the next of several binders when one does not answer", async () => {
    const network = new MemoryNetwork();
    const directory = kept(new Directory());
    const binder = kept(new Server({ network }).export(directory.service, directory.handlers));
    await binder.listen("memory://two");
    const server = kept(new Server({ network }).export(StoreV1, { read: () => 6, write: () => true, log: () => {} }));
    await server.listen("memory://store");
    await server.register({ name: "store", binder: ["memory://one", "memory://two"] });
    await using resolver = binderAt(["memory://one", "memory://two"], { network });
    await using store = await connect(StoreV1, "name:store", { resolver, network });
    expect(await store.read("a")).toBe(6);
  });
});
