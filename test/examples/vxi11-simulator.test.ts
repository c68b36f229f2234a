import { describe, expect, it } from "vitest";
import { Vxi11Instrument } from "../../examples/vxi11/instrument.js";
import { Simulator } from "../../examples/vxi11/simulator/simulator.js";
import {
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
import { bareLink, untilRunning } from "./vxi11-support.js";

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
