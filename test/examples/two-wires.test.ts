// One implementation, two wires: C calls by ONC RPC what Python calls by XML-RPC, in one server.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect, Server } from "farcall";
import { overXmlRpc } from "farcall/xmlrpc";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CalcV1, type CalcV1Handlers, DivisionStatus } from "../../examples/calc/calc.js";
import { calc } from "../../examples/calc/service.js";
import { StatelessFilesV1, type StatelessFilesV1Handlers } from "../../examples/file-service/files.js";
import { Folder } from "../../examples/file-service/folder.js";
import { statelessFiles } from "../../examples/file-service/stateless.js";
import { buildPeer, programs, runPeer } from "../support/c-peers.js";
import { Running, run } from "../support/processes.js";
import { describeWith, toBuildC } from "../support/requirements.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const python = `${root}examples/two-wires/client.py`;
const refused = 'refused: params[0].b: expected an integer from -2147483648 to 2147483647, got "two"';

/** What both clients print of the calculator. */
const calculated = ["1 + 2 = 3", "7 / 2 = 3 remainder 1", "7 / 0 is not possible"];

/** The same object, with a note of each call: the procedure, and what it is called by. */
function noted<H extends object>(handlers: H, calls: string[]): H {
  return new Proxy(handlers, {
    get: (target, name) => {
      const handler = Reflect.get(target, name) as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        // XML-RPC knows a method by a name; ONC RPC has none.
        const { method } = args.at(-1) as { method?: string };
        calls.push(`${String(name)} by ${method === undefined ? "ONC RPC" : method}`);
        return handler.apply(target, args);
      };
    },
  });
}

describeWith([...toBuildC, "python3"], "one implementation, two wires", () => {
  const folder = mkdtempSync(join(tmpdir(), "farcall-wires-"));
  // Compiling takes long on a busy machine; here, so that none of the tests takes the time.
  beforeAll(async () => {
    await run(process.execPath, ["scripts/ensure.mjs", "examples"], { cwd: root, timeoutMs: 240_000 });
    await buildPeer(programs.twoWiresClient);
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is one object, which C calls over ONC RPC and Python over XML-RPC", async () => {
    const calls: string[] = [];
    const calculator: CalcV1Handlers = noted(calc, calls);
    const files: StatelessFilesV1Handlers = noted(statelessFiles(new Folder(folder)), calls);
    await using server = new Server();
    server.export(CalcV1, calculator).export(overXmlRpc(CalcV1), calculator);
    server.export(StatelessFilesV1, files).export(overXmlRpc(StatelessFilesV1, { prefix: "files" }), files);
    const tcp = await server.listen("tcp://127.0.0.1:0");
    const url = await server.listen("http://127.0.0.1:0");
    const { port } = new URL(tcp);

    const ofPython = await run("python3", [python, url, "python.txt", "Grüße", "nothing"]);
    expect(ofPython.stderr).toBe("");
    expect(ofPython.lines).toEqual([
      ...calculated,
      "the mean of 1, 2.5 and 4 is 2.5",
      "python.txt FILE_OK up to 7",
      "nothing FILE_NO_ENTRY ",
      refused,
    ]);
    // Each reads what the other has written.
    const ofC = await runPeer(programs.twoWiresClient, [port, "c.txt", "from C", "python.txt"]);
    expect(ofC.stderr).toBe("");
    expect(ofC.lines).toEqual([
      ...calculated,
      "the mean of 1, 2.5 and 4 is 2.5",
      "c.txt FILE_OK up to 6",
      "python.txt FILE_OK Grüße",
    ]);
    // And farcall's own client, by either wire.
    for (const client of [await connect(CalcV1, tcp), await connect(overXmlRpc(CalcV1), url)]) {
      expect(await client.add({ a: 40, b: 2 })).toBe(42);
      expect(await client.divide({ a: 1, b: 0 })).toEqual({ status: DivisionStatus.DIVISION_BY_ZERO });
      await client.$close();
    }
    expect(calls.splice(-4)).toEqual([
      "add by ONC RPC",
      "divide by ONC RPC",
      "add by calc.add",
      "divide by calc.divide",
    ]);
    const again = await run("python3", [python, url, "python.txt", "Grüße", "c.txt"]);
    expect(again.lines[5]).toBe("c.txt FILE_OK from C");
    expect(readFileSync(join(folder, "c.txt"), "utf8")).toBe("from C");

    const onc = ["add", "divide", "divide", "average", "write", "read"].map((name) => `${name} by ONC RPC`);
    const xmlRpc = ["add by calc.add", "divide by calc.divide", "divide by calc.divide", "average by calc.average"];
    xmlRpc.push("write by files.write", "read by files.read");
    expect(calls).toEqual([...xmlRpc, ...onc, ...xmlRpc]);
  });

  it("is an example that runs", async () => {
    const main = join(root, ".build/examples/two-wires/server.js");
    await using server = new Running(process.execPath, [main, "--port", "0", "--http", "0", "--folder", folder]);
    const [, port = ""] = await server.line(/^tcp:\/\/127\.0\.0\.1:(\d+)$/);
    const [url] = await server.line(/^http:.*$/);
    const ofC = await runPeer(programs.twoWiresClient, [port, "both.txt", "one process", "both.txt"]);
    expect(ofC.lines.at(-1)).toBe("both.txt FILE_OK one process");
    const ofPython = await run("python3", [python, url, "python.txt", "x", "both.txt"]);
    expect(ofPython.lines[5]).toBe("both.txt FILE_OK one process");
  });
});
