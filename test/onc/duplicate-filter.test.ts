import { beforeEach, describe, expect, it } from "vitest";
import type { Claim, ReplyStore } from "../../src/call/reply-cache.js";
import { argsCodec } from "../../src/onc/args.js";
import { serverAuthNone } from "../../src/onc/auth/none.js";
import { serverAuthSys } from "../../src/onc/auth/sys.js";
import {
  DatagramServer,
  type ServedProcedure,
  type ServerCall,
  ServerEngine,
  type ServerHost,
  StreamServerLink,
} from "../../src/onc/engine/index.js";
import { ReplyCache, type ReplyCacheOptions } from "../../src/onc/reply-cache.js";
import { MemoryReplyStore } from "../../src/store/index.js";
import { opaque, uint } from "../../src/xdr/index.js";
import { callMessage, fragment, opaqueHex, type RawCall, toHex, words } from "../support/raw-messages.js";

const program = 0x2000_0102;
const procedures: readonly ServedProcedure[] = [
  { number: 0, name: "NULL", args: argsCodec([]), result: { encode() {}, decode() {}, shape: { kind: "void" } } },
  { number: 1, name: "add", args: argsCodec([uint]), result: uint },
  { number: 2, name: "read", args: argsCodec([uint]), result: uint, semantics: "at-least-once" },
  { number: 3, name: "log", args: argsCodec([uint]), result: uint, semantics: "maybe" },
  { number: 4, name: "take", args: argsCodec([opaque()]), result: opaque() },
  { number: 5, name: "pay", args: argsCodec([uint]), result: uint, semantics: "exactly-once" },
];

const call = (more: Partial<RawCall> = {}): Uint8Array =>
  callMessage({ program, version: 1, procedure: 1, args: words(21), ...more });
const accepted = (...rest: number[]): string => words(7, 1, 0, 0, 0, ...rest);
const systemErr = accepted(5);

/** A server whose handlers a test ends by hand, over datagrams and streams, with a virtual clock. */
function serve(options: ReplyCacheOptions = {}) {
  const clock = { now: 0 };
  const store = options.store ?? new MemoryReplyStore({ ...options, now: () => clock.now });
  const cache = new ReplyCache({ ...options, store });
  const running: ServerCall[] = [];
  const reports: unknown[] = [];
  const ended: ServerCall[] = [];
  const host: { -readonly [K in keyof ServerHost]: ServerHost[K] } = {
    dispatch: (each) => void running.push(each),
    report: (error) => void reports.push(error),
    answered: (each) => void ended.push(each),
    newAborter: () => new AbortController(),
    now: () => performance.now(),
    watch: () => {},
    unwatch: () => {},
  };
  const engine = new ServerEngine(host, [serverAuthNone, ...serverAuthSys()], cache.filter);
  host.replies = cache.requests(engine, (each) => void ended.push(each));
  engine.serve({ name: "T", program, version: 1, procedures: new Map(procedures.map((each) => [each.number, each])) });
  const datagrams = new DatagramServer(engine, {});
  let runs = 0;
  const sent: string[] = [];
  const server = {
    engine,
    clock,
    reports,
    ended,
    sent,
    /** How often a handler was started. */
    get runs(): number {
      return runs + running.length;
    },
    /** Gives the server a datagram. */
    hear(message: Uint8Array, from = "udp://10.0.0.1:700"): void {
      datagrams.receive(message, from, (bytes) => sent.push(toHex(bytes)));
    },
    link(peer = "tcp://10.0.0.1:700"): StreamServerLink {
      const link = new StreamServerLink(engine, peer, {});
      link.filtered = engine.filter?.streams === true;
      return link;
    },
    hearOn(link: StreamServerLink, message: Uint8Array): void {
      link.push(fragment(message, true));
      link.pump();
    },
    /** Ends the handler that was started first, with twice its argument or what is given. */
    finish(value?: unknown): void {
      const first = running.shift() as ServerCall;
      runs++;
      if (value instanceof Error) engine.fail(first, value);
      else engine.succeed(first, value ?? (first.args[0] as number) * 2);
    },
    /** What was sent since it was last asked. */
    take: (): string[] => sent.splice(0),
    on: (link: StreamServerLink): string => toHex(link.replies.take()?.bytes ?? new Uint8Array()),
  };
  return server;
}

