import { connect, type Server } from "farcall";
import { XmlRpcClient, type XmlRpcClientOptions } from "farcall/xmlrpc";
import { beforeAll, describe, expect, it } from "vitest";
import { Odoo } from "../../examples/xml-rpc/odoo.js";
import { recordedOdoo } from "../../examples/xml-rpc/odoo-recorded.js";
import { exampleLibrary } from "../../examples/xml-rpc/robot.js";
import { listDownloads } from "../../examples/xml-rpc/rtorrent.js";
import { Supervisor } from "../../examples/xml-rpc/supervisor.js";
import { Validator, validatorServer } from "../../examples/xml-rpc/validator.js";
import { failureOf } from "../support/failure.js";
import { Running, run } from "../support/processes.js";
import { describeWith } from "../support/requirements.js";
import { startRtorrent, startSupervisord } from "../support/xml-rpc-daemons.js";
import { buildExamples, exampleProgram } from "./built.js";

beforeAll(() => buildExamples(), 120_000);

describeWith(["supervisord"], "supervisord over its Unix socket", () => {
  const options = { preset: "supervisord", auth: { user: "me", password: "sesame" } } as const;

  it("is asked for its state, and starts and stops a process", async () => {
    await using daemon = await startSupervisord();
    await using supervisor = await connect(Supervisor, daemon.address, options);
    expect(await supervisor.getState()).toEqual({ statecode: 1, statename: "RUNNING" });
    expect(await supervisor.startProcess("cat")).toBe(true);
    expect((await supervisor.getProcessInfo("cat")).statename).toBe("RUNNING");
    expect(await supervisor.stopProcess("cat", true)).toBe(true);
    const all = await supervisor.getAllProcessInfo();
    expect(all.map(({ name, statename }) => `${name} ${statename}`)).toEqual(["cat STOPPED", "ticker RUNNING"]);
    expect(supervisor.$stats().connects).toBeGreaterThan(0);
  });

  it("has faults whose numbers are known: some prove that nothing ran", async () => {
    await using daemon = await startSupervisord();
    await using supervisor = await connect(Supervisor, daemon.address, options);
    expect(await failureOf(supervisor.startProcess("dog"))).toMatchObject({
      code: "not-found",
      executed: "no",
      status: { number: 10, text: "BAD_NAME: dog" },
    });
    expect(await failureOf(supervisor.startProcess("ticker"))).toMatchObject({
      executed: "unknown",
      status: { number: 60 },
    });
    await using client = new XmlRpcClient(daemon.address, options as XmlRpcClientOptions);
    expect(await failureOf(client.execute("supervisor.nothing"))).toMatchObject({
      code: "unimplemented",
      executed: "no",
      status: { number: 1 },
    });
    expect(await client.methodSignature("supervisor.stopProcess")).toEqual([["boolean", "string", "boolean"]]);
    expect(await client.listMethods()).toContain("supervisor.getState");
    await using nobody = new XmlRpcClient(daemon.address);
    expect(await failureOf(nobody.execute("supervisor.getState"))).toMatchObject({
      code: "denied",
      executed: "no",
      status: { number: 401 },
    });
  });

  it("takes calls together", async () => {
    await using daemon = await startSupervisord();
    await using supervisor = await connect(Supervisor, daemon.address, options);
    const [state, bad, info] = await supervisor.$multicall((calls) => [
      calls.getState(),
      calls.stopProcess("dog"),
      calls.getProcessInfo("ticker"),
    ]);
    expect(state).toMatchObject({ ok: true, value: { statename: "RUNNING" } });
    expect(bad).toMatchObject({ ok: false, executed: "no", error: { code: "not-found" } });
    expect(info).toMatchObject({ ok: true, value: { name: "ticker" } });
    expect(supervisor.$stats().calls).toBe(2);
  });

  it("is controlled by the example from the command line", async () => {
    await using daemon = await startSupervisord();
    const withAuth = daemon.address;
    const { code, stderr } = await run(process.execPath, [exampleProgram("xml-rpc/supervisor.js"), withAuth]);
    // The socket wants a user, and the example has none to give.
    expect(code).toBe(1);
    expect(stderr).toMatch(/Unauthorized \(executed: no\)/);
  });
});

