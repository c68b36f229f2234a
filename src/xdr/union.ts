import { describe } from "../model/describe.js";
import type { Shape, UnionShape } from "../model/index.js";
import { getProperty, isProperties, type Properties, setProperty } from "../model/property.js";
import type { ValueOf, XdrCodec } from "./codec.js";
import type { XdrReader } from "./reader.js";
import { unnamed } from "./walk.js";
import type { XdrWriter } from "./writer.js";

/** What an arm carries: one field, by its name, or nothing. */
export type Arm = Readonly<Record<string, XdrCodec<unknown>>> | null;

/** Arms by their case: an integer, an enum's number, `true` or `false`; `default` takes every other. */
export type Arms = Readonly<Record<string | number, Arm>>;

type Flat<T> = { -readonly [K in keyof T]: T[K] };
type Kind = number | bigint | boolean;
type CaseOf<V, K> = V extends boolean
  ? `${K & string}` extends `${infer B extends boolean}`
    ? B
    : never
  : V extends bigint
    ? `${K & (string | number)}` extends `${infer B extends bigint}`
      ? B
      : never
    : `${K & (string | number)}` extends `${infer N extends number}`
      ? N
      : never;
type Field<A> = A extends null ? unknown : { -readonly [K in keyof A]: ValueOf<A[K]> };
type Listed<V, A> = { [K in Exclude<keyof A, "default">]: CaseOf<V, K> }[Exclude<keyof A, "default">];
type Otherwise<D extends string, V, A> = "default" extends keyof A
  ? number extends V
    ? Flat<Record<D, "default"> & { $kind: number } & Field<A["default"]>>
    : bigint extends V
      ? Flat<Record<D, "default"> & { $kind: bigint } & Field<A["default"]>>
      : Exclude<V, Listed<V, A>> extends infer Rest
        ? [Rest] extends [never]
          ? never
          : Flat<Record<D, Rest> & Field<A["default"]>>
        : never
  : never;

/** The value of a union: one object type per case, told apart by the discriminant's property. */
export type UnionValue<D extends string, V, A> =
  | { [K in Exclude<keyof A, "default">]: Flat<Record<D, CaseOf<V, K>> & Field<A[K]>> }[Exclude<keyof A, "default">]
  | Otherwise<D, V, A>;

/**
 * RFC 4506, section 4.15: a discriminant and what it selects.
 *
 * ```ts
 * const reply = union({ status: int }, { 0: { data: opaque() }, 1: null, default: { why: string() } }, "Reply");
 * // XdrCodec<{ status: 0; data: Uint8Array } | { status: 1 } | { status: "default"; $kind: number; why: string }>
 * ```
 *
 * On integers, the default arm's discriminant is `"default"` and the number stands in `$kind`, or the type would not
 * narrow. On enums and bools it is one of the values that have no arm of their own. Cases that share an arm repeat it.
 *
 * @param discriminant its property's name and its codec: an integer, an enum or a bool
 * @throws RangeError for a case that the discriminant cannot be, an arm of several fields, or one named like the
 * discriminant
 */
export function union<const N extends Readonly<Record<string, XdrCodec<Kind>>>, const A extends Arms>(
  discriminant: N,
  arms: A,
  name?: string | undefined,
): XdrCodec<UnionValue<keyof N & string, ValueOf<N[keyof N]>, A>> {
  const [entry, more] = Object.entries(discriminant);
  if (entry === undefined || more !== undefined) throw new RangeError("a union has one discriminant");
  const codec: XdrCodec<unknown> = new UnionCodec(entry[0], entry[1], arms, name);
  return codec as XdrCodec<UnionValue<keyof N & string, ValueOf<N[keyof N]>, A>>;
}

interface NamedArm {
  readonly name: string;
  readonly codec: XdrCodec<unknown>;
}

class UnionCodec implements XdrCodec<Properties> {
  readonly shape: UnionShape;
  readonly #name: string;
  readonly #property: string;
  readonly #kind: XdrCodec<Kind>;
  readonly #isInteger: boolean;
  readonly #arms = new Map<unknown, NamedArm | null>();
  readonly #otherwise: NamedArm | null | undefined;

