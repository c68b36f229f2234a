import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { formatDiagnostic, generateFiles } from "farcall/idl";
import { expect, it } from "vitest";

const examples = fileURLToPath(new URL("../../examples/", import.meta.url));
const files = readdirSync(examples, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".x"));

it.each(files.sort())("the committed stub of %s is what the compiler makes of it", (file) => {
  const { stale, failed, diagnostics } = generateFiles({ files: [join(examples, file)], check: true });
  expect(diagnostics.map(formatDiagnostic)).toEqual([]);
  expect({ stale, failed }).toEqual({ stale: [], failed: [] });
});

it("the committed stubs of farcall's own programs are what the compiler makes of them", () => {
  const source = fileURLToPath(new URL("../../src/onc/session/session.x", import.meta.url));
  const imports = { "farcall/xdr": "../../xdr/index.js" };
  const { unchanged, diagnostics } = generateFiles({ files: [source], codecsOnly: true, imports, check: true });
  expect(diagnostics.map(formatDiagnostic)).toEqual([]);
  expect(unchanged).toEqual([source.replace(/x$/, "ts")]);
});
