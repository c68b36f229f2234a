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

it.each([
  ["onc/session/session.x", true, "../.."],
  ["binder/rpcbind/rpcbind.x", false, "../.."],
  ["binder/directory/directory.x", false, "../.."],
  ["async/async.x", false, ".."],
] as const)("the committed stub of farcall's own %s is what the compiler makes of it", (file, codecsOnly, up) => {
  const source = fileURLToPath(new URL(`../../src/${file}`, import.meta.url));
  const imports = { "farcall/xdr": `${up}/xdr/index.js`, "farcall/onc": `${up}/onc/index.js` };
  const { unchanged, diagnostics } = generateFiles({ files: [source], codecsOnly, imports, check: true });
  expect(diagnostics.map(formatDiagnostic)).toEqual([]);
  expect(unchanged).toEqual([source.replace(/x$/, "ts")]);
});
