import { connect, RpcError } from "farcall";
import { describe, expect, it, vi } from "vitest";
import { Vxi11Instrument } from "../../examples/vxi11/instrument.js";
import { Vxi11Error } from "../../examples/vxi11/outcome.js";
import { Simulator } from "../../examples/vxi11/simulator/simulator.js";
import {
  type CreateLinkResp,
  DeviceCoreV1,
  type DeviceCoreV1Client,
  ERROR_ABORT,
  ERROR_INVALID_LINK,
  ERROR_IO_TIMEOUT,
  ERROR_LOCKED,
  ERROR_NO_LOCK,
  ERROR_NONE,
  ERROR_NOT_ACCESSIBLE,
  ERROR_NOT_SUPPORTED,
  ERROR_PARAMETER,
  FLAG_END,
  FLAG_TERM_CHAR,
  FLAG_WAIT_LOCK,
  REASON_END,
  REASON_REQUEST_COUNT,
  REASON_TERM_CHAR,
} from "../../examples/vxi11/vxi11.js";
import { listenSilently, servePortMapper } from "./vxi11-support.js";

describe("the instrument simulator", () => {
  it("answers in pieces, and says why each read ended", async () => {
    await using it = await bareLink();
    await it.write("*IDN?");
    const read = async (requestSize: number, flags = 0, termChar = 0) => {
      const { error, reason, data } = await it.core.deviceRead({ ...it.io, requestSize, flags, termChar });
      return { error, reason, text: Buffer.from(data).toString() };
    };
    const comma = ",".charCodeAt(0);
    expect(await read(3)).toEqual({ error: 0, reason: REASON_REQUEST_COUNT, text: "far" });
    expect(await read(0)).toEqual({ error: 0, reason: REASON_REQUEST_COUNT, text: "" });
    expect(await read(99, FLAG_TERM_CHAR, comma)).toEqual({ error: 0, reason: REASON_TERM_CHAR, text: "call," });
    expect(await read(17, FLAG_TERM_CHAR, comma)).toMatchObject({ reason: REASON_REQUEST_COUNT | REASON_TERM_CHAR });
    // A C char above 127 may arrive as a negative number; it is the byte that counts.
    expect(await read(1, FLAG_TERM_CHAR, "0".charCodeAt(0) - 256)).toMatchObject({
      reason: REASON_REQUEST_COUNT | REASON_TERM_CHAR,
      text: "0",
    });
    expect(await read(99)).toEqual({ error: 0, reason: REASON_END, text: ",1\n" });
    expect(await read(99)).toEqual({ error: ERROR_IO_TIMEOUT, reason: 0, text: "" });
  });

  it("takes a message in pieces, and ends it at END or at a line feed", async () => {
    await using it = await bareLink();
    for (const [text, flags] of [
      ["VOLT ", 0],
      ["2.5\nVOL", 0],
      ["T?", FLAG_END],
    ] as const) {
      expect(await it.core.deviceWrite({ ...it.io, flags, data: Buffer.from(text) })).toEqual({
        error: ERROR_NONE,
        size: text.length,
      });
    }
    expect(await it.read()).toBe("+2.500000E+00\n");
  });

  it("knows some SCPI, and keeps its errors in a queue", async () => {
    await using simulator = await Simulator.start();
    await using meter = await Vxi11Instrument.open(simulator.address);
    expect(await meter.query("*RST;VOLT 3;:SOURCE:VOLTAGE?;*OPC?")).toBe("+3.000000E+00;1");
    expect(Number(await meter.query("meas:volt:dc?"))).toBeCloseTo(3, 4);
    expect(await meter.query("SYST:ERR?")).toBe('0,"No error"');
    await meter.write('NONSENSE "x"');
    await meter.write("VOLT 31");
    await meter.write("VOLT many");
    await meter.write("FETC?");
    expect(await meter.readStatusByte()).toBe(0x04);
    expect(await meter.query("SYST:ERR?")).toBe(`-113,"Undefined header;NONSENSE 'x'"`);
    expect(await meter.query("SYSTEM:ERROR:NEXT?")).toBe('-222,"Data out of range;31"');
    expect(await meter.query("SYST:ERR?")).toBe('-104,"Data type error;many"');
    expect(await meter.query("SYST:ERR?")).toBe('-230,"Data corrupt or stale"');
    for (let i = 0; i < 20; i++) await meter.write("NONSENSE");
    for (let i = 0; i < 15; i++) expect(await meter.query("SYST:ERR?")).toMatch(/^-113/);
    expect(await meter.query("SYST:ERR?")).toBe('-350,"Queue overflow"');
    expect(await meter.query("SYST:ERR?")).toBe('0,"No error"');
    await meter.trigger();
    await meter.write("FETC?");
    expect(await meter.readStatusByte()).toBe(0x10);
    expect(Number(await meter.read())).toBeCloseTo(3, 4);
    expect(await meter.readStatusByte()).toBe(0);
  });

  it("refuses what it does not have, with the number for it", async () => {
    await using it = await bareLink();
    const { core, io } = it;
    const link = { clientId: 1, lockDevice: false, lockTimeout: 0 };
    expect(await core.createLink({ ...link, device: "gpib0,5" })).toMatchObject({ error: ERROR_NOT_ACCESSIBLE });
    expect(await core.deviceWrite({ ...io, flags: 0, data: new Uint8Array(it.link.maxRecvSize + 1) })).toEqual({
      error: ERROR_PARAMETER,
      size: 0,
    });
    const docmd = { ...io, cmd: 0x20000, networkOrder: true, datasize: 1, dataIn: new Uint8Array(0) };
    expect(await core.deviceDocmd(docmd)).toMatchObject({ error: ERROR_NOT_SUPPORTED });
    expect(await core.deviceUnlock(it.link.lid)).toEqual({ error: ERROR_NO_LOCK });
    expect(await core.deviceRemote(io)).toEqual({ error: ERROR_NONE });
    expect(await core.deviceLocal(io)).toEqual({ error: ERROR_NONE });
    expect(await core.destroyLink(it.link.lid)).toEqual({ error: ERROR_NONE });
    expect(await core.destroyLink(it.link.lid)).toEqual({ error: ERROR_INVALID_LINK });
    expect(await core.deviceClear(io)).toEqual({ error: ERROR_INVALID_LINK });
  });

  it("runs out of links, and not of memory", async () => {
    await using it = await bareLink();
    const parms = { clientId: 1, lockDevice: false, lockTimeout: 0, device: "inst0" };
    const codes: number[] = [];
    for (let i = 0; i < 70; i++) codes.push((await it.core.createLink(parms)).error);
    expect(new Set(codes)).toEqual(new Set([0, 9]));
  });
});

