import { describe, expect, it } from "vitest";
import { RetryPolicy } from "../../src/call/retry.js";
import { RpcError, type Semantics } from "../../src/model/index.js";
import { argsCodec } from "../../src/onc/args.js";
import type { ClientAuth } from "../../src/onc/auth/auth.js";
import { clientAuthNone } from "../../src/onc/auth/none.js";
import {
  type CallTarget,
  ClientCall,
  DatagramClientEngine,
  type DatagramClientOptions,
  StreamClientEngine,
  type StreamClientOptions,
  type StreamLink,
} from "../../src/onc/engine/index.js";
import { recordMark } from "../../src/onc/record.js";
import type { XdrCodec } from "../../src/xdr/index.js";

// The engines own no socket and no timer, so these tests are bytes, commands and times in; bytes and ends out.

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));

const uint: XdrCodec<number> = {
  encode: (w, value) => w.uint(value),
  decode: (r) => r.uint(),
  shape: { kind: "integer", bits: 32, signed: false },
};
const target: CallTarget = {
  name: "TEST.twice",
  program: 0x20000101,
  version: 1,
  procedure: 2,
  args: argsCodec([uint]),
  result: uint,
  semantics: "at-most-once",
};
const nullCall: CallTarget = {
  ...target,
  name: "TEST.$ping",
  procedure: 0,
  args: argsCodec([]),
  semantics: "at-least-once",
};

/** A call and what became of it. */
interface Made {
  readonly call: ClientCall;
  value?: unknown;
  error?: RpcError;
  /** How often it ended: must never be more than once. */
  ends: number;
}

function make(arg: unknown, startedAt: number, timeoutMs: number, semantics: Semantics): Made {
  const life = { semantics, startedAt, deadline: startedAt + timeoutMs };
  const made: Made = {
    ends: 0,
    call: new ClientCall(
      target,
      [arg],
      life,
      (value) => {
        made.value = value;
        made.ends++;
      },
      (error) => {
        made.error = error;
        made.ends++;
      },
    ),
  };
  return made;
}

function streamClient(options: Partial<StreamClientOptions> = {}) {
  const engine = new StreamClientEngine({
    auth: clientAuthNone(),
    firstXid: 1,
    peer: "test:",
    ...options,
  });
  const call = (arg: unknown, now = 0, timeoutMs = 1_000, semantics: Semantics = "at-most-once"): Made => {
    const made = make(arg, now, timeoutMs, semantics);
    engine.start(made.call);
    return made;
  };
  const taken = (link: StreamLink): string => hex(link.outbox.take()?.bytes ?? new Uint8Array(0));
  return { engine, call, taken };
}

function datagramClient(options: Partial<DatagramClientOptions> = {}) {
  const engine = new DatagramClientEngine({ auth: clientAuthNone(), firstXid: 1, peer: "test:", ...options });
  const call = (arg: unknown, now = 0, timeoutMs = 1_000, semantics: Semantics = "at-most-once"): Made => {
    const made = make(arg, now, timeoutMs, semantics);
    engine.start(made.call);
    return made;
  };
  const sent = (): string[] => engine.outbox.splice(0).map(hex);
  return { engine, call, sent };
}

const callBytes = (xid: number, arg: number): string =>
  [xid, 0, 2, 0x20000101, 1, 2, 0, 0, 0, 0, arg].map((word) => word.toString(16).padStart(8, "0")).join("");
const record = (message: string): string => recordMark(message.length / 2).toString(16) + message;
const reply = (xid: number, rest: string): string => xid.toString(16).padStart(8, "0") + rest.replaceAll(" ", "");
const success = (xid: number, value: number): string =>
  reply(xid, `00000001 00000000 00000000 00000000 00000000 ${value.toString(16).padStart(8, "0")}`);

