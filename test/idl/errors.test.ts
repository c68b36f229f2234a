import { formatDiagnostic } from "farcall/idl";
import { describe, expect, it } from "vitest";
import { compileText, problems } from "./support.js";

/** A row: what is wrong, the text, and each problem as `line:column message [hint]`. */
type Row = readonly [what: string, text: string, ...problems: string[]];

const program = (procedures: string, version = "1", number = "9"): string =>
  `program P { version V { ${procedures} } = ${version}; } = ${number};`;

function expectProblems(text: string, expected: readonly string[]): void {
  const result = compileText(text);
  expect(problems(result)).toEqual(expected.map((line) => `t.x:${line.replace(" ", " error: ")}`));
  expect(result.code).toBeUndefined();
}

describe("names", () => {
  it.each<Row>([
    [
      "an unknown type",
      "struct s { pare a; };\nstruct pair { int a; };",
      '1:12 unknown type "pare" [did you mean "pair"?]',
    ],
    ["a misspelt keyword type", "struct s { strng a<>; };", '1:12 unknown type "strng" [did you mean "string"?]'],
    [
      "a type that nothing is like",
      "struct s { zzzzzz a; };",
      '1:12 unknown type "zzzzzz" [if another .x file defines it, #include that file]',
    ],
    [
      "an unknown constant",
      "struct s { int a[MAXX]; };\nconst MAX = 3;",
      '1:18 unknown constant "MAXX" [did you mean "MAX"?]',
    ],
    [
      "a constant that nothing is like",
      "struct s { int a[ZZZZZ]; };",
      '1:18 unknown constant "ZZZZZ" [if a C header defines it, give it with -D ZZZZZ=VALUE]',
    ],
    [
      "several unknown types",
      "struct s { aaaaaa a; bbbbbb b; };",
      '1:12 unknown type "aaaaaa" [if another .x file defines it, #include that file]',
      '1:22 unknown type "bbbbbb" [if another .x file defines it, #include that file]',
    ],
    ["a type twice", "struct s { int a; };\nstruct s { int b; };", '2:8 "s" is defined twice'],
    ["a typedef and a struct", "struct s { int a; };\ntypedef int s;", '2:13 "s" is defined twice'],
    ["a constant twice", "const A = 1;\nconst A = 2;", '2:7 "A" is defined twice'],
    ["a constant and a type", "const a = 1;\nstruct a { int b; };", '2:8 "a" is defined twice'],
    ["a member and a constant", "const A = 1;\nenum e { A };", '2:10 "A" is defined twice'],
    ["a member in two enums", "enum e { A };\nenum f { A };", '2:10 "A" is defined twice'],
    ["a member twice", "enum e { A, B, A };", '1:16 "A" is defined twice'],
    [
      "a program twice",
      `${program("void F(void) = 1;")}\n${program("void G(void) = 1;", "2")}`,
      '2:9 "P" is defined twice',
    ],
    ["a field twice", "struct s { int a;\nhyper a; };", '2:7 "a" is a field already'],
    ["a constant as a type", "const A = 1;\nstruct s { A a; };", '2:12 "A" is a constant, a type is needed'],
    ["a member as a type", "enum e { A };\nstruct s { A a; };", '2:12 "A" is a member of enum e, a type is needed'],
    [
      "a type as a constant",
      "struct s { int a; };\nstruct t { int a[s]; };",
      '2:18 "s" is a type, a constant is needed',
    ],
    ["a string as a size", 'const S = "x";\nstruct t { int a[S]; };', '2:18 "S" is a string, a number is needed'],
    ["the wrong tag", "enum e { A };\nstruct s { struct e a; };", '2:19 "e" is an enum, not a struct'],
    [
      "an inline tag that is taken",
      "struct s { int a; };\nstruct t { struct s { int b; } c; };",
      '2:19 "s" is defined twice',
    ],
  ])("%s", (_what, text, ...expected) => expectProblems(text, expected));

  it("say where the first of two stands", () => {
    const [diagnostic] = compileText("const A = 1;\nconst A = 2;").diagnostics;
    expect(diagnostic && formatDiagnostic(diagnostic)).toBe(
      [
        't.x:2:7: error: "A" is defined twice',
        "  2 | const A = 2;",
        "    |       ^",
        "  t.x:1:7: first defined here, as a constant",
      ].join("\n"),
    );
  });
});

