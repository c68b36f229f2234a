import { Quadruple } from "farcall/xdr";
import fc from "fast-check";
import type { Shape, UnionShape } from "../../src/model/index.js";

/** A `.x` file with `count` types at random; each may use the ones before it, and itself behind a pointer or an array. */
export function interfaceText(count: number): fc.Arbitrary<string> {
  const types = Array.from({ length: count }, (_, i) => definition(i));
  return fc.tuple(...types).map((texts) => ["enum color { RED, GREEN = 7, BLUE = -3 };", ...texts].join("\n\n"));
}

const scalars = [
  "int",
  "unsigned int",
  "hyper",
  "unsigned hyper",
  "float",
  "double",
  "quadruple",
  "bool",
  "char",
  "unsigned char",
  "short",
  "unsigned short",
  "long",
  "uint64_t",
  "color",
] as const;

function definition(i: number): fc.Arbitrary<string> {
  const name = `type_${i}`;
  return fc.oneof(
    { weight: 4, arbitrary: struct(name, i) },
    { weight: 3, arbitrary: union(name, i) },
    { weight: 2, arbitrary: field(i, "x").map((text) => `typedef ${text.replace(/\bx\b/, name)};`) },
    { weight: 1, arbitrary: list(name, i) },
    {
      weight: 1,
      arbitrary: fc
        .uniqueArray(fc.integer(), { minLength: 1, maxLength: 5 })
        .map((values) => `enum ${name} { ${values.map((value, j) => `E${i}_${j} = ${value}`).join(", ")} };`),
    },
  );
}

/** A field whose type is no more than `i` types deep. */
function field(i: number, name: string, self?: string): fc.Arbitrary<string> {
  const named = fc.nat(Math.max(0, i - 1)).map((j) => `type_${j}`);
  const type = i === 0 ? fc.constantFrom(...scalars) : fc.oneof(fc.constantFrom(...scalars), named);
  const bound = fc.constantFrom("", "3", "200");
  const plain: fc.Arbitrary<string>[] = [
    type.map((t) => `${t} ${name}`),
    fc.tuple(type, bound).map(([t, max]) => `${t} ${name}<${max}>`),
    fc.tuple(type, fc.nat(3)).map(([t, n]) => `${t} ${name}[${n}]`),
    bound.map((max) => `string ${name}<${max}>`),
    bound.map((max) => `opaque ${name}<${max}>`),
    fc.nat(9).map((n) => `opaque ${name}[${n}]`),
    fc.constantFrom(...scalars).map((t) => `${t} *${name}`),
  ];
  if (self !== undefined) plain.push(fc.constantFrom(`${self} *${name}`, `${self} ${name}<3>`));
  return fc.oneof(...plain);
}

function struct(name: string, i: number): fc.Arbitrary<string> {
  const names = ["first_field", "second", "items", "r", "then", "value"];
  return fc.integer({ min: 1, max: names.length }).chain((n) => {
    const fields = names.slice(0, n).map((field_) => field(i, field_, name));
    return fc.tuple(...fields).map((texts) => `struct ${name} {\n${texts.map((text) => `  ${text};\n`).join("")}};`);
  });
}

function list(name: string, i: number): fc.Arbitrary<string> {
  return fc.tuple(field(i, "item"), fc.boolean()).map(([item, byTypedef]) => {
    return byTypedef
      ? `typedef struct ${name} *${name}_ptr;\nstruct ${name} { ${item}; ${name}_ptr next; };`
      : `struct ${name} { ${item}; ${name} *next; };`;
  });
}

function union(name: string, i: number): fc.Arbitrary<string> {
  const kinds: readonly (readonly [type: string, cases: readonly string[]])[] = [
    ["int", ["0", "-5", "0x7fffffff"]],
    ["unsigned", ["0", "4294967295", "8"]],
    ["hyper", ["0", "-9223372036854775808", "8"]],
    ["char", ["0", "-128", "8"]],
    ["bool", ["TRUE", "FALSE"]],
    ["color", ["RED", "GREEN", "BLUE"]],
  ];
  return fc.constantFrom(...kinds).chain(([type, cases]) => {
    const arm = (j: number): fc.Arbitrary<string> =>
      fc.oneof({ weight: 3, arbitrary: field(i, `arm_${j}`, name) }, { weight: 1, arbitrary: fc.constant("void") });
    return fc
      .tuple(fc.integer({ min: 1, max: cases.length }), arm(0), arm(1), arm(2), fc.option(arm(3)), fc.boolean())
      .map(([n, a, b, c, otherwise, shared]) => {
        const arms = cases
          .slice(0, n)
          .map((value, j) => `case ${value}:${shared && j === 0 && n > 1 ? "" : ` ${[a, b, c][j]};`}`);
        const last = otherwise === null ? "" : `\n  default: ${otherwise};`;
        return `union ${name} switch (${type} kind) {\n  ${arms.join("\n  ")}${last}\n};`;
      });
  });
}

