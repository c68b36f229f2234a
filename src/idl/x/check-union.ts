import type { Span } from "../source.js";
import type { TypeChecker, UnionDraft } from "./check-type.js";
import type { Expression } from "./expression.js";
import {
  type Case,
  type Constant,
  type Discriminant,
  discriminantOf,
  type Field,
  rangeOf,
  type Type,
  type UnionArm,
} from "./module.js";
import { suggestion } from "./suggest.js";

/** Holds the rules of unions (RFC 4506, section 4.15), and completes their bodies. */
export function checkUnions(
  drafts: readonly UnionDraft[],
  checker: TypeChecker,
  constants: ReadonlyMap<string, Constant>,
): void {
  for (const draft of drafts) checkUnion(draft, checker, constants);
}

function checkUnion(
  { type, discriminant, arms }: UnionDraft,
  checker: TypeChecker,
  constants: ReadonlyMap<string, Constant>,
): void {
  const { diagnostics } = checker;
  const switched = discriminantOf(discriminant.type);
  if (switched === undefined) {
    diagnostics.error(`a union cannot switch on ${describeType(discriminant.type)}`, discriminant.span, {
      hint: "the discriminant is an integer, a bool or an enum",
    });
    return;
  }
  const seen = new Map<bigint, Span>();
  const done: UnionArm[] = [];
  let otherwise: { readonly field: Field | null; readonly docs: readonly string[]; readonly span: Span } | undefined;
  for (const { cases, docs, span, field } of arms) {
    if (cases.length === 0) {
      if (otherwise !== undefined) {
        diagnostics.error("a union has one default", span, {
          related: { message: "first here", span: otherwise.span },
        });
      }
      otherwise = { field, docs, span };
      continue;
    }
    const values = cases.flatMap((expression): Case[] => {
      const value = caseValue(expression, switched, checker);
      if (value === undefined) return [];
      const first = seen.get(value);
      if (first !== undefined) {
        diagnostics.error(`case ${describeCase(expression, value)} is there already`, expression.span, {
          related: { message: "first here", span: first },
        });
        return [];
      }
      seen.set(value, expression.span);
      const constant = expression.kind === "name" ? constants.get(expression.name) : undefined;
      return [{ value, member: memberOf(expression, value, switched), constant }];
    });
    done.push({ cases: values, field, docs });
  }
  type.body = { kind: "union", discriminant, arms: done, otherwise };
}

function memberOf(expression: Expression, value: bigint, switched: Discriminant): string | undefined {
  if (switched.kind !== "enum") return undefined;
  const same = switched.members.filter((member) => BigInt(member.value) === value);
  const written = same.find(({ name }) => expression.kind === "name" && name === expression.name);
  return (written ?? same[0])?.name;
}

function caseValue(expression: Expression, switched: Discriminant, checker: TypeChecker): bigint | undefined {
  const { constants, diagnostics } = checker;
  switch (switched.kind) {
    case "integer": {
      const [low, high] = rangeOf(switched.scalar);
      return constants.inRange(expression, low, high, "the case");
    }
    case "bool": {
      const value = constants.value(expression);
      if (value === undefined || value === 0n || value === 1n) return value;
      diagnostics.error(`a bool is TRUE or FALSE, not ${value}`, expression.span);
      return undefined;
    }
    case "enum": {
      const { type, members } = switched;
      // A name that nothing defines is most likely a misspelt member.
      if (expression.kind === "name" && !isDefined(expression.name, checker)) {
        const more = suggestion(
          expression.name,
          members.map(({ name }) => name),
        );
        diagnostics.error(`"${expression.name}" is not a member of enum ${type.name}`, expression.span, more);
        return undefined;
      }
      const value = constants.value(expression);
      if (value === undefined || members.some((member) => BigInt(member.value) === value)) return value;
      const shown = describeCase(expression, value);
      diagnostics.error(`${shown} is not a member of enum ${type.name}`, expression.span, {
        related: { message: "the enum is defined here", span: type.span },
      });
      return undefined;
    }
  }
}

function isDefined(name: string, { scope }: TypeChecker): boolean {
  return (
    name === "TRUE" ||
    name === "FALSE" ||
    scope.find(name) !== undefined ||
    scope.number(name) !== undefined ||
    scope.cMacros.has(name)
  );
}

function describeCase(expression: Expression, value: bigint): string {
  return expression.kind === "name" ? `${expression.name} (${value})` : String(value);
}

function describeType(type: Type): string {
  switch (type.kind) {
    case "scalar":
      return type.scalar;
    case "named":
      return `"${type.type.name}"`;
    case "array":
      return "an array";
    case "optional":
      return "a pointer";
    default:
      return type.kind;
  }
}
