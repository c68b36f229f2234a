// Services of a `.x` over XML-RPC: every type of everytype.x, by what stands on the wire.
import {
  decodeParams,
  decodeResponse,
  decodeResult,
  encodeProcedureCall,
  encodeResult,
  overXmlRpc,
  type XmlRpcOptions,
  type XmlRpcProcedure,
  type XmlRpcValue,
} from "farcall/xmlrpc";
import { describe, expect, it } from "vitest";
import type { Procedure, Shape } from "../../src/model/index.js";
import { oncProgram } from "../../src/onc/index.js";
import * as xdr from "../../src/xdr/index.js";
import { chain, EveryTypeV1, everyValue } from "../support/everytype.js";
import { describeWith, toBuildC } from "../support/requirements.js";

const without = { without: ["echoQuadruple" as never] };

/** What goes over the wire as an answer: the value that it is without any contract, for tests to read. */
function wireOf(procedure: XmlRpcProcedure, value: unknown, options?: XmlRpcOptions): XmlRpcValue {
  const { value: wire } = decodeResponse(encodeResult(procedure, value, options), { i8: "bigint" });
  if (wire === undefined) throw new Error("a fault");
  return wire;
}

describeWith(toBuildC, "everytype.x over XML-RPC", () => {
  const service = overXmlRpc(EveryTypeV1, without);
  const procedures = service.procedures as Readonly<Record<string, XmlRpcProcedure>>;
  const byName = overXmlRpc(EveryTypeV1, { ...without, enums: "number", prefix: "" });
  const procedure = (name: string): XmlRpcProcedure => {
    const found = procedures[name];
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  };

  it("names its methods after the program", () => {
    expect(service.name).toBe("EVERY_TYPE");
    expect(procedure("echoInt").name).toBe("everyType.echoInt");
    expect((byName.procedures as Record<string, XmlRpcProcedure>)["echoInt"]?.name).toBe("echoInt");
  });

  const carried = everyValue.filter(
    ([name]) => !/^quadruple|^double-(infinity|nan)|unsigned-hyper|^everything/.test(name),
  );

  it.each(carried)("carries %s there and back", (_name, of, value) => {
    const one = procedure(of);
    expect(decodeResult(one, wireOf(one, value))).toEqual(value);
    expect(decodeParams(one, [wireOf(one, value)])).toEqual([value]);
    const call = encodeProcedureCall(one, [value]);
    expect(new TextDecoder().decode(call)).toContain(`<methodName>everyType.${of}</methodName>`);
  });

  it.each([
    ["echoInt", -7, -7],
    ["echoUnsigned", 7, 7],
    ["echoUnsigned", 0xffff_ffff, 4_294_967_295n],
    ["echoHyper", 7n, 7n],
    ["echoDouble", 7, 7],
    ["echoFloat", 0.1, Math.fround(0.1)],
    ["echoBool", true, true],
    ["echoEnum", -7, "BLUE"],
    ["echoString", "a", "a"],
    ["echoOpaque", Uint8Array.of(1, 2), Uint8Array.of(1, 2)],
    ["echoArray", [1, 2], [1, 2]],
    [
      "echoStruct",
      { at: { x: 1, y: 2n }, paint: 1, on: true, label: "a" },
      { at: { x: 1, y: 2n }, paint: "GREEN", on: true, label: "a" },
    ],
    ["echoUnion", { kind: 0, small: 5 }, { kind: "RED", small: 5 }],
    ["echoUnion", { kind: -7 }, { kind: "BLUE" }],
    ["echoDefaultUnion", { status: 2, why: "a" }, { status: 2, why: "a" }],
    ["echoDefaultUnion", { status: "default", $kind: 9 }, { status: 9 }],
    ["echoBoolUnion", { known: false }, { known: false }],
    ["echoList", chain(3), [{ value: 0 }, { value: 1 }, { value: 2 }]],
    ["echoList", null, []],
    ["echoVoid", undefined, ""],
  ] as [string, unknown, XmlRpcValue][])("is on the wire: %s, row %#", (name, value, wire) => {
    expect(wireOf(procedure(name), value)).toEqual(wire);
  });

  it("says enums by number where that is asked for", () => {
    const one = (byName.procedures as Readonly<Record<string, XmlRpcProcedure>>)["echoEnum"] as XmlRpcProcedure;
    expect(wireOf(one, -7)).toBe(-7);
    expect(decodeResult(one, "BLUE")).toBe(-7);
  });

  it("says nothing with nil where that is allowed", () => {
    expect(wireOf(procedure("echoVoid"), undefined, { nil: "nil" })).toBe(null);
  });

  it.each([
    ["an int for a hyper", "echoHyper", 7, 7n],
    ["digits for a hyper, which Python cannot say otherwise", "echoHyper", "9007199254740993", 9_007_199_254_740_993n],
    ["digits for an unsigned hyper", "echoUnsignedHyper", "18446744073709551615", 2n ** 64n - 1n],
    ["an i8 for an int", "echoInt", 7n, 7],
    ["an enum's number", "echoEnum", 1, 1],
    ["nil for an empty list", "echoList", null, null],
  ] as [string, string, XmlRpcValue, unknown][])("takes %s", (_what, name, wire, value) => {
    expect(decodeParams(procedure(name), [wire])).toEqual([value]);
  });

  it.each([
    ["an int out of range", "echoInt", 2 ** 31, /^params\[0\]: expected an integer from -2147483648 to 2147483647/],
    ["a negative unsigned int", "echoUnsigned", -1, /from 0 to 4294967295, got -1/],
    ["digits for an int", "echoInt", "7", /expected an integer from/],
    ["a hyper of 65 bits", "echoHyper", 2n ** 63n, /expected an integer from/],
    ["an unknown name of an enum", "echoEnum", "PURPLE", /"PURPLE"/],
    ["an unknown number of an enum", "echoEnum", 5, /a member of Color, got 5/],
    ["a member of every object", "echoEnum", "constructor", /a member of Color/],
    ["too many elements", "echoArray", new Array(11).fill(1), /expected an array of at most 10, got an array of 11/],
    ["an element that is wrong", "echoArray", [1, "a"], /^params\[0\]\[1\]: expected an integer/],
    [
      "too much text",
      "echoStruct",
      { at: { x: 1, y: 2 }, paint: "RED", on: true, label: "ääääa" },
      /^params\[0\]\.label: expected at most 8 bytes of text/,
    ],
    [
      "a part of a part",
      "echoStruct",
      { at: { x: 1, y: "z" }, paint: "RED", on: true, label: "" },
      /^params\[0\]\.at\.y: expected/,
    ],
    [
      "a member too few",
      "echoStruct",
      { at: { x: 1, y: 2 }, paint: "RED", on: true },
      /^params\[0\]\.label: expected a string, and there is none/,
    ],
    [
      "a member too many",
      "echoStruct",
      { at: { x: 1, y: 2 }, paint: "RED", on: true, label: "", more: 1 },
      /^params\[0\]\.more: there is no member of this name here/,
    ],
    ["a union without its arm", "echoUnion", { kind: "RED" }, /^params\[0\]\.small: expected/],
    ["a union with another arm", "echoUnion", { kind: "BLUE", small: 1 }, /^params\[0\]\.small: there is no member/],
    ["a node that is wrong", "echoList", [{ value: 1 }, { value: "a" }], /^params\[0\]\[1\]\.value: expected/],
  ] as [string, string, XmlRpcValue, RegExp][])("refuses %s, by name", (_what, name, wire, message) => {
    expect(() => decodeParams(procedure(name), [wire])).toThrow(message);
  });

  it.each([
    [
      "an unsigned hyper beyond i8",
      "echoUnsignedHyper",
      2n ** 63n,
      /^result: 9223372036854775808n has more than 64 bits/,
    ],
    ["an unknown member of an enum", "echoEnum", 5, /^result: 5 is not a member of Color/],
    ["a number for a hyper", "echoHyper", 5, /^result: expected an integer/],
    [
      "fixed bytes of another length",
      "echoFixedOpaque",
      { it: Uint8Array.of(1) },
      /^result\.it: expected 5 bytes, got 1/,
    ],
    ["a union without a case", "echoUnion", { kind: 3 }, /^result\.kind: 3 is not a member/],
    ["a default that is a case", "echoDefaultUnion", { status: "default", $kind: 0 }, /has an arm of its own/],
    [
      "a case by the default's number",
      "echoDefaultUnion",
      { status: 9 },
      /^result\.status: 9 is no case of union Outcome/,
    ],
    ["a double that is none", "echoDouble", Number.NaN, /the option nonFinite/],
  ] as [string, string, unknown, RegExp][])("does not write %s", (_what, name, value, message) => {
    expect(() => encodeResult(procedure(name), value)).toThrow(message);
  });

  it("writes lists of any length, without depth", () => {
    const one = procedure("echoList");
    const wire = wireOf(one, chain(10_000)) as XmlRpcValue[];
    expect(wire.length).toBe(10_000);
    expect(decodeResult(one, wire)).toMatchObject({ value: 0, next: { value: 1, next: { value: 2 } } });
  });

  it("refuses a list that leads to itself", () => {
    const node = { value: 1, next: null as unknown };
    node.next = node;
    expect(() => encodeResult(procedure("echoList"), node, { valuesMax: 100 })).toThrow(
      /more values than valuesMax, 100/,
    );
  });

  it("refuses a type that XML-RPC has nothing for, by its procedure", () => {
    expect(() => overXmlRpc(EveryTypeV1)).toThrow("EVERY_TYPE.echoQuadruple: XML-RPC has no number of 128 bits");
    expect(() => overXmlRpc(EveryTypeV1, { without: ["nope" as never] })).toThrow("EVERY_TYPE has no procedure nope");
  });
});

