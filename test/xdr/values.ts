// Any values of the types in types.ts.
import fc from "fast-check";
import { Color, type Tree } from "./types.js";

const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const hyper = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
/** Whole characters, of one to four bytes; without NUL, which ends a string in C. */
const text = fc.oneof(
  fc.string({ unit: "binary" }).map((made) => made.replaceAll("\0", "0")),
  fc.string({ maxLength: 100 }),
);
const item = fc.record({ id: int, name: text, score: fc.double(), when: hyper });
const other = int.filter((kind) => kind < 0 || kind > 2);

export const values = {
  int,
  hyper,
  text,
  item,
  items: fc.array(item),
  byInt: fc.oneof(
    fc.record({ status: fc.constant(0), body: fc.uint8Array() }),
    fc.record({ status: fc.constantFrom(1, 2), why: text }),
    fc.record({ status: fc.constant("default"), $kind: other, code: hyper }),
  ),
  byEnum: fc.oneof(
    fc.record({ paint: fc.constant(Color.RED), shade: int }),
    fc.record({ paint: fc.constant(Color.BLUE) }),
    fc.record({ paint: fc.constant(Color.GREEN), faded: fc.boolean() }),
  ),
  byBool: fc.oneof(
    fc.record({ known: fc.constant(true), at: fc.record({ a: int, b: int }) }),
    fc.record({ known: fc.constant(false) }),
  ),
  tree: fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.record({
      value: int,
      left: fc.option(tie("tree"), { maxDepth: 5 }),
      right: fc.option(tie("tree"), { maxDepth: 5 }),
    }),
  })).tree,
};
