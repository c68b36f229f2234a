import { describe, expect, it } from "vitest";
import { connect, MemoryNetwork, type Procedure, Server } from "../src/index.js";
import { type OncService, oncProgram } from "../src/onc/index.js";
import { uint } from "../src/xdr/index.js";

interface Twice {
  twice: Procedure<[number: number], number>;
}
const program = (version: number): OncService<Twice> =>
  oncProgram<Twice>({
    name: "TWICE_PROG",
    program: 0x2000_0104,
    version,
    procedures: { twice: { number: 1, name: "TWICE", args: [uint], result: uint } },
  });
const twice = (number: number): number => number * 2;

describe("a server", () => {
  it("serves what is exported after it began to listen", async () => {
    const network = new MemoryNetwork();
    await using server = new Server({ network });
    server.export(program(1), { twice });
    const address = await server.listen("memory://twice");
    server.export(program(3), { twice: (number) => number * 4 });
    await using client = await connect(program(3), address, { network });
    expect(await client.twice(2)).toBe(8);
  });

  it("says what is wrong with an export at once", () => {
    const server = new Server();
    expect(() => server.export(program(1), {} as { twice: typeof twice })).toThrow(/TWICE_PROG: no handler for twice/);
    server.export(program(1), { twice });
    expect(() => server.export(program(1), { twice })).toThrow(/exported already/);
    expect(() => server.export(program(2), (() => ({ twice })) as never)).toThrow(/say how long each lives/);
    expect(() => server.export(program(2), { twice } as never, { lifetime: "per-call" })).toThrow(/made by a function/);
  });

  it("keeps a session's object as long as a call uses it, also when the connection is gone", async () => {
    const network = new MemoryNetwork();
    let finish: (value: number) => void = () => {};
    const log: string[] = [];
    await using server = new Server({ network });
    const make = () => ({
      twice: () => new Promise<number>((resolve) => (finish = resolve)).finally(() => log.push("answered")),
      [Symbol.dispose]: () => log.push("disposed"),
    });
    server.export(program(1), make, { lifetime: "per-session" });
    const client = await connect(program(1), await server.listen("memory://twice"), { network });
    const call = client.twice(1).catch((error: unknown) => error);
    const turns = () => new Promise((resolve) => setTimeout(resolve, 20));
    await turns();
    await client.$close();
    expect(await call).toMatchObject({ code: "closed" });
    await turns();
    expect(log).toEqual([]);
    finish(2);
    await turns();
    expect(log).toEqual(["answered", "disposed"]);
  });

  it.each([
    ["without an export", new Server(), "tcp://127.0.0.1:0", /nothing is exported/],
    ["without a port", new Server().export(program(1), { twice }), "tcp://127.0.0.1", /write tcp:\/\/127.0.0.1:0/],
    ["at an address of no known form", new Server().export(program(1), { twice }), "carrier-pigeon:7", /Bad address/],
  ])("does not listen %s", async (_name, server, address, message) => {
    await expect(server.listen(address)).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    await expect(server.listen(address)).rejects.toThrow(message);
  });

  it("does not listen once it is closed, nor where somebody else does", async () => {
    const network = new MemoryNetwork();
    const server = new Server({ network }).export(program(1), { twice });
    await server.listen("memory://twice");
    const other = new Server({ network }).export(program(1), { twice });
    await expect(other.listen("memory://twice")).rejects.toMatchObject({ code: "unavailable" });
    await server.close();
    await expect(server.listen("memory://twice")).rejects.toMatchObject({ code: "closed" });
  });
});
