/**
 * What a value looks like, as data: for the CLI's JSON, for other wires' faces of one service, and for naming the
 * field at fault when a codec refuses a value. A shape never drives the fast path; codecs are code.
 */
export type Shape =
  | VoidShape
  | IntegerShape
  | FloatShape
  | BooleanShape
  | EnumShape
  | StringShape
  | OpaqueShape
  | ArrayShape
  | StructShape
  | UnionShape
  | OptionalShape
  | ReferenceShape;

export interface VoidShape {
  readonly kind: "void";
}

/** A whole number. 64 bits are a `bigint`, everything smaller is a `number`. */
export interface IntegerShape {
  readonly kind: "integer";
  /** The range of the value, not its width on the wire: XDR carries 8 and 16 bits in four bytes. */
  readonly bits: 8 | 16 | 32 | 64;
  readonly signed: boolean;
}

/** A floating-point number; 128 bits are a `Quadruple`, which keeps all 16 bytes. */
export interface FloatShape {
  readonly kind: "float";
  readonly bits: 32 | 64 | 128;
}

export interface BooleanShape {
  readonly kind: "boolean";
}

export interface EnumShape {
  readonly kind: "enum";
  readonly name?: string | undefined;
  /** Name to number, as in the generated `as const` object. */
  readonly members: Readonly<Record<string, number>>;
}

export interface StringShape {
  readonly kind: "string";
  /** Most bytes on the wire. */
  readonly max: number;
  /** `text` is a `string`, strict UTF-8; `bytes` is a `Uint8Array`, for peers that send other encodings. */
  readonly as: "text" | "bytes";
}

/** Raw bytes, a `Uint8Array`. */
export interface OpaqueShape {
  readonly kind: "opaque";
  /** Exact length in bytes when `fixed`, otherwise the most. */
  readonly length: number;
  readonly fixed: boolean;
}

export interface ArrayShape {
  readonly kind: "array";
  readonly element: Shape;
  /** Exact count of elements when `fixed`, otherwise the most. */
  readonly length: number;
  readonly fixed: boolean;
}

export interface StructShape {
  readonly kind: "struct";
  readonly name?: string | undefined;
  readonly fields: readonly FieldShape[];
}

export interface FieldShape {
  /** The property's name in the JavaScript value. */
  readonly name: string;
  readonly shape: Shape;
}

/**
 * A discriminated union. A value is an object with the discriminant's property and, unless the arm is void, one
 * more property named by the arm. With an integer discriminant, the default arm's discriminant property holds
 * `"default"` and the number stands in `$kind`.
 */
export interface UnionShape {
  readonly kind: "union";
  readonly name?: string | undefined;
  readonly discriminant: FieldShape;
  readonly arms: readonly UnionArm[];
  /** What every other discriminant carries: a field, nothing (`null`), or an error (`undefined`). */
  readonly otherwise?: FieldShape | null | undefined;
}

export interface UnionArm {
  /** Discriminants as numbers; a boolean's are 0 and 1. */
  readonly cases: readonly (number | bigint)[];
  /** `null` for void. */
  readonly field: FieldShape | null;
}

/** `T *` of XDR: the value or `null`. */
export interface OptionalShape {
  readonly kind: "optional";
  readonly of: Shape;
}

/** A named type, by name: what lets a shape describe a recursive type. */
export interface ReferenceShape {
  readonly kind: "reference";
  readonly name: string;
  readonly to: () => Shape;
}
