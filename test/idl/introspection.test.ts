// The contract of a server that says what it has: names, types, and text of strangers.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DescribedMethod, emitIntrospected } from "farcall/idl";
import { beforeAll, describe, expect, it } from "vitest";
import { run } from "../support/processes.js";
import { home } from "./support.js";

const source = "http://127.0.0.1:8000/RPC2";

function method(name: string, signatures?: readonly (readonly string[])[], help = ""): DescribedMethod {
  return { name, signatures, help };
}

/** The lines of the service about one method alone. */
function linesOf(one: DescribedMethod): { type: string | undefined; value: string | undefined; code: string } {
  const { code } = emitIntrospected([one], { source, name: "Server" });
  const lines = code.split("\n").map((line) => line.trim());
  return {
    type: lines.find((line) => /: Procedure</.test(line)),
    value: lines.find((line) => /: method\(/.test(line)),
    code,
  };
}

describe("the contract of a server", () => {
  it.each([
    ["int", "number", "int"],
    ["i4", "number", "int"],
    ["i8", "bigint", "i8"],
    ["boolean", "boolean", "boolean"],
    ["double", "number", "double"],
    ["string", "string", "string"],
    ["dateTime.iso8601", "Date", "dateTime"],
    ["base64", "Uint8Array", "base64"],
    ["array", "XmlRpcValue[]", "array(any)"],
    ["struct", "Record<string, XmlRpcValue>", "record(any)"],
    ["any", "XmlRpcValue", "any"],
    ["undefined", "XmlRpcValue", "any"],
    ["Mixed[]", "XmlRpcValue", "any"],
  ])("has for %s the type %s", (word, type, codec) => {
    const { type: typed, value } = linesOf(method("f", [[word, word]]));
    expect(typed).toBe(`f: Procedure<[arg1: ${type}], ${type}>;`);
    expect(value).toBe(`f: method("f", { params: [${codec}], result: ${codec} }),`);
  });

  it.each([
    ["no parameters", [["int"]], "f: Procedure<[], number>;"],
    ["a word for no parameters", [["int", "nil"]], "f: Procedure<[], number>;"],
    ["no result", [["nil", "int"]], "f: Procedure<[arg1: number], void>;"],
    [
      "signatures of several lengths: what only some have may be left out",
      [["int", "int"], ["int", "int", "string"], ["int"]],
      "f: Procedure<[arg1?: number | undefined, arg2?: string | undefined], number>;",
    ],
    [
      "signatures of several types: any where they differ",
      [
        ["int", "int", "string"],
        ["string", "double", "string"],
      ],
      "f: Procedure<[arg1: XmlRpcValue, arg2: string], XmlRpcValue>;",
    ],
    ["types that are not known", undefined, "f: Procedure<[params: XmlRpcValue[]], XmlRpcValue>;"],
    ["types that are said to be not known", [["undef"]], "f: Procedure<[params: XmlRpcValue[]], XmlRpcValue>;"],
  ] as const)("has for %s one procedure", (_what, signatures, line) => {
    expect(linesOf(method("f", signatures)).type).toBe(line);
  });

  it("says what the types do not", () => {
    const { code } = linesOf(
      method(
        "f",
        [
          ["int", "int"],
          ["int", "string"],
        ],
        "Does it.",
      ),
    );
    expect(code).toContain("   * Does it.\n   *\n   * f(int) -> int\n   * f(string) -> int\n");
    expect(linesOf(method("f", [["vector", "int"]])).code).toContain("/** f(int) -> vector */");
  });

  it("takes the names of parameters from the help, where it has one for each", () => {
    const help = "Starts.\n\n@param string process_name which\n@param boolean $wait whether\n@return boolean";
    const signature = ["boolean", "string", "boolean"];
    expect(linesOf(method("f", [signature], help)).type).toBe(
      "f: Procedure<[processName: string, wait: boolean], boolean>;",
    );
    expect(linesOf(method("f", [["boolean", "string"]], help)).type).toBe("f: Procedure<[arg1: string], boolean>;");
  });

  it.each([
    [["test.square", "test.add"], "Test", "test.ts", ["add", "square"]],
    [["a.b.x", "a.b.y_z"], "AB", "ab.ts", ["x", "yZ"]],
    [["d.size_bytes", "f.size"], "XmlRpcServer", "xml-rpc-server.ts", ["dSizeBytes", "fSize"]],
    [["get-user", "1x", "ü", "delete"], "XmlRpcServer", "xml-rpc-server.ts", ["_1x", "delete", "getUser", "ü"]],
    [["d.name", "d.name="], "D", "d.ts", ["name", "name_"]],
    [
      ["then", "constructor", "__proto__", "=", "$close"],
      "XmlRpcServer",
      "xml-rpc-server.ts",
      ["_close", "_", "__proto___", "constructor_", "then_"],
    ],
    [["Record.x", "Record.y"], "Record_", "record_.ts", ["x", "y"]],
    [["system.listMethods", "system.multicall", "system.client_version"], "System", "system.ts", ["clientVersion"]],
    [[], "XmlRpcServer", "xml-rpc-server.ts", []],
  ])("of %j is called %s", (names, contract, file, keys) => {
    const made = emitIntrospected(
      names.map((name) => method(name)),
      { source },
    );
    expect(made).toMatchObject({ contract, file });
    const found = [...made.code.matchAll(/^ {4}(\S+): method\(/gmu)].map(([, key = ""]) => key);
    expect(found.sort()).toEqual([...keys].sort());
  });

  it("does not depend on the order in which the server names its methods", () => {
    const some = ["b.y", "b.x", "b.z", "b.x"].map((name) => method(name));
    expect(emitIntrospected(some.toReversed(), { source })).toEqual(emitIntrospected(some, { source }));
  });

  describe("whatever a server says", () => {
    const out = join(home, ".build/introspection-typecheck");
    const evil = [
      'x"; process.exit(1); //',
      "*/ process.exit(1) /*",
      `$${"{process.exit(1)}"}`,
      "`",
      "a\\",
      "\u202eevil",
      "a\nb",
      "a\u2028b",
      "\ud800",
      "class",
      "await",
      "let",
      "Procedure",
      "any",
    ];

    beforeAll(() => {
      rmSync(out, { recursive: true, force: true });
      mkdirSync(out, { recursive: true });
    });

    it("becomes code that the strictest tsc takes, and nothing but names and comments", {
      timeout: 120_000,
    }, async () => {
      const words = ["int", "undef", "nil", "", "*/", "i8", "dateTime.iso8601", "base64", "array", "struct", "x y"];
      const files = {
        "names.ts": evil.map((name) => method(name, [["int", "int"]], name)),
        "types.ts": words.flatMap((one, i) => [
          method(`a${i}`, [[one, one]], `@param ${one} in which`),
          method(`b${i}`, [[one], [one, one], ["int", one, "int"]]),
        ]),
        "long.ts": [
          method(
            "m".repeat(300),
            [Array.from({ length: 60 }, () => "struct")],
            `${"word ".repeat(400)}\n\t${"x".repeat(999)}`,
          ),
        ],
        "none.ts": [],
      };
      for (const [file, methods] of Object.entries(files)) {
        const { code } = emitIntrospected(methods, { source: `${source}?*/`, name: "Server" });
        writeFileSync(join(out, file), code);
        const comments = code.replace(/\/\*[\s\S]*?\*\/|"(?:[^"\\]|\\.)*"|\/\/.*$/gm, "");
        expect(comments).not.toContain("process.");
        expect(code).not.toMatch(/[\u202e\u2028]/u);
      }
      writeFileSync(
        join(out, "tsconfig.json"),
        JSON.stringify({
          extends: join(home, "tsconfig.base.json"),
          compilerOptions: { noEmit: true, rootDir: home, noUnusedLocals: true, noUnusedParameters: true },
          include: ["*.ts"],
        }),
      );
      const { code, stdout } = await run(process.execPath, [join(home, "node_modules/typescript/bin/tsc"), "-p", out]);
      expect(stdout).toBe("");
      expect(code).toBe(0);
    });
  });
});
