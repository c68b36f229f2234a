import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer, type Server as NetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build as esbuild } from "esbuild";
import { Server } from "farcall";
import { overXmlRpc, serverAuthBasic, XmlRpcFault, type XmlRpcServerOptions } from "farcall/xmlrpc";
import { build as viteBuild } from "vite";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CalcV1 } from "../../examples/calc/calc.js";
import { Running } from "../support/processes.js";
import { describeWith } from "../support/requirements.js";
import { type Ended, type Places, Web } from "./contract.js";

// The client in a real browser. page.ts is bundled from the built package, as users bundle it, and makes its calls in a
// Chromium that is started once; what it reports of them is looked at below.

const home = fileURLToPath(new URL("../../", import.meta.url));
const page = join(home, "test/browser/page.ts");

/** A bundle must not want anything of Node. */
function expectForBrowsers(code: string): void {
  expect(code.length).toBeGreaterThan(10_000);
  expect(code).not.toMatch(/["']node:|browser-external/);
}

it("a client is bundled for browsers by esbuild, and wants nothing of Node", async () => {
  const { outputFiles } = await esbuild({
    entryPoints: [page],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
  });
  expectForBrowsers(outputFiles.map(({ text }) => text).join("\n"));
});

/** How often a handler ran at each place. */
const runs = { here: 0, other: 0, guarded: 0, closed: 0 };

function makeServer(place: keyof typeof runs, options: XmlRpcServerOptions<undefined> = {}): Server {
  const server = new Server({ xmlRpc: { onError: () => {}, ...options } });
  server.export(Web, {
    types: (value) => {
      runs[place]++;
      return value;
    },
    twice: (text) => {
      runs[place]++;
      return text + text;
    },
    fail: () => {
      throw new Error("a secret of the server");
    },
    refuse: () => {
      throw new XmlRpcFault(4711, "no money");
    },
  });
  server.export(overXmlRpc(CalcV1), {
    add: ({ a, b }) => a + b,
    divide: ({ a, b }) => ({ status: 0, value: { quotient: Math.trunc(a / b), remainder: a % b } }),
    average: () => 0,
    sleep: () => {},
  });
  return server;
}

describeWith(["chromium"], "a client in a browser", () => {
  let ended: Readonly<Record<string, Ended>> = {};
  const closing: (() => unknown)[] = [];

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), "farcall-"));
    closing.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    const scripts = await bundled(join(folder, "bundle"));
    const { node } = await makeServer("here").httpHandlers();
    let tell: (told: typeof ended) => void = () => {};
    const report = new Promise<typeof ended>((resolve) => {
      tell = resolve;
    });
    const host = createHttpServer((request, response) => serve(request, response, { scripts, rpc: node, tell }));
    const origin = `http://127.0.0.1:${await listening(host)}`;
    const cors = { origins: [origin] };
    const auth = [serverAuthBasic((user, password) => user === "me" && password === "sesame")];
    const places: Places = {
      other: await served("other", { cors }),
      guarded: await served("guarded", { cors, auth }),
      closed: await served("closed", {}),
      nobody: `http://127.0.0.1:${await freePort()}/RPC2`,
    };

    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
    // A browser has much to ask its maker; none of it belongs here.
    flags.push("--disable-background-networking", "--disable-component-update", "--disable-sync");
    flags.push("--disable-extensions", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
    flags.push(`--user-data-dir=${join(folder, "profile")}`);
    const browser = new Running("chromium", [...flags, `${origin}/?${encodeURIComponent(JSON.stringify(places))}`]);
    closing.push(() => browser.stop());
    const over = browser.ended.then(() => Promise.reject(new Error(browser.describe())));
    over.catch(() => {});
    ended = await Promise.race([report, over]);
  }, 120_000);

  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  /** Bundles the page from the built package: by path and name, what the browser may ask for. */
  async function bundled(outDir: string): Promise<ReadonlyMap<string, string>> {
    mkdirSync(outDir);
    const rollupOptions = { input: page, output: { entryFileNames: "page.js" } };
    await viteBuild({
      root: home,
      configFile: false,
      logLevel: "error",
      publicDir: false,
      build: { outDir, emptyOutDir: true, target: "es2022", rollupOptions },
    });
    const files = readdirSync(outDir, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"));
    const scripts = new Map(files.map((name) => [`/${name}`, readFileSync(join(outDir, name), "utf8")]));
    expectForBrowsers([...scripts.values()].join("\n"));
    return scripts;
  }

  async function served(place: keyof typeof runs, options: XmlRpcServerOptions<undefined>): Promise<string> {
    const server = makeServer(place, options);
    closing.push(() => server.close({ drainMs: 0 }));
    return await server.listen("http://127.0.0.1:0/RPC2");
  }

  async function listening(server: ReturnType<typeof createHttpServer>): Promise<number> {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return portOf(server);
  }

  it.each([["typed, same origin"], ["typed, other origin"]])("carries values of every type: %s", (name) => {
    expect(ended[name]).toEqual({
      value: {
        int: -7,
        double: 0.5,
        yes: true,
        text: "Grüße € 👋 <&>",
        date: "2026-01-02T03:04:05.000Z",
        bytes: "bytes 0 1 254 255",
        big: "9007199254740993n",
        list: [1, 2, 3],
      },
    });
  });

  it.each<[name: string, value: unknown]>([
    ["untyped, other origin", "abab"],
    ["by connect", "cdcd"],
    ["a service of a .x file", [3, { status: 0, value: { quotient: 3, remainder: 1 } }]],
    ["many at once", Array.from({ length: 40 }, (_, i) => `${i}${i}`)],
    ["a multicall", [{ ok: true, value: "efef" }, "yes"]],
    ["a large answer", [true, true]],
    ["with a password", "ghgh"],
  ])("calls: %s", (name, value) => {
    expect(ended[name]).toEqual({ value });
  });

  it.each<[name: string, error: object]>([
    ["a handler that fails", { code: "server-error", executed: "yes", status: { number: -32500 } }],
    ["a fault of the handler", { code: "server-error", executed: "yes", status: { number: 4711, text: "no money" } }],
    ["a method that is not there", { code: "unimplemented", executed: "no", status: { number: -32601 } }],
    ["without the password", { code: "denied", executed: "no" }],
    ["an answer that is no XML", { executed: "unknown", message: expect.stringContaining("502") }],
    ["a redirect", { executed: "unknown", message: expect.stringContaining("redirect") }],
    ["a server that is silent", { code: "deadline-exceeded", executed: "unknown" }],
    ["a call that is cancelled", { code: "cancelled", executed: "unknown" }],
    [
      "a value that cannot be sent",
      { code: "invalid-argument", executed: "no", message: expect.stringContaining("params[0].a[0]") },
    ],
    ["a Unix socket", { code: "invalid-argument", executed: "no", message: expect.stringContaining("browser") }],
    ["ONC RPC", { code: "invalid-argument", executed: "no", message: expect.stringContaining("overXmlRpc") }],
  ])("says how a call failed: %s", (name, error) => {
    expect(ended[name]).toMatchObject({ isRpcError: true, ...error });
  });

  // A browser tells a page no more than that something was wrong: the request may have arrived.
  it.each([
    ["nobody there"],
    ["a page that may not call"],
    ["a server that hangs up"],
    ["a server that hangs up in its answer"],
  ])("does not know whether a call ran after any failure of the network: %s", (name) => {
    expect(ended[name]).toMatchObject({
      isRpcError: true,
      executed: "unknown",
      code: expect.stringMatching(/unavailable|connection-lost/),
    });
  });

  it("runs nothing where no page is allowed to call", () => {
    expect(runs.closed).toBe(0);
    expect(runs.here).toBe(1);
    expect(runs.guarded).toBe(1);
    expect(runs.other).toBeGreaterThan(40);
  });
});

