import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CallContext,
  type Client,
  connect,
  MemoryNetwork,
  type Procedure,
  type RpcError,
  Server,
  type ServerOptions,
} from "farcall";
import { AuthStat, clientAuthSys, OncClient, type OncService, oncProgram } from "farcall/onc";
import { nothing, opaque, string, uint } from "farcall/xdr";
import { afterAll, describe, expect, it, vi } from "vitest";
import { later, until } from "../support/faults.js";

// A server from its first export to its last connection.

interface Counter {
  next: Procedure<[], number>;
  wait: Procedure<[], number>;
  fail: Procedure<[], void>;
  bytes: Procedure<[size: number], Uint8Array>;
  text: Procedure<[], string>;
}
const counter = (program: number, version: number, name = "COUNTER"): OncService<Counter> =>
  oncProgram<Counter>({
    name,
    program,
    version,
    procedures: {
      next: { number: 1, name: "NEXT", args: [], result: uint },
      wait: { number: 2, name: "WAIT", args: [], result: uint },
      fail: { number: 3, name: "FAIL", args: [], result: nothing },
      bytes: { number: 4, name: "BYTES", args: [uint], result: opaque() },
      text: { number: 5, name: "TEXT", args: [], result: string(4) },
    },
  });
const CounterV1 = counter(0x20000e1b, 1);

