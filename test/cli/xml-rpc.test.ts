// `farcall call`, `list` and `gen --from` at XML-RPC servers: farcall's own, Python's, supervisord and rtorrent.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Server } from "farcall";
import { loadInterface } from "farcall/idl";
import {
  any,
  array,
  dateTime,
  i8,
  int,
  method,
  nothing,
  optional,
  overXmlRpc,
  serverAuthBasic,
  string,
  struct,
  XmlRpcFault,
  xmlRpcService,
} from "farcall/xmlrpc";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Authority } from "../support/certificates.js";
import { buildCli, farcall, startFarcall } from "../support/cli.js";
import { Running, run } from "../support/processes.js";
import { describeWith } from "../support/requirements.js";
import { startRtorrent, startSupervisord } from "../support/xml-rpc-daemons.js";

const home = fileURLToPath(new URL("../../", import.meta.url));
const python = fileURLToPath(new URL("../interop/xml-rpc/server.py", import.meta.url));
const probe = fileURLToPath(new URL("fixtures/probe.x", import.meta.url));

const Shop = xmlRpcService({
  square: method("shop.square", { params: [int], result: int, help: "Squares a number.\n\nOf 32 bits." }),
  price: method("shop.price", { params: [string, optional(i8)], result: any }),
  order: method("shop.order", { params: [struct({ id: int }), array(string)], result: nothing, help: "Orders." }),
  since: method("shop.since", { params: [], result: dateTime }),
  echo: method("shop.echo", { params: [any], result: any }),
  fail: method("shop.fail", { params: [int, string], result: any }),
  crash: method("shop.crash", { params: [], result: any }),
  hang: method("shop.hang", { params: [], result: any }),
});

/** A folder within the package, so that `farcall` resolves in what is generated. */
const scratch = join(home, ".build");