/** Values of a shape. Recursive ones end soon: deep down, arrays are empty and pointers null. */
export function valuesOf(shape: Shape, depth = 0): fc.Arbitrary<unknown> {
  const small = depth > 3 ? 0 : 3;
  switch (shape.kind) {
    case "void":
      return fc.constant(undefined);
    case "integer": {
      const low = shape.signed ? -(1n << BigInt(shape.bits - 1)) : 0n;
      const max = low + (1n << BigInt(shape.bits)) - 1n;
      const value = fc.bigInt({ min: low, max });
      return shape.bits === 64 ? value : value.map(Number);
    }
    case "float":
      if (shape.bits === 32) return fc.float({ noNaN: true });
      if (shape.bits === 64) return fc.double({ noNaN: true });
      return fc.tuple(half, half).map(([high, low]) => new Quadruple(high, low));
    case "boolean":
      return fc.boolean();
    case "enum":
      return fc.constantFrom(...Object.values(shape.members));
    case "string":
      if (shape.as === "bytes") return fc.uint8Array({ maxLength: Math.min(shape.max, 9) });
      return fc
        .string({ unit: "binary", maxLength: 5 })
        .map((text) => (new TextEncoder().encode(text).length <= shape.max ? text : ""));
    case "opaque":
      return fc.uint8Array({
        minLength: shape.fixed ? shape.length : 0,
        maxLength: shape.fixed ? shape.length : Math.min(shape.length, 9),
      });
    case "array": {
      const length = shape.fixed ? shape.length : Math.min(shape.length, small);
      return length === 0
        ? fc.constant([])
        : fc.array(valuesOf(shape.element, depth + 1), { minLength: shape.fixed ? length : 0, maxLength: length });
    }
    case "struct":
      return fc
        .tuple(...shape.fields.map((item) => valuesOf(item.shape, depth + 1)))
        .map((values) => object(shape.fields.map(({ name }, i) => [name, values[i]])));
    case "union":
      return unionValue(shape, depth);
    case "optional":
      return depth > 3 ? fc.constant(null) : fc.option(valuesOf(shape.of, depth + 1));
    case "reference":
      return valuesOf(shape.to(), depth);
  }
}

const half = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });

function unionValue(shape: UnionShape, depth: number): fc.Arbitrary<unknown> {
  const { discriminant, arms, otherwise } = shape;
  const kind = actual(discriminant.shape);
  const carried = (kinds: [string, unknown][], field: UnionShape["arms"][number]["field"]): fc.Arbitrary<unknown> =>
    field === null
      ? fc.constant(object(kinds))
      : valuesOf(field.shape, depth + 1).map((value) => object([...kinds, [field.name, value]]));
  const say = (value: number | bigint): unknown => (kind.kind === "boolean" ? value === 1 : value);
  const all = arms.flatMap((arm) =>
    arm.cases.map((value) => () => carried([[discriminant.name, say(value)]], arm.field)),
  );
  const taken = new Set(arms.flatMap((arm) => arm.cases.map(Number)));
  if (otherwise !== undefined && kind.kind === "integer") {
    const value = kind.bits === 64 ? 77n : 77;
    all.push(() =>
      carried(
        [
          [discriminant.name, "default"],
          ["$kind", value],
        ],
        otherwise,
      ),
    );
  } else if (otherwise !== undefined) {
    const values = kind.kind === "enum" ? Object.values(kind.members) : [0, 1];
    for (const value of new Set(values.filter((item) => !taken.has(item)))) {
      all.push(() => carried([[discriminant.name, say(value)]], otherwise));
    }
  }
  // Deep down, one arm is enough: the last of each union that is tested here ends.
  return fc.oneof(...(depth > 4 ? all.slice(-1) : all).map((make) => make()));
}

function actual(shape: Shape): Shape {
  return shape.kind === "reference" ? actual(shape.to()) : shape;
}

/** `__proto__` is data like every other name. */
function object(entries: readonly (readonly [string, unknown])[]): object {
  return Object.fromEntries(entries);
}