describe("an optional value", () => {
  interface Link {
    near: { a: number } | null;
    far: number | null;
  }
  const pair = xdr.struct({ near: xdr.optional(xdr.struct({ a: xdr.int })), far: xdr.optional(xdr.int) });
  const program = oncProgram<{ get: Procedure<[link: Link, far: number | null], Link> }>({
    name: "LINK_VERS",
    program: 0x2000_0e10,
    version: 1,
    procedures: { get: { number: 1, name: "GET", args: [pair, xdr.optional(xdr.int)], result: pair } },
  });
  const service = overXmlRpc(program);
  const get = service.procedures.get as XmlRpcProcedure;
  const none: Link = { near: null, far: null };

  it("is left out of a struct, or nil where that is allowed", () => {
    expect(get.name).toBe("link.get");
    expect(wireOf(get, none)).toEqual({});
    expect(wireOf(get, none, { nil: "nil" })).toEqual({ near: null, far: null });
    expect(wireOf(get, { near: { a: 1 }, far: 2 })).toEqual({ near: { a: 1 }, far: 2 });
  });

  it("is read from either", () => {
    expect(decodeResult(get, {})).toEqual(none);
    expect(decodeResult(get, { near: null })).toEqual(none);
  });

  it("may be left out as the last parameter, and is nil elsewhere", () => {
    expect(decodeParams(get, [{}])).toEqual([none, null]);
    expect(() => encodeProcedureCall(get, [none, null])).toThrow(/^params\[1\]: null is not in the specification/);
    expect(new TextDecoder().decode(encodeProcedureCall(get, [none, null], { nil: "nil" }))).toContain(
      "<nil/></value></param></params>",
    );
  });
});

describe("a type that contains itself", () => {
  it("as a tree is structs in structs, as deep as depthMax allows", () => {
    interface Tree {
      kids: Tree[];
    }
    const shape: Shape = {
      kind: "struct",
      fields: [
        {
          name: "kids",
          shape: {
            kind: "array",
            length: 9,
            fixed: false,
            element: { kind: "reference", name: "Tree", to: () => shape },
          },
        },
      ],
    };
    const program = {
      name: "TREE_PROG",
      version: 1,
      protocol: { name: "any", client: never, server: never },
      procedures: { get: { args: [], result: { shape } } },
    };
    const { get } = overXmlRpc(program as never).procedures as unknown as Record<"get", XmlRpcProcedure>;
    const tree: Tree = { kids: [{ kids: [] }, { kids: [{ kids: [] }] }] };
    expect(wireOf(get, tree)).toEqual(tree);
    expect(decodeResult(get, tree as never)).toEqual(tree);
    const deep = Array.from({ length: 200 }).reduce<Tree>((inner) => ({ kids: [inner] }), { kids: [] });
    expect(() => encodeResult(get, deep)).toThrow(/nest deeper than depthMax, 256/);
  });
});

function never(): Promise<never> {
  return Promise.reject(new Error("not here"));
}
