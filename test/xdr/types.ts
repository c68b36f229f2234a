// The types of test/vectors/xdr.x, by hand.
import {
  array,
  arrayFixed,
  bool,
  double,
  enumeration,
  hyper,
  int,
  opaque,
  optional,
  recursive,
  string,
  struct,
  union,
  type XdrCodec,
} from "../../src/xdr/index.js";

export const Color = { RED: 0, GREEN: 1, BLUE: -7 } as const;
export const color = enumeration("color", Color);
export const triple = arrayFixed(int, 3);
export const ints = array(int);
export const texts = array(string());
export const pair = struct({ a: int, b: int }, "pair");
export const item = struct({ id: int, name: string(), score: double, when: hyper }, "item");
export const items = array(item);

const why = { why: string() };
export const byInt = union(
  { status: int },
  { 0: { body: opaque() }, 1: why, 2: why, default: { code: hyper } },
  "by_int",
);
export const byEnum = union(
  { paint: color },
  { [Color.RED]: { shade: int }, [Color.BLUE]: null, default: { faded: bool } },
  "by_enum",
);
export const byBool = union({ known: bool }, { true: { at: pair }, false: null }, "by_bool");

export interface Node {
  value: number;
  next: Node | null;
}
export const node: XdrCodec<Node> = struct({ value: int, next: optional(recursive("node", () => node)) }, "node");

export interface Tree {
  value: number;
  left: Tree | null;
  right: Tree | null;
}
const branch: XdrCodec<Tree | null> = optional(recursive("tree", () => tree));
export const tree: XdrCodec<Tree> = struct({ value: int, left: branch, right: branch }, "tree");

/** A linked list of this many nodes, with the values 0, 1, 2, ... */
export function list(length: number): Node {
  let next: Node | null = null;
  for (let value = length - 1; value > 0; value--) next = { value, next };
  return { value: 0, next };
}
