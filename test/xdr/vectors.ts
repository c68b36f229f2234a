// One table drives all tests of bytes: what stands on the left, in JavaScript, is on the wire what the right column says.
import { readFileSync } from "node:fs";
import {
  bool,
  char,
  double,
  enumeration,
  float,
  hyper,
  int,
  nothing,
  opaque,
  opaqueFixed,
  optional,
  Quadruple,
  quadruple,
  short,
  string,
  struct,
  uchar,
  uhyper,
  uint,
  union,
  ushort,
  type XdrCodec,
} from "../../src/xdr/index.js";
import { byBool, byEnum, byInt, Color, color, ints, items, node, pair, texts, tree, triple } from "./types.js";

export interface Vector {
  readonly name: string;
  readonly codec: XdrCodec<unknown>;
  readonly value: unknown;
  readonly hex: string;
  /** Where the padding stands. */
  readonly padding: readonly number[];
}

/** What the C program in test/vectors prints, by the vector's name: bytes, and a quadruple's bytes as a double. */
export const printed: ReadonlyMap<string, readonly string[]> = new Map(
  readFileSync(new URL("../vectors/xdr.txt", import.meta.url), "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split("\t"))
    .map(([name = "", ...columns]) => [name, columns]),
);

const bytes = (...values: number[]) => Uint8Array.from(values);

const fromC: Vector[] = [];
function c<T>(name: string, codec: XdrCodec<T>, value: T, padding: number[] = []): void {
  fromC.push({ name, codec, value, hex: printed.get(name)?.[0] ?? "missing", padding });
}

c("int 0", int, 0);
c("int 5", int, 5);
c("int -1", int, -1);
c("int max", int, 2147483647);
c("int min", int, -2147483648);
c("uint 0", uint, 0);
c("uint 2^31", uint, 2147483648);
c("uint max", uint, 4294967295);
c("char min", char, -128);
c("char max", char, 127);
c("uchar max", uchar, 255);
c("short min", short, -32768);
c("short max", short, 32767);
c("ushort max", ushort, 65535);
c("hyper 0", hyper, 0n);
c("hyper -1", hyper, -1n);
c("hyper 2^53+1", hyper, 9007199254740993n);
c("hyper words", hyper, 0x0123_4567_89ab_cdefn);
c("hyper max", hyper, 9223372036854775807n);
c("hyper min", hyper, -9223372036854775808n);
c("uhyper max", uhyper, 18446744073709551615n);
c("uhyper 2^63", uhyper, 9223372036854775808n);
c("bool true", bool, true);
c("bool false", bool, false);
c("enum RED", color, Color.RED);
c("enum BLUE", color, Color.BLUE);
c("float 0", float, 0);
c("float -0", float, -0);
c("float 1", float, 1);
c("float 0.1", float, Math.fround(0.1));
c("float -2.5", float, -2.5);
c("float max", float, 3.4028234663852886e38);
c("float min normal", float, 2 ** -126);
c("float least", float, 2 ** -149);
c("float infinity", float, Number.POSITIVE_INFINITY);
c("float -infinity", float, Number.NEGATIVE_INFINITY);
c("float NaN", float, Number.NaN);
c("double 0", double, 0);
c("double -0", double, -0);
c("double 1", double, 1);
c("double 0.1", double, 0.1);
c("double -1e300", double, -1e300);
c("double max", double, Number.MAX_VALUE);
c("double least", double, Number.MIN_VALUE);
c("double infinity", double, Number.POSITIVE_INFINITY);
c("double -infinity", double, Number.NEGATIVE_INFINITY);
c("double NaN", double, Number.NaN);
for (const [name, [hex = ""]] of printed) {
  if (name.startsWith("quadruple")) {
    c(name, quadruple, new Quadruple(BigInt(`0x${hex.slice(0, 16)}`), BigInt(`0x${hex.slice(16)}`)));
  }
}
c("opaque fixed 5", opaqueFixed(5), bytes(1, 2, 3, 4, 5), [5, 6, 7]);
c("opaque 0", opaque(), bytes());
c("opaque 1", opaque(), bytes(255), [5, 6, 7]);
c("opaque 2", opaque(), bytes(255, 0), [6, 7]);
c("opaque 3", opaque(), bytes(0, 1, 2), [7]);
c("opaque 4", opaque(), bytes(0, 1, 2, 3));
c("string empty", string(), "");
c("string a", string(), "a", [5, 6, 7]);
c("string abcd", string(), "abcd");
c("string sillyprog", string(), "sillyprog", [13, 14, 15]);
c("string two bytes", string(), "h\u00e9llo", [10, 11]);
c("string four bytes", string(), "\u{1f600}");
c("string byte order mark", string(), "\ufeffmark", [11]);
c("string long", string(), `${"0123456789".repeat(7)}\u20ac`, [77, 78, 79]);
c("array fixed 3", triple, [1, -2, 3]);
c("array 0", ints, []);
c("array 2", ints, [7, -8]);
c("array of strings", texts, ["", "abc", "abcde"], [15, 25, 26, 27]);
c("struct pair", pair, { a: 1, b: -1 });
c(
  "array of structs",
  items,
  [
    { id: 1, name: "some-name-here", score: 1.5, when: 1234567890123n },
    { id: -2, name: "x", score: -0, when: -5n },
  ],
  [26, 27, 53, 54, 55],
);
c("union int 0", byInt, { status: 0, body: bytes(9) }, [9, 10, 11]);
c("union int 1", byInt, { status: 1, why: "one" }, [11]);
c("union int 2", byInt, { status: 2, why: "two" }, [11]);
c("union int default", byInt, { status: "default", $kind: -3, code: -4n });
c("union enum RED", byEnum, { paint: Color.RED, shade: 6 });
c("union enum void", byEnum, { paint: Color.BLUE });
c("union enum default", byEnum, { paint: Color.GREEN, faded: true });
c("union bool true", byBool, { known: true, at: { a: 3, b: 4 } });
c("union bool false", byBool, { known: false });
c("list of 1", node, { value: 9, next: null });
c("list of 3", node, { value: 1, next: { value: 2, next: { value: 3, next: null } } });
const leaf = { value: 7, left: null, right: null };
c("tree", tree, { value: 1, left: { value: 8, left: null, right: leaf }, right: leaf });

// RFC 4506, section 7: the description of a file, and John's `sillyprog` byte by byte.
const Filekind = { TEXT: 0, DATA: 1, EXEC: 2 } as const;
const filetype = union(
  { kind: enumeration("filekind", Filekind) },
  {
    [Filekind.TEXT]: null,
    [Filekind.DATA]: { creator: string(255) },
    [Filekind.EXEC]: { interpretor: string(255) },
  },
  "filetype",
);
const file = struct({ filename: string(255), type: filetype, owner: string(32), data: opaque(65535) }, "file");
const sillyprog = [
  "00000009 73696c6c 7970726f 67000000",
  "00000002 00000004 6c697370",
  "00000004 6a6f686e",
  "00000006 28717569 74290000",
];

function rfc<T>(name: string, codec: XdrCodec<T>, value: T, hex: string, padding: number[] = []): Vector {
  return { name: `RFC 4506, ${name}`, codec, value, hex: hex.replaceAll(" ", ""), padding };
}

const fromRfc: readonly Vector[] = [
  rfc(
    "section 7",
    file,
    {
      filename: "sillyprog",
      type: { kind: Filekind.EXEC, interpretor: "lisp" },
      owner: "john",
      data: new TextEncoder().encode("(quit)"),
    },
    sillyprog.join(""),
    [13, 14, 15, 46, 47],
  ),
  // Section 4.16: void has no bytes. Section 4.19: a pointer is a bool and what it points to, as an array of at most one.
  rfc("section 4.16", nothing, undefined, ""),
  rfc("section 4.19, null", optional(int), null, "00000000"),
  rfc("section 4.19, not null", optional(int), 5, "00000001 00000005"),
];

export const vectors: readonly Vector[] = [...fromC, ...fromRfc];