describe("links", () => {
  it("are those of one connection", async () => {
    await using simulator = await Simulator.start();
    await using one = await bareLink({ simulator });
    await using other = await bareLink({ simulator });
    await one.write("*IDN?");
    expect(await other.core.deviceClear(one.io)).toEqual({ error: ERROR_INVALID_LINK });
    expect(await one.read()).toContain("farcall");
  });

  it("lock all others out, until they unlock", async () => {
    await using simulator = await Simulator.start();
    await using one = await Vxi11Instrument.open(simulator.address);
    await using other = await Vxi11Instrument.open(simulator.address);
    await one.lock();
    await expect(other.query("*IDN?")).rejects.toMatchObject({ code: ERROR_LOCKED, executed: "no" });
    await expect(other.lock()).rejects.toMatchObject({ code: ERROR_LOCKED });
    await expect(one.lock()).rejects.toMatchObject({ code: ERROR_LOCKED });
    expect(await one.query("*OPC?")).toBe("1");
    await one.unlock();
    expect(await other.query("*OPC?")).toBe("1");
  });

  it("wait for a lock as long as they say", async () => {
    await using simulator = await Simulator.start();
    await using holder = await Vxi11Instrument.open(simulator.address, { lock: true });
    await using patient = await Vxi11Instrument.open(simulator.address, { lockTimeoutMs: 10_000 });
    await using hasty = await Vxi11Instrument.open(simulator.address, { lockTimeoutMs: 30 });
    const order: string[] = [];
    const waiting = patient.lock().then(() => order.push("locked"));
    await expect(hasty.lock()).rejects.toMatchObject({ code: ERROR_LOCKED });
    order.push("unlocking");
    await holder.unlock();
    await waiting;
    expect(order).toEqual(["unlocking", "locked"]);
  });

  it("end with their connection, and so do their locks", async () => {
    await using simulator = await Simulator.start();
    const holder = await bareLink({ simulator, lock: true });
    await using waiting = await bareLink({ simulator });
    const locked = waiting.core.deviceLock({ lid: waiting.link.lid, flags: FLAG_WAIT_LOCK, lockTimeout: 10_000 });
    await holder.core.$close();
    expect(await locked).toEqual({ error: ERROR_NONE });
    expect(simulator.device.find(holder.link.lid)).toBeUndefined();
  });

  it("that wait for a lock when their connection ends do not get it later", async () => {
    await using simulator = await Simulator.start();
    await using holder = await bareLink({ simulator, lock: true });
    const gone = await bareLink({ simulator });
    const waiting = gone.core.deviceLock({ lid: gone.link.lid, flags: FLAG_WAIT_LOCK, lockTimeout: 10_000 });
    await gone.core.$ping();
    const closing = expect(waiting).rejects.toMatchObject({ code: "closed", executed: "unknown" });
    await gone.core.$close();
    await closing;
    await holder.core.deviceUnlock(holder.link.lid);
    await using next = await bareLink({ simulator, lock: true });
    expect(next.link.error).toBe(ERROR_NONE);
  });
});

