import { describe, expect, it } from "vitest";
import { argsCodec } from "../../src/onc/args.js";
import type { ServerAuth } from "../../src/onc/auth/auth.js";
import { serverAuthNone } from "../../src/onc/auth/none.js";
import {
  DatagramServer,
  type ServedProcedure,
  type ServerCall,
  ServerEngine,
  type ServerHost,
  type StreamServerLimits,
  StreamServerLink,
} from "../../src/onc/engine/index.js";
import type { XdrCodec } from "../../src/xdr/index.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));

const uint: XdrCodec<number> = {
  encode: (w, value) => w.uint(value),
  decode: (r) => r.uint(),
  shape: { kind: "integer", bits: 32, signed: false },
};
const nothing: XdrCodec<void> = { encode: () => {}, decode: () => {}, shape: { kind: "void" } };
const twice: ServedProcedure = { number: 2, name: "twice", args: argsCodec([uint]), result: uint };
const ping: ServedProcedure = { number: 0, name: "NULL", args: argsCodec([]), result: nothing };

/** A server of program 0x20000101, versions 2 and 4, whose calls are handed to `run`. */
function server(run: (call: ServerCall, engine: ServerEngine) => void, auth: readonly ServerAuth[] = [serverAuthNone]) {
  const reports: unknown[] = [];
  const calls: ServerCall[] = [];
  const host: ServerHost = {
    dispatch(call) {
      calls.push(call);
      run(call, engine);
    },
    report: (error) => reports.push(error),
    answered: () => {},
    newAborter: () => new AbortController(),
    now: () => performance.now(),
    watch: () => {},
    unwatch: () => {},
  };
  const engine = new ServerEngine(host, auth);
  const procedures = new Map([ping, twice].map((procedure) => [procedure.number, procedure]));
  for (const version of [2, 4]) engine.serve({ name: "TEST", program: 0x20000101, version, procedures });
  return { engine, host, reports, calls };
}

const answer = (call: ServerCall, engine: ServerEngine): void =>
  engine.succeed(call, call.target === ping ? undefined : (call.args[0] as number) * 2);

const none = "00000000 00000000 00000000 00000000";
const call = (version: number, procedure: number, rest: string, auth = none): string =>
  `00000007 00000000 00000002 20000101 0000000${version} 0000000${procedure} ${auth} ${rest}`.replaceAll(" ", "");
const accepted = "00000007 00000001 00000000 00000000 00000000".replaceAll(" ", "");
const denied = "00000007 00000001 00000001".replaceAll(" ", "");

/** What each message is answered with: RFC 5531, section 9; empty for silence. */
const answers: [name: string, message: string, reply: string][] = [
  ["a call", call(2, 2, "00000015"), `${accepted}000000000000002a`],
  ["procedure 0", call(4, 0, ""), `${accepted}00000000`],
  ["another program", call(2, 2, "00000015").replace("20000101", "20000102"), `${accepted}00000001`],
  ["a version that is not served", call(3, 2, "00000015"), `${accepted}000000020000000200000004`],
  ["a procedure that does not exist", call(2, 9, "00000015"), `${accepted}00000003`],
  ["arguments cut short", call(2, 2, "0000"), `${accepted}00000004`],
  ["arguments with bytes behind them", call(2, 2, "0000001500000000"), `${accepted}00000004`],
  ["procedure 0 with arguments", call(2, 0, "00000015"), `${accepted}00000004`],
  ["another version of the protocol", "000000070000000000000003", `${denied}000000000000000200000002`],
  ["a credential cut short", call(2, 2, "", "00000001 00000008"), `${denied}0000000100000001`],
  [
    "a credential over 400 bytes",
    call(2, 2, "", `00000001 00000194 ${"00".repeat(404)} 00000000 00000000`),
    `${denied}0000000100000001`,
  ],
  ["a verifier cut short", call(2, 2, "", "00000000 00000000 00000000 00000008"), `${denied}0000000100000003`],
  [
    "a flavor that the server lacks",
    call(2, 2, "", "00000006 00000000 00000000 00000000"),
    `${denied}0000000100000002`,
  ],
  [
    "AUTH_NONE with a body",
    call(2, 2, "", "00000000 00000004 12345678 00000000 00000000"),
    `${denied}0000000100000001`,
  ],
  ["a reply", "00000007 00000001 00000000", ""],
  ["less than a header", "00000007 0000", ""],
  ["nothing", "", ""],
];

