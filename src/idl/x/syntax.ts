import type { Span } from "../source.js";
import type { Expression } from "./expression.js";

/** A `.x` file as written: what the parser gives, before any name is looked up. */
export interface SyntaxTree {
  readonly definitions: readonly Definition[];
  /** Each definition's tokens: two are the same when these are. */
  readonly texts: ReadonlyMap<Definition, string>;
}

export type Definition = ConstDefinition | TypedefDefinition | TypeDefinition | ProgramDefinition;
export type TypeDefinition = EnumDefinition | StructDefinition | UnionDefinition;

export interface Name {
  readonly text: string;
  readonly span: Span;
}

interface Documented {
  /** The comments that belong to it, as written. */
  readonly docs: readonly string[];
}

export interface ConstDefinition extends Documented {
  readonly kind: "const";
  readonly name: Name;
  readonly value: Expression | string;
}

export interface TypedefDefinition extends Documented {
  readonly kind: "typedef";
  readonly declaration: Declaration & { readonly name: Name };
}

export interface EnumDefinition extends Documented {
  readonly kind: "enum";
  /** Undefined for an inline body without a tag. */
  readonly name: Name | undefined;
  readonly span: Span;
  readonly members: readonly EnumMember[];
}

export interface EnumMember extends Documented {
  readonly name: Name;
  /** Without one it is one more than the member before it, as in C. */
  readonly value: Expression | undefined;
}

export interface StructDefinition extends Documented {
  readonly kind: "struct";
  readonly name: Name | undefined;
  readonly span: Span;
  readonly fields: readonly (Declaration & { readonly name: Name })[];
}

export interface UnionDefinition extends Documented {
  readonly kind: "union";
  readonly name: Name | undefined;
  readonly span: Span;
  readonly discriminant: Declaration & { readonly name: Name };
  readonly arms: readonly Arm[];
}

export interface Arm extends Documented {
  /** Empty for `default`. */
  readonly cases: readonly Expression[];
  readonly span: Span;
  /** Undefined for `void`. */
  readonly declaration: (Declaration & { readonly name: Name }) | undefined;
}

export interface ProgramDefinition extends Documented {
  readonly kind: "program";
  readonly name: Name;
  readonly versions: readonly VersionDefinition[];
  readonly number: Expression;
}

export interface VersionDefinition extends Documented {
  readonly name: Name;
  readonly procedures: readonly ProcedureDefinition[];
  readonly number: Expression;
}

export interface ProcedureDefinition extends Documented {
  readonly name: Name;
  readonly args: readonly Declaration[];
  readonly result: Declaration;
  readonly number: Expression;
}

/** A type with its declarator: `int a`, `int a[3]`, `int a<3>`, `int *a`. */
export interface Declaration extends Documented {
  readonly type: TypeSpecifier;
  readonly form: "plain" | "optional" | "fixed" | "variable";
  /** The bound between the brackets; undefined for none (`<>`). */
  readonly size: Expression | undefined;
  readonly name: Name | undefined;
  readonly span: Span;
}

export type Scalar =
  | "int"
  | "uint"
  | "hyper"
  | "uhyper"
  | "float"
  | "double"
  | "quadruple"
  | "bool"
  | "char"
  | "uchar"
  | "short"
  | "ushort";

export type TypeSpecifier =
  | { readonly kind: "scalar"; readonly scalar: Scalar; readonly span: Span }
  | { readonly kind: "string" | "opaque" | "void"; readonly span: Span }
  | { readonly kind: "named"; readonly name: string; readonly span: Span; readonly tag: string | undefined }
  | { readonly kind: "inline"; readonly definition: TypeDefinition; readonly span: Span };
