import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatDiagnostic, generateFiles } from "farcall/idl";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { home } from "./support.js";
import { interfaceText } from "./support-types.js";

/** Inside the package, so that `farcall/xdr` resolves to its sources. */
const out = join(home, ".build/idl-typecheck");
const system = "/usr/include/rpcsvc";
const systemFiles = existsSync(system) ? readdirSync(system).filter((name) => name.endsWith(".x")) : [];
const rpcb = "/usr/include/tirpc/rpc/rpcb_prot.x";

const groups: readonly (readonly [name: string, files: string[]])[] = [
  [
    "own",
    [
      join(home, "examples/calc/calc.x"),
      join(home, "test/idl/fixtures/everything.x"),
      join(home, "test/idl/fixtures/wild.x"),
    ],
  ],
  ["rpcsvc", systemFiles.map((name) => join(system, name))],
  ["tirpc", existsSync(rpcb) ? [rpcb] : []],
];
const styles = [
  { folder: "idiomatic", names: "idiomatic", strings: "utf8" },
  { folder: "verbatim", names: "verbatim", strings: "bytes" },
] as const;

describe("what is emitted passes the strictest tsc", () => {
  beforeAll(() => {
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out, { recursive: true });
  });

  it.skipIf(systemFiles.length === 0)("rpcsvc-proto's files are there to be compiled", () => {
    expect(systemFiles.length).toBeGreaterThan(10);
  });

  it.each(groups)("%s files compile", (name, files) => {
    for (const { folder, names, strings } of styles) {
      const result = generateFiles({ files, outDir: join(out, folder, name), names, strings });
      const errors = result.diagnostics.filter(({ severity }) => severity === "error");
      expect(errors.map(formatDiagnostic)).toEqual([]);
      expect(result.written).toHaveLength(files.length);
    }
  });

  it("generated files compile", () => {
    const files = fc.sample(interfaceText(60), { numRuns: 3, seed: 7 }).map((text, i) => {
      const path = join(out, `generated${i}.x`);
      writeFileSync(path, text);
      return path;
    });
    expect(generateFiles({ files, outDir: join(out, "idiomatic") }).written).toHaveLength(3);
  });

  it("and so do they all", () => {
    const config = {
      extends: join(home, "tsconfig.base.json"),
      compilerOptions: {
        noEmit: true,
        isolatedDeclarations: true,
        declaration: true,
        erasableSyntaxOnly: true,
        exactOptionalPropertyTypes: true,
        verbatimModuleSyntax: true,
        noUncheckedIndexedAccess: true,
        noUnusedLocals: true,
        noUnusedParameters: true,
        noImplicitReturns: true,
        noPropertyAccessFromIndexSignature: true,
      },
      include: ["."],
    };
    writeFileSync(join(out, "tsconfig.json"), JSON.stringify(config));
    writeFileSync(join(out, "use.ts"), use);
    expect(tsc(join(out, "tsconfig.json"))).toBe("");
  }, 120_000);
});

/** The types say what design.md says: a wrong use is an error of the compiler. */
const use = `
import { CalcV1, type CalcV1Client, type CalcV1Handlers, DivisionStatus, xdrDivision } from "./idiomatic/own/calc.js";
import type { Fields, Groups, OnBool, OnColor, OnHyper, OnInt } from "./idiomatic/own/everything.js";
import { Color, EverythingV1, type EverythingV1Handlers } from "./idiomatic/own/everything.js";

export async function call(calc: CalcV1Client): Promise<number> {
  const division = await calc.divide({ a: 1, b: 2 }, { timeoutMs: 5 });
  if (division.status === DivisionStatus.DIVISION_BY_ZERO) {
    // @ts-expect-error a void arm carries nothing
    division.value;
    return await calc.add({ a: 1, b: 2 }, { semantics: "exactly-once" });
  }
  // @ts-expect-error a procedure that may not run twice cannot be asked for at least once
  await calc.add({ a: 1, b: 2 }, { semantics: "at-least-once" });
  // @ts-expect-error the argument's field is missing
  await calc.add({ a: 1 });
  return division.value.quotient;
}

export const handlers: CalcV1Handlers = {
  add: ({ a, b }) => a + b,
  divide: ({ a, b }) => (b === 0 ? { status: DivisionStatus.DIVISION_BY_ZERO } : { status: DivisionStatus.DIVISION_OK, value: { quotient: a, remainder: b } }),
  average: (samples) => samples.length,
  async sleep(milliseconds, context) {
    context.signal.aborted || milliseconds;
  },
};

export function narrow(color: OnColor, bool: OnBool, int: OnInt, hyper: OnHyper): unknown {
  if (color.kind === Color.RED) return color.heat;
  if (color.kind === Color.BLUE) return color.other;
  if (bool.more) return bool.numbers.aInt;
  if (int.kind === 3) return int.values[0];
  if (int.kind === "default") return [int.$kind satisfies number, int.rest satisfies Uint8Array];
  if (hyper.kind === 1n) return hyper.again;
  if (hyper.kind === "default") return hyper.$kind satisfies bigint;
  return int.kindValue satisfies string;
}

// @ts-expect-error a colour with an arm of its own is not the default
export const wrong: OnColor = { kind: Color.LIME, other: "x" };
export const list: Groups = { n: "a", members: { value: 1, next: null }, next: null };
export const latin: Fields["latin"] = new Uint8Array(1);
export const first: typeof CalcV1.procedures.add.number = EverythingV1.procedures.then_.number;
export type Handled = Required<EverythingV1Handlers>["null"];
// Procedure 0 may be left out.
export const some: Omit<EverythingV1Handlers, "args" | "string" | "list" | "then_" | "default"> = {};
export const codec: typeof xdrDivision.shape.kind = "union";
`;

function tsc(project: string): string {
  try {
    execFileSync(process.execPath, [join(home, "node_modules/typescript/bin/tsc"), "-p", project], {
      encoding: "utf8",
      cwd: home,
    });
    return "";
  } catch (error) {
    // Only what was emitted: the sources that it imports are checked elsewhere.
    const lines = String((error as { stdout?: unknown }).stdout).split("\n");
    return lines.filter((line) => line.startsWith(".build/")).join("\n");
  }
}
