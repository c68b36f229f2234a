import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type LoadedContract, loadInterface } from "../../src/idl/index.js";
import type { Procedure, Shape } from "../../src/model/index.js";
import { interfaceText } from "../../src/onc/interface-text.js";
import { type OncService, oncProgram, proceduresOf } from "../../src/onc/program.js";
import { enumeration, int, nothing, string, struct } from "../../src/xdr/index.js";

const file = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const load = (text: string): readonly OncService<LoadedContract>[] =>
  loadInterface("told.x", { host: { readFile: (path) => (path === "told.x" ? text : undefined) } }).services;

/** A shape without its names, which a type that had none gets, and followed into itself only once. */
function plain(shape: Shape, seen: readonly string[] = []): unknown {
  switch (shape.kind) {
    case "reference":
      return plain(shape.to(), seen);
    case "struct":
    case "union":
      if (shape.name !== undefined && seen.includes(shape.name)) return shape.name;
      return JSON.parse(
        JSON.stringify(shape, (key, value: unknown) => {
          if (key === "name" && value === shape.name) return undefined;
          if (typeof value === "bigint") return Number(value);
          if (value === shape || typeof value !== "object" || value === null || !("kind" in value)) return value;
          return plain(value as Shape, shape.name === undefined ? seen : [...seen, shape.name]);
        }),
      );
    case "array":
      return { ...shape, element: plain(shape.element, seen) };
    case "optional":
      return { ...shape, of: plain(shape.of, seen) };
    default:
      return { ...shape, name: undefined };
  }
}

const procedures = (service: OncService<unknown>): unknown[] =>
  proceduresOf(service).map(([key, { number, name, args, result, semantics, oneWay }]) => ({
    ...{ key, number, name, semantics: semantics ?? "at-most-once", oneWay: oneWay === true },
    args: (args as readonly { shape: Shape }[]).map(({ shape }) => plain(shape)),
    result: plain(result.shape),
  }));

describe("the interface that is made of a contract", () => {
  it.each([
    ["examples/calc/calc.x"],
    ["examples/file-service/files.x"],
    ["examples/nfs-server/mount.x"],
    ["examples/nfs-server/nfs.x"],
    ["examples/vxi11/vxi11.x"],
    ["src/binder/directory/directory.x"],
    ["src/binder/rpcbind/rpcbind.x"],
    ["src/onc/session/session.x"],
  ])("says what %s says: the same procedures, with the same types", (path) => {
    const { services } = loadInterface(file(path));
    const programs = new Map(services.map((service) => [service.program, service.name]));
    expect(services.length).toBeGreaterThan(0);
    for (const number of programs.keys()) {
      const versions = services.filter(({ program }) => program === number);
      const told = load(interfaceText(versions) ?? "nothing was told");
      expect(told.map(({ name, program, version }) => ({ name, program, version }))).toEqual(
        versions.map(({ name, program, version }) => ({ name, program, version })),
      );
      expect(told.map(procedures)).toEqual(versions.map(procedures));
    }
  });

  const of = (procedure: object) =>
    oncProgram<{ run: Procedure<[unknown], void> }>({
      name: "P",
      program: 0x2000_0000,
      version: 1,
      procedures: { run: { number: 1, name: "RUN", result: nothing, ...procedure } as never },
    });

  it("gives names to types that have none", () => {
    const text = interfaceText([of({ args: [struct({ a: int, b: string(7) })] })]) as string;
    expect(text).toContain("string b<7>;");
    expect(load(text).map(procedures)).toEqual([of({ args: [struct({ a: int, b: string(7) })] })].map(procedures));
  });

  it.each([
    ["a program without versions", []],
    ["two programs", [of({ args: [] }), { ...of({ args: [] }), program: 0x2000_0001 }]],
    ["a member of two enums", [of({ args: [enumeration("E", { A: 0 }), enumeration("F", { A: 1 })] })]],
    ["a name that is none", [of({ args: [], name: "R U N" })]],
    ["a struct of nothing", [of({ args: [struct({})] })]],
  ])("is not there for %s", (_what, services) => {
    expect(interfaceText(services as OncService<unknown>[])).toBeUndefined();
  });
});
