import { describe, expect, it } from "vitest";
import { codeOf, compileText, problems } from "./support.js";

/** A row: what is written, and a piece of the TypeScript that it becomes. */
type Row = readonly [what: string, text: string, code: string];

describe("RFC 4506 compiles", () => {
  const rows: readonly Row[] = [
    ["int", "struct s { int a; };", "a: number;"],
    ["unsigned int", "struct s { unsigned int a; };", "w.uint(v.a);"],
    ["hyper", "struct s { hyper a; };", "a: bigint;"],
    ["unsigned hyper", "struct s { unsigned hyper a; };", "w.uhyper(v.a);"],
    ["float", "struct s { float a; };", "w.float(v.a);"],
    ["double", "struct s { double a; };", "w.double(v.a);"],
    ["quadruple", "struct s { quadruple a; };", "a: xdr.Quadruple;"],
    ["bool", "struct s { bool a; };", "a: boolean;"],
    ["fixed opaque", "struct s { opaque a[5]; };", "w.opaqueFixed(v.a, 5);"],
    ["bounded opaque", "struct s { opaque a<5>; };", "w.opaque(v.a, 5);"],
    ["unbounded opaque", "struct s { opaque a<>; };", "w.opaque(v.a);"],
    ["bounded string", "struct s { string a<5>; };", "w.string(v.a, 5);"],
    ["unbounded string", "struct s { string a<>; };", "w.string(v.a);"],
    ["fixed array", "struct s { int a[3]; };", "w.countFixed(v.a.length, 3);"],
    ["bounded array", "struct s { int a<3>; };", "w.count(v.a.length, 3);"],
    ["unbounded array", "struct s { hyper a<>; };", "r.count(4294967295, 8)"],
    ["optional data", "struct s { int *a; };", "a: number | null;"],
    ["enum", "enum e { A = 1, B = -2 };", "B: -2,"],
    ["decimal constant", "const A = 10;", "export const A = 10;"],
    ["hexadecimal constant", "const A = 0xFf;", "export const A = 255;"],
    ["octal constant", "const A = 0777;", "export const A = 511;"],
    ["negative constant", "const A = -1;", "export const A = -1;"],
    ["constant beyond a double", "const A = 0xffffffffffffffff;", "export const A = 18446744073709551615n;"],
    ["typedef", "typedef unsigned int uid;", "export type Uid = number;"],
    ["typedef of an array", "typedef int row[3];", "export type Row = number[];"],
    ["typedef of a pointer", "struct s { int a; }; typedef s *ps;", "export type Ps = S | null;"],
    ["constant used before it is defined", "struct s { opaque a[N]; }; const N = 7;", "w.opaqueFixed(v.a, 7);"],
    ["enum member as a size", "enum e { N = 6 }; struct s { opaque a[N]; };", "w.opaqueFixed(v.a, 6);"],
    ["type used before it is defined", "struct a { b x; }; struct b { int y; };", "xdrB.encode(w, v.x);"],
    ["union on int", "union u switch (int k) { case 0: int a; case 1: void; };", "| { k: 0; a: number }"],
    ["several labels", "union u switch (int k) { case 0: case 1: int a; };", "| { k: 0 | 1; a: number }"],
    [
      "default of int",
      "union u switch (int k) { case 0: void; default: int a; };",
      '| { k: "default"; $kind: number; a: number }',
    ],
    ["union on unsigned", "union u switch (unsigned int k) { case 4294967295: void; };", "case 4294967295:"],
    ["union on bool", "union u switch (bool k) { case TRUE: int a; case FALSE: void; };", "| { k: true; a: number }"],
    ["default of bool", "union u switch (bool k) { case TRUE: int a; default: void; };", "| { k: false };"],
    ["union on enum", "enum e { A }; union u switch (e k) { case A: int a; };", "| { k: typeof E.A; a: number }"],
    [
      "default of enum",
      "enum e { A, B }; union u switch (e k) { case A: void; default: int b; };",
      "{ k: Exclude<E, typeof E.A>; b: number }",
    ],
    [
      "recursion as RFC 4506 section 4.19 writes it",
      "union l switch (bool o) { case TRUE: struct { string i<>; l n; } e; case FALSE: void; };",
      "| { o: true; e: LE }",
    ],
    ["inline struct", "struct s { struct { int a; } b; };", "b: SB;"],
    ["inline struct with a tag", "struct s { struct t { int a; } b; };", "b: T;"],
    ["inline enum", "struct s { enum { A, B } b; };", "export const SB = {"],
    ["inline union", "struct s { union switch (int v) { case 0: void; } ext; };", "ext: SExt;"],
    ["inline array element", "struct s { struct { int a; } b<>; };", "b: SB[];"],
    ["comments", "/* a */ const /* b */ A = 1; /* c */", "export const A = 1;"],
  ];
  it.each(rows)("%s", (_what, text, code) => {
    expect(codeOf(text)).toContain(code);
  });
});