describe("numbers", () => {
  it.each<Row>([
    ["a negative size", "struct s { int a[-1]; };", "1:18 the size is negative: -1"],
    ["a negative bound by a constant", "const N = -5; struct s { string a<N>; };", "1:35 the size is negative: -5"],
    [
      "a size beyond 32 bits",
      "struct s { opaque a<4294967296>; };",
      "1:21 the size is more than 4294967295: 4294967296",
    ],
    ["a member beyond 32 bits", "enum e { A = 2147483648 };", '1:14 "A" does not fit an enum\'s 32 bits: 2147483648'],
    [
      "a member that counts beyond 32 bits",
      "enum e { A = 2147483647, B };",
      '1:26 "B" does not fit an enum\'s 32 bits: 2147483648',
    ],
    ["a constant beyond 64 bits", "const A = 18446744073709551616;", '1:7 the constant "A" does not fit 64 bits'],
    ["a constant by itself", "const A = A;", '1:11 the constant "A" is defined by itself'],
    ["constants by one another", "const A = B; const B = A;", '1:24 the constant "A" is defined by itself'],
    ["a division by zero", "const A = 1 / 0;", "1:11 division by zero"],
    ["a number that is none", "const A = 12ab;", '1:11 "12ab" is not a number'],
    ["a wrong octal digit", "const A = 089;", '1:11 "089" is not a number'],
    ["a fraction", "const A = 1.5;", '1:11 "1.5" is not a number'],
    [
      "a program number beyond 32 bits",
      program("void F(void) = 1;", "1", "4294967296"),
      "1:54 the program's number is more than 4294967295: 4294967296",
    ],
    ["a negative version number", program("void F(void) = 1;", "-1"), "1:47 the version's number is negative: -1"],
    ["a negative procedure number", program("void F(void) = -1;"), "1:40 the procedure's number is negative: -1"],
  ])("%s", (_what, text, ...expected) => expectProblems(text, expected));
});

describe("programs", () => {
  it.each<Row>([
    ["a procedure's name twice", program("void F(void) = 1; int F(void) = 2;"), '1:47 procedure "F" is there already'],
    ["a procedure's number twice", program("void F(void) = 1; void G(void) = 1;"), "1:58 procedure number 1 is taken"],
    [
      "a version's name twice",
      "program P { version V { void F(void) = 1; } = 1; version V { void F(void) = 1; } = 2; } = 9;",
      '1:58 version "V" is there already',
    ],
    [
      "a version's number twice",
      "program P { version V { void F(void) = 1; } = 1; version W { void F(void) = 1; } = 1; } = 9;",
      "1:58 version 1 of program 9 is there already",
    ],
    [
      "two guarantees of one procedure",
      program(
        "\n/** @idempotent */ void F(void) = 1;\n/** @maybe\n @exactly-once @idempotent @at-least-once */ int G(void) = 2;",
      ),
      "4:50 @idempotent and @maybe and @exactly-once contradict each other [a procedure has one guarantee]",
    ],
    [
      "a one-way procedure with a result",
      program("\n/** @oneway */ int F(void) = 1;"),
      "2:20 a @oneway procedure has no result [no reply carries it: declare it void]",
    ],
    [
      "a one-way procedure that is to be answered",
      program("\n/** @oneway @idempotent */ void F(void) = 1;\n/** @oneway @maybe */ void G(void) = 2;"),
      "2:33 @oneway and @idempotent contradict each other [without a reply nobody knows whether it ran]",
    ],
    [
      "a one-way procedure 0",
      program("\n/** @oneway */ void F(void) = 0;"),
      "2:21 procedure 0 cannot be @oneway [its reply tells whether somebody is there]",
    ],
    ["an argument twice", program("void F(int a, int a) = 1;"), '1:43 "a" is an argument already'],
    [
      "void among arguments",
      program("void F(int, void) = 1;"),
      "1:31 void stands alone: a procedure without arguments",
    ],
    ["no procedures", "program P { version V { } = 1; } = 9;", "1:21 a version needs at least one procedure"],
    ["no versions", "program P { } = 9;", "1:9 a program needs at least one version"],
    [
      "opaque as an argument",
      program("void F(opaque) = 1;"),
      "1:32 opaque needs its size [write opaque name[size] or opaque name<max>]",
    ],
  ])("%s", (_what, text, ...expected) => expectProblems(text, expected));
});

