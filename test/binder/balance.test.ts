// Several servers under one name: where calls go, and what becomes of them when a server is lost.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DirectoryClient } from "../../src/binder/directory/client.js";
import { binderAt, connect, Directory, type NameResolver, Server, type ServerOptions } from "../../src/index.js";
import { openSqliteReplyStore } from "../../src/store/index.js";
import { StoreV1 } from "../support/store.js";

const open: AsyncDisposable[] = [];
const kept = <T extends AsyncDisposable>(resource: T): T => {
  open.unshift(resource);
  return resource;
};

afterEach(async () => {
  for (const resource of open.splice(0)) await resource[Symbol.asyncDispose]();
});

interface Instance {
  readonly server: Server;
  readonly calls: string[];
  readonly address: string;
}

interface Handlers {
  readonly read?: (key: string) => Promise<number>;
  readonly write?: (key: string) => Promise<boolean>;
}

/** A binder, and servers that it goes on listing after they have ended, as when they are killed. */
class Scene {
  readonly #binder: string;
  readonly resolver: NameResolver;
  readonly #directory: DirectoryClient;

  private constructor(binder: string) {
    this.#binder = binder;
    this.resolver = kept(binderAt(binder));
    this.#directory = kept(new DirectoryClient([binder]));
  }

  static async open(): Promise<Scene> {
    const directory = kept(new Directory());
    const server = kept(new Server().export(directory.service, directory.handlers));
    return new Scene(await server.listen("tcp://127.0.0.1:0"));
  }

  async serve(handlers: Handlers = {}, options: ServerOptions<unknown> = {}): Promise<Instance> {
    const calls: string[] = [];
    const server = kept(new Server(options as ServerOptions));
    server.export(StoreV1, {
      async read(key) {
        calls.push(key);
        return (await handlers.read?.(key)) ?? calls.length;
      },
      async write(key) {
        calls.push(key);
        return (await handlers.write?.(key)) ?? true;
      },
      log: (line) => void calls.push(line),
    });
    const address = await server.listen("tcp://127.0.0.1:0");
    await this.#directory.register({ name: "store", version: 1, address, lease: 60_000, interface: "" });
    return { server, calls, address };
  }

  get binder(): string {
    return this.#binder;
  }
}

/** A promise, and what settles it. */
function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

const all = (instances: readonly Instance[]): number[] => instances.map(({ calls }) => calls.length);

describe("calls to a name that several serve", () => {
  it("go to one of them, as long as it lives", async () => {
    const scene = await Scene.open();
    const instances = [await scene.serve(), await scene.serve(), await scene.serve()];
    await using store = await connect(StoreV1, "name:store", { resolver: scene.resolver });
    for (let i = 0; i < 6; i++) await store.read("a");
    expect(all(instances).sort()).toEqual([0, 0, 6]);
    expect(instances.find(({ calls }) => calls.length > 0)?.address).toBe(store.$address);
  });

  it("go to each in turn, round robin", async () => {
    const scene = await Scene.open();
    const instances = [await scene.serve(), await scene.serve(), await scene.serve()];
    await using store = await connect(StoreV1, "name:store", { resolver: scene.resolver, balance: "round-robin" });
    for (let i = 0; i < 9; i++) await store.write("a", 1);
    expect(all(instances)).toEqual([3, 3, 3]);
    expect(store.$stats()).toMatchObject({ calls: 9, connects: 3 });
  });

  it("go to the one that has fewest to answer", async () => {
    const scene = await Scene.open();
    const { passed, open: answer } = gate();
    const slow = await scene.serve({ read: () => passed.then(() => 1) });
    const quick = await scene.serve();
    await using store = await connect(StoreV1, "name:store", { resolver: scene.resolver, balance: "least-pending" });
    const stuck: Promise<number>[] = [];
    while (slow.calls.length === 0) {
      stuck.push(store.read("first"));
      await vi.waitFor(() => expect(slow.calls.length + quick.calls.length).toBe(stuck.length), { timeout: 15_000 });
    }
    for (let i = 0; i < 8; i++) await store.read("a");
    expect(slow.calls).toEqual(["first"]);
    answer();
    await Promise.all(stuck);
  });

  it("find a server that comes later", async () => {
    const scene = await Scene.open();
    await scene.serve();
    await using store = await connect(StoreV1, "name:store", { resolver: scene.resolver, balance: "round-robin" });
    await store.read("a");
    const second = await scene.serve();
    await vi.waitFor(
      async () => {
        await store.read("a");
        expect(second.calls.length).toBeGreaterThan(0);
      },
      { timeout: 15_000 },
    );
  });

  it.each([
    ["an address", "tcp://127.0.0.1:9", { balance: "round-robin" }, /is one server; a name has several/],
    ["an order", "name:store", { balance: "round-robin", order: "fifo" }, /order "fifo" needs one server/],
    ["another word", "name:store", { balance: "random" }, /must be "round-robin" or "least-pending", not "random"/],
  ])("cannot be spread with %s", async (_what, address, options, message) => {
    const refused = connect(StoreV1, address, options as never);
    await expect(refused).rejects.toMatchObject({ code: "invalid-argument", message: expect.stringMatching(message) });
  });
});

