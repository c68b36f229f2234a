// Names on the command line: what is registered with a binder, what it can do, and how it is called without a file.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DirectoryClient } from "../../src/binder/directory/client.js";
import { loadInterface } from "../../src/idl/index.js";
import { Directory, Server } from "../../src/index.js";
import { buildCli, farcall, startFarcall } from "../support/cli.js";
import { StoreV1 } from "../support/store.js";

const text = `/** A pair. */
struct pair { int a; int b; };
program CALC_PROG { version CALC_V1 { int ADD(pair) = 1; } = 1; version CALC_V2 { hyper ADD(pair) = 1; string HELLO(void) = 2; } = 2; } = 0x20000101;
`;

describe("names on the command line", () => {
  const open: AsyncDisposable[] = [];
  let binder = "";
  let calc = "";
  const cli = (...args: string[]) => farcall([...args, "--binder", binder]);

  beforeAll(async () => {
    buildCli();
    const directory = new Directory();
    const server = new Server().export(directory.service, directory.handlers);
    binder = await server.listen("tcp://127.0.0.1:0");
    const services = loadInterface("calc.x", { host: { readFile: () => text } }).services;
    const served = new Server();
    for (const service of services) {
      const add = ({ a, b }: { a: number; b: number }) => (service.version === 1 ? a + b : BigInt(a + b));
      served.export(service as never, { add, hello: () => "hi \u001b[31m" } as never);
    }
    calc = await served.listen("tcp://127.0.0.1:0");
    await served.register({ name: "calc", binder });
    const store = new Server().export(StoreV1, { read: (key) => key.length, write: () => true, log: () => {} });
    await store.listen("tcp://127.0.0.1:0");
    await store.register({ name: "office/store", binder, interface: "" });
    const broken = new Server().export(StoreV1, { read: (key) => key.length, write: () => true, log: () => {} });
    await broken.listen("tcp://127.0.0.1:0");
    await broken.register({ name: "broken", binder, interface: '#include "/etc/passwd"\nstruct {' });
    open.push(served, store, broken, server, directory);
  });
  afterAll(async () => {
    for (const resource of open) await resource[Symbol.asyncDispose]();
  });

  it("farcall list prints every registration in columns, or as JSON", async () => {
    const { code, stdout, stderr } = await cli("list");
    expect([code, stderr]).toEqual([0, "farcall: the binder does not know all just now; there may be more\n"]);
    const [head, ...rows] = stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/ {2,}/));
    expect(head).toEqual(["NAME", "VERSION", "ADDRESS", "LEASE", "INTERFACE", "OWNER"]);
    expect(rows.map((row) => [row[0], row[1], row[4]])).toEqual([
      ["broken", "1", "told"],
      ["calc", "1", "told"],
      ["calc", "2", "told"],
      ["office/store", "1", "-"],
    ]);
    const json = JSON.parse((await cli("list", "calc", "--json")).stdout) as object[];
    expect(json).toHaveLength(2);
    expect(json[0]).toMatchObject({ name: "calc", version: 1, address: calc, leaseMs: 10_000, interface: true });
  });

  it("heads are bold where colours are wanted, and nowhere else", async () => {
    const env = { FORCE_COLOR: "1" };
    const { stdout } = await farcall(["list", "calc", "--binder", binder], { env });
    expect(stdout.split("\n")[0]).toContain("\u001b[1mNAME\u001b[22m");
    expect((await cli("list", "calc")).stdout).not.toContain("\u001b");
  });

  it("farcall list of a name that nobody has registered, or of what is no name, says so", async () => {
    expect(await cli("list", "nobody")).toMatchObject({ code: 1, stdout: "" });
    expect(await cli("list", "tcp://x")).toMatchObject({ code: 2 });
    expect(await cli("list", "calc", "add")).toMatchObject({ code: 2 });
  });

  it("farcall describe tells the procedures, one of them, or the file", async () => {
    const { code, stdout } = await cli("describe", "calc");
    expect(code).toBe(0);
    expect(stdout.split("\n")).toEqual([
      "CALC_PROG (program 536871169), version 2; there is also version 1",
      '  add {"a": int, "b": int} -> hyper as "123"',
      "  hello -> string",
      "",
    ]);
    expect((await cli("describe", "calc", "ADD", "--version", "1")).stdout).toContain("-> int\n");
    const described = JSON.parse((await cli("describe", "name:calc", "--json")).stdout) as object;
    expect(described).toMatchObject({ name: "CALC_PROG", versions: [1, 2], procedures: [{ name: "add" }, {}] });
    const told = (await cli("describe", "calc", "--text")).stdout;
    const { services } = loadInterface("told.x", { host: { readFile: () => told } });
    expect(services.map(({ version }) => version)).toEqual([1, 2]);
  });

  it("farcall call needs no file for a name", async () => {
    expect(await cli("call", "calc", "add", '{"a": 1, "b": 2}')).toEqual({ code: 0, stdout: '"3"\n', stderr: "" });
    const first = await cli("call", "name:calc", "ADD", '{"a": 1, "b": 2}', "--version", "1");
    expect(first).toEqual({ code: 0, stdout: "3\n", stderr: "" });
    // What a stranger says is no command for a terminal.
    expect((await cli("call", "calc", "hello")).stdout).not.toContain("\u001b");
  });

  it("FARCALL_BINDER says where the binder is", async () => {
    const env = { FARCALL_BINDER: binder };
    expect(await farcall(["call", "calc", "add", '{"a": 4, "b": 5}'], { env })).toMatchObject({ stdout: '"9"\n' });
  });

  it.each([
    [["call", "calc", "subtract"], 2, /calc has no procedure "subtract"; it has\n.*add/s],
    [["call", "calc"], 2, /say which procedure; calc has/],
    [["call", "calc", "add", "--version", "7"], 3, /no server is registered under the name calc, version 7; there is/],
    [["call", "nobody", "add"], 3, /no server is registered under the name nobody/],
    [["call", "office/store", "read", '"x"'], 2, /do not tell their interface; give its .x file/],
    [["call", "broken", "read"], 2, /is broken: .*cannot find "\/etc\/passwd"/s],
    [["describe", "calc", "subtract"], 2, /has no procedure subtract; it has add, hello/],
    [["call", "a b", "add"], 2, /neither an address, such as tcp:\/\/HOST:PORT, nor a name/],
  ])("farcall %j fails with %i", async (args, code, message) => {
    const { stdout, stderr, ...result } = await cli(...(args as string[]));
    expect(stderr).toMatch(message);
    expect([result.code, stdout]).toEqual([code, ""]);
  });

  it("a binder that does not answer is an error with its address", async () => {
    const gone = await farcall(["list", "--binder", "tcp://127.0.0.1:9"]);
    expect(gone).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("tcp://127.0.0.1:9") });
  });

  it("farcall watch says what is there, what comes and what goes", async () => {
    await using watching = startFarcall(["watch", "calc2", "--binder", binder]);
    await using directory = new DirectoryClient([binder]);
    const result = await directory.register({
      ...{ name: "calc2", version: 1, address: "tcp://127.0.0.1:1", lease: 60_000, interface: "" },
    });
    await watching.line(/^\+ calc2 version 1 at tcp:\/\/127\.0\.0\.1:1, of /);
    await directory.withdraw("granted" in result ? result.granted.id : new Uint8Array(16));
    await watching.line(/^- calc2 version 1 at tcp:\/\/127\.0\.0\.1:1/);
    watching.kill("SIGINT");
    expect(await watching.ended).toBe(0);
    await using json = startFarcall(["watch", "--json", "--binder", binder]);
    const [line] = await json.line(/.*"calc".*/);
    expect(JSON.parse(line)).toMatchObject({ change: "registered", name: "calc", address: calc });
  });
});