describeWith(["rtorrent"], "rtorrent over SCGI", () => {
  /** A torrent of one file that is nowhere. */
  const torrent = Buffer.from(
    `d8:announce21:http://127.0.0.1:9/an4:infod6:lengthi1000e4:name9:hello.bin12:piece lengthi16384e6:pieces20:${"\x01".repeat(20)}ee`,
    "latin1",
  );

  it.each(["unix", "tcp"] as const)("lists its downloads over %s", async (transport) => {
    await using daemon = await startRtorrent(transport);
    await using client = new XmlRpcClient(daemon.address, { preset: "rtorrent" });
    expect(await client.execute("system.client_version", [], { semantics: "at-least-once" })).toMatch(/^\d+\.\d+/);
    expect(await client.execute("load.raw", ["", torrent])).toBe(0);
    const { version, downloads } = await listDownloads(daemon.address);
    expect(version).toMatch(/^\d+\.\d+/);
    expect(downloads).toEqual([{ name: "hello.bin", sizeBytes: 1000, doneBytes: 0, isActive: false }]);
    const listed = await run(process.execPath, [exampleProgram("xml-rpc/rtorrent.js"), daemon.address]);
    expect(listed.lines).toEqual([`rtorrent ${version}, 1 downloads`, "  0 %  idle    hello.bin"]);
  });

  it("has hundreds of methods, numbers of 64 bits, and faults of xmlrpc-c", async () => {
    await using daemon = await startRtorrent("unix");
    await using client = new XmlRpcClient(daemon.address, { preset: "rtorrent" });
    expect((await client.listMethods()).length).toBeGreaterThan(500);
    expect(await client.execute("math.add", ["", 2 ** 40, 1])).toBe(2 ** 40 + 1);
    expect(await failureOf(client.execute("nothing"))).toMatchObject({
      code: "unimplemented",
      executed: "no",
      status: { number: -506 },
    });
    // The command ran, found its value wrong, and says so by the number of a parse error.
    expect(await failureOf(client.execute("throttle.global_down.max_rate.set", ["", 2 ** 40]))).toMatchObject({
      code: "bad-arguments",
      executed: "unknown",
      status: { number: -503 },
    });
    const outcomes = await client.multicall([["system.pid"], ["nothing"], ["system.client_version"]]);
    expect(outcomes).toMatchObject([{ ok: true }, { ok: false, executed: "no" }, { ok: true }]);
  });
});

describe("a remote library in the manner of Robot Framework", () => {
  it("tells its keywords and runs them, as the framework's own client asks", async () => {
    const server = exampleLibrary().serve();
    const url = await server.listen("http://127.0.0.1:0/RPC2");
    await using client = new XmlRpcClient(url);
    expect(await client.execute("get_keyword_names")).toEqual(["Count Items", "Strings Should Be Equal"]);
    expect(await client.execute("get_keyword_arguments", ["Strings Should Be Equal"])).toEqual(["first", "second"]);
    expect(await client.execute("get_keyword_documentation", ["Count Items"])).toBe("How many items a list has.");
    expect(await client.execute("run_keyword", ["Count Items", [["a", "b"]]])).toEqual({ status: "PASS", return: 2 });
    expect(await client.execute("run_keyword", ["Strings Should Be Equal", ["a", "a"]])).toEqual({
      status: "PASS",
      return: "",
    });
    expect(await client.execute("run_keyword", ["Strings Should Be Equal", ["a", "b"]])).toEqual({
      status: "FAIL",
      error: '"a" is not "b"',
    });
    expect(await client.execute("run_keyword", ["Missing", []])).toMatchObject({ status: "FAIL" });
    await server.close(0);
  });
});

