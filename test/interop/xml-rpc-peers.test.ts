import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { connect, Server } from "farcall";
import {
  any,
  array,
  base64,
  boolean,
  dateTime,
  double,
  int,
  method,
  string,
  struct,
  XmlRpcClient,
  type XmlRpcClientOptions,
  XmlRpcFault,
  xmlRpcService,
} from "farcall/xmlrpc";
import { expect, it } from "vitest";
import { buildPeer, programs } from "../support/c-peers.js";
import { failureOf } from "../support/failure.js";
import { Running, run } from "../support/processes.js";
import { describeWith, type Need, toBuildC } from "../support/requirements.js";

// The same methods, `peer.*`, by the XML-RPC of other languages: each calls a farcall server, and a farcall client calls each.

const folder = fileURLToPath(new URL("xml-rpc/", import.meta.url));

const Types = struct({
  int,
  double,
  yes: boolean,
  text: string,
  date: dateTime,
  bytes: base64,
  list: array(int),
});

const Peer = xmlRpcService({
  add: method("peer.add", { params: [int, int], result: int, help: "Adds." }),
  greet: method("peer.greet", { params: [string], result: string }),
  echo: method("peer.echo", { params: [any], result: any }),
  types: method("peer.types", { params: [], result: Types }),
  fail: method("peer.fail", { params: [int, string], result: any }),
});

const types = {
  int: -7,
  double: 0.5,
  yes: true,
  text: "Grüße €",
  date: new Date("2026-01-02T03:04:05Z"),
  bytes: new Uint8Array([0, 1, 254, 255]),
  list: [1, 2, 3],
};

async function farcallServer() {
  const server = new Server({ xmlRpc: { onError: () => {} } });
  server.export(Peer, {
    add: (a, b) => a + b,
    greet: (name) => `Hello, ${name}`,
    echo: (value) => value,
    types: () => types,
    fail: (code, text) => {
      throw new XmlRpcFault(code, text);
    },
  });
  const url = await server.listen("http://127.0.0.1:0/RPC2");
  return { url, [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }) };
}

/** A server of another language, once it says that it is ready. */
async function started(command: string, args: readonly string[]) {
  const running = new Running(command, [...args]);
  const [, port] = await running.line(/^READY (\d+)$/);
  return { url: `http://127.0.0.1:${port}/RPC2`, [Symbol.asyncDispose]: () => running.stop() };
}