const folder = mkdtempSync(join(tmpdir(), "farcall-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

class CounterObject {
  count = 0;
  readonly contexts: CallContext[] = [];
  readonly ends: (() => void)[] = [];
  disposed = 0;
  readonly start: number;
  constructor(start = 0) {
    this.start = start;
  }
  next(): number {
    return this.start + ++this.count;
  }
  wait(context: CallContext): Promise<number> {
    this.contexts.push(context);
    return new Promise((resolve) => this.ends.push(() => resolve(this.next())));
  }
  fail(): void {
    throw new Error("the password is hunter2");
  }
  bytes(size: number): Uint8Array {
    return new Uint8Array(size);
  }
  text(): string {
    return "too long for it";
  }
  [Symbol.dispose](): void {
    this.disposed++;
  }
}

const failure = (call: Promise<unknown>): Promise<RpcError> =>
  call.then(
    (value) => Promise.reject(new Error(`it gave ${String(value)}`)),
    (error: RpcError) => error,
  );

/** A server on a network of its own, and a way to call it. */
function start(options: ServerOptions = {}): {
  readonly network: MemoryNetwork;
  readonly server: Server;
  readonly open: (address: string, service?: OncService<Counter>) => Promise<Client<Counter>>;
} {
  const network = new MemoryNetwork();
  const server = new Server({ network, ...options });
  return {
    network,
    server,
    open: (address, service = CounterV1) => connect(service, address, { network, session: "off" }),
  };
}

describe("a server of several programs and versions", () => {
  const services = [CounterV1, counter(0x20000e1b, 3), counter(0x20000e1c, 1, "OTHER")] as const;

  it("serves each of them at each of its addresses", async () => {
    const { network, server } = start();
    for (const [i, service] of services.entries()) server.export(service, new CounterObject(100 * i));
    const wanted = [
      "tcp://127.0.0.1:0",
      "udp://127.0.0.1:0",
      `unix:${join(folder, "a")}`,
      "memory://a",
      "memory+datagram://a",
      "tcp://[::1]:0",
    ];
    const addresses: string[] = [];
    for (const address of wanted) addresses.push(await server.listen(address));
    expect(server.addresses).toEqual(addresses);
    for (const [n, address] of addresses.entries()) {
      for (const [i, service] of services.entries()) {
        await using client = await connect(service, address, { network });
        expect(await client.next(), address).toBe(100 * i + n + 1);
      }
      await using client = await OncClient.open(address, { network });
      const target = { program: 0x20000e1b, version: 2, procedure: 1 };
      expect(await failure(client.call(target, nothing, undefined, uint))).toMatchObject({
        code: "unimplemented",
        status: { number: 9, low: 1, high: 3 },
      });
    }
    await server.close();
    for (const address of addresses) {
      await expect(
        connect(CounterV1, address, { network }).then((client) => client.next({ timeoutMs: 300 })),
        address,
      ).rejects.toMatchObject({ code: expect.stringMatching(/unavailable|deadline-exceeded/) as string });
    }
  });

  it("serves a program that is exported after it began to listen, when it listens again", async () => {
    const { server, open } = start();
    server.export(services[0], new CounterObject());
    await server.listen("memory://a");
    server.export(services[2], new CounterObject(50));
    await server.listen("memory://b");
    await using client = await open("memory://a", services[2]);
    expect(await client.next()).toBe(51);
    await server.close();
  });
});

describe("mistakes are told at once", () => {
  it.each<[string, (server: Server) => unknown, RegExp]>([
    [
      "a handler that is missing",
      (server) => server.export(CounterV1, { next: () => 1 } as never),
      /TypeError.*COUNTER: no handler for wait, fail, bytes, text/,
    ],
    [
      "a version that is exported twice",
      (server) => server.export(CounterV1, new CounterObject()).export(CounterV1, new CounterObject()),
      /RangeError.*exported already/,
    ],
    [
      "a factory without a lifetime",
      (server) => server.export(CounterV1, (() => new CounterObject()) as never),
      /TypeError.*per-session/,
    ],
    [
      "an object with another lifetime",
      (server) => server.export(CounterV1, new CounterObject() as never, { lifetime: "per-call" }),
      /TypeError.*function/,
    ],
    ["nothing exported", (server) => server.listen("memory://a"), /RpcError.*call export before listen/],
    [
      "an address without a port",
      (server) => server.export(CounterV1, new CounterObject()).listen("tcp://127.0.0.1"),
      /RpcError.*no port/,
    ],
    [
      "an address of no known form",
      (server) => server.export(CounterV1, new CounterObject()).listen("carrier-pigeon:7"),
      /RpcError.*Bad address/,
    ],
    [
      "an address of a protocol that no exported service has",
      (server) => server.export(CounterV1, new CounterObject()).listen("http://127.0.0.1:1"),
      /RpcError.*there are services of onc only/,
    ],
    [
      "a path that is no socket",
      (server) => {
        const path = join(folder, "file");
        writeFileSync(path, "kept");
        return server.export(CounterV1, new CounterObject()).listen(`unix:${path}`);
      },
      /RpcError.*cannot listen.*EADDRINUSE/,
    ],
    [
      "per-session objects on udp",
      (server) =>
        server.export(CounterV1, () => new CounterObject(), { lifetime: "per-session" }).listen("udp://127.0.0.1:0"),
      /RpcError.*no sessions/,
    ],
    [
      "per-session objects on memory datagrams",
      (server) =>
        server.export(CounterV1, () => new CounterObject(), { lifetime: "per-session" }).listen("memory+datagram://a"),
      /RpcError.*no sessions/,
    ],
  ])("%s", async (_what, mistake, expected) => {
    const { server } = start();
    const said = await (async () => mistake(server))().then(
      () => "nothing",
      (error: unknown) => String(error),
    );
    expect(said).toMatch(expected);
    await server.close();
  });

  it("an address in use", async () => {
    const { server } = start();
    const address = await server.export(CounterV1, new CounterObject()).listen("tcp://127.0.0.1:0");
    const path = await server.listen(`unix:${join(folder, "used")}`);
    for (const taken of [address, path]) {
      await expect(start().server.export(CounterV1, new CounterObject()).listen(taken)).rejects.toMatchObject({
        code: "unavailable",
        message: expect.stringContaining(taken) as string,
      });
    }
    // The first still serves.
    await using client = await connect(CounterV1, path);
    expect(await client.next()).toBe(1);
    await server.close();
  });
});

describe("an exported object lives", () => {
  it("as long as the server (persistent, the default), and serves all callers", async () => {
    const { server, open } = start();
    const object = new CounterObject();
    await server.export(CounterV1, object).listen("memory://a");
    for (let i = 1; i <= 3; i++) {
      await using client = await open("memory://a");
      expect(await client.next()).toBe(i);
    }
    await server.close();
    expect(object.disposed).toBe(0); // it is the user's
  });

  it("as long as the connection (per-session), and is disposed once", async () => {
    const { server, open } = start();
    const objects: CounterObject[] = [];
    const make = (): CounterObject => {
      const object = new CounterObject();
      objects.push(object);
      return object;
    };
    await server.export(CounterV1, make, { lifetime: "per-session" }).listen("memory://a");
    const [first, second] = [await open("memory://a"), await open("memory://a")];
    expect(objects).toHaveLength(0);
    expect([await first.next(), await first.next(), await second.next(), await first.next()]).toEqual([1, 2, 1, 3]);
    expect(objects.map(({ disposed }) => disposed)).toEqual([0, 0]);
    await first.$close();
    await until(() => objects[0]?.disposed === 1);
    expect(await second.next()).toBe(2);
    await server.close();
    await until(() => objects[1]?.disposed === 1);
    expect(objects.map(({ disposed }) => disposed)).toEqual([1, 1]);
    await second.$close();
  });

  it("no longer than its connection (per-session), though a call of it still runs: that one is told by its signal", async () => {
    const { server, open } = start();
    const objects: CounterObject[] = [];
    const make = (): CounterObject => {
      const object = new CounterObject();
      objects.push(object);
      return object;
    };
    await server.export(CounterV1, make, { lifetime: "per-session" }).listen("memory://a");
    const client = await open("memory://a");
    const call = failure(client.wait());
    await until(() => objects[0]?.ends.length === 1);
    await client.$close();
    expect(await call).toMatchObject({ code: "closed", executed: "unknown" });
    await until(() => objects[0]?.contexts[0]?.signal.aborted === true);
    objects[0]?.ends[0]?.();
    await until(() => objects[0]?.disposed === 1);
    await server.close();
    expect(objects[0]?.disposed).toBe(1);
  });

  it.each(["memory", "memory+datagram"] as const)(
    "as long as the call (per-call), and is disposed once, over %s",
    async (scheme) => {
      const { server, open } = start({ onError: () => {} });
      const objects: CounterObject[] = [];
      const make = (): CounterObject => {
        const object = new CounterObject();
        objects.push(object);
        return object;
      };
      await server.export(CounterV1, make, { lifetime: "per-call" }).listen(`${scheme}://a`);
      await using client = await open(`${scheme}://a`);
      expect([await client.next(), await client.next()]).toEqual([1, 1]);
      await failure(client.fail());
      expect(objects.map(({ disposed }) => disposed)).toEqual([1, 1, 1]);
      const call = client.wait();
      await until(() => objects[3]?.ends.length === 1);
      expect(objects[3]?.disposed).toBe(0);
      objects[3]?.ends[0]?.();
      await call;
      await until(() => objects[3]?.disposed === 1);
      await server.close();
      expect(objects.map(({ disposed }) => disposed)).toEqual([1, 1, 1, 1]);
    },
  );

  it("and may be disposed asynchronously; what its end throws is written, and costs nobody", async () => {
    const { server, open } = start();
    const written = vi.spyOn(console, "error").mockImplementation(() => {});
    let ended = 0;
    const make = (): Counter & object =>
      Object.assign(new CounterObject(), {
        [Symbol.dispose]: undefined,
        async [Symbol.asyncDispose]() {
          ended++;
          await later(1);
          throw new Error("cannot be closed");
        },
      }) as never;
    await server.export(CounterV1, make as never, { lifetime: "per-call" }).listen("memory://a");
    await using client = await open("memory://a");
    expect(await client.next()).toBe(1);
    await until(() => written.mock.calls.length === 1);
    expect(ended).toBe(1);
    written.mockRestore();
    await server.close();
  });

  it("and when its factory throws, the call fails as the handler's own error would", async () => {
    const errors: string[] = [];
    const { server, open } = start({
      onError: (error, { procedure }) => errors.push(`${procedure}: ${String(error)}`),
    });
    const make = (): CounterObject => {
      throw new Error("no more of them");
    };
    await server.export(CounterV1, make, { lifetime: "per-call" }).listen("memory://a");
    await using client = await open("memory://a");
    expect(await failure(client.next())).toMatchObject({ code: "server-error", executed: "unknown" });
    expect(errors).toEqual(["COUNTER.next: Error: no more of them"]);
    await server.close();
  });
});

describe("a server that closes", () => {
  it.each(["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "memory://a", "memory+datagram://a"])(
    "lets running calls finish: %s",
    async (where) => {
      const { server, open } = start();
      const object = new CounterObject();
      const address = await server.export(CounterV1, object).listen(where);
      await using client = await open(address);
      const call = client.wait();
      await until(() => object.ends.length === 1);
      const closing = server.close({ drainMs: 10_000 });
      await later(10);
      expect(object.contexts[0]?.signal.aborted).toBe(false);
      object.ends[0]?.();
      expect(await call).toBe(1);
      await closing;
    },
  );

  it("takes no more calls meanwhile", async () => {
    const { server, open } = start();
    const object = new CounterObject();
    await server.export(CounterV1, object).listen("memory://a");
    await using client = await open("memory://a");
    const call = client.wait();
    await until(() => object.ends.length === 1);
    const closing = server.close({ drainMs: 10_000 });
    const refused = failure(client.next());
    await expect(open("memory://a")).rejects.toMatchObject({ code: "unavailable", executed: "no" });
    await later(10);
    expect(object.count).toBe(0);
    object.ends[0]?.();
    expect(await call).toBe(1);
    expect(await refused).toMatchObject({ code: "unavailable" });
    await closing;
    expect(object.count).toBe(1);
  });

  it.each(["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "memory://a", "memory+datagram://a"])(
    "fires the signal of calls that outlast drainMs, and ends: %s",
    async (where) => {
      const { server, open } = start();
      const object = new CounterObject();
      const address = await server.export(CounterV1, object).listen(where);
      await using client = await open(address);
      const call = failure(client.wait({ timeoutMs: 700 }));
      await until(() => object.contexts.length === 1);
      const { signal } = object.contexts[0] as CallContext;
      let fired = 0;
      signal.addEventListener("abort", () => fired++);
      expect(signal.aborted).toBe(false);
      await server.close({ drainMs: 20 });
      expect([signal.aborted, fired]).toEqual([true, 1]);
      expect(await call).toMatchObject({ executed: "unknown" });
      // A handler that ends after all harms nobody.
      object.ends[0]?.();
      await later(5);
    },
  );

  it("has ended when it says so, and may be closed twice", async () => {
    const { server } = start();
    const address = await server.export(CounterV1, new CounterObject()).listen("tcp://127.0.0.1:0");
    await using client = await connect(CounterV1, address);
    expect(await client.next()).toBe(1);
    await server.close();
    await server.close();
    await expect(server.listen("memory://b")).rejects.toMatchObject({ code: "closed" });
    await expect(connect(CounterV1, address)).rejects.toMatchObject({ code: "unavailable", executed: "no" });
  });
});

describe("a caller that goes away", () => {
  it.each(["tcp://127.0.0.1:0", "memory://a"])("fires the signals of its calls: %s", async (where) => {
    const { server, open } = start();
    const object = new CounterObject();
    const address = await server.export(CounterV1, object).listen(where);
    const client = await open(address);
    const calls = [failure(client.wait()), failure(client.wait())];
    await until(() => object.contexts.length === 2);
    await client.$close();
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: "closed", executed: "unknown" });
    await until(() => object.contexts.every(({ signal }) => signal.aborted));
    await server.close({ drainMs: 0 });
  });
});

describe("a handler that fails", () => {
  it.each(["memory", "memory+datagram"] as const)(
    "tells the error hook, and not a word to the caller, over %s",
    async (scheme) => {
      const errors: { error: unknown; procedure: string; address: string }[] = [];
      const { server, open } = start({
        onError: (error, { procedure, caller }) => errors.push({ error, procedure, address: caller.address }),
      });
      await server.export(CounterV1, new CounterObject()).listen(`${scheme}://a`);
      await using client = await open(`${scheme}://a`);
      const error = await failure(client.fail());
      expect(error).toMatchObject({ code: "server-error", executed: "unknown", status: { number: 12 } });
      expect(JSON.stringify(error) + String(error)).not.toMatch(/hunter2/);
      expect(errors).toEqual([
        {
          error: new Error("the password is hunter2"),
          procedure: "COUNTER.fail",
          address: expect.stringMatching(/client-1/) as string,
        },
      ]);
      // A result that the contract does not allow is the handler's failure too, and says where.
      expect(await failure(client.text())).toMatchObject({ code: "server-error", executed: "unknown" });
      expect(errors[1]).toMatchObject({ procedure: "COUNTER.text", error: { name: "EncodeError" } });
      // The server goes on.
      expect(await client.next()).toBe(1);
      await server.close();
    },
  );

  it.each(["memory", "memory+datagram"] as const)(
    "says in a session that it ran, and not a word more, over %s",
    async (scheme) => {
      const errors: unknown[] = [];
      const { network, server } = start({ onError: (error) => errors.push(error) });
      await server.export(CounterV1, new CounterObject()).listen(`${scheme}://a`);
      await using client = await connect(CounterV1, `${scheme}://a`, { network, session: "require" });
      const error = await failure(client.fail());
      expect(error).toMatchObject({ code: "server-error", executed: "yes", attempts: 1 });
      expect(JSON.stringify(error) + String(error)).not.toMatch(/hunter2/);
      expect(await failure(client.text())).toMatchObject({ code: "server-error", executed: "yes" });
      expect(errors).toEqual([
        new Error("the password is hunter2"),
        expect.objectContaining({ name: "EncodeError" }) as unknown,
      ]);
      expect(await client.next()).toBe(1);
      await server.close();
    },
  );

  it("is written to stderr where there is no hook, and where the hook itself fails", async () => {
    const written = vi.spyOn(console, "error").mockImplementation(() => {});
    for (const options of [
      {},
      {
        onError() {
          throw new Error("the hook fails too");
        },
      },
    ]) {
      const { server, open } = start(options);
      await server.export(CounterV1, new CounterObject()).listen("memory://a");
      await using client = await open("memory://a");
      await failure(client.fail());
      expect(await client.next()).toBe(1);
      await server.close();
    }
    expect(written.mock.calls.map((args) => args.map(String).join(" "))).toEqual([
      "farcall: COUNTER.fail: Error: the password is hunter2",
      "farcall: onError of COUNTER.fail: Error: the hook fails too",
    ]);
    written.mockRestore();
  });

  it("by a result too large for a datagram gives SYSTEM_ERR, and the size to the hook", async () => {
    const errors: string[] = [];
    const { server, open } = start({ datagramSizeMax: 1_000, onError: (error) => errors.push(String(error)) });
    await server.export(CounterV1, new CounterObject()).listen("memory+datagram://a");
    await using client = await open("memory+datagram://a");
    // 24 bytes of header and 4 of length.
    expect(await client.bytes(972)).toHaveLength(972);
    expect(await failure(client.bytes(973))).toMatchObject({
      code: "server-error",
      executed: "unknown",
      status: { number: 12 },
    });
    expect(errors).toEqual([expect.stringMatching(/1000/)]);
    await server.close();
  });
});

describe("a call's context", () => {
  it("says who calls, from where, and what", async () => {
    const { network, server } = start();
    const object = new CounterObject();
    const address = await server.export(CounterV1, object).listen("tcp://127.0.0.1:0");
    await server.listen("memory+datagram://a");
    const auth = clientAuthSys({ uid: 7, gid: 8 });
    await using stream = await connect(CounterV1, address, { auth, session: "off" });
    await using datagrams = await connect(CounterV1, "memory+datagram://a", { network, session: "off" });
    const calls = [stream.wait(), stream.wait(), datagrams.wait()];
    await until(() => object.contexts.length === 3);
    const byFlavor = (flavor: string): CallContext[] =>
      object.contexts.filter(({ caller }) => caller.identity.flavor === flavor);
    const [first, second] = byFlavor("sys") as [CallContext, CallContext];
    const [third] = byFlavor("none") as [CallContext];
    expect(first).toMatchObject({ procedure: "wait", deadline: undefined });
    expect(first.caller).toMatchObject({ identity: { flavor: "sys", verified: false, uid: 7, gid: 8 } });
    expect(first.caller.address).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
    expect(first.session).toBeDefined();
    expect(second.session).toBe(first.session);
    expect(third.session).toBe(undefined);
    for (const end of object.ends) end();
    await Promise.all(calls);
    await server.close();
  });

  it("says in a session which one it is, whatever it comes over, and when its caller gives up", async () => {
    const { network, server } = start();
    const object = new CounterObject();
    await server.export(CounterV1, object).listen("memory://a");
    await server.listen("memory+datagram://a");
    const auth = clientAuthSys({ uid: 7, gid: 8 });
    await using stream = await connect(CounterV1, "memory://a", { network, auth, session: "require" });
    await using datagrams = await connect(CounterV1, "memory+datagram://a", { network, session: "require" });
    const calls = [stream.wait(), stream.wait(), datagrams.wait(), datagrams.wait()];
    await until(() => object.contexts.length === 4);
    const byFlavor = (flavor: string): CallContext[] =>
      object.contexts.filter(({ caller }) => caller.identity.flavor === flavor);
    const [first, second] = byFlavor("sys") as [CallContext, CallContext];
    const [third, fourth] = byFlavor("none") as [CallContext, CallContext];
    expect(first.caller).toMatchObject({ identity: { flavor: "sys", verified: false, uid: 7, gid: 8 } });
    expect(first.session).toBeDefined();
    expect(second.session).toBe(first.session);
    expect(third.session).toBeDefined();
    expect(third.session).not.toBe(first.session);
    expect(fourth.session).toBe(third.session);
    for (const { procedure, deadline } of object.contexts) {
      expect([procedure, typeof deadline]).toEqual(["wait", "number"]);
    }
    for (const end of object.ends) end();
    await Promise.all(calls);
    await server.close();
  });

  it("passes its end on to the calls that its handler makes", async () => {
    const { network, server, open } = start();
    const object = new CounterObject();
    const middle = counter(0x20000e1d, 1, "MIDDLE");
    const nested: RpcError[] = [];
    const inner = await connectLater(() => connect(CounterV1, "memory://a", { network }));
    server.export(CounterV1, object).export(middle, {
      ...plain(new CounterObject()),
      async wait(context) {
        const client = await inner();
        return await client.wait({ context }).catch((error: RpcError) => {
          nested.push(error);
          return 0;
        });
      },
    });
    await server.listen("memory://a");
    const client = await open("memory://a", middle);
    const call = failure(client.wait());
    await until(() => object.contexts.length === 1);
    await client.$close();
    await call;
    await until(() => nested.length === 1);
    expect(nested[0]).toMatchObject({ code: "cancelled", executed: "unknown" });
    await (await inner()).$close();
    await server.close({ drainMs: 0 });
  });

  it("lets a server refuse before the handler runs", async () => {
    const object = new CounterObject();
    const { server, open } = start({
      authorize: ({ procedure, caller }) =>
        procedure === "next" && caller.identity.flavor === "none" ? AuthStat.AUTH_TOOWEAK : undefined,
    });
    await server.export(CounterV1, object).listen("memory://a");
    await using client = await open("memory://a");
    expect(await failure(client.next())).toMatchObject({
      code: "denied",
      executed: "no",
      status: { number: 7, why: { number: 5, text: "AUTH_TOOWEAK" } },
    });
    expect(object.count).toBe(0);
    await client.$ping();
    await server.close();
  });
});

describe("procedure 0", () => {
  interface WithNull {
    nothingAtAll: import("farcall/onc").NullProcedure;
    one: Procedure<[], number>;
  }
  const WithNullV1: OncService<WithNull> = oncProgram<WithNull>({
    name: "WITH_NULL",
    program: 0x20000e1e,
    version: 1,
    procedures: {
      nothingAtAll: { number: 0, name: "NOTHING", args: [], result: nothing, semantics: "at-least-once" },
      one: { number: 1, name: "ONE", args: [], result: uint },
    },
  });

  it("needs no handler, and takes one that is there", async () => {
    let called = 0;
    for (const handlers of [{ one: () => 1 }, { one: () => 1, nothingAtAll: () => void called++ }]) {
      const { network, server } = start();
      await server.export(WithNullV1, handlers).listen("memory://a");
      await using client = await connect(WithNullV1, "memory://a", { network });
      await client.nothingAtAll();
      await client.$ping();
      await server.close();
    }
    expect(called).toBe(2);
  });

  it("of a contract that does not name it is answered", async () => {
    const { server, open } = start();
    await server.export(CounterV1, new CounterObject()).listen("memory://a");
    await using client = await open("memory://a");
    await client.$ping();
    await server.close();
  });
});

/** An object's own and inherited handlers as one plain object. */
function plain(object: CounterObject): Pick<CounterObject, "next" | "wait" | "fail" | "bytes" | "text"> {
  return {
    next: () => object.next(),
    wait: (context) => object.wait(context),
    fail: () => object.fail(),
    bytes: (size) => object.bytes(size),
    text: () => object.text(),
  };
}

/** Connects at the first use, once. */
async function connectLater<T>(open: () => Promise<T>): Promise<() => Promise<T>> {
  let client: Promise<T> | undefined;
  await Promise.resolve();
  return () => {
    client ??= open();
    return client;
  };
}