describe("the abort channel", () => {
  it("ends a read that waits, and a wait for a lock", async () => {
    await using simulator = await Simulator.start();
    await using meter = await Vxi11Instrument.open(simulator.address);
    const reading = expect(meter.read()).rejects.toMatchObject({ code: ERROR_ABORT, executed: "unknown" });
    await untilRunning(simulator);
    await meter.abort();
    await reading;
    await using holder = await Vxi11Instrument.open(simulator.address, { lock: true });
    await using waiting = await Vxi11Instrument.open(simulator.address, { lockTimeoutMs: 10_000 });
    const locking = expect(waiting.lock()).rejects.toMatchObject({ code: ERROR_ABORT });
    await untilRunning(simulator);
    await waiting.abort();
    await locking;
    expect(await holder.query("*OPC?")).toBe("1");
  });

  it("knows no link that has ended", async () => {
    await using simulator = await Simulator.start();
    const meter = await Vxi11Instrument.open(simulator.address);
    await meter.abort();
    await meter.close();
    await expect(meter.query("*IDN?")).rejects.toMatchObject({ code: "closed", executed: "no" });
  });
});

describe("a late reply never answers the next query", () => {
  it("of an instrument as such it does: the one before comes first", async () => {
    await using it = await bareLink();
    await it.write("SLOW? 300");
    expect(await it.core.deviceRead({ ...it.io, ioTimeout: 10, requestSize: 99, termChar: 0 })).toMatchObject({
      error: ERROR_IO_TIMEOUT,
    });
    await it.write("*OPC?");
    expect(await it.read()).toBe("slow 300\n");
  });

  it.each([300, 100_000])("when the instrument takes %i ms and is given 20", async (ms) => {
    await using simulator = await Simulator.start();
    await using meter = await Vxi11Instrument.open(simulator.address);
    await expect(meter.query(`SLOW? ${ms}`, { ioTimeoutMs: 20 })).rejects.toMatchObject({
      code: ERROR_IO_TIMEOUT,
      executed: "unknown",
    });
    expect(await meter.query("*OPC?")).toBe("1");
    expect(await meter.query("VOLT?")).toBe("+1.000000E+00");
  });

  it("when the instrument hangs over its I/O timeout: the call is given up, and what hangs is aborted", async () => {
    await using simulator = await Simulator.start();
    await using meter = await Vxi11Instrument.open(simulator.address, { marginMs: 100 });
    await meter.write("DIAG:STALL 60000");
    const asked = performance.now();
    await expect(meter.query("VOLT?", { ioTimeoutMs: 50 })).rejects.toMatchObject({
      code: "deadline-exceeded",
      executed: "unknown",
    });
    expect(performance.now() - asked).toBeLessThan(5_000);
    expect(await meter.query("*OPC?")).toBe("1");
    // The hung read did answer, once it was aborted, and nobody took that for an answer to anything.
    expect(meter.stats()).toMatchObject({ strayReplies: 1, pending: 0 });
  });

  it("when the caller cancels", async () => {
    await using simulator = await Simulator.start();
    await using meter = await Vxi11Instrument.open(simulator.address);
    await expect(meter.query("SLOW? 300", { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
      code: "cancelled",
      executed: "unknown",
    });
    expect(await meter.query("*OPC?")).toBe("1");
  });

  it("when many ask at once, and some too impatiently", async () => {
    await using simulator = await Simulator.start();
    await using meter = await Vxi11Instrument.open(simulator.address);
    const answers = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) =>
        i % 3 === 0 ? meter.query(`SLOW? ${400 + i}`, { ioTimeoutMs: 5 }) : meter.query(`SLOW? ${i % 3}`),
      ),
    );
    expect(answers.map((answer) => (answer.status === "fulfilled" ? answer.value : "timeout"))).toEqual(
      Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? "timeout" : `slow ${i % 3}`)),
    );
  });

  it("but whoever waits on with `read` gets it", async () => {
    await using simulator = await Simulator.start();
    await using meter = await Vxi11Instrument.open(simulator.address);
    await meter.write("SLOW? 300");
    await expect(meter.read({ ioTimeoutMs: 10 })).rejects.toMatchObject({ code: ERROR_IO_TIMEOUT });
    expect(Buffer.from(await meter.read()).toString()).toBe("slow 300\n");
  });
});