describe("RFC 5531 compiles", () => {
  const program = (procedures: string): string =>
    `struct p { int a; }; program P_PROG { version V { ${procedures} } = 2; } = 0x20000000;`;
  const rows: readonly Row[] = [
    ["a procedure", "int F(p) = 1;", 'f: Procedure<[p: P], number, "at-most-once">;'],
    ["void both ways", "void F(void) = 1;", 'f: Procedure<[], void, "at-most-once">;'],
    ["no arguments", "void F() = 1;", "f: Procedure<[], void"],
    ["several arguments", "int F(int, p, hyper) = 1;", "f: Procedure<[arg1: number, p: P, arg3: bigint], number"],
    ["named arguments", "int F(int first_one, p second) = 1;", "[firstOne: number, second: P]"],
    ["a trailing comma", "int F(int, ) = 1;", "[arg: number]"],
    ["string without brackets", "string F(string) = 1;", "f: Procedure<[arg: string], string"],
    ["string with brackets", "string<> F(string<5>) = 1;", "args: [xdr.string(5)], result: xdr.string()"],
    ["string with a name", "void F(string name<5>) = 1;", "[name: string]"],
    ["struct references", "struct p F(struct p) = 1;", "f: Procedure<[p: P], P"],
    ["a pointer", "p *F(p *) = 1;", "args: [xdr.optional(xdrP)], result: xdr.optional(xdrP)"],
    ["an array argument", "void F(int a<7>) = 1;", "args: [xdr.array(xdr.int, 7)]"],
    ["procedure 0", "void NULLPROC(void) = 0;", "nullproc: NullProcedure;"],
    ["procedure 0 that is no ping", "int F(int) = 0;", "f: Procedure<[arg: number], number"],
    ["a number by another procedure's name", "void F(void) = 3; void G(void) = F + 1;", "g: { number: 4"],
    ["program and version", "void F(void) = 1;", "program: 0x20000000,"],
    ["version in the contract's name", "void F(void) = 1;", "export interface PV2 {"],
  ];
  it.each(rows)("%s", (_what, text, code) => {
    expect(codeOf(program(text))).toContain(code);
  });

  it("several versions and programs", () => {
    const code = codeOf(`
      const NUMBER = 0x20000001;
      program A_PROG { version A1 { void F(void) = 1; } = 1; version A2 { void F(void) = 1; } = 2; } = NUMBER;
      program B_PROG { version B1 { void F(void) = 1; } = 1; } = 0x20000002;`);
    for (const name of ["AV1", "AV2", "BV1"]) expect(code).toContain(`export const ${name}: OncService<${name}>`);
  });
});