describe("a datagram that comes again", () => {
  it("while its call runs is dropped: the handler runs once, one reply leaves", () => {
    const server = serve();
    for (let i = 0; i < 5; i++) server.hear(call());
    expect(server.runs).toBe(1);
    expect(server.engine.running).toBe(1);
    server.finish();
    expect(server.take()).toEqual([accepted(0, 42)]);
    expect(server.engine).toMatchObject({ running: 0, runningBytes: 0 });
    expect(server.engine.filter?.counts).toEqual({ resent: 0, joined: 4, refused: 0 });
  });

  it("after its reply gets the same reply, byte for byte", () => {
    const server = serve();
    server.hear(call());
    server.finish();
    const [first] = server.take();
    server.hear(call());
    server.hear(call());
    expect(server.take()).toEqual([first, first]);
    expect(server.runs).toBe(1);
    expect(server.engine.running).toBe(0);
  });

  it.each([
    ["a handler that failed", new Error("no")],
    ["a result that cannot be encoded", -1],
    ["a result too large for a datagram", new Uint8Array(70_000)],
  ])("after %s gets SYSTEM_ERR again, and runs nothing", (_what, value) => {
    const server = serve();
    const message = value instanceof Uint8Array ? call({ procedure: 4, args: opaqueHex(new Uint8Array(4)) }) : call();
    server.hear(message);
    server.finish(value);
    server.hear(message);
    expect(server.take()).toEqual([systemErr, systemErr]);
    expect(server.runs).toBe(1);
    expect(server.reports).toHaveLength(1);
  });

  it("whose reply was too large to keep gets SYSTEM_ERR, and runs nothing", () => {
    const server = serve({ replySizeMax: 20 });
    const message = call({ procedure: 4, args: opaqueHex(new Uint8Array(4)) });
    server.hear(message);
    server.finish(new Uint8Array(64));
    expect(server.take()).toHaveLength(1);
    server.hear(message);
    expect(server.take()).toEqual([systemErr]);
    expect(server.runs).toBe(1);
  });

  it("after the window is a new call", () => {
    const server = serve({ replyWindowMs: 120_000 });
    server.hear(call());
    server.finish();
    server.clock.now += 119_999;
    server.hear(call());
    expect(server.runs).toBe(1);
    server.clock.now += 1;
    server.hear(call());
    expect(server.runs).toBe(2);
  });

  it("is dropped, not answered, when its contract lets it be lost or repeated: it runs again", () => {
    const server = serve();
    for (const procedure of [2, 3]) {
      server.hear(call({ procedure }));
      server.hear(call({ procedure }));
    }
    expect(server.runs).toBe(4);
    server.hear(call({ procedure: 0, args: "" }));
    server.hear(call({ procedure: 0, args: "" }));
    expect(server.runs).toBe(6);
  });

  it("runs again where no replies are kept", () => {
    const server = serve({ datagrams: false });
    server.hear(call());
    server.hear(call());
    expect(server.runs).toBe(2);
  });

  it("is refused again when it was refused: nothing of it is kept", () => {
    const server = serve();
    for (let i = 0; i < 2; i++) server.hear(call({ procedure: 99 }));
    for (let i = 0; i < 2; i++) server.hear(call({ args: "" }));
    expect(server.take()).toEqual([accepted(3), accepted(3), accepted(4), accepted(4)]);
    expect(server.runs).toBe(0);
  });
});

const sys = (uid: number): string => words(1, 20, 0, 0, uid, uid, 0);

/** What tells two calls apart, each as the second call; the first is the plain one. */
const others: [what: string, message: Partial<RawCall>, from: string | undefined][] = [
  ["another xid", { xid: 8 }, undefined],
  ["other arguments", { args: words(22) }, undefined],
  ["another procedure", { procedure: 5 }, undefined],
  ["another credential", { credential: sys(1000) }, undefined],
  ["another port", {}, "udp://10.0.0.1:701"],
  ["another address", {}, "udp://10.0.0.2:700"],
  ["a transport of another kind", {}, "tcp://10.0.0.1:700"],
];

describe("a reply", () => {
  it.each(others)("never goes to a call with %s", (_what, message, from) => {
    const server = serve();
    server.hear(call());
    server.hear(call(message), from);
    expect(server.runs).toBe(2);
    server.finish(1);
    server.finish(2);
    const [one, two] = server.take();
    expect([one?.slice(-8), two?.slice(-8)]).toEqual([words(1), words(2)]);
    server.hear(call(message), from);
    server.hear(call());
    expect(server.take()).toEqual([two, one]);
  });

  it("never goes to another user behind the same port", () => {
    const server = serve();
    server.hear(call({ credential: sys(1000) }));
    server.finish(1);
    server.hear(call({ credential: sys(1001) }));
    expect(server.runs).toBe(2);
  });

  it("that left protected never goes to the same address in clear text", () => {
    const server = serve({ streams: true });
    const secured = server.link();
    secured.tls = { protocol: "TLSv1.3", verified: true, fingerprint256: "AA:BB" };
    server.hearOn(secured, call());
    server.finish();
    server.hearOn(server.link(), call());
    expect(server.runs).toBe(2);
  });
});