describe("a server's engine", () => {
  it.each(answers)("answers %s over datagrams", (_name, message, reply) => {
    const { engine } = server(answer);
    const sent: string[] = [];
    new DatagramServer(engine, {}).receive(bytesOf(message), "peer", (bytes) => sent.push(hex(bytes)));
    expect(sent.join()).toBe(reply);
    expect(engine.running).toBe(0);
  });

  it.each(answers)(
    "answers %s over streams, a byte at a time, and cuts off who sends no calls",
    (_name, message, reply) => {
      const { engine } = server(answer);
      const link = new StreamServerLink(engine, "peer", {});
      const bytes = bytesOf(message);
      const feed = (): void => {
        for (const byte of [...bytesOf((0x80000000 + bytes.length).toString(16)), ...bytes]) {
          link.push(new Uint8Array([byte]));
          link.pump();
        }
      };
      if (reply === "") return expect(feed).toThrow(/no call/);
      feed();
      expect(hex(link.replies.take()?.bytes ?? new Uint8Array(0)).slice(8)).toBe(reply);
    },
  );

  it.each(answers.slice(0, 2))("never runs %s that is cut at any length", (_name, message) => {
    const { engine, calls } = server(answer);
    const bytes = bytesOf(message);
    for (let length = 0; length < bytes.length; length++) {
      new DatagramServer(engine, {}).receive(bytes.subarray(0, length), "peer", () => {});
    }
    expect(calls).toEqual([]);
  });

  it("answers a handler's error with SYSTEM_ERR, without its text, and reports it", () => {
    const secret = new Error("password is swordfish");
    const { engine, reports } = server((call) => engine.fail(call, secret));
    const sent: string[] = [];
    new DatagramServer(engine, {}).receive(bytesOf(call(2, 2, "00000015")), "peer", (bytes) => sent.push(hex(bytes)));
    expect(sent).toEqual([`${accepted}00000005`]);
    expect(reports).toEqual([secret]);
  });

  it("answers a result that cannot be encoded with SYSTEM_ERR, and reports it", () => {
    const { engine, reports } = server((call) => engine.succeed(call, -1));
    const sent: string[] = [];
    const socket = new DatagramServer(engine, {});
    socket.receive(bytesOf(call(2, 2, "00000015")), "peer", (bytes) => sent.push(hex(bytes)));
    expect(sent).toEqual([`${accepted}00000005`]);
    expect(reports).toHaveLength(1);
  });

  it("answers a call once, however often it is ended", () => {
    const { engine } = server((call) => {
      engine.succeed(call, 1);
      engine.succeed(call, 2);
      engine.fail(call, new Error("too late"));
    });
    const sent: string[] = [];
    new DatagramServer(engine, {}).receive(bytesOf(call(2, 2, "00000015")), "peer", (bytes) => sent.push(hex(bytes)));
    expect(sent).toEqual([`${accepted}0000000000000001`]);
    expect(engine.running).toBe(0);
  });

  it("refuses a call that the caller may not make, before its handler runs", () => {
    const { engine, host, calls } = server(answer);
    host.authorize = () => 5;
    const sent: string[] = [];
    new DatagramServer(engine, {}).receive(bytesOf(call(2, 2, "00000015")), "peer", (bytes) => sent.push(hex(bytes)));
    expect(sent).toEqual([`${denied}0000000100000005`]);
    expect(calls).toEqual([]);
  });

  it("asks for authentication where AUTH_NONE is not accepted, except for procedure 0", () => {
    const { engine } = server(answer, []);
    const sent: string[] = [];
    for (const procedure of [2, 0]) {
      const message = call(2, procedure, procedure === 2 ? "00000015" : "");
      new DatagramServer(engine, {}).receive(bytesOf(message), "peer", (bytes) => sent.push(hex(bytes)));
    }
    expect(sent).toEqual([`${denied}0000000100000005`, `${accepted}00000000`]);
  });

  it.each<[string, StreamServerLimits]>([
    ["of a connection", { runningPerConnectionMax: 2 }],
    // Two calls that run count twice for their address and three times for their connection.
    ["of all", { runningCallsMax: 6, reservedCallSizeMax: 0 }],
  ])("starts no more calls %s than the limit, and goes on when one ends", (_name, limits) => {
    const { engine, calls } = server(() => {});
    const link = new StreamServerLink(engine, "peer", limits);
    const message = call(2, 2, "00000015");
    link.push(bytesOf((0x80000000 + message.length / 2).toString(16).concat(message).repeat(3)));
    link.pump();
    expect([calls.length, link.held]).toEqual([2, true]);
    engine.succeed(calls[0] as ServerCall, 1);
    link.pump();
    expect(calls).toHaveLength(3);
  });

  it("drops datagrams over the limit: their callers send them again", () => {
    const { engine, calls } = server(() => {});
    const socket = new DatagramServer(engine, { runningDatagramsMax: 1 });
    for (let i = 0; i < 3; i++) socket.receive(bytesOf(call(2, 2, "00000015")), "peer", () => {});
    expect([calls.length, socket.dropped]).toEqual([1, 2]);
  });

  it("fires a handler's signal when its caller is gone, also when the handler looks at it only then", () => {
    const { engine, calls } = server(() => {});
    const link = new StreamServerLink(engine, "peer", {});
    const message = call(2, 2, "00000015");
    link.push(bytesOf((0x80000000 + message.length / 2).toString(16).concat(message)));
    link.pump();
    link.gone = true;
    expect(calls[0]?.signal.aborted).toBe(true);
    engine.succeed(calls[0] as ServerCall, 1);
    expect(link.replies.take()).toBeUndefined();
  });

  it("gives each call a signal of its own, and forgets it with the call", () => {
    const { engine, calls } = server(() => {});
    const link = new StreamServerLink(engine, "peer", {});
    const message = call(2, 2, "00000015");
    link.push(bytesOf((0x80000000 + message.length / 2).toString(16).concat(message).repeat(2)));
    link.pump();
    const [first, second] = calls as [ServerCall, ServerCall];
    expect(first.signal).not.toBe(second.signal);
    expect(first.signal).toBe(first.signal);
    expect(link.aborters?.size).toBe(2);
    engine.succeed(first, 1);
    engine.fail(second, new Error("no"));
    expect(link.aborters?.size).toBe(0);
  });

  it("refuses to serve one version twice", () => {
    const { engine } = server(answer);
    const again = { name: "AGAIN", program: 0x20000101, version: 2, procedures: new Map() };
    expect(() => engine.serve(again)).toThrow(/exported already, as TEST/);
  });
});