// Some compile what was generated, which takes long on a busy machine.
describe("an XML-RPC server on the command line", { timeout: 120_000 }, () => {
  const server = new Server({ xmlRpc: { onError: () => {}, nil: "nil" } });
  let url = "";
  let folder = "";
  let onHang = (): void => {};
  const call = (...args: string[]) => farcall(["call", url, ...args]);

  beforeAll(async () => {
    buildCli();
    mkdirSync(scratch, { recursive: true });
    folder = mkdtempSync(join(scratch, "cli-"));
    server.export(Shop, {
      square: (n) => n * n,
      price: (name, amount) => ({ name, amount: amount ?? null }),
      order: () => {},
      since: () => new Date("1998-07-17T14:08:55Z"),
      echo: (value) => value,
      fail: (code, text) => {
        throw new XmlRpcFault(code, text);
      },
      crash: () => {
        throw new Error("a secret of the server");
      },
      hang: () => {
        onHang();
        return new Promise(() => {});
      },
    });
    const [, v2] = loadInterface(probe).services;
    if (v2 === undefined) throw new Error("the fixture has no second version");
    server.export(overXmlRpc(v2), { newer: () => 7, rest: () => {} } as never);
    url = await server.listen("http://127.0.0.1:0/RPC2");
  }, 120_000);
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await server.close({ drainMs: 0 });
  });

  describe("farcall call", () => {
    it.each([
      ["a number", ["shop.square", "14"], "196"],
      ["an object, where an optional parameter is left out", ["shop.price", '"tea"'], '{"name":"tea","amount":null}'],
      ["nothing", ["shop.order", '{"id": 1}', '["a"]'], "null"],
      ["a time, without a zone as it came", ["shop.since"], '{"$date":"1998-07-17T14:08:55"}'],
      ["a time in UTC, by option", ["shop.since", "--dates", "utc"], '{"$date":"1998-07-17T14:08:55Z"}'],
    ])("prints %s as JSON, alone on stdout", async (_what, args, json) => {
      expect(await call(...args)).toEqual({ code: 0, stdout: `${json}\n`, stderr: "" });
    });

    it.each([
      ["14"],
      ["0.5"],
      ["true"],
      ['"Grüße <&> €"'],
      ['{"$bigint":"9007199254740993"}'],
      ['{"$base64":"AAH+/w=="}'],
      ['{"$date":"1998-07-17T14:08:55"}'],
      ['[1,["a",{}],{"__proto__":1}]'],
      ['{"$struct":{"$date":"x"}}'],
    ])("carries %s there and back", async (json) => {
      expect(await call("shop.echo", json)).toEqual({ code: 0, stdout: `${json}\n`, stderr: "" });
    });

    it("sends null where that is allowed, and reads an argument from stdin", async () => {
      const { stdout } = await farcall(["call", url, "shop.echo", "-", "--nil", "nil"], { input: "[null]" });
      expect(stdout).toBe("[null]\n");
    });

    it("writes what would command a terminal as JSON escapes it", async () => {
      expect((await call("shop.echo", '"a\\u009b\\u202eb"')).stdout).toBe('"a\\u009b\\u202eb"\n');
      const { stderr } = await call("shop.fail", "7", '"\\u009b31m"');
      expect(stderr).toContain("fault 7: \\u009b31m");
    });

    it("says with -v and --explain what is called and where the time went", async () => {
      const { stdout, stderr } = await call("shop.square", "3", "-v", "--explain");
      expect(stdout).toBe("9\n");
      expect(stderr).toContain(`shop.square at ${url}\n`);
      expect(stderr).toMatch(/^ {2}network {4}client/m);
      expect(stderr).toMatch(/^ {2}total/m);
    });

    it("calls a procedure of a .x file, with its types", async () => {
      const { code, stdout } = await call(probe, "newer", "--version", "2");
      expect([code, stdout]).toEqual([0, "7\n"]);
      expect(await call(probe, "newer", "5", "--version", "2")).toMatchObject({ code: 2, stdout: "" });
    });

    it.each([
      ["not JSON", ["shop.echo", "hello"], /argument 1 is not JSON .*text needs quotes of its own: '"text"'/],
      [
        "no value",
        ["shop.echo", '{"a": [{"$bigint": "x"}]}'],
        /argument 1 is wrong: a\[0\]: \$bigint takes a whole number/,
      ],
      ["too large for JSON", ["shop.echo", "9007199254740993"], /is not exact in JSON; write {"\$bigint": "\.\.\."}/],
      [
        "an int of 40 bits",
        ["shop.echo", "1099511627776"],
        /params\[0\]: 1099511627776 does not fit an int.*\n.*{"\$bigint": "5"}/,
      ],
      ["null", ["shop.echo", "null"], /params\[0\]: null is not in the specification; the option nil/],
      ["an instant for a peer of no zone", ["shop.echo", '{"$date": "1998-07-17T14:08:55Z"}'], /option dates/],
      ["an option of ONC RPC", ["shop.square", "1", "--auth", "sys"], /--auth is for ONC RPC/],
      ["a user without a password", ["shop.square", "1", "--user", "me"], /--user me needs a password/],
      ["a header that cannot be", ["shop.square", "1", "--header", "nothing"], /Write "NAME: VALUE"/],
      [
        "a header of the transport's own",
        ["shop.square", "1", "--header", "Host: x"],
        /headers: Host is the transport's own/,
      ],
    ] as [string, string[], RegExp][])("refuses what is %s, and sends nothing", async (_what, args, message) => {
      const { code, stdout, stderr } = await call(...args);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toMatch(message);
    });

    it("refuses options of XML-RPC for another protocol", async () => {
      const { code, stderr } = await farcall([
        "call",
        "tcp://127.0.0.1:1",
        probe,
        "newer",
        "--version",
        "2",
        "--nil",
        "nil",
      ]);
      expect([code, stderr]).toEqual([2, "farcall: --nil is for XML-RPC\n"]);
    });

    it.each([
      ["a method that is not there", ["shop.nothing"], 3, "no: the procedure did not run, and will not", -32601],
      ["parameters that are wrong", ["shop.square", '"x"'], 3, "no: the procedure did not run, and will not", -32602],
      ["a handler's fault", ["shop.fail", "7", '"no tea"'], 4, "yes: the procedure ran", 7],
      ["a handler that throws", ["shop.crash"], 4, "yes: the procedure ran", -32500],
      ["no answer", ["shop.hang", "--timeout", "300"], 5, "unknown: the procedure may have run", undefined],
    ])(
      "tells of %s whether the procedure ran, and ends with that code",
      async (_what, args, exit, executed, status) => {
        const { code, stdout, stderr } = await call(...args);
        expect([code, stdout]).toEqual([exit, ""]);
        expect(stderr).toContain(`\n  executed  ${executed}\n`);
        if (status !== undefined) expect(stderr).toContain(`\n  status    ${status} (`);
        expect(stderr).not.toContain("secret");
      },
    );

    it("tells of a server that is not there that nothing ran", async () => {
      const { code, stderr } = await farcall(["call", "http://127.0.0.1:1/RPC2", "shop.square", "1"]);
      expect(code).toBe(3);
      expect(stderr).toMatch(/code {6}unavailable\n {2}executed {2}no/);
    });

    it("ends a call at Ctrl-C, and says that it may have run", async () => {
      const there = new Promise<void>((resolve) => {
        onHang = resolve;
      });
      const running = startFarcall(["call", url, "shop.hang"]);
      await there;
      running.kill("SIGINT");
      expect(await running.ended).toBe(5);
      expect(running.stderr).toMatch(/code {6}cancelled\n {2}executed {2}unknown/);
    });
  });

  describe("farcall list", () => {
    it("prints each way to call a method, and the first sentence of its help", async () => {
      const { code, stdout, stderr } = await farcall(["list", url]);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toContain("shop.square(int) -> int\n    Squares a number.\nsystem.");
      expect(stdout).toContain("shop.price(string, i8) -> any\nshop.price(string) -> any\n");
      expect(stdout.split("\n").filter((line) => line.startsWith("system."))).toHaveLength(6);
    });

    it("prints the whole help of those that are named", async () => {
      expect((await farcall(["list", url, "shop.square", "shop.order"])).stdout).toBe(
        "shop.order(struct, array) -> nil\n    Orders.\nshop.square(int) -> int\n    Squares a number.\n\n    Of 32 bits.\n",
      );
    });

    it("prints JSON with --json, on one line", async () => {
      const { stdout } = await farcall(["list", url, "shop.square", "--json"]);
      expect(stdout.trimEnd()).not.toContain("\n");
      expect(JSON.parse(stdout)).toEqual([
        { name: "shop.square", signatures: [["int", "int"]], help: "Squares a number.\n\nOf 32 bits." },
      ]);
    });

    it.each([
      ["a method that is not there", ["shop.nothing"], 2, /has no method shop\.nothing\n/],
      [
        "an address of another kind",
        [],
        2,
        /tcp:\/\/127\.0\.0\.1:1 is neither a name nor an address of an XML-RPC server/,
      ],
    ])("refuses %s", async (_what, methods, code, message) => {
      const to = methods.length === 0 ? "tcp://127.0.0.1:1" : url;
      const ended = await farcall(["list", to, ...methods]);
      expect(ended).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(message) });
    });
  });

  describe("farcall gen --from", () => {
    it("writes a contract that the strictest tsc takes, and that works", async () => {
      const out = join(folder, "shop");
      expect(await farcall(["gen", "--from", url, "--name", "Shop", "-o", out])).toEqual({
        code: 0,
        stdout: `wrote      ${join(out, "shop.ts")}\n`,
        stderr: "",
      });
      const text = readFileSync(join(out, "shop.ts"), "utf8");
      // It names the probe of the .x as well, so there is no common prefix.
      expect(text).toContain("  shopPrice: Procedure<[arg1: string, arg2?: bigint | undefined], XmlRpcValue>;");
      await compiled(
        out,
        `import { connect } from "farcall";
import { Shop } from "./shop.js";
await using shop = await connect(Shop, ${JSON.stringify(url)}, { nil: "nil" });
const n: number = await shop.shopSquare(14);
// @ts-expect-error: a string is no int
await shop.shopSquare("14").catch(() => {});
await shop.shopOrder({ id: 1 }, ["a"]);
console.log(n, await shop.shopPrice("tea", 5n), (await shop.shopSince()).toISOString());`,
        "196 { name: 'tea', amount: 5 } 1998-07-17T14:08:55.000Z",
      );
    });

    it("leaves a file alone that would not change or is not its own, and checks", async () => {
      const out = join(folder, "again");
      const gen = (...more: string[]) => farcall(["gen", "--from", url, "--name", "Shop", "-o", out, ...more]);
      const file = join(out, "shop.ts");
      expect(await gen("--check")).toMatchObject({ code: 1, stderr: expect.stringMatching(/^stale {6}/) });
      expect(existsSync(file)).toBe(false);
      await gen();
      expect(await gen()).toEqual({ code: 0, stdout: `unchanged  ${file}\n`, stderr: "" });
      expect(await gen("--check")).toMatchObject({ code: 0 });
      writeFileSync(file, "export const mine = 1;\n");
      expect(await gen()).toMatchObject({ code: 2, stderr: expect.stringContaining("was not made by farcall gen") });
      expect(readFileSync(file, "utf8")).toBe("export const mine = 1;\n");
    });

    it.each([
      ["files and a server", [probe], /choose one: files, or --from a server/],
      ["--watch", ["--watch"], /--watch is for files/],
      ["a name that is none", ["--name", "my shop"], /--name my shop: a contract's name/],
    ])("refuses %s", async (_what, args, message) => {
      const ended = await farcall(["gen", "--from", url, ...args], { cwd: folder });
      expect(ended).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(message) });
    });
  });

  describe("who does not say what there is", () => {
    it.each([["list"], ["gen"]])("is told of by %s", async (command) => {
      await using quiet = await quietServer();
      const args = command === "list" ? ["list", quiet.url] : ["gen", "--from", quiet.url];
      const { code, stdout, stderr } = await farcall(args, { cwd: folder });
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/system\.listMethods to .*fault -32601/);
      expect(stderr).toContain("The server does not say what methods it has");
      expect(stderr).toContain("register_introspection_functions");
    });

    it("is another server, or none", async () => {
      await using page = await webPage();
      const { code, stderr } = await farcall(["list", page.url]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/HTTP 404 Not Found, text\/html: "<h1>no<\/h1>"/);
      expect(await farcall(["list", "http://127.0.0.1:1"])).toMatchObject({ code: 1, stdout: "" });
    });

    it("wants to know who asks", async () => {
      const guarded = new Server({
        xmlRpc: { auth: [serverAuthBasic((user, word) => `${user}:${word}` === "me:sesame")] },
      });
      guarded.export(Shop, handlersOfNothing);
      const to = await guarded.listen("http://127.0.0.1:0");
      try {
        const refused = await farcall(["list", to]);
        expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("--user NAME:PASSWORD") });
        expect(await farcall(["list", to, "shop.since", "--user", "me:sesame"])).toMatchObject({ code: 0 });
        const env = { FARCALL_PASSWORD: "sesame" };
        expect(await farcall(["call", to, "shop.since", "--user", "me"], { env })).toMatchObject({ code: 4 });
        const header = `Authorization: Basic ${Buffer.from("me:sesame").toString("base64")}`;
        expect(await farcall(["list", to, "shop.since", "--header", header])).toMatchObject({ code: 0 });
      } finally {
        await guarded.close({ drainMs: 0 });
      }
    });
  });

  describeWith(["openssl"], "over TLS", () => {
    it("trusts what --ca says, and goes nowhere without", async () => {
      const authority = new Authority();
      const { cert, key } = authority.issue("server", "IP:127.0.0.1");
      const tls = new Server({ xmlRpc: { tls: { cert, key } } });
      tls.export(Shop, { ...handlersOfNothing, square: (n: number) => n * n });
      const to = await tls.listen("https://127.0.0.1:0");
      try {
        const args = ["call", to, "shop.square", "3"];
        expect(await farcall([...args, "--ca", authority.ca.certFile])).toEqual({ code: 0, stdout: "9\n", stderr: "" });
        expect(await farcall(args)).toMatchObject({ code: 3, stdout: "" });
      } finally {
        await tls.close({ drainMs: 0 });
      }
    });
  });

  describe("over SCGI and Unix sockets", () => {
    it.each([["http+unix"], ["scgi+unix"], ["scgi"]])("is called at %s", async (scheme) => {
      const to = scheme === "scgi" ? "scgi://127.0.0.1:0" : `${scheme}:${join(folder, `${scheme}.sock`)}`;
      const address = await server.listen(to);
      expect(await farcall(["call", address, "shop.square", "3"])).toEqual({ code: 0, stdout: "9\n", stderr: "" });
      expect((await farcall(["list", address, "shop.since"])).stdout).toBe("shop.since() -> dateTime.iso8601\n");
    });
  });

  /** Compiles a program beside what was generated, runs it and looks at what it prints. */
  async function compiled(out: string, program: string, prints: string): Promise<void> {
    writeFileSync(join(out, "main.ts"), program);
    writeFileSync(
      join(out, "tsconfig.json"),
      JSON.stringify({
        extends: join(home, "tsconfig.base.json"),
        compilerOptions: {
          rootDir: out,
          outDir: join(out, "js"),
          customConditions: [],
          noUnusedLocals: true,
          noUnusedParameters: true,
        },
        include: ["*.ts"],
      }),
    );
    const tsc = await run(process.execPath, [join(home, "node_modules/typescript/bin/tsc"), "-p", out]);
    expect([tsc.code, tsc.stdout]).toEqual([0, ""]);
    const ran = await run(process.execPath, [join(out, "js/main.js")]);
    expect(ran).toMatchObject({ code: 0, stderr: "", stdout: `${prints}\n` });
  }

  describeWith(["python3"], "of Python", () => {
    const start = async (...args: string[]) => {
      const running = new Running("python3", [python, ...args]);
      const [, port] = await running.line(/^READY (\d+)$/);
      return { url: `http://127.0.0.1:${port}/RPC2`, [Symbol.asyncDispose]: () => running.stop() };
    };

    it("has methods of unknown types, which are called by an array", async () => {
      await using peer = await start("flat");
      expect((await farcall(["list", peer.url, "add"])).stdout).toBe("add(...)\n    Adds.\n");
      expect(await farcall(["call", peer.url, "add", "1", "2"])).toMatchObject({ code: 0, stdout: "3\n" });
      expect(await farcall(["call", peer.url, "nothing"])).toMatchObject({ code: 5 });
      const out = join(folder, "python");
      expect(await farcall(["gen", "--from", peer.url, "--name", "Peer", "-o", out])).toMatchObject({ code: 0 });
      await compiled(
        out,
        `import { connect } from "farcall";
import { Peer } from "./peer.js";
await using peer = await connect(Peer, ${JSON.stringify(peer.url)});
console.log(await peer.add([1, 2]), await peer.greet(["you"], { timeoutMs: 5_000 }));`,
        "3 Hello, you",
      );
    });

    it("without introspection is called all the same", async () => {
      await using peer = await start("flat", "bare");
      const { code, stderr } = await farcall(["gen", "--from", peer.url], { cwd: folder });
      expect(code).toBe(1);
      expect(stderr).toContain("register_introspection_functions");
      expect(await farcall(["call", peer.url, "add", "1", "2"])).toMatchObject({ code: 0, stdout: "3\n" });
    });
  });

  describeWith(["supervisord"], "that is supervisord", () => {
    it("is listed, called, and has a contract", async () => {
      await using daemon = await startSupervisord();
      const env = { FARCALL_PASSWORD: "sesame" };
      const asked = (...args: string[]) => farcall([...args, "--user", "me"], { env });
      expect((await asked("list", daemon.address, "supervisor.stopProcess")).stdout).toMatch(
        /^supervisor\.stopProcess\(string, boolean\) -> boolean\n {4}Stop a process named by name\n/,
      );
      const state = await asked("call", daemon.address, "supervisor.getState");
      expect(JSON.parse(state.stdout)).toEqual({ statecode: 1, statename: "RUNNING" });
      const nope = ["call", daemon.address, "supervisor.startProcess", '"nope"', "--preset", "supervisord"];
      expect(await asked(...nope)).toMatchObject({ code: 3, stderr: expect.stringContaining("(BAD_NAME: nope)") });

      const out = join(folder, "supervisor");
      await asked("gen", "--from", daemon.address, "-o", out);
      const text = readFileSync(join(out, "supervisor.ts"), "utf8");
      expect(text).toContain("  startProcess: Procedure<[name: string, wait: boolean], boolean>;");
      expect(text).not.toContain("sesame");
      await compiled(
        out,
        `import { connect } from "farcall";
import { Supervisor } from "./supervisor.js";
const options = { preset: "supervisord", auth: { user: "me", password: "sesame" } } as const;
await using supervisor = await connect(Supervisor, ${JSON.stringify(daemon.address)}, options);
const started: boolean = await supervisor.startProcess("cat", true);
const info: Record<string, unknown> = await supervisor.getProcessInfo("cat");
console.log(started, info["name"]);`,
        "true cat",
      );
    });
  });

  describeWith(["rtorrent"], "that is rtorrent", () => {
    it("has hundreds of methods, which come in few requests", async () => {
      await using daemon = await startRtorrent("unix");
      const { code, stdout } = await farcall(["list", daemon.address, "--preset", "rtorrent", "--json"]);
      expect(code).toBe(0);
      expect((JSON.parse(stdout) as unknown[]).length).toBeGreaterThan(500);
      const out = join(folder, "rtorrent");
      await farcall(["gen", "--from", daemon.address, "--name", "Rtorrent", "-o", out]);
      await compiled(
        out,
        `import { connect } from "farcall";
import { Rtorrent } from "./rtorrent.js";
await using rtorrent = await connect(Rtorrent, ${JSON.stringify(daemon.address)}, { preset: "rtorrent" });
console.log(typeof (await rtorrent.systemClientVersion([])), await rtorrent.dMulticall2(["", "main", "d.name="]));`,
        "string []",
      );
    });
  });
});

const handlersOfNothing: Record<keyof typeof Shop.procedures, () => never> = Object.fromEntries(
  Object.keys(Shop.procedures).map((key) => [
    key,
    () => {
      throw new XmlRpcFault(1, "nothing");
    },
  ]),
) as never;

async function quietServer() {
  const server = new Server({ xmlRpc: { introspection: false } });
  server.export(Shop, handlersOfNothing);
  const url = await server.listen("http://127.0.0.1:0");
  return { url, [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }) };
}

async function webPage() {
  const server = createServer((_request, response) => {
    response.writeHead(404, { "Content-Type": "text/html" }).end("<h1>no</h1>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`;
  return {
    url,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
