import { type Client, type ConnectOptions, connect, type Procedure, RpcError, Server } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { string } from "farcall/xdr";
import { afterEach, describe, expect, it } from "vitest";
import type { Datagram } from "../../src/net/datagram.js";
import { MemoryNetwork } from "../../src/net/index.js";
import { CallStatus, OpenStatus, SESSION_PROGRAM } from "../../src/onc/session/session.js";
import { HandClock, machineWith, turn } from "../support/hand-clock.js";

// Datagrams of a session that are damaged on their way, as far as their 16-bit checksums let through: whatever arrives is
// no reason for anything but an RpcError, and no promise is forgotten.

interface Bank {
  wait: Procedure<[name: string], string>;
}
const BankV1: OncService<Bank> = oncProgram<Bank>({
  name: "BANK",
  program: 0x2000_0b03,
  version: 1,
  procedures: { wait: { number: 1, name: "WAIT", args: [string(99)], result: string(99) } },
});

/** Where a reply's result begins, without a verifier. */
const resultAt = 24;

const procedures = { open: 1, call: 2, status: 5 } as const;
type Which = keyof typeof procedures;

/** Changes a reply in place, or gives another one. */
type Damage = (reply: DataView, nth: number) => Uint8Array | undefined;

/** A network that damages what the client gets: the replies to procedures of the session program. */
class DamagingNetwork extends MemoryNetwork {
  readonly damages: Partial<Record<Which, Damage | undefined>> = {};
  /** How many calls of each procedure were answered. */
  readonly answered: Record<Which, number> = { open: 0, call: 0, status: 0 };
  /** By xid: which procedure a call was of, and the how manieth it was. */
  readonly #asked = new Map<number, { readonly which: Which; nth: number }>();

  override bind(name?: string): Datagram {
    const socket = super.bind(name);
    if (name !== undefined) return socket;
    const { start, send } = socket;
    socket.send = (bytes, to) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const which = (Object.keys(procedures) as Which[]).find((name) => procedures[name] === view.getUint32(20));
      const xid = view.getUint32(0);
      if (view.getUint32(12) === SESSION_PROGRAM && which !== undefined && !this.#asked.has(xid))
        this.#asked.set(xid, { which, nth: 0 });
      send.call(socket, bytes, to);
    };
    socket.start = (events) =>
      start.call(socket, {
        onError: (error, refused) => events.onError(error, refused),
        onDatagram: (bytes, from) => {
          const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
          const asked = this.#asked.get(view.getUint32(0));
          if (asked === undefined) return events.onDatagram(bytes, from);
          if (asked.nth === 0) asked.nth = ++this.answered[asked.which];
          events.onDatagram(this.damages[asked.which]?.(view, asked.nth) ?? bytes, from);
        },
      });
    return socket;
  }
}

