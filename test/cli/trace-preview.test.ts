import * as xdr from "farcall/xdr";
import { describe, expect, it } from "vitest";
import { preview } from "../../src/cli/trace/preview.js";

interface Node {
  value: number;
  next: Node | null;
}
const node: xdr.XdrCodec<Node> = xdr.struct({
  value: xdr.int,
  next: xdr.optional(xdr.recursive("Node", () => node)),
});
const color = xdr.enumeration("Color", { RED: 0, BLUE: -7 });
const outcome = xdr.union({ status: xdr.int }, { 0: { data: xdr.opaque() }, 1: null, default: { why: xdr.string() } });
const flagged = xdr.union({ on: xdr.bool }, { true: { list: xdr.optional(node) }, false: null });

function listOf(count: number): Node | null {
  let list: Node | null = null;
  for (let value = count - 1; value >= 0; value--) list = { value, next: list };
  return list;
}

describe("a preview", () => {
  it.each<[string, xdr.XdrCodec<never>, unknown]>([
    ["a number", xdr.int as never, -5],
    ["64 bits", xdr.hyper as never, -5n],
    ["an enum", color as never, -7],
    ["text", xdr.string() as never, 'a "b"'],
    ["bytes", xdr.opaque() as never, new Uint8Array([1, 2])],
    ["a list", xdr.optional(node) as never, listOf(3)],
    ["an empty list", xdr.optional(node) as never, null],
    ["a union", outcome as never, { status: 0, data: new Uint8Array(3) }],
    ["a union's void arm", outcome as never, { status: 1 }],
    ["a union's default arm", outcome as never, { status: "default", $kind: 7, why: "x" }],
    ["a union on a bool", flagged as never, { on: true, list: listOf(2) }],
    ["nothing", xdr.nothing as never, undefined],
    [
      "a property that is a prototype elsewhere",
      xdr.struct({ ["__proto__"]: xdr.int }) as never,
      JSON.parse('{"__proto__":3}'),
    ],
  ])("of %s that is short is its JSON", (_what, { shape }, value) => {
    expect(preview(shape, value)).toBe(xdr.toJson(shape, value));
  });

  it("cuts long text and bytes, and shows what follows them", () => {
    const { shape } = xdr.struct({ text: xdr.string(), bytes: xdr.opaque(), end: xdr.bool });
    const value = { text: "a".repeat(65), bytes: new Uint8Array(49), end: true };
    expect(preview(shape, value)).toBe(
      `{"text":"${"a".repeat(64)}…"(65 characters),"bytes":"${"A".repeat(64)}…"(49 bytes),"end":true}`,
    );
  });

  it("shows a string that is read as bytes as text, where it is some", () => {
    const { shape } = xdr.bytesString();
    expect(preview(shape, Buffer.from("/srv/häuser"))).toBe('"/srv/häuser"');
    expect(preview(shape, new Uint8Array([0x2f, 0xe4]))).toBe('"L+Q="');
    expect(preview(shape, new Uint8Array(300).fill(0x61))).toMatch(/^"YWFh.{60}…"\(300 bytes\)$/);
  });

  it("ends where there is enough, and closes nothing behind it", () => {
    expect(preview(xdr.array(xdr.int).shape, [1, 22, 333, 4444], 6)).toBe("[1,22,333…");
    expect(preview(xdr.optional(node).shape, listOf(9), 30)).toBe('{"value":0,"next":{"value":1,"next":{…');
  });

  it("of a list of 100,000 nodes neither overflows nor takes long", () => {
    const list = listOf(100_000);
    expect(preview(xdr.optional(node).shape, list)).toMatch(/^\{"value":0,"next":\{.*…$/);
  });

  it("of 16 MiB looks at the beginning only", () => {
    const bytes = new Proxy(new Uint8Array(0), {
      get: (_target, name) => {
        if (name === "length") return 2 ** 24;
        if (name === "subarray") return (from: number, to: number) => new Uint8Array(to - from);
        throw new Error(`reads ${String(name)}`);
      },
    });
    expect(preview(xdr.opaque().shape, bytes)).toBe(`"${"A".repeat(64)}…"(16777216 bytes)`);
  });
});