describe("the dialect of real files compiles", () => {
  const rows: readonly Row[] = [
    ["enum without values", "enum e { A, B = 5, C };", "C: 6,"],
    ["trailing comma in an enum", "enum e { A, B, };", "B: 1,"],
    ["long", "struct s { long a; };", "w.int(v.a);"],
    ["unsigned long", "struct s { unsigned long a; };", "w.uint(v.a);"],
    ["long long", "struct s { long long a; };", "w.hyper(v.a);"],
    ["unsigned long long int", "struct s { unsigned long long int a; };", "w.uhyper(v.a);"],
    ["short", "struct s { short a; };", "w.short(v.a);"],
    ["unsigned short int", "struct s { unsigned short int a; };", "w.ushort(v.a);"],
    ["char", "struct s { char a; };", "w.char(v.a);"],
    ["unsigned char", "struct s { unsigned char a; };", "w.uchar(v.a);"],
    ["bare unsigned", "struct s { unsigned a; };", "w.uint(v.a);"],
    ["uint32_t", "struct s { uint32_t a; };", "w.uint(v.a);"],
    ["int64_t", "struct s { int64_t a; };", "w.hyper(v.a);"],
    ["u_int64_t", "struct s { u_int64_t a; };", "w.uhyper(v.a);"],
    ["uint8_t", "struct s { uint8_t a; };", "w.uchar(v.a);"],
    ["bool_t", "struct s { bool_t a; };", "w.bool(v.a);"],
    [
      "an own typedef of uint32_t",
      "typedef unsigned int uint32_t; struct s { uint32_t a; };",
      "export type Uint32T = number;",
    ],
    ["netobj, which C's library defines", "struct s { netobj a; };", "export type Netobj = Uint8Array;"],
    ["string constant", 'const S = "abc";', 'export const S = "abc";'],
    ["constant by constant", "const A = 2; const B = A;", "export const B = 2;"],
    ["constant expression", "const A = (2 + 3) * 4 << 1 | 1;", "export const A = 41;"],
    ["struct reference", "struct a { int x; }; struct b { struct a y; };", "y: A;"],
    ["union on char", "union u switch (char k) { case -1: int a; };", "| { k: -1; a: number }"],
    ["union on hyper", "union u switch (hyper k) { case 5: int a; default: void; };", "| { k: 5n; a: number }"],
    [
      "default of hyper",
      "union u switch (unsigned hyper k) { case 5: void; default: int a; };",
      "$kind: bigint; a: number",
    ],
    ["size 0", "struct s { opaque a[0]; int b<0>; };", "w.opaqueFixed(v.a, 0);"],
    ["// comments", "// first\n// second\nconst A = 1;", " * first\n * second\n"],
    ["% lines", "%#include <stdio.h>\nconst A = 1;\n  %int x;\n", "export const A = 1;"],
    ["namespace", "namespace stellar { const A = 1; }", "export const A = 1;"],
    ["typedef of an inline struct", "typedef struct { int a; } pair;", "export interface Pair {"],
    ["typedef of an inline struct with a tag", "typedef struct tag { int a; } pair;", "export type Pair = Tag;"],
    ["typedef of an inline enum", "typedef enum { A, B } e;", "export const E = {"],
    ["typedef that repeats the struct", "struct a { int x; };\ntypedef struct a a;", "export interface A {"],
    [
      "identical redefinition",
      "const A = 1; const A = 1; struct s { int a; }; struct s { int a; };",
      "export interface S {",
    ],
    ["a program without types", "program P { version V { void F(void) = 1; } = 1; } = 9;", "program: 0x9"],
    ["types without a program", "struct s { int a; };", "export interface S {"],
    ["fields called version and program", "struct s { int version; int program; };", "version: number;"],
  ];
  it.each(rows)("%s", (_what, text, code) => {
    expect(codeOf(text)).toContain(code);
  });

  it("package, import and pragma lines, with a warning", () => {
    const result = compileText("package a.b;\nimport c.d;\npragma x y\nconst A = 1;\n");
    expect(problems(result)).toEqual([
      't.x:1:1 warning: "package" is ignored',
      't.x:2:1 warning: "import" is ignored',
      't.x:3:1 warning: "pragma" is ignored',
    ]);
    expect(result.code).toContain("export const A = 1;");
  });

  it("the same as the file of one definition, whatever the order of its line ends", () => {
    const text = "/* doc */\nstruct s {\n\tint a; /* of a */\n};\n";
    expect(codeOf(text.replaceAll("\n", "\r\n"))).toBe(codeOf(text));
    expect(codeOf(`\ufeff${text}`)).toBe(codeOf(text));
  });
});