describe("a cache that is full", () => {
  it("drops new calls over datagrams, whose callers ask again, and keeps its promises", () => {
    // What one address has counts twice.
    const server = serve({ replyEntriesMax: 4, replyWindowMs: 1_000 });
    server.hear(call({ xid: 1 }));
    server.hear(call({ xid: 2 }));
    server.finish();
    server.finish();
    const kept = server.take();
    server.hear(call({ xid: 3 }));
    expect(server.take()).toEqual([]);
    expect(server.runs).toBe(2);
    server.hear(call({ xid: 1 }));
    server.hear(call({ xid: 2 }));
    expect(server.take()).toEqual(kept);
    // What may run twice is served on.
    server.hear(call({ xid: 4, procedure: 2 }));
    expect(server.runs).toBe(3);
    server.clock.now += 1_000;
    server.hear(call({ xid: 3 }));
    expect(server.runs).toBe(4);
    expect(server.engine.filter?.counts.refused).toBe(1);
  });

  it("answers new calls on streams with SYSTEM_ERR, executed or not at all: not", () => {
    const server = serve({ streams: true, replyEntriesMax: 1 });
    const link = server.link();
    server.hearOn(link, call({ xid: 1 }));
    server.hearOn(link, call());
    expect(server.on(link)).toContain(systemErr);
    expect(server.runs).toBe(1);
    expect(link.running).toBe(1);
  });
});

describe("a call that is sent again over TCP, where streams are filtered", () => {
  it("on a new connection from the same port waits for the first one's reply", () => {
    const server = serve({ streams: true });
    const [old, next] = [server.link(), server.link()];
    server.hearOn(old, call());
    old.gone = true;
    server.hearOn(next, call());
    expect(server.runs).toBe(1);
    expect(next.running).toBe(1);
    server.finish();
    expect(server.on(old)).toBe("");
    expect(server.on(next)).toBe(`8000001c${accepted(0, 42)}`);
    expect(server.ended.map(({ link }) => link)).toEqual([next]);
    expect(server.engine).toMatchObject({ running: 0, runningBytes: 0 });
  });

  it("on the same connection too is answered with the first, once for each", () => {
    const server = serve({ streams: true });
    const link = server.link();
    for (let i = 0; i < 2; i++) server.hearOn(link, call());
    server.finish();
    const reply = `8000001c${accepted(0, 42)}`;
    expect(server.on(link)).toBe(reply + reply);
    server.hearOn(link, call());
    expect(server.on(link)).toBe(reply);
    expect(server.runs).toBe(1);
    expect(link.running).toBe(0);
  });

  it("waits with its kept reply, too, while the peer leaves too much unread", () => {
    const server = serve({ streams: true });
    const link = server.link();
    server.hearOn(link, call());
    link.full = true;
    server.finish();
    expect(server.on(link)).toBe("");
    expect(link.running).toBe(1);
    link.full = false;
    expect(link.answerDeferred()).toBe(true);
    expect(server.on(link)).toBe(`8000001c${accepted(0, 42)}`);
    expect(link.running).toBe(0);
    expect(server.runs).toBe(1);
  });

  it("after the connection was lost in mid-call gets the reply that nobody was there to take", () => {
    const server = serve({ streams: true });
    const old = server.link();
    server.hearOn(old, call());
    old.gone = true;
    server.finish();
    const next = server.link();
    server.hearOn(next, call());
    expect(server.on(next)).toBe(`8000001c${accepted(0, 42)}`);
    expect(server.runs).toBe(1);
  });

  it("from another port runs again: nothing tells it from a new call", () => {
    const server = serve({ streams: true });
    server.hearOn(server.link("tcp://10.0.0.1:700"), call());
    server.hearOn(server.link("tcp://10.0.0.1:701"), call());
    expect(server.runs).toBe(2);
  });

  it("runs again by default", () => {
    const server = serve();
    const link = server.link();
    server.hearOn(link, call());
    server.hearOn(link, call());
    expect(server.runs).toBe(2);
  });
});