describe("unions", () => {
  const e = "enum color { RED, GREEN };\n";
  it.each<Row>([
    ["a case twice", "union u switch (int k) { case 1: int a;\ncase 1: int b; };", "2:6 case 1 is there already"],
    [
      "a case twice by name",
      `${e}union u switch (color k) { case RED: int a; case RED: int b; };`,
      "2:50 case RED (0) is there already",
    ],
    [
      "two defaults",
      "union u switch (int k) { case 1: int a; default: void;\ndefault: void; };",
      "2:1 a union has one default",
    ],
    [
      "a case that is no member",
      `${e}union u switch (color k) { case GREY: int a; };`,
      '2:33 "GREY" is not a member of enum color [did you mean "GREEN"?]',
    ],
    [
      "a number that is no member",
      `${e}union u switch (color k) { case 7: int a; };`,
      "2:33 7 is not a member of enum color",
    ],
    [
      "a member of another enum",
      `${e}enum f { X = 9 };\nunion u switch (color k) { case X: int a; };`,
      "3:33 X (9) is not a member of enum color",
    ],
    ["2 for a bool", "union u switch (bool k) { case 2: int a; };", "1:32 a bool is TRUE or FALSE, not 2"],
    [
      "a negative case of unsigned",
      "union u switch (unsigned k) { case -1: int a; };",
      "1:36 the case is negative: -1",
    ],
    ["a case beyond a char", "union u switch (char k) { case 200: int a; };", "1:32 the case is more than 127: 200"],
    [
      "a switch on a string",
      "union u switch (string k<>) { case 1: int a; };",
      "1:24 a union cannot switch on string [the discriminant is an integer, a bool or an enum]",
    ],
    [
      "a switch on a double",
      "union u switch (double k) { case 1: int a; };",
      "1:24 a union cannot switch on double [the discriminant is an integer, a bool or an enum]",
    ],
    [
      "a switch on a struct",
      "struct s { int a; }; union u switch (s k) { case 1: int a; };",
      '1:40 a union cannot switch on "s" [the discriminant is an integer, a bool or an enum]',
    ],
    ["a switch on void", "union u switch (void) { case 1: int a; };", "1:17 a union's discriminant cannot be void"],
    ["only a default", "union u switch (int k) { default: void; };", "1:7 a union needs at least one case"],
    [
      "two arms in one case",
      "union u switch (int k) { case 1: int a; int b; };",
      '1:41 expected "case" or "default", got "int"',
    ],
  ])("%s", (_what, text, ...expected) => expectProblems(text, expected));
});

describe("types without end", () => {
  it.each<Row>([
    [
      "itself",
      "struct a { a b; };",
      '1:8 "a" contains itself: no value of it would end [make one of the fields optional (a *next) or an array (a items<>)]',
    ],
    [
      "through another",
      "struct a { b x; };\nstruct b { a x; };",
      '1:8 "a" contains itself through "b": no value of it would end [make one of the fields optional (a *next) or an array (a items<>)]',
    ],
    [
      "through a fixed array",
      "struct a { a b[2]; };",
      '1:8 "a" contains itself: no value of it would end [make one of the fields optional (a *next) or an array (a items<>)]',
    ],
    [
      "a union whose every arm goes on",
      "union a switch (int k) { case 0: a b; };",
      '1:7 "a" contains itself: no value of it would end [make one of the fields optional (a *next) or an array (a items<>)]',
    ],
    ["a typedef of itself", "typedef a a;", '1:11 typedef "a" leads back to itself'],
    ["typedefs of one another", "typedef b a; typedef a b;", '1:11 typedef "a" leads back to itself'],
    [
      "a pointer to a pointer by typedef",
      "typedef int *p; struct s { p *q; };",
      '1:24 "s" holds a pointer to a pointer: null would mean two things [put the inner pointer into a struct]',
    ],
  ])("%s", (_what, text, ...expected) => expectProblems(text, expected));

  it.each([
    ["a pointer", "struct a { a *b; };"],
    ["an array", "struct a { a b<>; };"],
    ["an array of nothing", "struct a { a b[0]; };"],
    ["an array of itself", "typedef a a_list<>; struct a { a_list b; };"],
    ["a typedef that is its own array", "typedef t u<>; typedef u t;"],
    ["a union with an arm that ends", "union a switch (int k) { case 0: a b; case 1: void; };"],
  ])("%s is an end", (_what, text) => {
    expect(problems(compileText(text))).toEqual([]);
  });
});