describe.each([
  ["that has one of them", {}],
  ["that spreads its calls", { balance: "round-robin" }],
] as const)("when a server is lost, of a client %s", (_how, options) => {
  const connected = async (scene: Scene) => kept(await connectTo(scene));
  const connectTo = async ({ resolver }: Scene) => {
    const client = await connect(StoreV1, "name:store", { resolver, ...options });
    return Object.assign(client, { [Symbol.asyncDispose]: () => client.$close() });
  };
  /** Whoever got the call that is under way, and the other one. */
  const parted = (instances: readonly Instance[], key: string) => ({
    lost: instances.find(({ calls }) => calls.includes(key)) as Instance,
    other: instances.find(({ calls }) => !calls.includes(key)) as Instance,
  });
  const underWay = (instances: readonly Instance[], key: string) =>
    vi.waitFor(() => expect(instances.some(({ calls }) => calls.includes(key))).toBe(true), { timeout: 15_000 });

  it("a call that may run twice is made again at another", async () => {
    const scene = await Scene.open();
    let first = true;
    const read = async (): Promise<number> => {
      if (!first) return 77;
      first = false;
      return await new Promise<never>(() => {});
    };
    const instances = [await scene.serve({ read }), await scene.serve({ read })];
    const store = await connected(scene);
    const call = store.read("a");
    await underWay(instances, "a");
    const { lost, other } = parted(instances, "a");
    await lost.server.close({ drainMs: 0 });
    expect(await call).toBe(77);
    expect(other.calls).toEqual(["a"]);
  });

  it("a call that may have run is not made again, and says that nobody knows", async () => {
    const scene = await Scene.open();
    const write = (key: string): Promise<boolean> =>
      key === "a" ? new Promise<never>(() => {}) : Promise.resolve(true);
    const instances = [await scene.serve({ write }), await scene.serve({ write })];
    const store = await connected(scene);
    const call = store.write("a", 1, { timeoutMs: 10_000 }).catch((error: unknown) => error);
    await underWay(instances, "a");
    const { lost, other } = parted(instances, "a");
    await lost.server.close({ drainMs: 0 });
    expect(await call).toMatchObject({ code: "unavailable", executed: "unknown" });
    expect(other.calls).toEqual([]);
    expect(await store.write("b", 1)).toBe(true);
    expect(other.calls).toEqual(["b"]);
  });

  it("what became of a call is read in the store of replies that the servers share", async () => {
    const folder = mkdtempSync(join(tmpdir(), "farcall-balance-"));
    kept({ [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }) });
    const scene = await Scene.open();
    const { passed, open: answer } = gate();
    const instances: Instance[] = [];
    for (const owner of ["one", "two"]) {
      const store = await openSqliteReplyStore({ path: join(folder, "replies.db") });
      kept({ [Symbol.asyncDispose]: () => Promise.resolve(store.close()) });
      const write = (key: string): Promise<boolean> => (key === "a" ? passed.then(() => false) : Promise.resolve(true));
      instances.push(await scene.serve({ write }, { replyCache: { store, owner } }));
    }
    const store = await connected(scene);
    expect(await store.$guarantee()).toMatchObject({ shared: true });
    const call = store.write("a", 1);
    await underWay(instances, "a");
    const { lost, other } = parted(instances, "a");
    await lost.server.close({ drainMs: 0 });
    answer();
    expect(await call).toBe(false);
    expect(other.calls).toEqual([]);
  });

  it("calls that were not sent to it go to another", async () => {
    const scene = await Scene.open();
    const instances = [await scene.serve(), await scene.serve()];
    const store = await connected(scene);
    await store.write("a", 1);
    const { lost, other } = parted(instances, "a");
    await lost.server.close({ drainMs: 0 });
    // Which the client has to notice first: what it writes into a connection that is gone may have run.
    await store.read("c");
    for (let i = 0; i < 3; i++) expect(await store.write("b", 1)).toBe(true);
    expect(other.calls).toEqual(["c", "b", "b", "b"]);
  });
});