describe("the client of an instrument", () => {
  it("tells the instrument its I/O timeout, and waits a little longer itself", async () => {
    await using simulator = await Simulator.start();
    await using meter = await Vxi11Instrument.open(simulator.address, { connectTimeoutMs: 500, ioTimeoutMs: 10_000 });
    // Longer than the connect timeout, which is another matter.
    expect(await meter.query("SLOW? 700")).toBe("slow 700");
  });

  it("gives up on a host that does not answer within the connect timeout", async () => {
    await using silent = await listenSilently();
    const options = { connectTimeoutMs: 100, ioTimeoutMs: 60_000, portMapperPort: silent.port };
    const asked = performance.now();
    const failed = await Vxi11Instrument.open("tcp://127.0.0.1", options).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(RpcError);
    expect(failed).toMatchObject({ code: "unavailable", executed: "no" });
    expect(performance.now() - asked).toBeLessThan(5_000);
  });

  it("gives up on an instrument that does not answer within the margin", async () => {
    await using silent = await listenSilently();
    await expect(Vxi11Instrument.open(`tcp://127.0.0.1:${silent.port}`, { marginMs: 100 })).rejects.toMatchObject({
      code: "deadline-exceeded",
      executed: "unknown",
    });
  });

  it("asks the port mapper where the address has no port", async () => {
    await using simulator = await Simulator.start();
    await using portMapper = await servePortMapper(Number(new URL(simulator.address).port));
    await using meter = await Vxi11Instrument.open("tcp://127.0.0.1", { portMapperPort: portMapper.port });
    expect(await meter.query("*OPC?")).toBe("1");
    await using empty = await servePortMapper(0);
    await expect(Vxi11Instrument.open("tcp://127.0.0.1", { portMapperPort: empty.port })).rejects.toMatchObject({
      code: "not-found",
      executed: "no",
    });
  });

  it("moves messages that are larger than one call", async () => {
    await using simulator = await Simulator.start();
    await using meter = await Vxi11Instrument.open(simulator.address);
    const many = 12_000;
    const message = Buffer.from("*OPC?;".repeat(many));
    await meter.write(message);
    expect(Buffer.from(await meter.read()).toString()).toBe(`${Array.from({ length: many }, () => "1").join(";")}\n`);
    // Past what the instrument holds, it says so, and the link goes on.
    await expect(meter.write(Buffer.alloc(2 ** 21, 32))).rejects.toBeInstanceOf(Vxi11Error);
    expect(await meter.query("SYST:ERR?")).toContain("Input buffer overrun");
    expect(await meter.query("*OPC?")).toBe("1");
  });

  it("ends a message at the termination character, if asked", async () => {
    await using simulator = await Simulator.start();
    await using meter = await Vxi11Instrument.open(simulator.address);
    await meter.write("*IDN?");
    expect(Buffer.from(await meter.read({ termChar: "," })).toString()).toBe("farcall,");
    expect(Buffer.from(await meter.read()).toString()).toBe("VXI-11 simulator,0,1\n");
  });

  it("does not connect again by itself: the link ended with its connection", async () => {
    const first = await Simulator.start();
    const port = Number(new URL(first.address).port);
    await using meter = await Vxi11Instrument.open(first.address);
    const waiting = meter.read().catch((error: unknown) => error);
    await untilRunning(first);
    await first.close();
    expect(await waiting).toMatchObject({ code: "unavailable", executed: "unknown" });
    await using second = await Simulator.start({ port });
    await expect(meter.query("*IDN?")).rejects.toMatchObject({ code: "unavailable", executed: "no" });
    await expect(meter.query("*IDN?")).rejects.toThrow("open the instrument again");
    await using again = await Vxi11Instrument.open(second.address);
    expect(await again.query("*OPC?")).toBe("1");
  });

  it("notices while idle, too", async () => {
    const first = await Simulator.start();
    const port = Number(new URL(first.address).port);
    await using meter = await Vxi11Instrument.open(first.address);
    await first.close();
    await using second = await Simulator.start({ port });
    await expect(meter.query("*RST;*OPC?")).rejects.toMatchObject({ code: "unavailable" });
    await expect(meter.query("*OPC?")).rejects.toThrow("open the instrument again");
    expect(second.address).toBe(first.address);
  });

  it.each(["127.0.0.1", "udp://127.0.0.1:1", "tcp://"])("refuses the address %s", async (address) => {
    await expect(Vxi11Instrument.open(address)).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
  });
});

