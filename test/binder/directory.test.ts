// The directory as its callers see it: who may register what, how much, and how long.
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { FarcallDirectoryV1, RegisterStatus } from "../../src/binder/directory/directory.js";
import { directoryLimitDefaults } from "../../src/binder/directory/limits.js";
import { isName } from "../../src/binder/directory/names.js";
import { type Client, connect, Directory, type DirectoryOptions, MemoryNetwork, Server } from "../../src/index.js";
import { memoryDirectoryStore } from "../../src/store/index.js";
import { encode } from "../../src/xdr/index.js";

const open: AsyncDisposable[] = [];
const kept = <T extends AsyncDisposable>(resource: T): T => {
  open.unshift(resource);
  return resource;
};
afterEach(async () => {
  for (const resource of open.splice(0)) await resource[Symbol.asyncDispose]();
});

type Asked = Client<FarcallDirectoryV1>;

async function serve(
  options: DirectoryOptions = {},
): Promise<{ directory: Directory; ask: Asked; another: () => Promise<Asked> }> {
  const network = new MemoryNetwork();
  const directory = kept(new Directory(options));
  const server = kept(new Server({ network }).export(directory.service, directory.handlers));
  await server.listen("memory://directory");
  const another = async (): Promise<Asked> => {
    const client = await connect(FarcallDirectoryV1, "memory://directory", { network });
    kept({ [Symbol.asyncDispose]: () => client.$close() });
    return client;
  };
  return { directory, ask: await another(), another };
}

const args = (more: object = {}) => ({
  ...{ name: "calc", version: 1, address: "tcp://127.0.0.1:1001", lease: 60_000, interface: "" },
  ...more,
});

/** Somebody who calls from there. */
const from = (address: string, more: object = {}) =>
  ({
    caller: { address, identity: { flavor: "none", verified: false }, ...more },
    signal: new AbortController().signal,
  }) as never;

describe("a directory", () => {
  it("registers, finds, tells the interface, renews and forgets", async () => {
    const { ask } = await serve();
    const result = await ask.register(args({ interface: "/* calc */" }));
    if (result.status !== RegisterStatus.REGISTER_OK) throw new Error(result.reason);
    const { id, lease } = result.granted;
    expect(lease).toBe(60_000);
    const found = await ask.portLookUp({ name: "calc", version: 1 });
    expect(found.instances).toEqual([{ address: "tcp://127.0.0.1:1001", priority: 0, weight: 1 }]);
    expect(await ask.portLookUp({ name: "calc", version: 2 })).toMatchObject({ instances: [], versions: [1] });
    expect(await ask.getInterface({ name: "calc", version: 1 })).toEqual({ known: true, text: "/* calc */" });
    expect(await ask.getInterface({ name: "calc", version: 2 })).toEqual({ known: false });
    expect([await ask.renew(id), await ask.renew(new Uint8Array(16))]).toEqual([true, false]);
    expect([await ask.withdraw(id), await ask.withdraw(id)]).toEqual([true, false]);
    expect((await ask.portLookUp({ name: "calc", version: 1 })).instances).toEqual([]);
  });

  it("lists everything, some at a time, and the entries of one name", async () => {
    const { ask } = await serve();
    for (let i = 0; i < 600; i++) await ask.register(args({ name: `n${i}` }));
    let after = "";
    const names = new Set<string>();
    for (;;) {
      const { entries, more } = await ask.list({ name: "", after });
      expect(entries.length).toBeLessThanOrEqual(256);
      for (const { name, key } of entries) {
        names.add(name);
        expect(key > after).toBe(true);
        after = key;
      }
      if (!more) break;
    }
    expect(names.size).toBe(600);
    expect((await ask.list({ name: "n7", after: "" })).entries).toMatchObject([{ name: "n7", lease: 60_000 }]);
  });

  it("answers who watches once something has changed, and the others not", async () => {
    const { ask, directory } = await serve();
    const { revision } = await ask.list({ name: "", after: "" });
    expect(await ask.watch({ name: "", revision: revision - 1n, wait: 60_000 })).toBe(revision);
    expect(await ask.watch({ name: "", revision, wait: 0 })).toBe(revision);
    const [all, calc, other] = ["", "calc", "other"].map((name) => {
      const watched = { done: false, answer: ask.watch({ name, revision, wait: 60_000 }) };
      void watched.answer.then(() => Object.assign(watched, { done: true }));
      return watched;
    });
    await ask.register(args());
    expect(await all?.answer).toBeGreaterThan(revision);
    expect(await calc?.answer).toBeGreaterThan(revision);
    expect(other?.done).toBe(false);
    await directory.close();
    expect(await other?.answer).toBeGreaterThan(revision);
  });

  it("says that it may not know all when it has just started", async () => {
    const { ask } = await serve();
    expect(await ask.portLookUp({ name: "calc", version: 1 })).toMatchObject({ complete: false });
    const now = vi.spyOn(performance, "now");
    now.mockReturnValue(performance.now() + 10_001);
    try {
      expect(await ask.portLookUp({ name: "calc", version: 1 })).toMatchObject({ complete: true });
    } finally {
      now.mockRestore();
    }
  });
});

