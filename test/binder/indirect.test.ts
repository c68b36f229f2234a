import { Binder, callIndirect, connect, type OneWayProcedure, type Procedure, Server } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { int, nothing, string } from "farcall/xdr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

interface Calc {
  add: Procedure<[a: number, b: number], number>;
  slow: Procedure<[], number>;
  tell: OneWayProcedure<[a: number]>;
  exactly: Procedure<[], number, "exactly-once">;
}
const calc = (program: number, version: number): OncService<Calc> =>
  oncProgram<Calc>({
    name: "CALC",
    program,
    version,
    procedures: {
      add: { number: 1, name: "ADD", args: [int, int], result: int },
      slow: { number: 2, name: "SLOW", args: [], result: int },
      tell: { number: 3, name: "TELL", args: [int], result: nothing, oneWay: true },
      exactly: { number: 4, name: "EXACTLY", args: [], result: int, semantics: "exactly-once" },
    },
  });
const program = 0x2000_0e51;
const CalcV1 = calc(program, 1);

describe.each(["tcp", "udp"])("an indirect call over %s", (transport) => {
  const binder = new Binder({ remoteCalls: { timeoutMs: 5_000 } });
  const plain = new Binder();
  let added = 0;
  const server = new Server().export(CalcV1, {
    add(a, b) {
      added++;
      return a + b;
    },
    slow: () => new Promise<never>(() => {}),
    tell() {},
    exactly: () => 0,
  });
  let [at, own, without] = ["", "", ""];

  beforeAll(async () => {
    at = await binder.listen(`${transport}://127.0.0.1:0`);
    without = await plain.listen(`${transport}://127.0.0.1:0`);
    own = await server.listen(`${transport}://127.0.0.1:0`);
    await server.register({ binder: at });
  });
  afterAll(async () => {
    await server.close({ drainMs: 0 });
    await binder.close();
    await plain.close();
  });

  it("is made by the binder, and gives the handle for those that follow", async () => {
    const { value, address } = await callIndirect(CalcV1, "add", [1, 2], at);
    expect([value, address, added]).toEqual([3, own, 1]);
    await using bound = await connect(CalcV1, address, { session: "off" });
    expect(await bound.add(3, 4)).toBe(7);
  });

  it.each([
    ["a program that is not registered", calc(program + 1, 1), { code: "unimplemented", status: { number: 8 } }],
    ["another version", calc(program, 7), { code: "unimplemented", status: { number: 9, low: 1, high: 1 } }],
    ["a program that trusts its machine", calc(100_003, 3), { code: "denied", status: { number: 7 } }],
  ])("of %s did not run", async (_what, service, error) => {
    await expect(callIndirect(service, "add", [1, 2], at)).rejects.toMatchObject({ ...error, executed: "no" });
  });

  it("through a binder that makes no calls for others did not run", async () => {
    const error = { code: "unimplemented", executed: "no", status: { number: 10 } };
    await expect(callIndirect(CalcV1, "add", [1, 2], without)).rejects.toMatchObject(error);
  });

  it("that is not answered in time may have run", async () => {
    const error = { code: "deadline-exceeded", executed: "unknown" };
    await expect(callIndirect(CalcV1, "slow", [], at, { timeoutMs: 200 })).rejects.toMatchObject(error);
  });

  it("whose result is none ran", async () => {
    const wrong = oncProgram<{ add: Procedure<[a: number, b: number], string> }>({
      name: "CALC",
      program,
      version: 1,
      procedures: { add: { number: 1, name: "ADD", args: [int, int], result: string() } },
    });
    await expect(callIndirect(wrong, "add", [1, 99], at)).rejects.toMatchObject({ code: "bad-reply", executed: "yes" });
  });

  it.each([
    ["one-way", "tell", [1], /one-way/],
    ["exactly-once", "exactly", [], /exactly-once/],
    ["not there", "nothing", [], /no such procedure/],
    ["called with something else", "add", [1, "x"], /args\[1\]/],
  ])("of a procedure that is %s is refused", async (_what, procedure, args, message) => {
    const made = callIndirect(CalcV1, procedure as "add", args as unknown as [number, number], at);
    await expect(made).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    await expect(made).rejects.toThrow(message);
  });
});

it("an indirect call goes to binders over TCP and UDP alone", async () => {
  await expect(callIndirect(CalcV1, "add", [1, 2], "unix:/run/x")).rejects.toThrow(/a binder is at tcp:\/\/HOST/);
});
