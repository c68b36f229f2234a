// everytype.x as our own compiler sees it: the stub, a farcall server of it, and a value of every type by the name that
// the C client gives it.
import { fileURLToPath, pathToFileURL } from "node:url";
import { connect, Server, type ServerOptions } from "farcall";
import { formatDiagnostic, generateFiles } from "farcall/idl";
import type { Client, Handlers, OncService, Procedure } from "farcall/onc";
import { Quadruple, type XdrCodec } from "farcall/xdr";

/** The contract, as far as tables need it: each procedure takes and gives what its codec says. */
interface EveryType {
  echoVoid: Procedure<[], void>;
  subtract: Procedure<[a: number, b: number], number>;
  produce: Procedure<[size: number], Uint8Array>;
  consume: Procedure<[bytes: Uint8Array], number>;
  echoInt: Procedure<[value: number], number>;
  echoHyper: Procedure<[value: bigint], bigint>;
  echoEnum: Procedure<[value: number], number>;
  echoString: Procedure<[text: string], string>;
  echoOpaque: Procedure<[bytes: Uint8Array], Uint8Array>;
  echoArray: Procedure<[values: number[]], number[]>;
}

/** Any procedure with one argument, by its name. */
type Echo = (value: unknown) => Promise<unknown>;

/** Inside the package, so that `farcall/xdr` means its sources. */
const outDir = fileURLToPath(new URL("../../.build/interop/", import.meta.url));

async function load(): Promise<OncService<EveryType>> {
  const source = fileURLToPath(new URL("../interop/c/everytype.x", import.meta.url));
  const { results } = generateFiles({ files: [source], outDir, defines: { QUADRUPLE: "1" } });
  const [file] = results;
  if (file === undefined || file.state === "failed") {
    throw new Error(file?.diagnostics.map(formatDiagnostic).join("\n"));
  }
  const stub = (await import(/* @vite-ignore */ pathToFileURL(file.output).href)) as {
    EveryTypeV1: OncService<EveryType>;
  };
  return stub.EveryTypeV1;
}

/** The stub that `farcall gen -D QUADRUPLE everytype.x` emits. */
export const EveryTypeV1: OncService<EveryType> = await load();

/** The codec of what a procedure takes and gives back. */
export function codecOf(procedure: string): XdrCodec<unknown> {
  const described = (EveryTypeV1.procedures as Record<string, { args: readonly XdrCodec<unknown>[] }>)[procedure];
  const [codec] = described?.args ?? [];
  if (codec === undefined) throw new Error(`everytype.x has no procedure ${procedure} with an argument`);
  return codec;
}

/** Calls an `echo...` procedure by its name. */
export function echo(client: Client<EveryType>, procedure: string, value: unknown): Promise<unknown> {
  return (
    (client as unknown as Record<string, Echo>)[procedure]?.(value) ?? Promise.reject(new Error(`no ${procedure}`))
  );
}

/** The bytes that large opaque data carry, as PEER_PATTERN of peer.h: byte i is i * 7. */
export function pattern(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = i * 7;
  return bytes;
}

/** How many bytes follow the pattern. */
function followed(bytes: Uint8Array): number {
  let i = 0;
  while (i < bytes.length && bytes[i] === ((i * 7) & 0xff)) i++;
  return i;
}

/** What the C server does, by farcall. */
export function everyTypeHandlers(): Handlers<EveryType> {
  const echoes = Object.keys(EveryTypeV1.procedures).map((name) => [name, (value: unknown) => value]);
  return {
    ...Object.fromEntries(echoes),
    echoVoid() {},
    subtract: (a, b) => a - b,
    produce: pattern,
    consume: followed,
  } as Handlers<EveryType>;
}

/** A farcall server of everytype.x; `await using` ends it. */
export async function everyTypeServer(
  address: string,
  options: ServerOptions = {},
): Promise<AsyncDisposable & { readonly address: string; readonly server: Server }> {
  const server = new Server(options);
  server.export(EveryTypeV1, everyTypeHandlers());
  const bound = await server.listen(address);
  return { address: bound, server, [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }) };
}

export function connectEveryType(
  address: string,
  options: Parameters<typeof connect>[2] = {},
): Promise<Client<EveryType>> {
  return connect(EveryTypeV1, address, options);
}

const point = { x: -1, y: 1n << 40n };
const bytes = new Uint8Array([0, 1, 0xff, 0x80, 0x7f]);
const tenInts = [0, 1, -1, 2, -2, 0x7fff_ffff, -0x8000_0000, 7, 8, 9];
const manyTexts = ["", "a", "ab", "abc", "abcd", "häßlich"];

interface Node {
  readonly value: number;
  readonly next: Node | null;
}

/** A list of 0, 1, 2, ... */
export function chain(length: number): Node | null {
  let first: Node | null = null;
  for (let value = length - 1; value >= 0; value--) first = { value, next: first };
  return first;
}

