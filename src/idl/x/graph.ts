import type { Diagnostics } from "../diagnostic.js";
import { type NamedType, resolved, type Type } from "./module.js";

/**
 * How types contain each other: which values nest, which are lists, how few bytes each takes, and which types have no
 * finite value at all. Every walk is a loop: a file may chain 100,000 types.
 */
export function analyse(types: readonly NamedType[], diagnostics: Diagnostics): void {
  for (const type of types) checkOptionals(type, diagnostics);
  for (const type of types) type.facts.list = isList(type);
  // Without the edges that are walked in a loop, what is still in a cycle really nests.
  for (const group of cycles(types, (type) => references(type, true))) {
    for (const type of group) type.facts.nests = type.body.kind !== "alias";
  }
  // An array that is its own element passes no struct: there the alias itself counts.
  const aliases = types.filter((type) => type.body.kind === "alias");
  const aliasEdges = (type: NamedType): NamedType[] => references(type, true).filter((to) => to.body.kind === "alias");
  for (const group of cycles(aliases, aliasEdges)) for (const type of group) type.facts.nests = true;
  const finite = new Set<NamedType>();
  for (const group of components(types, (type) => references(type, false))) {
    for (const type of group) type.facts.sizeMin = 0;
    // Within a cycle the others still count as nothing: too few bytes is safe, too many is not.
    const sizes = group.map((type) => Math.min(bodySize(type), 0xffff_ffff));
    for (const [i, type] of group.entries()) type.facts.sizeMin = sizes[i] ?? 0;
    markFinite(group, finite);
    const endless = group.find((type) => !finite.has(type));
    if (endless !== undefined && contains(group, endless)) {
      const others = group.filter((type) => type !== endless).map(({ name }) => `"${name}"`);
      const through = others.length === 0 ? "" : ` through ${others.slice(0, 4).join(", ")}`;
      diagnostics.error(`"${endless.name}" contains itself${through}: no value of it would end`, endless.span, {
        hint: `make one of the fields optional (${endless.name} *next) or an array (${endless.name} items<>)`,
      });
    }
    for (const type of group) finite.add(type);
  }
}

/** `null` cannot say whether the outer or the inner value is missing. */
function checkOptionals(type: NamedType, diagnostics: Diagnostics): void {
  for (const used of uses(type)) {
    if (used.kind !== "optional" || resolved(used.of).kind !== "optional") continue;
    diagnostics.error(`"${type.name}" holds a pointer to a pointer: null would mean two things`, type.span, {
      hint: "put the inner pointer into a struct",
    });
  }
}

function uses({ body }: NamedType): readonly Type[] {
  switch (body.kind) {
    case "alias":
      return [body.of];
    case "enum":
      return [];
    case "struct":
      return body.fields.map(({ type }) => type);
    case "union": {
      const fields = [body.discriminant, ...body.arms.map(({ field }) => field), body.otherwise?.field];
      return fields.flatMap((field) => (field ? [field.type] : []));
    }
  }
}

/** Whether the last field leads to an optional value of the same struct. */
function isList(type: NamedType): boolean {
  if (type.body.kind !== "struct") return false;
  const last = type.body.fields.at(-1);
  if (last === undefined) return false;
  const optional = resolved(last.type);
  if (optional.kind !== "optional") return false;
  const next = resolved(optional.of);
  return next.kind === "named" && next.type === type;
}

function references(type: NamedType, withoutListEdge: boolean): NamedType[] {
  const all = uses(type);
  return (withoutListEdge && type.facts.list ? all.slice(0, -1) : all).flatMap(named);
}

function named(type: Type): NamedType[] {
  if (type.kind === "named") return [type.type];
  if (type.kind === "array") return named(type.element);
  return type.kind === "optional" ? named(type.of) : [];
}

function contains(group: readonly NamedType[], type: NamedType): boolean {
  return group.length > 1 || references(type, false).includes(type);
}

function cycles(types: readonly NamedType[], edges: (type: NamedType) => NamedType[]): NamedType[][] {
  return components(types, edges).filter((group) => {
    const [only] = group;
    return group.length > 1 || (only !== undefined && edges(only).includes(only));
  });
}