describe("a client in the shape of Odoo's", () => {
  it("logs in, reads and creates, against what a server once answered", async () => {
    const { origin, close } = await recordedOdoo(0);
    await using odoo = await Odoo.login(origin, "demo", "admin", "admin");
    const partners = await odoo.searchRead("res.partner", [["is_company", "=", true]], ["name", "country_id"], 5);
    expect(partners).toEqual([
      { id: 14, name: "Azure Interior", country_id: [233, "United States"], create_date: "2024-05-13 09:12:44" },
      { id: 10, name: "Deco Addict", country_id: [233, "United States"], create_date: "2024-05-13 09:12:44" },
      { id: 31, name: "M&V Möbel", country_id: false, create_date: "2024-05-14 11:00:02" },
    ]);
    expect(await odoo.create("res.partner", { name: "New Partner" })).toBe(78);
    expect(await failureOf(odoo.create("res.nothing", {}))).toMatchObject({
      code: "server-error",
      executed: "unknown",
      status: { number: 2 },
    });
    await expect(Odoo.login(origin, "demo", "admin", "wrong")).rejects.toThrow(/does not know admin/);
    close();
  });

  it("runs as a program", async () => {
    const { origin, close } = await recordedOdoo(0);
    const { lines, code } = await run(process.execPath, [exampleProgram("xml-rpc/odoo.js"), origin]);
    expect(lines).toEqual([
      "Azure Interior           United States",
      "Deco Addict              United States",
      "M&V Möbel                ",
      "made 78",
    ]);
    expect(code).toBe(0);
    close();
  });
});

describe("the validator", () => {
  const date = new Date("1998-07-17T14:08:55Z");
  const bytes = new Uint8Array([0, 127, 128, 255]);

  it("has the eight methods", async () => {
    await using server: Server = validatorServer();
    await using client = await connect(Validator, await server.listen("http://127.0.0.1:0/RPC2"));
    expect(
      await client.arrayOfStructsTest([
        { moe: 1, larry: 2, curly: -3 },
        { moe: 0, larry: 0, curly: 10 },
      ]),
    ).toBe(7);
    expect(await client.countTheEntities(`<<>&&&'"""`)).toEqual({
      ctLeftAngleBrackets: 2,
      ctRightAngleBrackets: 1,
      ctAmpersands: 3,
      ctApostrophes: 1,
      ctQuotes: 3,
    });
    expect(await client.easyStructTest({ moe: 1, larry: 2, curly: 3 })).toBe(6);
    const value = { substruct0: { moe: 5, larry: [1, "x"], curly: true } };
    expect(await client.echoStructTest(value)).toEqual(value);
    expect(await client.manyTypesTest(4, true, "text", 3, date, bytes)).toEqual([4, true, "text", 3, date, bytes]);
    expect(await client.moderateSizeArrayCheck(["first", "middle", "last"])).toBe("firstlast");
    const day = { moe: 1, larry: 2, curly: 3 };
    expect(await client.nestedStructTest({ "2000": { "04": { "01": day, "02": {} } } })).toBe(6);
    expect(await client.simpleStructReturnTest(7)).toEqual({ times10: 70, times100: 700, times1000: 7000 });
    await server.close();
  });

  it("serves at /RPC2 of the port that it is given, until it is told to end", async () => {
    const server = new Running(process.execPath, [exampleProgram("xml-rpc/validator.js"), "--port", "0"]);
    const [url] = await server.line(/^http:\/\/127\.0\.0\.1:\d+\/RPC2$/);
    await using client = new XmlRpcClient(url);
    expect(await client.execute("validator1.simpleStructReturnTest", [2])).toEqual({
      times10: 20,
      times100: 200,
      times1000: 2000,
    });
    await client.close();
    server.kill("SIGTERM");
    expect(await server.ended).toBe(0);
  });
});