/** What each reply, alone or on the wire with more, makes of a call that was sent once. */
const endings: [name: string, rest: string, code: string, executed: string, status: number][] = [
  ["PROG_UNAVAIL", "00000001 00000000 00000000 00000000 00000001", "unimplemented", "no", 8],
  ["PROG_MISMATCH", "00000001 00000000 00000000 00000000 00000002 00000002 00000004", "unimplemented", "no", 9],
  [
    "PROG_MISMATCH that names the version among those that are served",
    "00000001 00000000 00000000 00000000 00000002 00000001 00000003",
    "bad-reply",
    "unknown",
    2,
  ],
  ["PROC_UNAVAIL", "00000001 00000000 00000000 00000000 00000003", "unimplemented", "no", 10],
  ["GARBAGE_ARGS", "00000001 00000000 00000000 00000000 00000004", "bad-arguments", "no", 11],
  ["SYSTEM_ERR", "00000001 00000000 00000000 00000000 00000005", "server-error", "unknown", 12],
  ["RPC_MISMATCH", "00000001 00000001 00000000 00000002 00000002", "unimplemented", "no", 6],
  ["AUTH_ERROR", "00000001 00000001 00000001 00000005", "denied", "no", 7],
  ["a status that does not exist", "00000001 00000000 00000000 00000000 00000009", "bad-reply", "unknown", 2],
  ["a header cut short", "00000001 00000000 00000000", "bad-reply", "unknown", 2],
  ["a result cut short", "00000001 00000000 00000000 00000000 00000000 0000", "bad-reply", "yes", 2],
  [
    "a result with bytes behind it",
    "00000001 00000000 00000000 00000000 00000000 00000004 00000000",
    "bad-reply",
    "yes",
    2,
  ],
];