  constructor(property: string, kind: XdrCodec<Kind>, arms: Arms, name: string | undefined) {
    this.#name = name === undefined ? "the union" : `union ${name}`;
    this.#property = property;
    this.#kind = kind;
    const kindShape = unnamed(kind.shape);
    this.#isInteger = kindShape.kind === "integer";
    const groups = new Map<Arm, { cases: (number | bigint)[]; arm: NamedArm | null }>();
    for (const [label, arm] of Object.entries(arms)) {
      const named = this.#armOf(arm);
      if (label === "default") {
        this.#otherwise = named;
        continue;
      }
      const value = this.#caseOf(label, kindShape);
      this.#arms.set(value, named);
      const number = typeof value === "boolean" ? Number(value) : value;
      const group = groups.get(arm);
      if (group === undefined) groups.set(arm, { cases: [number], arm: named });
      else group.cases.push(number);
    }
    this.shape = {
      kind: "union",
      name,
      discriminant: { name: property, shape: kind.shape },
      arms: [...groups.values()].map(({ cases, arm }) => ({ cases, field: fieldOf(arm) })),
      otherwise: this.#otherwise === undefined ? undefined : fieldOf(this.#otherwise),
    };
  }

  #armOf(arm: Arm): NamedArm | null {
    if (arm === null) return null;
    const [entry, more] = Object.entries(arm);
    if (entry === undefined || more !== undefined) {
      throw new RangeError(`${this.#name}: an arm is one field, or null for none`);
    }
    const [name, codec] = entry;
    if (name === this.#property || name === "$kind") {
      throw new RangeError(`${this.#name}: an arm cannot be named ${name}, like its discriminant`);
    }
    return { name, codec };
  }

  #caseOf(label: string, kind: Shape): Kind {
    const wrong = (): never => {
      throw new RangeError(`${this.#name}: ${label} is no value of its discriminant`);
    };
    if (kind.kind === "boolean") return label === "true" ? true : label === "false" ? false : wrong();
    if (!/^-?\d+$/.test(label)) return wrong();
    const value = BigInt(label);
    if (kind.kind === "enum") {
      return Object.values(kind.members).includes(Number(value)) ? Number(value) : wrong();
    }
    if (kind.kind !== "integer") return wrong();
    if (value !== (kind.signed ? BigInt.asIntN(kind.bits, value) : BigInt.asUintN(kind.bits, value))) return wrong();
    return kind.bits === 64 ? value : Number(value);
  }

  encode(w: XdrWriter, v: Properties): void {
    if (!isProperties(v)) w.fail(`expected an object, got ${describe(v)}`);
    let kind = getProperty(v, this.#property);
    let arm = this.#arms.get(kind);
    if (this.#isInteger && kind === "default" && this.#otherwise !== undefined) {
      kind = v["$kind"];
      if (this.#arms.has(kind)) w.fail(`$kind ${describe(kind)} has an arm of its own in ${this.#name}`);
      arm = this.#otherwise;
    } else if (arm === undefined) {
      if (this.#isInteger || this.#otherwise === undefined) this.#refuse(w, kind);
      arm = this.#otherwise;
    }
    this.#kind.encode(w, kind as Kind);
    if (arm !== null) arm?.codec.encode(w, getProperty(v, arm.name));
  }

  #refuse(w: XdrWriter, kind: unknown): never {
    const hint = this.#otherwise === undefined ? "" : `; for others, say "default" and give the number in $kind`;
    w.fail(`${this.#property} ${describe(kind)} is no case of ${this.#name}${hint}`);
  }

  decode(r: XdrReader): Properties {
    const at = r.position;
    const kind = this.#kind.decode(r);
    const v: Properties = {};
    let arm = this.#arms.get(kind);
    if (arm !== undefined) setProperty(v, this.#property, kind);
    else if (this.#otherwise === undefined)
      r.failAt(at, `${this.#property} ${describe(kind)} is no case of ${this.#name}`);
    else {
      setProperty(v, this.#property, this.#isInteger ? "default" : kind);
      if (this.#isInteger) v["$kind"] = kind;
      arm = this.#otherwise;
    }
    if (arm !== null) setProperty(v, arm.name, arm.codec.decode(r));
    return v;
  }
}

function fieldOf(arm: NamedArm | null): { name: string; shape: Shape } | null {
  return arm === null ? null : { name: arm.name, shape: arm.codec.shape };
}
