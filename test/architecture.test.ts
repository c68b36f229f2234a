import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { aliasesOf, breaches, importsOf, type Rooms, readSources, roomOf } from "./support/architecture.js";

const home = fileURLToPath(new URL("../", import.meta.url));

// docs/architecture.md says why. A new folder under src must be entered here.
const contracts = ["model", "bytes"];
const onc = [
  "onc/args.ts",
  "onc/status.ts",
  "onc/message.ts",
  "onc/record.ts",
  "onc/auth",
  "onc/session",
  "onc/engine",
];
const compiler = ["idl/source.ts", "idl/diagnostic.ts", "idl/print.ts", "idl/x", "idl/introspection"];
const root = ["index.ts", "browser.ts", "classic.ts", "connect.ts", "connect-any.ts", "requests.ts", "server.ts"];
const beneath = [
  ...contracts,
  "xdr",
  "call",
  "net",
  "drive",
  "store",
  "observe",
  "onc",
  ...onc,
  "xmlrpc",
  "xmlrpc/codec",
  "xmlrpc/engine",
  "binder",
  "binder/registry",
  "async",
];

const rooms: Rooms = {
  // The contracts between all rooms, and the bytes that they are about.
  model: { may: [], pure: true },
  bytes: { may: [], pure: true },

  // Codecs.
  xdr: { may: contracts, pure: true },

  // The life of a call, on any protocol.
  call: { may: contracts, pure: true },

  // The core of ONC RPC: bytes and the time go in, bytes and settled calls come out.
  "onc/args.ts": { may: [...contracts, "xdr"], pure: true },
  "onc/status.ts": { may: contracts, pure: true },
  "onc/message.ts": { may: [...contracts, "xdr", "onc/status.ts", "onc/auth"], pure: true },
  "onc/record.ts": { may: [...contracts, "xdr"], pure: true },
  "onc/auth": { may: [...contracts, "xdr", "onc/status.ts", "onc/message.ts"], pure: true },
  "onc/session": { may: [...contracts, "xdr", "call", "onc/status.ts", "onc/message.ts"], pure: true },
  "onc/engine": { may: [...contracts, "xdr", "call", ...onc], pure: true },

  // XML-RPC as text: values, messages, contracts. The parser of XML is a library.
  "xmlrpc/codec": { may: contracts, pure: true, packages: ["saxes"] },

  // Sockets, and what runs a core over them. Neither knows a protocol.
  net: { may: contracts, packages: ["koffi"] },
  drive: { may: [...contracts, "call", "net"] },

  // What may become of an asynchronous request, and what can be asked of all of them. It knows no database and no wire.
  "async/core": { may: contracts, pure: true },

  // Where claims, replies and requests are kept: databases and transactions, once. It knows no protocol.
  store: { may: [...contracts, "call", "async/core"], packages: ["better-sqlite3", "libsql", "pg"] },

  // What diagnostics channels tell about calls, on any protocol.
  observe: { may: [...contracts, "call"] },

  // OpenTelemetry's spans and metrics, made of what the channels tell.
  otel: { may: [...contracts, "observe", "onc/status.ts"], packages: ["@opentelemetry/api"] },

  // The rest of ONC RPC: descriptions, client, server, classic face.
  onc: { may: [...contracts, "xdr", "call", "net", "drive", "store", "observe", ...onc] },

  // The core of XML-RPC: calls and what happens to their exchanges go in, attempts and settled calls come out.
  "xmlrpc/engine": { may: [...contracts, "call", "xmlrpc/codec"], pure: true },

  // The rest of XML-RPC: descriptions, client, server, classic faces.
  xmlrpc: { may: [...contracts, "call", "net", "drive", "store", "observe", "xmlrpc/codec", "xmlrpc/engine"] },

  // What is registered, who may change it and what it answers: tables, texts, addresses.
  "binder/registry": { may: contracts, pure: true },

  // The binder asks its questions over a protocol; protocols reach it only as a Resolver that the root hands them.
  binder: { may: [...contracts, "xdr", "call", "net", "drive", "store", "onc", ...onc, "binder/registry"] },

  // The rest of asynchronous requests: the queue, its workers, and its faces over the protocols.
  async: {
    may: [
      ...contracts,
      ...["xdr", "call", "drive", "async/core", "onc", ...onc],
      ...["xmlrpc", "xmlrpc/codec", "xmlrpc/engine"],
    ],
  },

  // The compiler's stages are pure; its face reads and writes files, and makes services of a file at run time.
  "idl/source.ts": { may: [], pure: true },
  "idl/diagnostic.ts": { may: compiler, pure: true },
  "idl/print.ts": { may: compiler, pure: true },
  "idl/x": { may: ["model", ...compiler], pure: true },
  "idl/introspection": { may: compiler, pure: true },
  idl: { may: ["model", "xdr", "onc", ...compiler] },
  bundler: { may: ["idl", ...compiler], packages: ["unplugin"] },

  // A simulated world: the real halves of protocols over a network, clocks and chance of its own.
  testing: { may: [...contracts, "xdr", "call", "net", "drive", "store", "onc", ...onc] },

  // The package's root puts it all together.
  ...Object.fromEntries(root.map((file) => [file, { may: [...beneath, ...root] }])),
  cli: {
    may: [...beneath, ...root, "idl", ...compiler],
    packages: ["commander", "cli-progress", "cli-table3"],
  },
};