describe("who may register", () => {
  it("is who is on this machine", async () => {
    const { register, renew, withdraw } = kept(new Directory()).handlers;
    for (const here of ["tcp://127.0.0.1:5", "tcp://127.9.9.9:5", "udp://[::1]:5", "unix:", "memory://x"]) {
      expect(await register(args({ name: here.replace(/\W+/g, "-") }), from(here))).toMatchObject({ status: 0 });
    }
    for (const there of ["tcp://192.0.2.7:5", "tcp://[2001:db8::7]:5", "udp://192.0.2.7:5", "tls://192.0.2.7:5"]) {
      const result = await register(args(), from(there));
      expect(result).toMatchObject({ status: RegisterStatus.REGISTER_DENIED, reason: expect.stringContaining(there) });
    }
    const result = await register(args(), from("unix:"));
    const { id } = (result as { granted: { id: Uint8Array } }).granted;
    expect([await renew(id, from("tcp://192.0.2.7:5")), await withdraw(id, from("tcp://192.0.2.7:5"))]).toEqual([
      false,
      false,
    ]);
    expect(await renew(id, from("unix:"))).toBe(true);
  });

  it("is whom the option lets", async () => {
    const directory = kept(new Directory({ mayRegister: ({ address }) => address.startsWith("tls:") }));
    expect(await directory.handlers.register(args(), from("unix:"))).toMatchObject({ status: 1 });
    expect(await directory.handlers.register(args(), from("tls://192.0.2.7:5"))).toMatchObject({ status: 0 });
  });

  it("replaces what is his own, and nothing else", async () => {
    const { register } = kept(new Directory()).handlers;
    const [alice, bob] = [from("unix:", { uid: 1_000 }), from("unix:", { uid: 1_001 })];
    expect(await register(args(), alice)).toMatchObject({ status: 0 });
    expect(await register(args(), alice)).toMatchObject({ status: 0 });
    expect(await register(args(), bob)).toMatchObject({ status: 2, reason: expect.stringContaining("uid 1000") });
    expect(await register(args({ address: "tcp://127.0.0.1:1002" }), bob)).toMatchObject({ status: 0 });
    const proved = from("tls://192.0.2.7:5", { identity: { flavor: "tls", verified: true, principal: "host" } });
    const { register: anyone } = kept(new Directory({ mayRegister: () => true })).handlers;
    expect(await anyone(args(), proved)).toMatchObject({ status: 0 });
    expect(await anyone(args(), from("tls://192.0.2.7:6"))).toMatchObject({
      reason: expect.stringContaining("is registered by tls:host"),
    });
  });

  it("over UDP gets answers on this machine only", async () => {
    const { portLookUp, list, watch, getInterface } = kept(new Directory()).handlers;
    const stranger = from("udp://192.0.2.7:5");
    for (const asked of [
      async () => portLookUp({ name: "calc", version: 1 }, stranger),
      async () => list({ name: "", after: "" }, stranger),
      async () => watch({ name: "", revision: 0n, wait: 1 }, stranger),
      async () => getInterface({ name: "calc", version: 1 }, stranger),
    ]) {
      await expect(asked()).rejects.toMatchObject({ code: "denied" });
    }
    expect(await portLookUp({ name: "calc", version: 1 }, from("tcp://192.0.2.7:5"))).toMatchObject({ instances: [] });
    expect(await portLookUp({ name: "calc", version: 1 }, from("udp://127.0.0.1:5"))).toMatchObject({ instances: [] });
  });
});