/** Waits until the instrument works on something. */
async function untilRunning(simulator: Simulator): Promise<void> {
  await vi.waitFor(() => expect(simulator.device.running).toBe(1), { timeout: 5_000, interval: 5 });
}

/** A link by the bare calls of the contract. */
async function bareLink(options: { simulator?: Simulator; lock?: boolean } = {}): Promise<BareLink> {
  const simulator = options.simulator ?? (await Simulator.start());
  const core = await connect(DeviceCoreV1, simulator.address);
  const parms = { clientId: 1, lockDevice: options.lock ?? false, lockTimeout: 0, device: "inst0" };
  const link = await core.createLink(parms);
  return new BareLink(core, link, options.simulator === undefined ? simulator : undefined);
}

class BareLink implements AsyncDisposable {
  readonly core: DeviceCoreV1Client;
  readonly link: CreateLinkResp;
  readonly io: { lid: number; ioTimeout: number; lockTimeout: number; flags: number };
  readonly #simulator: Simulator | undefined;

  constructor(core: DeviceCoreV1Client, link: CreateLinkResp, simulator: Simulator | undefined) {
    this.core = core;
    this.link = link;
    this.io = { lid: link.lid, ioTimeout: 200, lockTimeout: 0, flags: 0 };
    this.#simulator = simulator;
  }

  async write(text: string): Promise<void> {
    await this.core.deviceWrite({ ...this.io, flags: FLAG_END, data: Buffer.from(text) });
  }

  async read(): Promise<string> {
    const parms = { ...this.io, ioTimeout: 5_000, requestSize: 65_536, termChar: 0 };
    return Buffer.from((await this.core.deviceRead(parms)).data).toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.core.$close();
    await this.#simulator?.close();
  }
}