describe("a stream client's engine", () => {
  it("sends a call as one record of one fragment, as RFC 5531 lays it out", () => {
    const { engine, call, taken } = streamClient();
    const link = engine.opened(0);
    call(7);
    expect(taken(link)).toBe(record(callBytes(1, 7)));
  });

  it("gathers the calls of a turn into one batch", () => {
    const { engine, call, taken } = streamClient();
    const link = engine.opened(0);
    call(7);
    call(8);
    expect(taken(link)).toBe(record(callBytes(1, 7)) + record(callBytes(2, 8)));
    expect(taken(link)).toBe("");
  });

  it("gives each of many calls its own reply, in any order, a byte at a time", () => {
    const { engine, call } = streamClient();
    const link = engine.opened(0);
    const made = [call(1), call(2), call(3)];
    for (const byte of bytesOf(record(success(3, 6)) + record(success(1, 2)) + record(success(2, 4)))) {
      engine.data(link, new Uint8Array([byte]), 1);
    }
    expect(made.map(({ value, ends }) => [value, ends])).toEqual([
      [2, 1],
      [4, 1],
      [6, 1],
    ]);
    expect(engine.stats).toMatchObject({ calls: 3, pending: 0, strayReplies: 0 });
  });

  it.each(endings)("ends a call that is answered %s", (_name, rest, code, executed, status) => {
    const { engine, call } = streamClient();
    const link = engine.opened(0);
    const made = call(7);
    engine.data(link, bytesOf(record(reply(1, rest))), 5);
    expect(made.error).toMatchObject({ code, executed, attempts: 1, peer: "test:", status: { number: status } });
    expect(made.error?.status?.text).toMatch(/^RPC: /);
    expect(made.ends).toBe(1);
  });

  it("says which versions there are, and why a credential was refused", () => {
    const { engine, call } = streamClient();
    const link = engine.opened(0);
    const [versions, denied] = [call(1), call(2)];
    engine.data(link, bytesOf(record(reply(1, endings.find(([name]) => name === "PROG_MISMATCH")?.[1] ?? ""))), 0);
    engine.data(link, bytesOf(record(reply(2, endings.find(([name]) => name === "AUTH_ERROR")?.[1] ?? ""))), 0);
    expect(versions.error?.status).toMatchObject({ low: 2, high: 4, text: "RPC: Program/version mismatch" });
    expect(versions.error?.message).toContain("versions 2 to 4");
    expect(denied.error?.status).toMatchObject({ why: { number: 5, text: "AUTH_TOOWEAK" } });
  });

  it("drops late, duplicate and unasked replies, and messages that are no reply", () => {
    const { engine, call } = streamClient();
    const link = engine.opened(0);
    const made = call(1);
    const late = call(2, 0, 10);
    engine.tick(10);
    for (const message of [
      success(1, 2),
      success(1, 3),
      success(2, 4),
      success(99, 5),
      "0000000100000002",
      "00000001",
    ]) {
      engine.data(link, bytesOf(record(message)), 11);
    }
    expect(made).toMatchObject({ value: 2, ends: 1 });
    expect(late).toMatchObject({ ends: 1, error: { code: "deadline-exceeded" } });
    expect(engine.stats.strayReplies).toBe(5);
  });

  it("ends calls by their deadlines: unknown when sent, no when still queued", () => {
    const { engine, call } = streamClient();
    const queued = call(1, 0, 50);
    expect(engine.deadline).toBe(50);
    engine.tick(49);
    expect(queued.ends).toBe(0);
    engine.tick(50);
    expect(queued.error).toMatchObject({
      code: "deadline-exceeded",
      executed: "no",
      attempts: 0,
      status: { number: 5 },
    });
    expect(engine.stats).toMatchObject({ pending: 0, queued: 0, queuedBytes: 0 });
    engine.opened(50);
    const sent = call(2, 50, 50);
    engine.tick(100);
    expect(sent.error).toMatchObject({ code: "deadline-exceeded", executed: "unknown", attempts: 1 });
    expect(sent.error?.timeline).toMatchObject({
      steps: [
        { step: "send", startMs: 0, durationMs: 0 },
        { step: "network", startMs: 0, durationMs: 50 },
      ],
      totalMs: 50,
    });
  });

  it("sends what was queued when the connection opens, in order", () => {
    const { engine, call, taken } = streamClient();
    call(1);
    const gone = call(2, 0, 10);
    call(3);
    engine.tick(10);
    expect(gone.ends).toBe(1);
    expect(taken(engine.opened(20))).toBe(record(callBytes(1, 1)) + record(callBytes(3, 3)));
    expect(engine.stats).toMatchObject({ queued: 0, queuedBytes: 0, pending: 2 });
  });

  it("queues while the peer does not read, and refuses as busy what exceeds the queue", () => {
    const { engine, call, taken } = streamClient({ queueBytesMax: 100 });
    const link = engine.opened(0);
    link.congested = true;
    const [first, second, third] = [call(1), call(2), call(3)];
    expect(taken(link)).toBe("");
    expect(engine.stats).toMatchObject({ queued: 2, queuedBytes: 88 });
    expect(engine.full).toBe(true);
    expect(third.error).toMatchObject({ code: "busy", executed: "no" });
    link.congested = false;
    engine.sendQueued(5);
    expect(taken(link)).toBe(record(callBytes(1, 1)) + record(callBytes(2, 2)));
    expect([first.ends, second.ends, engine.full]).toEqual([0, 0, false]);
  });

  it("refuses as busy what exceeds the pending calls", () => {
    const { engine, call } = streamClient({ pendingCallsMax: 2 });
    engine.opened(0);
    const made = [call(1), call(2), call(3)];
    expect(made.map(({ error }) => error?.code)).toEqual([undefined, undefined, "busy"]);
    expect(made[2]?.error?.executed).toBe("no");
  });

  it("ends the calls of a lost connection as unknown, and sends those again that may run twice", () => {
    const { engine, call, taken } = streamClient();
    const link = engine.opened(0);
    const [once, repeatable] = [call(1), call(2, 0, 1_000, "at-least-once")];
    taken(link);
    engine.lost(link, new Error("reset"), 5);
    expect(once.error).toMatchObject({ code: "unavailable", executed: "unknown", status: { number: 4 } });
    expect(once.error?.message).toContain("reset");
    expect(repeatable.ends).toBe(0);
    const next = engine.opened(10);
    expect(taken(next)).toBe(record(callBytes(2, 2)));
    engine.data(next, bytesOf(record(success(2, 4))), 11);
    expect(repeatable).toMatchObject({ value: 4, ends: 1 });
    expect(engine.stats.retransmissions).toBe(1);
  });

  it("sends a call without arguments again too, of which no copy was kept", () => {
    const { engine, taken } = streamClient();
    const link = engine.opened(0);
    const life = { semantics: "at-least-once", startedAt: 0, deadline: 1_000 } as const;
    engine.start(
      new ClientCall(
        { ...nullCall },
        [],
        life,
        () => {},
        () => {},
      ),
    );
    const first = taken(link);
    engine.lost(link, undefined, 5);
    expect(taken(engine.opened(10))).toBe(first);
  });

  it("does not believe a refusal that answers only one of two transmissions", () => {
    const { engine, call } = streamClient();
    const link = engine.opened(0);
    const made = call(2, 0, 1_000, "at-least-once");
    engine.lost(link, undefined, 5);
    engine.data(engine.opened(10), bytesOf(record(reply(1, endings[0]?.[1] ?? ""))), 11);
    expect(made.error).toMatchObject({ code: "unimplemented", executed: "unknown", attempts: 2 });
  });

  it("tries for a connection as often as each guarantee allows, and says how often", () => {
    const { engine, call } = streamClient();
    const [maybe, once, repeatable] = [call(1, 0, 1_000, "maybe"), call(2), call(3, 0, 1_000, "at-least-once")];
    const refused = new RpcError("unavailable", "test: refused", { executed: "no", peer: "test:" });
    engine.unreachable(refused, 5);
    expect(maybe.error).toMatchObject({ code: "unavailable", executed: "no", attempts: 1, transmissions: 0 });
    expect(maybe.error?.message).toBe("TEST.twice to test:: refused");
    engine.unreachable(refused, 50);
    expect(once.ends).toBe(0);
    engine.unreachable(refused, 150);
    expect(once.error).toMatchObject({ code: "unavailable", executed: "no", attempts: 3, transmissions: 0 });
    expect(once.error?.message).toBe("TEST.twice to test:: refused");
    for (let now = 200; now < 1_000; now += 50) engine.unreachable(refused, now);
    expect(repeatable.ends).toBe(0);
    engine.tick(1_000);
    expect(repeatable.error).toMatchObject({ code: "deadline-exceeded", executed: "no", attempts: 19 });
    expect(repeatable.error?.message).toMatch(/never sent within 1000 ms; the last failure of 19 attempts: refused$/);
  });

  it("does not try again where the server is not trusted, or where no other connection is to be made", () => {
    const { engine, call } = streamClient();
    const distrusted = call(1, 0, 1_000, "at-least-once");
    engine.unreachable(new RpcError("denied", "another certificate", { executed: "no" }), 5);
    expect(distrusted.error).toMatchObject({ code: "denied", executed: "no", attempts: 1 });
    const last = call(2, 5, 1_000, "at-least-once");
    engine.unreachable(new RpcError("unavailable", "no other", { executed: "no" }), 6, true);
    expect(last.error).toMatchObject({ code: "unavailable", executed: "no", attempts: 1 });
  });

  it("sends what was lost again at once, then after longer and longer pauses, and ends it when no time is left", () => {
    const { engine, call, taken } = streamClient({ retryPolicy: new RetryPolicy({}, () => 1) });
    const made = call(2, 0, 400, "at-least-once");
    let now = 0;
    const waits: number[] = [];
    for (let i = 0; i < 3; i++) {
      const link = engine.opened(now);
      expect(taken(link)).toBe(i === 0 || engine.queuedCalls === 0 ? record(callBytes(1, 2)) : "");
      engine.lost(link, new Error("reset"), now);
      const lostAt = now;
      while (engine.queuedCalls === 0 && now < 399) engine.tick(++now);
      waits.push(now - lostAt);
    }
    expect(waits).toEqual([0, 50, 100]);
    // The next pause, 200 ms, would end after the deadline.
    engine.lost(engine.opened(250), new Error("reset"), 250);
    expect(made.error).toMatchObject({ code: "unavailable", executed: "unknown", attempts: 4, transmissions: 4 });
    expect(made.error?.message).toMatch(/reset; too little time is left to try again$/);
  });

  it("repeats as many calls as its budget has, refilled by calls, and says so when it is spent", () => {
    const { engine, call, taken } = streamClient();
    const made = Array.from({ length: 12 }, (_, i) => call(i, 0, 1_000, "at-least-once"));
    const link = engine.opened(0);
    taken(link);
    engine.lost(link, new Error("reset"), 5);
    expect(made.map(({ ends }) => ends)).toEqual([...Array(10).fill(0), 1, 1]);
    expect(made[11]?.error).toMatchObject({ code: "unavailable", executed: "unknown", attempts: 1 });
    expect(made[11]?.error?.message).toMatch(/reset; not tried again, because the client's retry budget is spent$/);
    const next = engine.opened(6);
    for (let i = 1; i <= 10; i++) engine.data(next, bytesOf(record(success(i, 0))), 7);
    for (let i = 0; i < 10; i++) call(i, 8, 1_000, "at-least-once");
    engine.lost(next, new Error("reset"), 9);
    // Ten calls are worth one repetition.
    expect(engine.queuedCalls).toBe(1);
  });

  it("asks nothing of the budget for calls that were never sent, nor for those that are told not to", () => {
    const { engine, call } = streamClient({ retryPolicy: new RetryPolicy({ budget: { tokens: 0, perCall: 0 } }) });
    const queued = call(1, 0, 1_000, "at-least-once");
    engine.unreachable(new RpcError("unavailable", "refused", { executed: "no" }), 1);
    const link = engine.opened(2);
    expect(queued.ends).toBe(0);
    engine.lost(link, undefined, 3);
    expect(queued.error?.message).toMatch(/budget is spent/);
  });

  it("tries a call once where its policy says so, whatever its guarantee", () => {
    const { engine, call } = streamClient({ retryPolicy: new RetryPolicy(false) });
    const made = call(1, 0, 1_000, "at-least-once");
    engine.lost(engine.opened(0), new Error("reset"), 1);
    expect(made.error).toMatchObject({ code: "unavailable", executed: "unknown", attempts: 1 });
    expect(made.error?.message).toMatch(/: reset$/);
  });

  it("ends a cancelled call at once, and every call when it is closed", () => {
    const { engine, call } = streamClient();
    const queued = call(1);
    engine.cancel(queued.call, new Error("changed my mind"), 1);
    expect(queued.error).toMatchObject({ code: "cancelled", executed: "no", cause: { message: "changed my mind" } });
    engine.opened(1);
    const [sent, other] = [call(2), call(3)];
    engine.cancel(sent.call, undefined, 2);
    engine.cancel(sent.call, undefined, 2);
    expect(sent).toMatchObject({ ends: 1, error: { code: "cancelled", executed: "unknown" } });
    engine.close(3);
    expect(other).toMatchObject({ ends: 1, error: { code: "closed", executed: "unknown" } });
    expect(engine.pendingCalls).toBe(0);
  });

  it("probes a silent peer that owes an answer, and not before", () => {
    const { engine, call, taken } = streamClient({ probeAfterMs: 100, probeTimeoutMs: 50 });
    const link = engine.opened(0);
    call(1, 0, 10_000);
    taken(link);
    expect(engine.deadline).toBe(100);
    engine.data(link, bytesOf(record(success(77, 0))), 60);
    engine.tick(100);
    expect(taken(link)).toBe("");
    engine.tick(160);
    expect(taken(link)).toBe(
      record("00000002000000000000000220000101000000010000000000000000000000000000000000000000"),
    );
    expect(engine.stats.calls).toBe(1);
  });

  it("sends new calls elsewhere when a probe is not answered, and still takes answers to the old ones", () => {
    const { engine, call } = streamClient({ probeAfterMs: 100, probeTimeoutMs: 50 });
    const link = engine.opened(0);
    const old = call(1, 0, 10_000);
    engine.tick(100);
    engine.tick(150);
    expect(link.suspect).toBe(true);
    expect(engine.link).toBeUndefined();
    call(2, 151, 10_000);
    expect(engine.queuedCalls).toBe(1);
    const fresh = engine.opened(160);
    expect(engine.queuedCalls).toBe(0);
    engine.data(link, bytesOf(record(success(1, 2))), 170);
    expect(old).toMatchObject({ value: 2, ends: 1 });
    expect([link.waiting, engine.link]).toEqual([0, fresh]);
  });

  it("does not suspect a peer because its own client had no room for the probe", () => {
    const { engine, call } = streamClient({ probeAfterMs: 100, probeTimeoutMs: 50, pendingCallsMax: 1 });
    const link = engine.opened(0);
    call(1, 0, 10_000);
    engine.tick(100);
    expect([link.suspect, engine.link]).toEqual([false, link]);
  });

  it("takes a suspect connection back when it speaks before another is there", () => {
    const { engine, call } = streamClient({ probeAfterMs: 100, probeTimeoutMs: 50 });
    const link = engine.opened(0);
    call(1, 0, 10_000);
    engine.tick(100);
    engine.tick(150);
    engine.data(link, bytesOf(record(success(1, 2))), 160);
    expect([link.suspect, engine.link]).toEqual([false, link]);
  });

  it("sends a call once more, with another credential, when the first was refused", () => {
    let epoch = 1;
    const auth: ClientAuth = {
      ...clientAuthNone(),
      get epoch() {
        return epoch;
      },
      credential: () => ({ flavor: 2, body: bytesOf(epoch === 1 ? "aaaaaaaa" : "bbbbbbbb") }),
      refused: () => {
        epoch++;
        return true;
      },
    };
    const { engine, call, taken } = streamClient({ auth });
    const link = engine.opened(0);
    const made = call(7);
    expect(taken(link)).toContain("0000000200000004aaaaaaaa");
    const refusal = bytesOf(record(reply(1, "00000001 00000001 00000001 00000002")));
    engine.data(link, refusal, 1);
    engine.sendQueued(1);
    const again = taken(link);
    expect(again).toContain("0000000200000004bbbbbbbb");
    expect(again.endsWith("00000007")).toBe(true);
    expect(made.ends).toBe(0);
    engine.data(link, refusal, 2);
    expect(made.error).toMatchObject({ code: "denied", executed: "no", attempts: 2 });
  });

  it("does not trust a reply whose verifier is not the server's", () => {
    const { engine, call } = streamClient({ auth: { ...clientAuthNone(), accepted: () => false } });
    const link = engine.opened(0);
    const made = call(7);
    engine.data(link, bytesOf(record(success(1, 14))), 1);
    expect(made.error).toMatchObject({ code: "denied", executed: "unknown" });
  });
});

describe("a datagram client's engine", () => {
  it("sends a call once, without a record mark, when it must not run twice", () => {
    const { engine, call, sent } = datagramClient();
    const made = call(7);
    expect(sent()).toEqual([callBytes(1, 7)]);
    for (const now of [500, 900]) engine.tick(now);
    expect(sent()).toEqual([]);
    engine.tick(1_000);
    expect(made.error).toMatchObject({ code: "deadline-exceeded", executed: "unknown", attempts: 1 });
  });

  it("sends a repeatable call again under the same xid, doubling the wait", () => {
    const { engine, call, sent } = datagramClient({ retransmit: { initialMs: 100 } });
    call(7, 0, 10_000, "at-least-once");
    const times: number[] = [];
    sent();
    for (let now = 0; now < 1_600; now += 10) {
      engine.tick(now);
      for (const message of sent()) {
        expect(message).toBe(callBytes(1, 7));
        times.push(now);
      }
    }
    expect(times).toEqual([100, 300, 700, 1_500]);
    expect(engine.stats.retransmissions).toBe(4);
  });

  it("adapts the wait to the round trip, and measures only calls that were sent once", () => {
    const { engine, call } = datagramClient({ retransmit: { initialMs: 100, minMs: 1 } });
    call(1, 0, 1_000, "at-least-once");
    engine.tick(100);
    engine.datagram(bytesOf(success(1, 2)), 101);
    expect(engine.stats.roundTripMs).toBeUndefined();
    call(1, 200, 1_000, "at-least-once");
    engine.datagram(bytesOf(success(2, 2)), 210);
    expect(engine.stats.roundTripMs).toBe(10);
    call(1, 300, 1_000, "at-least-once");
    expect(engine.deadline).toBeLessThanOrEqual(330);
  });

  it("settles a call once, whatever comes twice", () => {
    const { engine, call } = datagramClient();
    const made = call(7);
    for (let i = 0; i < 3; i++) engine.datagram(bytesOf(success(1, 14)), 1);
    expect(made).toMatchObject({ value: 14, ends: 1 });
    expect(engine.stats.strayReplies).toBe(2);
  });

  it.each(endings)("ends a call that is answered %s", (_name, rest, code, executed, status) => {
    const { engine, call } = datagramClient();
    const made = call(7);
    engine.datagram(bytesOf(reply(1, rest)), 5);
    expect(made).toMatchObject({ ends: 1, error: { code, executed, status: { number: status } } });
  });

  it.each([
    ["at-most-once", 1],
    ["at-least-once", 2],
  ] as const)("ends an %s call when nobody listens, and takes that for no proof", (semantics, transmissions) => {
    const retryPolicy = new RetryPolicy(false);
    const retransmit = { initialMs: 10, minMs: 1 };
    const { engine, call, sent } = datagramClient({ retryPolicy, retransmit, datagramWindow: 1 });
    const made = call(7, 10, 1_000, semantics);
    const queued = call(8, 10);
    engine.tick(20);
    expect(sent()).toHaveLength(transmissions);
    engine.refused(new Error("ECONNREFUSED"), 21);
    // The network may have doubled the datagram, and the other copy may have run, or may yet.
    expect(made.error).toMatchObject({ code: "unavailable", executed: "unknown", status: { number: 4 } });
    expect(queued.error).toMatchObject({ code: "unavailable", executed: "no" });
  });

  it("tries a refused call again where its guarantee allows it, after longer and longer pauses", () => {
    const { engine, call, sent } = datagramClient({ retryPolicy: new RetryPolicy({}, () => 1) });
    const made = call(7, 0, 1_000, "at-least-once");
    const times: number[] = [];
    for (let now = 0; made.ends === 0 && now < 2_000; now++) {
      engine.tick(now);
      for (const message of sent()) {
        expect(message).toBe(callBytes(1, 7));
        times.push(now);
        engine.refused(new Error("ECONNREFUSED"), now);
      }
    }
    expect(times).toEqual([0, 50, 150, 350, 750]);
    expect(made.error).toMatchObject({ code: "unavailable", executed: "unknown", attempts: 5, transmissions: 5 });
    expect(made.error?.message).toMatch(/ECONNREFUSED; too little time is left to try again$/);
    expect([engine.pendingCalls, engine.deadline]).toEqual([0, expect.any(Number)]);
  });

  it("tries what must not run twice again only when it was not sent, three times", () => {
    const { engine, call, sent } = datagramClient({ retryPolicy: new RetryPolicy({}, () => 1), datagramWindow: 1 });
    const [flying, queued, maybe] = [call(1), call(2), call(3, 0, 1_000, "maybe")];
    engine.refused(new Error("ECONNREFUSED"), 0);
    expect(flying.error).toMatchObject({ code: "unavailable", executed: "unknown", attempts: 1, transmissions: 1 });
    expect(maybe.error).toMatchObject({ code: "unavailable", executed: "no", attempts: 1, transmissions: 0 });
    expect(queued.ends).toBe(0);
    sent();
    engine.tick(50);
    expect(sent()).toEqual([callBytes(2, 2)]);
    engine.refused(new Error("ECONNREFUSED"), 51);
    expect(queued.error).toMatchObject({ code: "unavailable", executed: "unknown", attempts: 2, transmissions: 1 });
  });

  it("counts one attempt for several refusals of one transmission", () => {
    const { engine, call } = datagramClient({ retryPolicy: new RetryPolicy({}, () => 1) });
    const [first, second] = [call(1, 0, 1_000, "at-least-once"), call(2, 0, 1_000, "at-least-once")];
    for (const now of [1, 2, 3]) engine.refused(new Error("ECONNREFUSED"), now);
    expect([first.call.attempts, second.call.attempts]).toEqual([1, 1]);
    // The pause is the first one still, from the first refusal.
    expect(engine.deadline).toBeLessThanOrEqual(51);
    expect(first.call.retransmitAt).toBe(51);
  });

  it("takes the answer to a call that was refused and sent again", () => {
    const { engine, call, sent } = datagramClient({ retryPolicy: new RetryPolicy({}, () => 1) });
    const made = call(7, 0, 1_000, "at-least-once");
    engine.refused(new Error("ECONNREFUSED"), 1);
    sent();
    engine.tick(51);
    expect(sent()).toEqual([callBytes(1, 7)]);
    engine.datagram(bytesOf(success(1, 14)), 52);
    expect(made).toMatchObject({ value: 14, ends: 1 });
  });

  it("ends a call that waits for its next attempt by its deadline and by its signal", () => {
    const { engine, call } = datagramClient();
    const [timed, signalled] = [call(7, 0, 500, "at-least-once"), call(8, 0, 500, "at-least-once")];
    engine.refused(new Error("ECONNREFUSED"), 1);
    engine.cancel(signalled.call, new Error("enough"), 2);
    expect(signalled.error).toMatchObject({ code: "cancelled", executed: "unknown" });
    for (let now = 3; now <= 500; now++) engine.tick(now);
    expect(timed.error).toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
    expect(engine.pendingCalls).toBe(0);
  });

  it("lets what waits for the window be tried again too, as not sent", () => {
    const { engine, call, sent } = datagramClient({ datagramWindow: 1, retryPolicy: new RetryPolicy({}, () => 1) });
    const [first, second] = [call(1, 0, 1_000, "at-least-once"), call(2)];
    expect(sent()).toEqual([callBytes(1, 1)]);
    engine.refused(new Error("ECONNREFUSED"), 1);
    engine.tick(51);
    expect(sent()).toEqual([callBytes(1, 1)]);
    expect(engine.stats).toMatchObject({ pending: 2, queued: 1, queuedBytes: callBytes(2, 2).length / 2 });
    engine.datagram(bytesOf(success(1, 2)), 52);
    expect(sent()).toEqual([callBytes(2, 2)]);
    engine.datagram(bytesOf(success(2, 4)), 53);
    expect([first.value, second.value]).toEqual([2, 4]);
  });

  it("refuses arguments that do not fit into a datagram", () => {
    const { engine, call, sent } = datagramClient({ datagramSizeMax: 40 });
    const made = call(7);
    expect(made.error).toMatchObject({ code: "invalid-argument", executed: "no" });
    expect([sent(), engine.pendingCalls]).toEqual([[], 0]);
  });

  it("keeps to its window, and sends on as answers come", () => {
    const { engine, call, sent } = datagramClient({ datagramWindow: 2 });
    const made = [call(1), call(2), call(3), call(4, 0, 10)];
    expect(sent()).toEqual([callBytes(1, 1), callBytes(2, 2)]);
    engine.tick(10);
    expect(made[3]?.error).toMatchObject({ code: "deadline-exceeded", executed: "no" });
    engine.datagram(bytesOf(success(1, 2)), 11);
    expect(sent()).toEqual([callBytes(3, 3)]);
  });
});
