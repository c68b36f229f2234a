import type { Span } from "../source.js";
import type { Scalar } from "./syntax.js";

/** A `.x` file with every name looked up and every rule held: what the emitter and the loader read. */
export interface Module {
  /** The file's base name, such as `calc.x`. */
  readonly file: string;
  readonly constants: readonly Constant[];
  /** In the order of the source; what was taken from elsewhere stands first. */
  readonly types: readonly NamedType[];
  readonly programs: readonly Program[];
}

export interface Constant {
  readonly name: string;
  readonly value: bigint | string;
  readonly docs: readonly string[];
  readonly span: Span;
}

/** A type as it is used: what stands before and around a declared name. */
export type Type =
  | { readonly kind: "void" }
  | { readonly kind: "scalar"; readonly scalar: Scalar }
  | { readonly kind: "string"; readonly max: number; readonly bytes: boolean }
  | { readonly kind: "opaque"; readonly length: number; readonly fixed: boolean }
  | { readonly kind: "array"; readonly element: Type; readonly length: number; readonly fixed: boolean }
  | { readonly kind: "optional"; readonly of: Type }
  | { readonly kind: "named"; readonly type: NamedType };

export interface NamedType {
  /** The name in the `.x` file; of an inline body without a tag, derived from where it stands. */
  readonly name: string;
  readonly span: Span;
  readonly docs: readonly string[];
  /** Set once, when the body is looked up: bodies may name each other. */
  body: Body;
  /** Set by the analysis of how types contain each other. */
  readonly facts: TypeFacts;
}

export interface TypeFacts {
  /** Fewest bytes on the wire, never too many: what a count is checked against. */
  sizeMin: number;
  /** Its values nest: each level is counted. */
  nests: boolean;
  /** A struct whose last field leads to the next of its kind: its values are read and written in a loop. */
  list: boolean;
}

export type Body =
  | { readonly kind: "alias"; readonly of: Type }
  | { readonly kind: "enum"; readonly members: readonly Member[] }
  | { readonly kind: "struct"; readonly fields: readonly Field[] }
  | Union;

export interface Member {
  readonly name: string;
  readonly value: number;
  readonly docs: readonly string[];
  readonly span: Span;
}

export interface Field {
  readonly name: string;
  readonly type: Type;
  readonly docs: readonly string[];
  readonly span: Span;
}

export interface Union {
  readonly kind: "union";
  readonly discriminant: Field;
  readonly arms: readonly UnionArm[];
  /** What every other discriminant carries: a field, nothing (`null`), or an error (`undefined`). */
  readonly otherwise: { readonly field: Field | null; readonly docs: readonly string[] } | undefined;
}

export interface UnionArm {
  readonly cases: readonly Case[];
  /** `null` for void. */
  readonly field: Field | null;
  readonly docs: readonly string[];
}

export interface Case {
  readonly value: bigint;
  /** The member of the enum that says it; of two with one value, the one that was written. */
  readonly member: string | undefined;
  /** The exported constant that says it, if one does. */
  readonly constant: Constant | undefined;
}

export interface Program {
  readonly name: string;
  readonly number: number;
  readonly versions: readonly Version[];
  readonly docs: readonly string[];
  readonly span: Span;
}

export interface Version {
  readonly name: string;
  readonly number: number;
  readonly procedures: readonly ProcedureEntry[];
  readonly docs: readonly string[];
  readonly span: Span;
}

export interface ProcedureEntry {
  readonly name: string;
  readonly number: number;
  /** Names are `""` where the file gives none. */
  readonly args: readonly Field[];
  readonly result: Type;
  /** What it tells of its progress, as an asynchronous request. */
  readonly progress: Type | undefined;
  readonly docs: readonly string[];
  readonly span: Span;
}

/** What aliases of long chains lead to: each of thousands would otherwise be followed to its end. */
const behind = new WeakMap<NamedType, Type>();
const longChain = 16;

/** The type behind its names. */
export function resolved(type: Type): Type {
  let at = type;
  const passed: NamedType[] = [];
  // An alias that leads to itself is refused before anything else asks.
  while (at.kind === "named" && at.type.body.kind === "alias") {
    const known = behind.get(at.type);
    if (known === undefined) passed.push(at.type);
    at = known ?? at.type.body.of;
  }
  if (passed.length > longChain) for (const alias of passed) behind.set(alias, at);
  return at;
}

/** What a union switches on. */
export type Discriminant =
  | { readonly kind: "bool" }
  | { readonly kind: "enum"; readonly type: NamedType; readonly members: readonly Member[] }
  | { readonly kind: "integer"; readonly scalar: Scalar };

export function discriminantOf(type: Type): Discriminant | undefined {
  const actual = resolved(type);
  if (actual.kind === "named" && actual.type.body.kind === "enum") {
    return { kind: "enum", type: actual.type, members: actual.type.body.members };
  }
  if (actual.kind !== "scalar") return undefined;
  if (actual.scalar === "bool") return { kind: "bool" };
  if (actual.scalar === "float" || actual.scalar === "double" || actual.scalar === "quadruple") return undefined;
  return { kind: "integer", scalar: actual.scalar };
}

/** Lowest and highest value of an integer type. */
export function rangeOf(scalar: Scalar): readonly [bigint, bigint] {
  switch (scalar) {
    case "uint":
      return [0n, 0xffff_ffffn];
    case "hyper":
      return [-(1n << 63n), (1n << 63n) - 1n];
    case "uhyper":
      return [0n, (1n << 64n) - 1n];
    case "char":
      return [-128n, 127n];
    case "uchar":
      return [0n, 255n];
    case "short":
      return [-32768n, 32767n];
    case "ushort":
      return [0n, 65535n];
    case "bool":
      return [0n, 1n];
    default:
      return [-(1n << 31n), (1n << 31n) - 1n];
  }
}
