import { RpcError } from "farcall";
import { describe, expect, it } from "vitest";
import { Vxi11Instrument } from "../../examples/vxi11/instrument.js";
import { Vxi11Error } from "../../examples/vxi11/outcome.js";
import { Simulator } from "../../examples/vxi11/simulator/simulator.js";
import { ERROR_IO_TIMEOUT } from "../../examples/vxi11/vxi11.js";
import { run } from "../support/processes.js";
import { buildExamples, exampleProgram } from "./built.js";
import { bareLink, listenSilently, servePortMapper, untilRunning } from "./vxi11-support.js";

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

  it("is used from the command line", { timeout: 60_000 }, async () => {
    buildExamples();
    await using simulator = await Simulator.start();
    const ask = (...args: string[]) => run(process.execPath, [exampleProgram("vxi11/client.js"), ...args]);
    expect(await ask(simulator.address, "VOLT 2", "VOLT?")).toMatchObject({
      code: 0,
      stdout: "VOLT 2\nVOLT? -> +2.000000E+00\n",
    });
    expect(await ask(simulator.address, "SLOW? 60000", "VOLT?")).toMatchObject({
      code: 1,
      lines: [expect.stringContaining("I/O timeout (15)"), "VOLT? -> +2.000000E+00"],
    });
    expect(await ask("--help")).toMatchObject({ code: 0, stderr: expect.stringContaining("usage:") });
    expect(await ask("--port")).toMatchObject({ code: 2, stderr: expect.stringContaining("usage:") });
  });
});