/** Damages the answers to the first calls. */
function first(count: number, damage: Damage): Damage {
  return (view, nth) => (nth <= count ? damage(view, nth) : undefined);
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function world(options: ConnectOptions = {}): Promise<{
  readonly bank: Client<Bank>;
  readonly clock: HandClock;
  readonly network: DamagingNetwork;
  readonly waiting: Map<string, (value: string) => void>;
}> {
  const clock = new HandClock();
  const machine = machineWith(clock);
  const network = new DamagingNetwork();
  const waiting = new Map<string, (value: string) => void>();
  const server = new Server({ machine, network, onError: () => {} });
  cleanups.push(() => server.close({ drainMs: 0 }));
  server.export(BankV1, { wait: (name) => new Promise((finish) => waiting.set(name, finish)) });
  await server.listen("memory+datagram://bank");
  const bank = await connect(BankV1, "memory+datagram://bank", { machine, network, session: "auto", ...options });
  cleanups.push(() => bank.$close());
  return { bank, clock, network, waiting };
}

function end(call: Promise<unknown>): Promise<unknown> {
  return call.catch((error: unknown) => error);
}

const word =
  (at: number, value: number) =>
  (view: DataView): undefined => {
    view.setUint32(at, value);
  };
const cut =
  (size: number) =>
  (view: DataView): Uint8Array =>
    new Uint8Array(view.buffer, view.byteOffset, size);

describe("what became of a call, when the answer is damaged", () => {
  /** A call that failed without an answer, and ran. */
  async function failed(): Promise<Awaited<ReturnType<typeof world>> & { readonly error: RpcError }> {
    const made = await world();
    const call = end(made.bank.wait("a", { timeoutMs: 500 }));
    await turn();
    await made.clock.pass(600);
    made.waiting.get("a")?.("late");
    await turn();
    const error = (await call) as RpcError;
    expect(error).toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
    return { ...made, error };
  }

  it.each([
    ["a fate that there is not", word(resultAt, 99)],
    ["an outcome that there is not", word(resultAt + 8, 65_536)],
    ["a result of another length", word(resultAt + 16, 4)],
    ["a reply that is cut short", cut(resultAt + 8)],
    ["a message that is no reply", word(8, 7)],
    ["a refusal of the arguments", word(20, 4)],
  ])("is asked again: %s", async (_what, damage) => {
    const { bank, clock, network, error } = await failed();
    network.damages.status = first(2, damage);
    const settled = bank.$settle("wait", error);
    await clock.pass(10_000);
    expect(await settled).toEqual({ executed: "yes", ok: true, value: "late" });
    expect(network.answered.status).toBe(3);
  });

  it("is not known in the end, if no answer is better", async () => {
    const { bank, clock, network, error } = await failed();
    network.damages.status = word(resultAt + 8, 65_536);
    const settled = bank.$settle("wait", error, { timeoutMs: 3_000 });
    await clock.pass(10_000);
    expect(await settled).toEqual({
      executed: "unknown",
      reason: expect.stringMatching(/what became of the call cannot be decoded: call_status 65536 is not known/),
    });
  });

  it("is that it ran, where only its result cannot be read", async () => {
    const { bank, clock, network, error } = await failed();
    // The length of the string, within a result of the right length.
    network.damages.status = word(resultAt + 20, 77);
    const settled = bank.$settle("wait", error);
    await clock.pass(1_000);
    expect(await settled).toMatchObject({ executed: "yes", ok: false, error: { code: "bad-reply", executed: "yes" } });
  });

  it.each([
    ["does not serve the program", word(20, 1)],
    ["does not know the credential", word(8, 1)],
  ])("is not known, when the answer is that the server %s: that is said of the question", async (_what, damage) => {
    const { bank, clock, network, error } = await failed();
    network.damages.status = damage;
    const settled = bank.$settle("wait", error, { timeoutMs: 2_000 });
    await clock.pass(10_000);
    expect(await settled).toMatchObject({ executed: "unknown", reason: expect.any(String) });
  });
});

describe("an answer to a pending call, when it is damaged", () => {
  it.each([
    ["a status that there is not", word(resultAt, 99), { code: "bad-reply", executed: "unknown" }],
    ["a result of another length", word(resultAt + 8, 400), { code: "bad-reply", executed: "unknown" }],
    ["a version that is refused and served", word(resultAt, CallStatus.CALL_REFUSED), { executed: "unknown" }],
    ["a reply that is cut short", cut(resultAt + 4), { code: "bad-reply", executed: "unknown" }],
  ])("fails it, and says that nobody knows whether it ran: %s", async (_what, damage, expected) => {
    const { bank, waiting, network } = await world();
    network.damages.call = (view) => {
      const damaged = damage(view);
      if (view.getUint32(resultAt) !== CallStatus.CALL_REFUSED) return damaged;
      for (const [i, value] of [2, 1, 1].entries()) view.setUint32(resultAt + 4 + 4 * i, value);
      return new Uint8Array(view.buffer, view.byteOffset, resultAt + 16);
    };
    const call = end(bank.wait("a"));
    await turn();
    waiting.get("a")?.("value");
    expect(await call).toBeInstanceOf(RpcError);
    expect(await call).toMatchObject({ code: "bad-reply", ...expected });
    const settled = await bank.$settle("wait", (await call) as RpcError);
    expect(settled).toEqual({ executed: "yes", ok: true, value: "value" });
  });

  it("is asked for again by STATUS until one can be read, when the session is gone", async () => {
    const { bank, clock, waiting, network } = await world();
    // The reply says that the session is not known; the server's store knows the call all the same.
    network.damages.call = (view) => {
      view.setUint32(resultAt, CallStatus.CALL_STALE);
      return new Uint8Array(view.buffer, view.byteOffset, resultAt + 4);
    };
    network.damages.status = first(2, word(resultAt, 99));
    const call = end(bank.wait("a"));
    await turn();
    waiting.get("a")?.("value");
    await clock.pass(10_000);
    expect(await call).toBe("value");
    expect(network.answered.status).toBe(3);
  });
});

describe("an OPEN whose answer is damaged", () => {
  const damages: [what: string, damage: Damage][] = [
    ["a status that there is not", word(resultAt, 99)],
    ["a reply that is cut short", cut(resultAt + 12)],
    ["a refusal of the arguments", word(20, 4)],
  ];

  it.each(damages)("is made again where a session is required: %s", async (_what, damage) => {
    const { bank, clock, network, waiting } = await world({ session: "require" });
    network.damages.open = first(3, damage);
    const call = end(bank.wait("a"));
    await clock.pass(10_000);
    waiting.get("a")?.("value");
    expect(await call).toBe("value");
    expect(network.answered.open).toBe(4);
    expect(await bank.$guarantee()).toMatchObject({ session: "open" });
  });

  it.each(damages)("is no reason to take a server for one that never has sessions: %s", async (_what, damage) => {
    const { bank, clock, network, waiting } = await world();
    network.damages.open = first(1, damage);
    const plain = end(bank.wait("a"));
    await turn();
    waiting.get("a")?.("plain");
    expect(await plain).toBe("plain");
    expect(await bank.$guarantee()).toMatchObject({ session: "none" });
    await clock.pass(61_000);
    const call = end(bank.wait("b"));
    await turn();
    waiting.get("b")?.("value");
    expect(await call).toBe("value");
    expect(await bank.$guarantee()).toMatchObject({ session: "open" });
  });

  it("and asks to be left alone for weeks is asked again in a minute", async () => {
    const { bank, clock, network, waiting } = await world();
    network.damages.open = first(1, (view) => {
      view.setUint32(resultAt, OpenStatus.OPEN_BUSY);
      view.setUint32(resultAt + 4, 0xffff_ffff);
      return new Uint8Array(view.buffer, view.byteOffset, resultAt + 8);
    });
    const plain = end(bank.wait("a"));
    await turn();
    waiting.get("a")?.("plain");
    await plain;
    await clock.pass(61_000);
    const call = end(bank.wait("b"));
    await turn();
    waiting.get("b")?.("value");
    await call;
    expect(await bank.$guarantee()).toMatchObject({ session: "open" });
  });

  it.each([
    ["window", 0],
    ["lanes", 0],
  ])("and gives no room (%s 0) lets calls end by their deadlines", async (name) => {
    const { bank, clock, network } = await world();
    network.damages.open = (view) => {
      // Behind status, id, boot, and the empty or short name of the store.
      const store = resultAt + 4 + 20 + 16;
      const facts = store + 4 + 4 * Math.ceil(view.getUint32(store) / 4) + 12;
      view.setUint32(facts + (name === "window" ? 0 : 4), 0);
      view.setUint32(facts + 4, name === "window" ? 1 : 0);
      return undefined;
    };
    const call = end(bank.wait("a", { timeoutMs: 1_000 }));
    await clock.pass(2_000);
    const error = (await call) as RpcError;
    expect(error.code).toBe("deadline-exceeded");
    expect(error.executed).toBe(error.transmissions === 0 ? "no" : "unknown");
  });
});

it("whatever is flipped in whichever reply, everything settles, and fails as RpcErrors do", async () => {
  for (const which of ["open", "call", "status"] as const) {
    for (let at = 0; at < 60; at += 1) {
      const { bank, clock, network, waiting } = await world();
      network.damages[which] = first(1, (view) => {
        if (at < view.byteLength) view.setUint8(at, view.getUint8(at) ^ 0x81);
        return undefined;
      });
      const timeoutMs = which === "status" ? 500 : 5_000;
      const call = end(bank.wait("a", { timeoutMs }));
      await turn();
      if (which === "status") await clock.pass(600);
      waiting.get("a")?.("value");
      await clock.pass(which === "status" ? 100 : 6_000);
      const ended = await call;
      if (typeof ended !== "string") expect(ended).toBeInstanceOf(RpcError);
      if (!(ended instanceof RpcError)) continue;
      const settled = bank.$settle("wait", ended, { timeoutMs: 1_000 });
      await clock.pass(3_000);
      expect(["yes", "no", "unknown"]).toContain((await settled).executed);
    }
  }
});