describe("the house", () => {
  const files = readSources(`${home}src`);

  it("keeps its import rules", () => {
    expect(files.length).toBeGreaterThan(0);
    const { imports } = JSON.parse(readFileSync(`${home}package.json`, "utf8")) as { imports: Record<string, unknown> };
    expect(breaches(files, rooms, aliasesOf(imports))).toEqual([]);
  });

  it("compiles exactly the pure rooms without Node and without the DOM", () => {
    const config = readFileSync(`${home}tsconfig.core.json`, "utf8").replace(/^\s*\/\/.*$/gm, "");
    const compiled = (JSON.parse(config) as { include: string[] }).include.map((path) => path.replace(/^src\//, ""));
    const pure = Object.entries(rooms).filter(([, room]) => room.pure);
    expect(compiled.sort()).toEqual(pure.map(([path]) => path).sort());
  });
});

describe("the checker of import rules", () => {
  const table: Rooms = {
    low: { may: [], pure: true },
    core: { may: ["low"], pure: true },
    leaf: { may: ["low", "core"], packages: ["commander", "@scope/kit"] },
    "leaf/inner": { may: [], pure: true },
  };
  const file = (path: string, text: string) => ({ path, imports: importsOf(path, text) });
  const low = file("low/a.ts", "export const a = 1;");
  const core = file("core/a.ts", `import { a } from "../low/a.js"; export const b = a;`);

  it("finds nothing in a house that keeps its rules", () => {
    const leaf = file(
      "leaf/a.ts",
      `import { b } from "../core/a.js"; import fs from "node:fs"; import c from "commander";`,
    );
    expect(breaches([low, core, leaf], table)).toEqual([]);
  });

  it.each([
    ["a static import", `import { b } from "../core/a.js";`],
    ["an import for its effect", `import "../core/a.js";`],
    ["an import of a type", `import type { B } from "../core/a.js";`],
    ["an export from", `export { b } from "../core/a.js";`],
    ["an export of everything", `export * from "../core/a.js";`],
    ["an export of types", `export type * from "../core/a.js";`],
    ["a lazy import", `export const load = () => import("../core/a.js");`],
    ["an import in a type", `export type Core = typeof import("../core/a.js");`],
  ])("refuses %s of a room that the table does not allow", (_what, text) => {
    const found = breaches([file("low/b.ts", text), file("core/a.ts", "export const b = 1;")], table);
    expect(found).toEqual(["low/b.ts: low may not import core (core/a.ts)"]);
  });

  it.each([
    ["Node in a pure room", "core/b.ts", `import net from "node:net";`, /core is pure and may not import node:net/],
    ["Node's types in a pure room", "core/b.ts", `import type { Socket } from "node:net";`, /core is pure/],
    ["a package in a pure room", "core/b.ts", `import c from "commander";`, /may not import the package commander/],
    [
      "a package that the room does not name",
      "leaf/b.ts",
      `import c from "yargs/x";`,
      /may not import the package yargs\/x/,
    ],
    ["a package of a scope", "leaf/b.ts", `import c from "@scope/other";`, /may not import the package @scope\/other/],
    ["the package by its own name", "leaf/b.ts", `import f from "farcall/xdr";`, /inside src, by relative path/],
    ["a file outside src", "leaf/b.ts", `import f from "../../test/x.js";`, /which is not in src/],
    ["a computed import", "leaf/b.ts", `export const f = (x: string) => import(x);`, /package <computed>/],
    ["a folder without rules", "attic/a.ts", "export const a = 1;", /attic\/a.ts is in no room of the table/],
    ["a file beside the rooms", "stray.ts", "export const a = 1;", /stray.ts is in no room of the table/],
  ])("refuses %s", (_what, path, text, message) => {
    const found = breaches([file(path, text)], table);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
  });

  it("takes a package's subpath and a scope as the package that the room names", () => {
    expect(breaches([file("leaf/b.ts", `import "commander/esm"; import "@scope/kit/x";`)], table)).toEqual([]);
  });

  it("follows the package's own names to every file that they may mean", () => {
    const aliases = aliasesOf({
      "#part": {
        browser: { "farcall-source": "./src/core/a.ts", default: "./dist/core/a.js" },
        "farcall-source": "./src/low/a.ts",
        default: "./dist/low/a.js",
      },
    });
    expect(aliases).toEqual({ "#part": ["core/a.ts", "low/a.ts"] });
    const user = file("low/b.ts", `import { b } from "#part"; import { c } from "#other";`);
    expect(breaches([low, core, user], table, aliases)).toEqual([
      "low/b.ts: low may not import core (core/a.ts)",
      "low/b.ts imports #other, which is not in src",
    ]);
  });

  it("finds a cycle of files inside one room, through types too", () => {
    const one = file("low/one.ts", `import type { Two } from "./two.js"; export type One = Two;`);
    const two = file("low/two.ts", `import { one } from "./one.js"; export type Two = typeof one;`);
    expect(breaches([one, two], table)).toEqual(["import cycle: low/one.ts -> low/two.ts -> low/one.ts"]);
  });

  it("lets a lazy edge close a cycle", () => {
    const one = file("low/one.ts", `export const load = () => import("./two.js");`);
    const two = file("low/two.ts", `import { load } from "./one.js"; export { load };`);
    expect(breaches([one, two], table)).toEqual([]);
  });

  it("reads past comments and strings", () => {
    const text = `// import "../core/a.js";\nexport const s = 'import("../core/a.js")'; /* export * from "../core/a.js" */`;
    expect(importsOf("low/a.ts", text)).toEqual([]);
  });

  it("puts a file into its innermost room", () => {
    expect(roomOf("leaf/inner/a.ts", table)).toBe("leaf/inner");
    expect(roomOf("leaf/a.ts", table)).toBe("leaf");
    expect(roomOf("leafy/a.ts", table)).toBeUndefined();
  });

  it("refuses a table that allows a room it does not know", () => {
    expect(breaches([], { low: { may: ["ghost"] } })).toEqual([
      "the table lets low import ghost, which it does not know",
    ]);
  });
});
