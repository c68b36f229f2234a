import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compile, loadInterface } from "farcall/idl";
import { describe, expect, it } from "vitest";
import { codeOf, compileText, home, problems } from "./support.js";

describe("the output", () => {
  const compiled = (path: string, output: "ts" | "js") =>
    compile(path, readFileSync(join(home, path), "utf8"), { host: { readFile: () => undefined }, output });

  // To renew after a change that is meant: npx vitest run test/idl/output.test.ts -u
  it.each(["examples/calc/calc.x", "test/idl/fixtures/everything.x", "test/idl/fixtures/wild.x"])(
    "of %s is what it was",
    async (path) => {
      const name = path.slice(path.lastIndexOf("/") + 1, -2);
      const { code } = compiled(path, "ts");
      await expect(code).toMatchFileSnapshot(`fixtures/${name}.ts.golden`);
    },
  );

  it("of calc.x as JavaScript with declarations is what it was", async () => {
    const { code, declarations } = compiled("examples/calc/calc.x", "js");
    await expect(code).toMatchFileSnapshot("fixtures/calc.js.golden");
    await expect(declarations).toMatchFileSnapshot("fixtures/calc.d.x.ts.golden");
  });
});

describe("comments", () => {
  it.each<[what: string, text: string, code: string]>([
    ["before a definition", "/* A. */\nconst A = 1;", "/** A. */\nexport const A = 1;"],
    ["on its line", "const A = 1; /* A. */", "/** A. */\nexport const A = 1;"],
    ["both", "/* A. */\nconst A = 1; /* More. */", "/**\n * A.\n *\n * More.\n */\nexport const A = 1;"],
    [
      "of several lines",
      "/*\n * A.\n *   Indented.\n *\n * B.\n */\nconst A = 1;",
      "/**\n * A.\n *   Indented.\n *\n * B.\n */\n",
    ],
    ["without stars", "/* A.\n   B.\n     C. */\nconst A = 1;", "/**\n * A.\n * B.\n *   C.\n */\n"],
    ["of slashes", "// A.\n// B.\nconst A = 1;", "/**\n * A.\n * B.\n */\n"],
    ["that would end early", "// A */ B\nconst A = 1;", "/** A *\\/ B */\n"],
    [
      "on fields",
      "struct s {\n  int a; /* of a */\n  /* of b */\n  int b;\n};",
      "  /** of a */\n  a: number;\n  /** of b */\n  b: number;",
    ],
    ["on members", "enum e {\n  A, /* of A */\n  B /* of B */\n};", "  /** of A */\n  A: 0,\n  /** of B */\n  B: 1,"],
    [
      "on arms",
      "union u switch (int k) {\n/* of 0 */\ncase 0:\n  int a; /* more */\n};",
      "  /**\n   * of 0\n   *\n   * more\n   */\n  | { k: 0; a: number };",
    ],
    ["after an opening brace", "struct s { /* of s */\n  int a;\n};", "/** of s */\nexport interface S {"],
    ["before a directive", "struct s {\n  int a; /* of a */\n#if 0\n#endif\n};", "  /** of a */\n  a: number;"],
    ["a star that is text", "/* 2 * 3 */\nconst A = 6;", "/** 2 * 3 */\n"],
  ])("%s", (_what, text, code) => {
    expect(codeOf(text)).toContain(code);
  });

  it.each([
    ["apart by a blank line", "/* A licence. */\n\nconst A = 1;"],
    ["in a % line", "%/* A licence. */\nconst A = 1;"],
    ["of what is skipped", "#if 0\nconst B = 1; /* A licence. */\n#endif\nconst A = 1;"],
  ])("%s document nothing", (_what, text) => {
    expect(codeOf(text)).not.toContain("licence");
  });
});

