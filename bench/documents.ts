// The comparison of XML-RPC's decoders and encoders: an answer of 1.18 MB.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeResponse } from "farcall/xmlrpc";
import { items } from "./documents/structs.js";

export type Direction = "decode" | "encode";

/** Somebody who decodes and encodes; `measure` gives the milliseconds of one. */
export interface Measured {
  readonly name: string;
  measure(direction: Direction, ms: number): Promise<number>;
}

const bench = fileURLToPath(new URL("../", import.meta.url));
const folder = join(bench, "../.build/bench-documents");

/** Writes the document to a file for those who are no JavaScript, and gives its path. */
export function writeDocument(): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "items.xml");
  writeFileSync(path, encodeResponse(items()));
  return path;
}

/** Those who run as programs of their own. Throws where one cannot. */
export const programs: readonly { readonly name: string; make(document: string): Measured }[] = [
  {
    name: "xmlrpc-c",
    make(document) {
      const program = join(folder, "xmlrpc-c");
      const libraries = ["-lxmlrpc", "-lxmlrpc_util", "-lxmlrpc_xmlparse", "-lxmlrpc_xmltok"];
      const source = join(bench, "documents/xmlrpc-c.c");
      execFileSync("gcc", ["-O2", "-o", program, source, ...libraries], { stdio: ["ignore", "ignore", "pipe"] });
      return run("xmlrpc-c", program, [], document);
    },
  },
  {
    name: "python",
    make: (document) => run("python", "python3", [join(bench, "documents/python.py")], document),
  },
];

function run(name: string, command: string, args: readonly string[], document: string): Measured {
  const measure = (direction: Direction, ms: number): Promise<number> =>
    Promise.resolve(Number(execFileSync(command, [...args, direction, String(ms), document], { encoding: "utf8" })));
  return { name, measure };
}
