import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, it } from "vitest";
import { double, encode, float, opaque, type XdrCodec } from "../../src/xdr/index.js";
import { runPeer } from "../support/c-peers.js";
import { describeWith, toBuildC } from "../support/requirements.js";
import { byBool, byEnum, byInt, items, texts, tree } from "./types.js";
import { values } from "./values.js";

const path = (name: string) => fileURLToPath(new URL(`../vectors/${name}`, import.meta.url));
const program = { name: "xdr", sources: [path("xdr.c")], x: path("xdr.x") };

describeWith(toBuildC, "libtirpc", () => {
  it("still prints the vectors that are kept in test/vectors/xdr.txt", async () => {
    const { stdout } = await runPeer(program, []);
    expect(stdout).toBe(readFileSync(path("xdr.txt"), "utf8"));
  });

  it("reads what farcall writes, and writes the same bytes", async () => {
    const types: Record<string, { codec: XdrCodec<unknown>; value: fc.Arbitrary<unknown> }> = {
      items: { codec: items, value: values.items },
      by_int: { codec: byInt, value: values.byInt },
      by_enum: { codec: byEnum, value: values.byEnum },
      by_bool: { codec: byBool, value: values.byBool },
      tree: { codec: tree, value: values.tree },
      texts: { codec: texts, value: fc.array(values.text) },
      data: { codec: opaque(), value: fc.uint8Array({ maxLength: 3000 }) },
      float: { codec: float, value: fc.float() },
      double: { codec: double, value: fc.double() },
    };
    const sent: string[] = [];
    for (const [name, { codec, value }] of Object.entries(types)) {
      for (const sample of fc.sample(value, { numRuns: 100, seed: 4506 })) {
        sent.push(`${name} ${Buffer.from(encode(codec, sample)).toString("hex")}`);
      }
    }
    const folder = mkdtempSync(join(tmpdir(), "farcall-"));
    try {
      const file = join(folder, "sent");
      writeFileSync(file, `${sent.join("\n")}\n`);
      const { lines } = await runPeer(program, [file]);
      expect(lines).toEqual(sent.map((line) => line.split(" ")[1]));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