describe("syntax", () => {
  it.each<Row>([
    [
      "a missing semicolon after a field",
      "struct s {\n  int a\n  int b;\n};",
      '2:7 expected ";" after the field, got "int"',
    ],
    [
      "a missing semicolon after a struct",
      "struct s { int a; }\nstruct t { int b; };",
      '1:19 expected ";" after the struct, got "struct"',
    ],
    ["a missing brace", "struct s { int a;", '1:18 expected "}" after the struct\'s fields, got the end of the file'],
    ["a missing name", "struct { int a; };", '1:8 expected the struct\'s name, got "{"'],
    ["a keyword as a name", "struct case { int a; };", '1:8 expected the struct\'s name, got the keyword "case"'],
    ["a number as a name", "const 5 = 6;", '1:7 expected the constant\'s name, got "5"'],
    [
      "a definition that is none",
      "function f();",
      '1:1 expected a definition (const, typedef, enum, struct, union or program), got "function"',
    ],
    [
      "void as a field",
      "struct s { void; };",
      "1:12 a struct has no void fields: void stands in unions and procedures only",
    ],
    ["a typedef of void", "typedef void v;", "1:14 void is not a type that can be named"],
    ["an empty struct", "struct s { };", "1:8 a struct needs at least one field"],
    ["an empty enum", "enum e { };", "1:6 an enum needs at least one member"],
    [
      "a string without its bound",
      "struct s { string a; };",
      "1:12 a string needs its bound [write string name<max>, or string name<> for any length]",
    ],
    [
      "a string of fixed length",
      "struct s { string a[5]; };",
      "1:20 a string has no fixed length [write string name<max>]",
    ],
    [
      "opaque without its size",
      "struct s { opaque a; };",
      "1:12 opaque needs its size [write opaque name[size] or opaque name<max>]",
    ],
    [
      "a pointer to a string",
      "struct s { string *a<>; };",
      "1:19 a pointer to string is not part of the language [name the type with typedef first]",
    ],
    [
      "a pointer to a pointer",
      "struct s { int **a; };",
      "1:17 a pointer to a pointer is not part of the language [name the type with typedef first]",
    ],
    [
      "an array of pointers",
      "struct s { int *a<>; };",
      "1:18 an array of pointers is not part of the language [name the pointer with typedef first]",
    ],
    [
      "an array of arrays",
      "struct s { int a[2][3]; };",
      "1:20 an array of arrays is not part of the language [name the inner array with typedef first]",
    ],
    [
      "two names in one declaration",
      "struct s { int a, b; };",
      '1:17 one declaration declares one name: write ";" and the type again',
    ],
    ["an open comment", "const A = 1; /* ...", "1:14 comment without its end"],
    [
      "an open string",
      'const A = "abc',
      '1:11 string without its closing "',
      "1:15 expected a constant, got the end of the file",
    ],
    ["a character that is none", "const A = 1; @", '1:14 unexpected character "@"'],
    [
      "a program without its number",
      "program P { version V { void F(void) = 1; } = 1; };",
      '1:51 expected "=" and the program\'s number, got ";"',
    ],
  ])("%s", (_what, text, ...expected) => expectProblems(text, expected));

  it("one run shows several", () => {
    const text = [
      "struct a {",
      "  int x",
      "  int y;",
      "  strin z<>;",
      "};",
      "const = 5;",
      "enum e { A = };",
      "struct ok { int a; };",
    ].join("\n");
    expect(problems(compileText(text)).map((line) => line.split(" ")[0])).toEqual(["t.x:2:7", "t.x:6:7", "t.x:7:14"]);
  });

  it("a caret stands under the fault, behind tabs too", () => {
    const [diagnostic] = compileText("struct s {\n\tpare\ta;\n};").diagnostics;
    expect(diagnostic && formatDiagnostic(diagnostic).split("\n").slice(1, 3)).toEqual([
      "  2 | \tpare\ta;",
      "    | \t^~~~",
    ]);
  });
});

describe("what TypeScript or a client cannot have as a name", () => {
  it.each<Row>([
    [
      "then",
      program("void then(void) = 1;"),
      '1:30 the name "then" is taken or reserved in TypeScript: "then_" stands for it',
    ],
    [
      "constructor",
      program("void constructor(void) = 1;"),
      '1:30 the name "constructor" is taken or reserved in TypeScript: "constructor_" stands for it',
    ],
    [
      "a name of the runtime's",
      "struct client { int a; };",
      '1:8 the name "Client" is taken or reserved in TypeScript: "Client_" stands for it',
    ],
    [
      "a global's name",
      "struct promise { int a; };",
      '1:8 the name "Promise" is taken or reserved in TypeScript: "Promise_" stands for it',
    ],
    [
      "two types of one name",
      "struct a_b { int x; }; struct aB { int x; };",
      '1:31 the name "AB" is taken or reserved in TypeScript: "AB_" stands for it',
    ],
    [
      "two fields of one name",
      "struct s { int a_b; int aB; };",
      '1:25 the name "aB" is taken or reserved in TypeScript: "aB_" stands for it',
    ],
    [
      "two programs of one name",
      "program A { version V { void F(void) = 1; } = 1; } = 8; program A_PROG { version V { void F(void) = 1; } = 1; } = 9;",
      '1:82 the name "AV1" is taken or reserved in TypeScript: "AV1_" stands for it',
    ],
  ])("%s gets a trailing _ and a warning", (_what, text, expected) => {
    const result = compileText(text);
    expect(problems(result)[0]).toBe(`t.x:${expected.replace(" ", " warning: ")}`);
    expect(result.code).toMatch(/\w_\b/);
  });
});