describe("tags", () => {
  const program = (docs: string, procedure = "int F(int) = 1;"): string =>
    `program P {\nversion V {\n${docs}\n${procedure}\n} = 1;\n} = 9;`;
  it.each([
    ["/** @idempotent */", "at-least-once"],
    ["/** Reads. @idempotent */", "at-least-once"],
    ["/**\n * Reads.\n * @idempotent\n */", "at-least-once"],
    ["// @idempotent", "at-least-once"],
    ["/* @at-least-once */", "at-least-once"],
    ["/* @maybe */", "maybe"],
    ["/* @exactly-once */", "exactly-once"],
    ["/* @at-most-once */", "at-most-once"],
    ["/* @idempotently */", "at-most-once"],
    ["/* mail@idempotent */", "at-most-once"],
    ["/* @generate both */", "at-most-once"],
    ["", "at-most-once"],
  ])("%s declares %s", (docs, semantics) => {
    expect(codeOf(program(docs))).toContain(`f: Procedure<[arg: number], number, "${semantics}">;`);
  });

  it("reach the service, where they are not the default", () => {
    expect(codeOf(program("/* @maybe */"))).toContain('semantics: "maybe"');
    expect(codeOf(program(""))).not.toContain("semantics:");
  });

  it("of a guarantee have no effect on a whole version or program, and say so", () => {
    const result = compileText(
      "/** @idempotent */ program P {\n/** @maybe */ version V { int F(int) = 1; } = 1;\n} = 9;",
    );
    expect(result.code).toContain(`Procedure<[arg: number], number, "at-most-once">`);
    const hint = "[put it into the comment of each procedure that it is meant for]";
    expect(problems(result)).toEqual([
      `t.x:1:28 warning: @idempotent has no effect on a program ${hint}`,
      `t.x:2:23 warning: @maybe has no effect on a version ${hint}`,
    ]);
  });

  it("@oneway declares a procedure that is not replied to", () => {
    const code = codeOf(program("/** Notes it. @oneway */", "void F(int value, string text) = 1;"));
    expect(code).toContain("f: OneWayProcedure<[value: number, text: string]>;");
    expect(code).toContain('semantics: "maybe", oneWay: true');
    expect(code).toMatch(/import \{[^}]*type OneWayProcedure[^}]*\} from "farcall\/onc"/);
    expect(codeOf(program("/* @onewaystreet */", "void F(int) = 1;"))).not.toContain("oneWay");
  });

  it("@bytes makes strings bytes", () => {
    expect(codeOf("struct s { string a<>; /* @bytes */\n string b<>; };")).toContain("a: Uint8Array;\n  b: string;");
    expect(codeOf("typedef string a<9>; /* @bytes */")).toContain("XdrCodec<A> = xdr.bytesString(9);");
    expect(codeOf(program("/* @bytes */", "string F(string) = 1;"))).toContain(
      "f: Procedure<[arg: Uint8Array], Uint8Array",
    );
  });

  it("unknown ones stay", () => {
    expect(codeOf("/* @deprecated use B */\nconst A = 1;")).toContain("/** @deprecated use B */");
  });
});