describe("a registration is refused", () => {
  it.each([
    ["an empty name", { name: "" }],
    ["a name with a space", { name: "a b" }],
    ["a name that begins with a sign", { name: "/etc" }],
    ["a name with a command for a terminal", { name: "a\u001b[31m" }],
    ["an address of no kind", { address: "calc" }],
    ["an address without a port", { address: "tcp://127.0.0.1" }],
    ["port 0", { address: "tcp://127.0.0.1:0" }],
    ["an address that is a name", { address: "name:calc" }],
    ["an address with a line break", { address: "unix:/run/a\nb" }],
  ])("for %s", async (_what, more) => {
    const { ask } = await serve();
    expect(await ask.register(args(more))).toMatchObject({ status: RegisterStatus.REGISTER_INVALID });
  });

  it("while the store cannot keep it, with the reason", async () => {
    const store = memoryDirectoryStore();
    const { ask } = await serve({ store: { ...store, put: () => Promise.reject(new Error("the disk is full")) } });
    expect(await ask.register(args())).toMatchObject({
      status: RegisterStatus.REGISTER_UNAVAILABLE,
      reason: expect.stringContaining("the disk is full"),
    });
  });

  it.each([
    ["registrationsMax", { registrationsMax: 3 }],
    ["registrationsPerOwnerMax", { registrationsPerOwnerMax: 3 }],
    ["registrationBytesMax", { registrationBytesMax: 4_000 }],
  ])("over %s, also when many come at once; whoever is there stays", async (name, options) => {
    const { ask } = await serve(options);
    const results = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((port) => ask.register(args({ address: `tcp://127.0.0.1:${port}` }))),
    );
    expect(results.filter(({ status }) => status === RegisterStatus.REGISTER_OK)).toHaveLength(3);
    for (const result of results.slice(3)) {
      expect(result).toMatchObject({ status: RegisterStatus.REGISTER_FULL, reason: expect.stringContaining(name) });
    }
    // One that replaces another takes no room, and one that goes gives its room back.
    const again = await ask.register(args({ address: "tcp://127.0.0.1:1" }));
    expect(again.status).toBe(RegisterStatus.REGISTER_OK);
    if ("granted" in again) await ask.withdraw(again.granted.id);
    expect(await ask.register(args({ address: "tcp://127.0.0.1:7" }))).toMatchObject({ status: 0 });
    expect((await ask.portLookUp({ name: "calc", version: 1 })).instances).toHaveLength(3);
  });

  it("over registrationsPerOwnerMax for that owner alone", async () => {
    const { register } = kept(new Directory({ registrationsPerOwnerMax: 1 })).handlers;
    const [alice, bob] = [from("unix:", { uid: 1_000 }), from("unix:", { uid: 1_001 })];
    expect(await register(args(), alice)).toMatchObject({ status: 0 });
    expect(await register(args({ version: 2 }), alice)).toMatchObject({ status: RegisterStatus.REGISTER_FULL });
    expect(await register(args({ version: 2 }), bob)).toMatchObject({ status: 0 });
  });

  it("over nameSizeMax and interfaceSizeMax", async () => {
    const { ask } = await serve({ nameSizeMax: 6, interfaceSizeMax: 10 });
    // In bytes of UTF-8.
    expect(await ask.register(args({ name: "éé6" }))).toMatchObject({ status: 0 });
    expect(await ask.register(args({ name: "ééé7" }))).toMatchObject({
      reason: expect.stringContaining("nameSizeMax"),
    });
    expect(await ask.register(args({ interface: "0123456789" }))).toMatchObject({ status: 0 });
    expect(await ask.register(args({ interface: "0123456789a" }))).toMatchObject({
      reason: expect.stringContaining("interfaceSizeMax"),
    });
  });

  it.each([
    [0, 10_000],
    [1, 1_000],
    [4_000, 4_000],
    [9_000, 5_000],
  ])(
    "never for its lease: who asks for %i ms gets %i, with leaseMsMax 5,000 where more is asked for",
    async (lease, granted) => {
      const { ask } = await serve(lease === 0 ? {} : { leaseMsMax: 5_000 });
      expect(await ask.register(args({ lease }))).toMatchObject({ granted: { lease: granted } });
    },
  );
});