/** An IEEE 754 binary128 by its bytes. */
function quadruple(hex: string): Quadruple {
  const value = Quadruple.parse(`0x${hex}`);
  if (value === undefined) throw new Error(`${hex} is no quadruple`);
  return value;
}

/** The values of `everytype_client ... types`, by the names that it gives them. */
export const everyValue: readonly (readonly [name: string, procedure: string, value: unknown])[] = [
  ["int-zero", "echoInt", 0],
  ["int-min", "echoInt", -0x8000_0000],
  ["int-max", "echoInt", 0x7fff_ffff],
  ["unsigned-max", "echoUnsigned", 0xffff_ffff],
  ["unsigned-high-bit", "echoUnsigned", 0x8000_0000],
  ["hyper-min", "echoHyper", -(2n ** 63n)],
  ["hyper-max", "echoHyper", 2n ** 63n - 1n],
  ["hyper-minus-one", "echoHyper", -1n],
  ["hyper-beyond-double", "echoHyper", 9_007_199_254_740_993n],
  ["unsigned-hyper-max", "echoUnsignedHyper", 2n ** 64n - 1n],
  ["float-third", "echoFloat", Math.fround(1 / 3)],
  ["float-min", "echoFloat", 2 ** -149],
  ["float-max", "echoFloat", (2 - 2 ** -23) * 2 ** 127],
  ["float-minus-zero", "echoFloat", -0],
  ["double-tenth", "echoDouble", 0.1],
  ["double-min", "echoDouble", Number.MIN_VALUE],
  ["double-max", "echoDouble", Number.MAX_VALUE],
  ["double-infinity", "echoDouble", Number.NEGATIVE_INFINITY],
  ["double-nan", "echoDouble", Number.NaN],
  ["quadruple-one", "echoQuadruple", { it: quadruple("3fff0000000000000000000000000000") }],
  ["quadruple-minus-third", "echoQuadruple", { it: quadruple("bffd5555555555555555555555555555") }],
  ["quadruple-beyond-double", "echoQuadruple", { it: quadruple("43fffffffffffffff000000000000000") }],
  ["bool-true", "echoBool", true],
  ["bool-false", "echoBool", false],
  ["enum-zero", "echoEnum", 0],
  ["enum-negative", "echoEnum", -7],
  ["string-empty", "echoString", ""],
  ["string-padded-1", "echoString", "abc"],
  ["string-padded-0", "echoString", "abcd"],
  ["string-padded-3", "echoString", "abcde"],
  ["string-utf8", "echoString", "€ 🙂"],
  ["opaque-empty", "echoOpaque", new Uint8Array(0)],
  ["opaque-odd", "echoOpaque", bytes],
  ["opaque-fixed", "echoFixedOpaque", { it: bytes }],
  ["array-fixed", "echoFixedArray", { it: [-2, 0x7fff_ffff, -0x8000_0000] }],
  ["array-empty", "echoArray", []],
  ["array-full", "echoArray", tenInts],
  ["array-of-strings", "echoStrings", manyTexts],
  ["struct", "echoStruct", { at: point, paint: -7, on: true, label: "12345678" }],
  ["union-int", "echoUnion", { kind: 0, small: -9 }],
  ["union-double", "echoUnion", { kind: 1, wide: 2.5 }],
  ["union-void", "echoUnion", { kind: -7 }],
  ["union-first-case", "echoDefaultUnion", { status: 0, data: bytes.subarray(0, 3) }],
  ["union-shared-case", "echoDefaultUnion", { status: 2, why: "two" }],
  ["union-default", "echoDefaultUnion", { status: "default", $kind: -77 }],
  ["union-bool-true", "echoBoolUnion", { known: true, at: { x: 1, y: 2n } }],
  ["union-bool-false", "echoBoolUnion", { known: false }],
  ["list-empty", "echoList", null],
  ["list-one", "echoList", chain(1)],
  ["list-thousand", "echoList", chain(3)],
  [
    "everything",
    "echoEverything",
    {
      i: -5,
      u: 4_000_000_000,
      h: -5_000_000_000n,
      uh: 18_000_000_000_000_000_000n,
      f: 1.5,
      d: -2.25,
      b: true,
      c: -7,
      s: "text",
      o: bytes.subarray(0, 3),
      fo: new Uint8Array([1, 2, 3, 4, 5]),
      a: [7, 8, 9],
      v: tenInts.slice(0, 4),
      ss: manyTexts,
      p: { at: { x: 1, y: -2n }, paint: 1, on: false, label: "label" },
      n: { kind: 1, wide: 0.1 },
      r: { status: 2, why: "because" },
      w: { known: true, at: { x: 3, y: 4n } },
      l: chain(3),
      tail: bytes.subarray(2, 3),
    },
  ],
];