/** Strongly connected components, dependencies first (Tarjan's algorithm with its stack made explicit). */
function components(types: readonly NamedType[], edges: (type: NamedType) => NamedType[]): NamedType[][] {
  const index = new Map<NamedType, number>();
  const low = new Map<NamedType, number>();
  const onStack = new Set<NamedType>();
  const stack: NamedType[] = [];
  const result: NamedType[][] = [];
  const lower = (type: NamedType, value: number): void => {
    low.set(type, Math.min(low.get(type) ?? value, value));
  };
  for (const root of types) {
    if (index.has(root)) continue;
    const work: { type: NamedType; next: NamedType[]; at: number }[] = [];
    const open = (type: NamedType): void => {
      index.set(type, index.size);
      lower(type, index.size - 1);
      stack.push(type);
      onStack.add(type);
      work.push({ type, next: edges(type), at: 0 });
    };
    open(root);
    for (let frame = work.at(-1); frame !== undefined; frame = work.at(-1)) {
      const target = frame.next[frame.at++];
      if (target !== undefined) {
        if (!index.has(target)) open(target);
        else if (onStack.has(target)) lower(frame.type, index.get(target) ?? 0);
        continue;
      }
      work.pop();
      const above = work.at(-1);
      if (above !== undefined) lower(above.type, low.get(frame.type) ?? 0);
      if (low.get(frame.type) !== index.get(frame.type)) continue;
      const group: NamedType[] = [];
      for (let member = stack.pop(); member !== undefined; member = stack.pop()) {
        onStack.delete(member);
        group.push(member);
        if (member === frame.type) break;
      }
      result.push(group.reverse());
    }
  }
  return result;
}

function bodySize(type: NamedType): number {
  const { body } = type;
  switch (body.kind) {
    case "alias":
      return sizeMin(body.of);
    case "enum":
      return 4;
    case "struct":
      return body.fields.reduce((sum, field) => sum + sizeMin(field.type), 0);
    case "union": {
      const fields = body.arms.map(({ field }) => field);
      if (body.otherwise !== undefined) fields.push(body.otherwise.field);
      let smallest = Number.POSITIVE_INFINITY;
      for (const field of fields) smallest = Math.min(smallest, field === null ? 0 : sizeMin(field.type));
      return sizeMin(body.discriminant.type) + (fields.length === 0 ? 0 : smallest);
    }
  }
}

/** Fewest bytes of a value on the wire. */
export function sizeMin(type: Type): number {
  switch (type.kind) {
    case "void":
      return 0;
    case "scalar":
      if (type.scalar === "quadruple") return 16;
      return type.scalar === "hyper" || type.scalar === "uhyper" || type.scalar === "double" ? 8 : 4;
    case "string":
    case "optional":
      return 4;
    case "opaque":
      return type.fixed ? Math.min(Math.ceil(type.length / 4) * 4, 0xffff_ffff) : 4;
    case "array":
      return type.fixed ? Math.min(type.length * sizeMin(type.element), 0xffff_ffff) : 4;
    case "named":
      return type.type.facts.sizeMin;
  }
}

/** Marks the types of one component that have a finite value, by the ones that already do. */
function markFinite(group: readonly NamedType[], finite: Set<NamedType>): void {
  const dependents = new Map<NamedType, NamedType[]>();
  for (const type of group) {
    for (const target of references(type, false)) {
      const list = dependents.get(target);
      if (list === undefined) dependents.set(target, [type]);
      else list.push(type);
    }
  }
  const queue = [...group];
  for (let type = queue.pop(); type !== undefined; type = queue.pop()) {
    if (finite.has(type) || !hasFinite(type, finite)) continue;
    finite.add(type);
    for (const dependent of dependents.get(type) ?? []) if (!finite.has(dependent)) queue.push(dependent);
  }
}

function hasFinite({ body }: NamedType, finite: ReadonlySet<NamedType>): boolean {
  switch (body.kind) {
    case "alias":
      return ends(body.of, finite);
    case "enum":
      return true;
    case "struct":
      return body.fields.every((field) => ends(field.type, finite));
    case "union": {
      const fields = body.arms.map(({ field }) => field);
      if (body.otherwise !== undefined) fields.push(body.otherwise.field);
      return fields.length === 0 || fields.some((field) => field === null || ends(field.type, finite));
    }
  }
}

function ends(type: Type, finite: ReadonlySet<NamedType>): boolean {
  if (type.kind === "named") return finite.has(type.type);
  return type.kind !== "array" || !type.fixed || type.length === 0 || ends(type.element, finite);
}
