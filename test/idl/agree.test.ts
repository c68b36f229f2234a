import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateFiles, loadInterface } from "farcall/idl";
import { type XdrCodec, XdrReader, XdrWriter } from "farcall/xdr";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { home } from "./support.js";
import { interfaceText, valuesOf } from "./support-types.js";

/** Inside the package, so that `farcall/xdr` resolves to its sources. */
const out = join(home, ".build/idl-agree");

type Codecs = ReadonlyMap<string, XdrCodec<unknown>>;

/** Both kinds of codec of a file's types: what was emitted, by its own code, and combinators. */
async function codecsOf(path: string): Promise<{ compiled: Codecs; combined: Codecs }> {
  const { diagnostics } = generateFiles({ files: [path], outDir: out });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  const module = (await import(
    /* @vite-ignore */ join(out, `${path.slice(path.lastIndexOf("/") + 1, -2)}.ts`)
  )) as Record<string, unknown>;
  const combined = loadInterface(path).types;
  const compiled = new Map([...combined.keys()].map((name) => [name, module[`xdr${name}`] as XdrCodec<unknown>]));
  return { compiled, combined };
}

function encode(codec: XdrCodec<unknown>, value: unknown): Uint8Array {
  const writer = new XdrWriter();
  codec.encode(writer, value);
  return writer.view().slice();
}

function decode(codec: XdrCodec<unknown>, bytes: Uint8Array): unknown {
  const reader = new XdrReader(bytes);
  const value = codec.decode(reader);
  expect(reader.remaining).toBe(0);
  return value;
}

function agree(compiled: XdrCodec<unknown>, combined: XdrCodec<unknown>, value: unknown): void {
  const bytes = encode(compiled, value);
  expect(bytes).toEqual(encode(combined, value));
  expect(decode(compiled, bytes)).toStrictEqual(value);
  expect(decode(combined, bytes)).toStrictEqual(value);
  // What is cut off is refused by both.
  for (const length of new Set([0, bytes.length >> 1, bytes.length - 4])) {
    if (length < 0 || length >= bytes.length) continue;
    const cut = bytes.subarray(0, length);
    expect(() => compiled.decode(new XdrReader(cut))).toThrow();
    expect(() => combined.decode(new XdrReader(cut))).toThrow();
  }
}

describe("compiled codecs and combinators agree byte for byte", () => {
  beforeAll(() => {
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out, { recursive: true });
  });

  it("on every type of RFC 4506 and of the dialect", async () => {
    const { compiled, combined } = await codecsOf(join(home, "test/idl/fixtures/everything.x"));
    expect(compiled.size).toBeGreaterThan(20);
    for (const [name, codec] of compiled) {
      const other = combined.get(name);
      if (other === undefined) throw new Error(name);
      fc.assert(
        fc.property(valuesOf(codec.shape), (value) => agree(codec, other, value)),
        { numRuns: 40 },
      );
    }
  });

  it.each([1, 2, 3, 4])("on generated types and values, module %i", async (seed) => {
    const [text] = fc.sample(interfaceText(60), { numRuns: 1, seed });
    const path = join(out, `generated${seed}.x`);
    writeFileSync(path, text ?? "");
    const { compiled, combined } = await codecsOf(path);
    expect(compiled.size).toBeGreaterThanOrEqual(60);
    for (const [name, codec] of compiled) {
      const other = combined.get(name);
      if (other === undefined) throw new Error(name);
      fc.assert(
        fc.property(valuesOf(codec.shape), (value) => agree(codec, other, value)),
        { numRuns: 12 },
      );
    }
  });
});

describe("a linked list", () => {
  const long = 100_000;
  it.each([
    ["by a pointer to itself", "Node", () => ({ value: 7, next: null as unknown }), "next"],
    ["by a typedef of the pointer", "Group", () => ({ n: "g", members: null, next: null as unknown }), "next"],
  ])("%s of 100,000 nodes neither recurses nor overflows", async (_what, name, make, next) => {
    const { compiled, combined } = await codecsOf(join(home, "test/idl/fixtures/everything.x"));
    let list = make() as Record<string, unknown>;
    for (let i = 1; i < long; i++) list = { ...make(), [next]: list };
    const codec = compiled.get(name) as XdrCodec<unknown>;
    const bytes = encode(codec, list);
    // Element by element takes vitest seconds.
    expect(Buffer.compare(bytes, encode(combined.get(name) as XdrCodec<unknown>, list))).toBe(0);
    let count = 0;
    for (let node = decode(codec, bytes); node !== null; node = (node as Record<string, unknown>)[next]) count++;
    expect(count).toBe(long);
  });

  it("and a list behind a typedef", async () => {
    const { compiled } = await codecsOf(join(home, "test/idl/fixtures/everything.x"));
    const codec = compiled.get("Groups") as XdrCodec<unknown>;
    expect(encode(codec, null)).toEqual(Uint8Array.of(0, 0, 0, 0));
    let list: unknown = null;
    for (let i = 0; i < long; i++) list = { n: "", members: null, next: list };
    expect(encode(codec, list)).toHaveLength(4 + long * 12);
  });
});

describe("what compiled codecs refuse", () => {
  it.each([
    ["a tree that is too deep", "Tree", () => nested(600)],
    ["a $kind that has an arm of its own", "OnInt", () => ({ kind: "default", $kind: 3, rest: new Uint8Array() })],
    ["a discriminant that is no case", "OnHyperMoreExt", () => ({ v: 1 })],
    ["a member that is none", "Color", () => 4],
    ["a fixed array of another length", "Row", () => [1, 2]],
    ["an array that is too long", "Table", () => new Array(11)],
    ["a name of more bytes than it may have", "Name", () => "ä".repeat(128)],
  ])("%s", async (_what, name, value) => {
    const { compiled, combined } = await codecsOf(join(home, "test/idl/fixtures/everything.x"));
    for (const codecs of [compiled, combined]) {
      expect(() => encode(codecs.get(name) as XdrCodec<unknown>, value())).toThrow(
        expect.objectContaining({ name: "EncodeError" }),
      );
    }
  });

  it.each([
    ["a tree that is too deep", "Tree", new Uint8Array(4 * 3000).fill(1).map((_, i) => (i % 4 === 3 ? 1 : 0))],
    ["a discriminant that is no case", "OnHyperMoreExt", Uint8Array.of(0, 0, 0, 1)],
    ["a count that the bytes cannot hold", "Table", Uint8Array.of(0, 0, 0, 9)],
    ["a count beyond the bound", "Table", Uint8Array.of(0, 0, 0, 11)],
  ])("%s, on the way in", async (_what, name, bytes) => {
    const { compiled, combined } = await codecsOf(join(home, "test/idl/fixtures/everything.x"));
    for (const codecs of [compiled, combined]) {
      const decoding = (): unknown => (codecs.get(name) as XdrCodec<unknown>).decode(new XdrReader(bytes));
      expect(decoding).toThrow(expect.objectContaining({ name: "DecodeError" }));
    }
  });
});

function nested(depth: number): unknown {
  let tree: unknown = null;
  for (let i = 0; i < depth; i++) tree = { left: tree, children: [], value: i };
  return tree;
}