/** PHP's server cannot say which port it took. */
async function php() {
  const port = await new Promise<number>((resolve) => {
    const probe = createServer();
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
  const running = new Running("php", ["-S", `127.0.0.1:${port}`, `${folder}server.php`]);
  const url = `http://127.0.0.1:${port}/RPC2`;
  for (let i = 0; i < 200; i++) {
    const there = await fetch(url).then(
      () => true,
      () => false,
    );
    if (there) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { url, [Symbol.asyncDispose]: () => running.stop() };
}

interface Language {
  readonly name: string;
  readonly needs: readonly Need[];
  readonly serve: () => Promise<AsyncDisposable & { readonly url: string }>;
  /** Its client, and what that prints; not there where it is another one's. */
  readonly client?: {
    readonly start: (url: string) => Promise<readonly [command: string, args: readonly string[]]>;
    readonly prints: readonly string[];
  };
  /** What its server answers to a method that it does not have: the fault, and what that proves. */
  readonly missing: object;
  readonly options?: XmlRpcClientOptions;
  readonly multicall: boolean;
  /** What its `echo` cannot carry back. */
  readonly echoes: readonly unknown[];
  /** What it can greet: xmlrpc-c has no characters beyond 16 bits, and Perl's text is what its programs make of it. */
  readonly greets: string;
  /** Whether a fault within its multicall is what the protocol says: Perl's has an element there that is nowhere allowed. */
  readonly innerFaults: boolean;
}

const everything = [
  "text € <&>",
  "",
  "line\nend",
  "x".repeat(300_000),
  0,
  -(2 ** 31),
  0.1,
  1e300,
  true,
  [],
  [[1], [2, [3]]],
  { a: { b: { c: [1, "x", false] } } },
  {},
  new Uint8Array([0, 255]),
  new Date("1998-07-17T14:08:55Z"),
];

const languages: readonly Language[] = [
  {
    name: "Python",
    needs: ["python3"],
    serve: () => started("python3", [`${folder}server.py`, "keep"]),
    client: {
      start: async (url) => ["python3", [`${folder}client.py`, url]],
      prints: [
        "add 5",
        "greet Hello, Grüße € 👋",
        "echo same",
        "big same",
        "types -7 0.5 True Grüße € 20260102T03:04:05 0001feff [1, 2, 3]",
        "bytes True",
        "date True",
        "fail 4711 no money",
        "missing -32601",
        "methods True [['int', 'int', 'int']] Adds.",
        "multicall 2 Hello, you",
        "multicall fault 5 five",
      ],
    },
    missing: { code: "server-error", executed: "unknown", status: { number: 1 } },
    multicall: true,
    echoes: everything,
    greets: "Grüße € 👋",
    innerFaults: true,
  },
  {
    name: "Python, HTTP/1.0 and nothing besides",
    needs: ["python3"],
    serve: () => started("python3", [`${folder}server.py`, "bare"]),
    missing: { code: "server-error", executed: "unknown", status: { number: 1 } },
    multicall: false,
    echoes: everything,
    greets: "Grüße € 👋",
    innerFaults: true,
  },
  {
    name: "xmlrpc-c",
    needs: [...toBuildC, "xmlrpc-c"],
    serve: async () => started(await buildPeer(programs.xmlRpcServer), []),
    client: {
      start: async (url) => [await buildPeer(programs.xmlRpcClient), [url]],
      prints: [
        "add 5",
        "greet Hello, Grüße €",
        "echo <&> 1 -2 0.5",
        "types -7 0.5 1 Grüße € 20260102T03:04:05 0001feff 1,2,3",
        "fail 4711 RPC failed at server.  no money",
        "missing -32601",
      ],
    },
    missing: { code: "unimplemented", executed: "no", status: { number: -506 } },
    multicall: true,
    echoes: everything,
    greets: "Grüße €",
    innerFaults: true,
  },
  {
    name: "Perl RPC::XML",
    needs: ["perl", "perl-rpc-xml"],
    serve: () => started("perl", [`${folder}server.pl`]),
    client: {
      start: async (url) => ["perl", [`${folder}client.pl`, url]],
      prints: [
        "add 5",
        "greet Hello, Grüße €",
        "types -7 0.5 1 Grüße € 20260102T03:04:05 0001feff 1,2,3",
        "echo 1 -2 3 0.5 1",
        "big same",
        "bytes 0001feff",
        "fail 4711 no money",
        "missing -32601",
        "methods yes",
      ],
    },
    missing: { executed: "unknown" },
    // It serves one connection until that ends, and then the next.
    options: { exchangesMax: 1 },
    multicall: true,
    echoes: [[1, -2], [[1], [2, [3]]], { a: { b: { c: [1, "x"] } } }, "text", "x".repeat(300_000)],
    greets: "Grace",
    innerFaults: false,
  },
  {
    name: "Ruby",
    needs: ["ruby", "ruby-xmlrpc"],
    serve: () => started("ruby", [`${folder}server.rb`]),
    client: {
      start: async (url) => ["ruby", [`${folder}client.rb`, url]],
      prints: [
        "add 5",
        "greet Hello, Grüße € 👋",
        "echo same",
        "big same",
        "types -7 0.5 true Grüße € 2026-1-2-3-4-5 0001feff 1,2,3",
        "bytes true",
        "fail 4711 no money",
        "missing -32601",
        "methods true",
        "multicall 2 Hello, you 5",
      ],
    },
    missing: { code: "server-error", executed: "unknown", status: { number: -99 } },
    multicall: true,
    // It has bytes for text: what came as base64 goes back as a string.
    echoes: everything.filter((value) => !(value instanceof Uint8Array)),
    greets: "Grüße € 👋",
    innerFaults: true,
  },
  {
    name: "PHP",
    needs: ["php", "php-xmlrpc"],
    serve: php,
    client: {
      start: async (url) => ["php", [`${folder}client.php`, url]],
      prints: [
        "add 5",
        "greet Hello, Grüße € 👋",
        "echo same",
        "big same",
        "types -7 0.5 true Grüße € 20260102T03:04:05 0001feff 1,2,3",
        "bytes same",
        "fail 4711 no money",
        "missing -32601",
        "methods yes",
      ],
    },
    missing: { code: "unimplemented", executed: "no", status: { number: -32601 } },
    multicall: false,
    // An empty array is all that it has for an empty struct.
    echoes: everything.filter((value) => JSON.stringify(value) !== "{}"),
    greets: "Grüße € 👋",
    innerFaults: true,
  },
];

for (const language of languages) {
  describeWith(language.needs, `XML-RPC with ${language.name}`, () => {
    const { client: program } = language;
    if (program !== undefined) {
      it("its client calls a farcall server", async () => {
        await using server = await farcallServer();
        const [command, args] = await program.start(server.url);
        const { lines, stderr, code } = await run(command, args);
        expect(stderr).toBe("");
        expect(lines).toEqual(program.prints);
        expect(code).toBe(0);
      });
    }

    it("a farcall client calls its server, one call after another and many at once", async () => {
      await using server = await language.serve();
      await using client = await connect(Peer, server.url, language.options);
      expect(await client.add(2, 3)).toBe(5);
      const name = language.greets;
      expect(await client.greet(name)).toBe(`Hello, ${name}`);
      expect(await client.types()).toEqual(types);
      for (const value of language.echoes) expect(await client.echo(value as never)).toEqual(value);
      const sums = await Promise.all(Array.from({ length: 50 }, (_, i) => client.add(i, i)));
      expect(sums).toEqual(Array.from({ length: 50 }, (_, i) => 2 * i));
    });

    it("its faults are told with their numbers", async () => {
      await using server = await language.serve();
      await using client = await connect(Peer, server.url, language.options);
      expect(await failureOf(client.fail(4711, "no money"))).toMatchObject({
        code: "server-error",
        executed: "unknown",
        status: { number: 4711, text: expect.stringContaining("no money") },
      });
      await client.$close();
      const untyped = new XmlRpcClient(server.url);
      expect(await failureOf(untyped.execute("peer.missing"))).toMatchObject(language.missing);
      await untyped.close();
    });

    it("calls go together, or one by one where it has no system.multicall", async () => {
      await using server = await language.serve();
      await using client = await connect(Peer, server.url, language.options);
      const [sum, greeting] = await client.$multicall((calls) => [calls.add(1, 2), calls.greet("you")]);
      expect(sum).toEqual({ ok: true, value: 3 });
      expect(greeting).toEqual({ ok: true, value: "Hello, you" });
      expect(client.$stats().calls).toBe(language.multicall ? 2 : 3);
      if (!language.innerFaults) return;
      const [failed] = await client.$multicall((calls) => [calls.fail(7, "seven")]);
      expect(failed).toMatchObject({ ok: false, executed: "unknown", error: { status: { number: 7 } } });
    });
  });
}

describeWith(["xmlrpc"], "the command xmlrpc of xmlrpc-c", () => {
  it("calls a farcall server", async () => {
    await using server = await farcallServer();
    const { stdout } = await run("xmlrpc", [server.url, "peer.add", "i/3", "i/5"]);
    expect(stdout).toMatch(/Integer: +8/);
  });
});