describe("names", () => {
  const stylesOf = (text: string, part: RegExp): (string | undefined)[] =>
    (["idiomatic", "verbatim"] as const).map((names) => part.exec(codeOf(text, {}, { names }))?.[1]);

  it.each([
    ["pair", "Pair"],
    ["nfs_fh3", "NfsFh3"],
    ["READ3args", "Read3args"],
    ["GETATTR3resok", "Getattr3resok"],
    ["FOO_BAR", "FooBar"],
    ["fooBar", "FooBar"],
    ["XDRString", "XDRString"],
    ["rp__list", "RpList"],
    ["_private", "_Private"],
    ["trailing_", "Trailing_"],
    ["uint8_t_", "Uint8T_"],
  ])("the type %s is %s", (name, type) => {
    expect(stylesOf(`struct ${name} { int a; };`, /export interface (\w+)/)).toEqual([type, name]);
  });

  it.each([
    ["ml_hostname", "mlHostname"],
    ["UPPER_CASE", "upperCase"],
    ["ID", "id"],
    ["fileId", "fileId"],
    ["FileId", "fileId"],
    ["SCVal", "scVal"],
    ["XDRString_of", "xdrStringOf"],
    ["data3", "data3"],
    ["__proto__", "__proto__"],
    ["class", "class"],
  ])("the field %s is %s", (name, field) => {
    expect(stylesOf(`struct s { int ${name}; };`, /\n {2}(\w+): number/)).toEqual([field, name]);
  });

  it.each([
    ["CALC_PROG", "CalcV3", "CALC_PROG_V3"],
    ["NFS3_PROGRAM", "Nfs3V3", "NFS3_PROGRAM_V3"],
    ["MOUNTPROG", "MountV3", "MOUNTPROG_V3"],
    ["FOO_SVC", "FooV3", "FOO_SVC_V3"],
    ["PROG", "ProgV3", "PROG_V3"],
    ["DEVICE_CORE", "DeviceCoreV3", "DEVICE_CORE_V3"],
  ])("the program %s is %s", (name, idiomatic, verbatim) => {
    const text = `program ${name} { version V { void F(void) = 1; } = 3; } = 9;`;
    expect(stylesOf(text, /export interface (\w+)/)).toEqual([idiomatic, verbatim]);
    expect(stylesOf(text, /export type (\w+) = Client</)).toEqual([`${idiomatic}Client`, `${verbatim}_Client`]);
    expect(stylesOf(text, /export type (\w+) = Handlers</)).toEqual([`${idiomatic}Handlers`, `${verbatim}_Handlers`]);
  });

  it.each([
    [
      ["NFSPROC3_NULL", "NFSPROC3_GETATTR"],
      ["null", "getattr"],
    ],
    [
      ["ADD", "SUBTRACT"],
      ["add", "subtract"],
    ],
    [
      ["KEY_SET", "KEY_NET_GET"],
      ["set", "netGet"],
    ],
    [["YPPASSWDPROC_UPDATE"], ["update"]],
    [["ADD_ITEM"], ["addItem"]],
    [
      ["CB_1", "CB_2"],
      ["cb1", "cb2"],
    ],
    [
      ["A_B_1", "A_B_2"],
      ["b1", "b2"],
    ],
    [
      ["getName", "getSize"],
      ["getName", "getSize"],
    ],
    [
      ["X_", "X_A"],
      ["x_", "xA"],
    ],
  ])("the procedures %j are %j", (written, names) => {
    const procedures = written.map((name, i) => `void ${name}(void) = ${i + 1};`).join(" ");
    const code = codeOf(`program P { version V { ${procedures} } = 1; } = 9;`);
    expect([...code.matchAll(/^ {2}(\w+): Procedure</gm)].map((match) => match[1])).toEqual(names);
  });

  it("of arguments come from the file, or from their types", () => {
    const text =
      "struct my_type { int a; }; program P { version V { void F(my_type, int, my_type other_one, my_type) = 1; } = 1; } = 9;";
    expect(codeOf(text)).toContain("[myType: MyType, arg2: number, otherOne: MyType, myType_: MyType]");
  });

  it("of inline bodies come from where they stand, and give way", () => {
    expect(codeOf("struct s { struct { int x; } f; };")).toContain("export interface SF {");
    expect(codeOf("struct s_f { int y; }; struct s { struct { int x; } f; };")).toContain("f: SF2;");
  });

  it("of enumerators and constants stay", () => {
    expect(codeOf("enum e { fooBar, BAZ_1 }; const maxLen = 1;")).toMatch(/maxLen = 1;[\s\S]*fooBar: 0,\s+BAZ_1: 1,/);
  });
});

describe("loadInterface", () => {
  const host = {
    readFile: (path: string) =>
      path === "t.x"
        ? "const N = 2; struct pair { int a; int b; }; program P { version V { int ADD(pair) = N; } = 1; } = 9;"
        : undefined,
  };

  it("makes the services and types that the output has", () => {
    const { services, types, constants } = loadInterface("t.x", { host });
    expect(services.map(({ name, program, version }) => [name, program, version])).toEqual([["P", 9, 1]]);
    expect(services[0]?.procedures["add"]).toMatchObject({ number: 2, name: "ADD", args: [types.get("Pair")] });
    expect(constants).toEqual(new Map([["N", 2n]]));
  });

  it("throws the diagnostics", () => {
    expect(() => loadInterface("no.x", { host })).toThrow('cannot find "no.x"');
    expect(() => loadInterface("t.x", { host: { readFile: () => "const = 1;" } })).toThrow(
      /t\.x:1:7: error: expected the constant's name/,
    );
  });
});

describe("two files of one content", () => {
  it("give one output, run after run", () => {
    const text = readFileSync(join(home, "test/idl/fixtures/everything.x"), "utf8");
    expect(compileText(text).code).toBe(compileText(text).code);
    expect(problems(compileText(text))).toEqual(problems(compileText(text)));
  });
});