interface Page {
  readonly scripts: ReadonlyMap<string, string>;
  readonly rpc: (request: IncomingMessage, response: ServerResponse) => void;
  readonly tell: (ended: Readonly<Record<string, Ended>>) => void;
}

/** Serves the page, calls of the same origin, and answers that are none. */
function serve(request: IncomingMessage, response: ServerResponse, { scripts, rpc, tell }: Page): void {
  const path = (request.url ?? "").replace(/\?.*/, "");
  const script = scripts.get(path);
  if (script !== undefined) {
    response.writeHead(200, { "Content-Type": "text/javascript" }).end(script);
    return;
  }
  switch (path) {
    case "/":
      response.writeHead(200, { "Content-Type": "text/html" });
      response.end('<!doctype html><script type="module" src="/page.js"></script>');
      break;
    case "/RPC2":
      rpc(request, response);
      break;
    case "/html":
      response.writeHead(502, { "Content-Type": "text/html" }).end("<h1>Bad gateway</h1>");
      break;
    case "/redirect":
      response.writeHead(307, { Location: "/RPC2" }).end();
      break;
    case "/cut":
      request.on("end", () => request.socket.destroy()).resume();
      break;
    case "/half":
      response.writeHead(200, { "Content-Type": "text/xml", "Content-Length": "1000" });
      response.write("<?xml version='1.0'?><methodResponse>", () => request.socket.destroy());
      break;
    case "/silent":
      request.resume();
      break;
    case "/report": {
      let text = "";
      request.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      request.on("end", () => {
        response.end();
        tell(JSON.parse(text) as Readonly<Record<string, Ended>>);
      });
      break;
    }
    default:
      response.writeHead(404).end();
  }
}

function portOf(server: NetServer): number {
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const port = portOf(probe);
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