describe("a directory's limits", () => {
  it("watchersMax: one more has the first answered", async () => {
    const { ask } = await serve({ watchersMax: 2 });
    const { revision } = await ask.list({ name: "", after: "" });
    const done: number[] = [];
    for (const number of [1, 2, 3]) {
      void ask.watch({ name: "", revision, wait: 60_000 }).then(
        () => done.push(number),
        () => {},
      );
      await ask.$ping();
    }
    await vi.waitFor(() => expect(done).toEqual([1]), { timeout: 15_000 });
  });

  it.each(Object.keys(directoryLimitDefaults))("%s must be a number of at least 1", (name) => {
    expect(() => new Directory({ [name]: 0 })).toThrow(new RegExp(`${name} must be a number of at least 1, not 0`));
    expect(() => new Directory({ [name]: "many" })).toThrow(RangeError);
  });

  it("hold whatever is said: nothing is kept but registrations, and everything is answered", async () => {
    const text = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 300 }),
      fc.constantFrom("calc", "a", "tcp://127.0.0.1:1"),
    );
    const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
    const word = fc.oneof(fc.nat(3), fc.nat(0xffff_ffff));
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("register" as const),
        args: fc.record({ name: text, version: word, address: text, lease: word, interface: text }),
      }),
      fc.record({ kind: fc.constantFrom("renew" as const, "withdraw" as const), args: id }),
      fc.record({
        kind: fc.constantFrom("portLookUp" as const, "getInterface" as const),
        args: fc.record({ name: text, version: word }),
      }),
      fc.record({ kind: fc.constant("list" as const), args: fc.record({ name: text, after: text }) }),
      fc.record({
        kind: fc.constant("watch" as const),
        args: fc.record({ name: text, revision: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), wait: fc.constant(1) }),
      }),
    );
    const limits = { registrationsMax: 4, registrationBytesMax: 8_192, nameSizeMax: 40, interfaceSizeMax: 200 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const store = memoryDirectoryStore();
        const directory = new Directory({ ...limits, store });
        const handlers = directory.handlers as unknown as Record<
          string,
          (args: unknown, context: never) => Promise<unknown>
        >;
        for (const { kind, args: given } of steps) {
          const answer = await handlers[kind]?.(given, from("unix:"));
          const procedure = FarcallDirectoryV1.procedures[kind];
          expect(encode(procedure.result as never, answer as never).length).toBeGreaterThan(0);
        }
        const { entries, bytes } = await store.usage("unix");
        expect(entries).toBeLessThanOrEqual(4);
        expect(bytes).toBeLessThanOrEqual(8_192);
        await directory.close();
      }),
      { numRuns: 200 },
    );
  });
});

describe("a name", () => {
  it.each([["calc"], ["calc.add"], ["office/store-2"], ["Zoë"], ["計算"], ["9_lives"]])("can be %s", (name) => {
    expect(isName(name)).toBe(true);
  });
  it.each([[""], ["-a"], [".a"], ["a b"], ["a:b"], ["a\0"], ["a\n"], ["a\u202eb"], ["*"], ["x".repeat(256)]])(
    "cannot be %j",
    (name) => {
      expect(isName(name)).toBe(false);
    },
  );
});