describe("a store that takes its time", () => {
  let slow: SlowStore;
  beforeEach(() => {
    slow = new SlowStore();
  });

  it("is asked once, whatever comes meanwhile; the call waits for its claim", async () => {
    const server = serve({ store: slow });
    server.hear(call());
    server.hear(call());
    expect(slow.asked).toBe(1);
    expect(server.runs).toBe(0);
    expect(server.engine.running).toBe(1);
    await slow.answer();
    expect(server.runs).toBe(1);
  });

  it("keeps the reply before it leaves", async () => {
    const server = serve({ store: slow });
    server.hear(call());
    await slow.answer();
    server.finish();
    expect(server.take()).toEqual([]);
    server.hear(call());
    await slow.answer();
    expect(server.take()).toEqual([accepted(0, 42)]);
    expect(server.ended).toHaveLength(1);
    server.hear(call());
    await slow.answer();
    expect(server.take()).toEqual([accepted(0, 42)]);
    expect(server.runs).toBe(1);
    expect(server.engine).toMatchObject({ running: 0, runningBytes: 0 });
  });

  it("and cannot be reached: SYSTEM_ERR, and the handler has not run", async () => {
    const server = serve({ store: slow });
    server.hear(call());
    await slow.fail(new Error("the store is down"));
    expect(server.take()).toEqual([systemErr]);
    expect(server.runs).toBe(0);
    expect(String(server.reports[0])).toContain("the store is down");
    // It is back: the same call may run now.
    server.hear(call());
    await slow.answer();
    expect(server.runs).toBe(1);
  });

  it("and cannot keep the reply of a call that ran: the reply leaves all the same, and nothing runs twice", async () => {
    const server = serve({ store: slow });
    server.hear(call());
    await slow.answer();
    server.finish();
    await slow.fail(new Error("the disk is full"));
    expect(server.take()).toEqual([accepted(0, 42)]);
    server.hear(call());
    await slow.answer();
    expect(server.take()).toEqual([]);
    expect(server.runs).toBe(1);
  });

  it("throws at once: SYSTEM_ERR too", () => {
    const broken = new MemoryReplyStore();
    broken.claim = () => {
      throw new Error("broken");
    };
    const server = serve({ store: broken });
    server.hear(call());
    expect(server.take()).toEqual([systemErr]);
  });

  it("gives a claim that nobody waits for any more: it is taken back, and the handler does not run", async () => {
    const server = serve({ store: slow, streams: true });
    const link = server.link();
    server.hearOn(link, call());
    link.gone = true;
    await slow.answer();
    await slow.answer();
    expect(server.runs).toBe(0);
    expect(server.engine.running).toBe(0);
    server.hearOn(server.link(), call());
    await slow.answer();
    expect(server.runs).toBe(1);
  });

  it.each<[Claim["state"], string[]]>([
    ["running", []],
    ["busy", []],
    ["lost", [systemErr]],
    ["fenced", [systemErr]],
    ["forgotten", [systemErr]],
    ["mismatch", [systemErr]],
    ["too-large", [systemErr]],
  ])("knows the call as %s: it does not run", async (state, answers) => {
    slow.claim = () => Promise.resolve({ state } as Claim<undefined>);
    const server = serve({ store: slow });
    server.hear(call());
    await Promise.resolve();
    await Promise.resolve();
    expect(server.take()).toEqual(answers);
    expect(server.runs).toBe(0);
    expect(server.engine.running).toBe(0);
  });
});

/** A store in memory that answers when a test says so. */
class SlowStore implements ReplyStore<undefined> {
  readonly id = "slow";
  readonly replyWindowMs = 120_000;
  readonly durable = false;
  readonly shared = false;
  readonly transactional = false;
  asked = 0;
  readonly #inner = new MemoryReplyStore();
  readonly #waiting: { go: () => void; fail: (error: Error) => void }[] = [];

  #later<T>(work: () => T): Promise<T> {
    this.asked++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ go: () => resolve(work()), fail: reject });
    });
  }

  claim(request: Parameters<ReplyStore["claim"]>[0]): Promise<Claim<undefined>> {
    return this.#later(() => this.#inner.claim(request)).then((claim) =>
      claim.state !== "fresh"
        ? claim
        : {
            ...claim,
            complete: (reply: Uint8Array) => this.#later(() => claim.complete(reply) as undefined),
            abandon: () => this.#later(() => claim.abandon() as undefined),
          },
    );
  }

  look(request: Parameters<ReplyStore["look"]>[0]) {
    return this.#later(() => this.#inner.look(request));
  }

  forget(caller: string, through: number): void {
    this.#inner.forget(caller, through);
  }

  close(): void {}

  /** Answers everything that was asked. */
  async answer(): Promise<void> {
    for (const { go } of this.#waiting.splice(0)) go();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async fail(error: Error): Promise<void> {
    for (const { fail } of this.#waiting.splice(0)) fail(error);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
