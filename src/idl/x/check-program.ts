import type { Span } from "../source.js";
import type { Place, TypeChecker } from "./check-type.js";
import { guaranteeTags, hasTag, isOneWay, progressTag } from "./docs.js";
import type { Expression } from "./expression.js";
import { type Field, type ProcedureEntry, type Program, resolved, type Type, type Version } from "./module.js";
import type { Entry } from "./scope.js";
import type {
  Declaration,
  Name,
  ProcedureDefinition,
  ProgramDefinition,
  Scalar,
  TypeSpecifier,
  VersionDefinition,
} from "./syntax.js";

/** Holds the rules of programs (RFC 5531, section 12.3). */
export function checkPrograms(checker: TypeChecker, entries: readonly Entry[]): Program[] {
  const programs = entries.flatMap((entry) => (entry.kind === "program" ? [program(checker, entry.definition)] : []));
  const seen = new Unique<string>(checker);
  for (const { number, versions } of programs) {
    for (const version of versions) {
      seen.add(
        `${number} ${version.number}`,
        version.span,
        `version ${version.number} of program ${number} is there already`,
      );
    }
  }
  return programs;
}

/** Refuses the second of two that are the same. */
class Unique<T> {
  readonly #checker: TypeChecker;
  readonly #seen = new Map<T, Span>();

  constructor(checker: TypeChecker) {
    this.#checker = checker;
  }

  add(key: T, span: Span, message: string): void {
    const first = this.#seen.get(key);
    if (first === undefined) this.#seen.set(key, span);
    else this.#checker.diagnostics.error(message, span, { related: { message: "first here", span: first } });
  }
}

function program(checker: TypeChecker, definition: ProgramDefinition): Program {
  expectNoGuarantee(checker, "program", definition);
  const names = new Unique<string>(checker);
  const versions = definition.versions.map((item) => {
    names.add(item.name.text, item.name.span, `version "${item.name.text}" is there already`);
    return version(checker, item);
  });
  return {
    name: definition.name.text,
    number: number(checker, definition.number, "the program's number"),
    versions,
    docs: definition.docs,
    span: definition.name.span,
  };
}

/** A guarantee is declared for a procedure; elsewhere the comment would seem to say something, and does not. */
function expectNoGuarantee(
  checker: TypeChecker,
  what: string,
  { docs, name }: { docs: readonly string[]; name: Name },
): void {
  const [tag] = guaranteeTags(docs);
  if (tag === undefined) return;
  checker.diagnostics.warning(`${tag} has no effect on a ${what}`, name.span, {
    hint: "put it into the comment of each procedure that it is meant for",
  });
}

function version(checker: TypeChecker, definition: VersionDefinition): Version {
  expectNoGuarantee(checker, "version", definition);
  const names = new Unique<string>(checker);
  const numbers = new Unique<number>(checker);
  const procedures = definition.procedures.map((item) => {
    names.add(item.name.text, item.name.span, `procedure "${item.name.text}" is there already`);
    const result = procedure(checker, item);
    numbers.add(result.number, item.number.span, `procedure number ${result.number} is taken`);
    return result;
  });
  return {
    name: definition.name.text,
    number: number(checker, definition.number, "the version's number"),
    procedures,
    docs: definition.docs,
    span: definition.name.span,
  };
}

function procedure(checker: TypeChecker, definition: ProcedureDefinition): ProcedureEntry {
  const { name, docs } = definition;
  const place: Place = { parent: name.text, borrowed: false };
  const bytes = hasTag(docs, "bytes");
  const guarantees = guaranteeTags(docs);
  if (guarantees.length > 1) {
    checker.diagnostics.error(`${guarantees.join(" and ")} contradict each other`, name.span, {
      hint: "a procedure has one guarantee",
    });
  }
  const names = new Unique<string>(checker);
  const args = definition.args.map((declaration, i): Field => {
    if (declaration.name !== undefined) {
      names.add(declaration.name.text, declaration.name.span, `"${declaration.name.text}" is an argument already`);
    }
    return argument(checker, declaration, declaration.name, { ...place, parent: `${name.text}_arg${i + 1}` }, bytes);
  });
  const entry = {
    name: name.text,
    number: number(checker, definition.number, "the procedure's number"),
    args,
    result: checker.type(definition.result, { ...place, parent: `${name.text}_result` }, bytes),
    progress: progress(checker, definition, place),
    docs,
    span: name.span,
  };
  if (isOneWay(entry)) checkOneWay(checker, entry, guarantees);
  return entry;
}

/** The type that `@progress` names: one of the file's own, or a number. */
function progress(checker: TypeChecker, { name, docs }: ProcedureDefinition, place: Place): Type | undefined {
  const tag = progressTag(docs);
  if (tag === undefined) return undefined;
  const { span } = name;
  const scalar = progressScalars.get(tag);
  const type: TypeSpecifier =
    scalar === undefined ? { kind: "named", name: tag, span, tag: undefined } : { kind: "scalar", scalar, span };
  const declaration: Declaration = { type, form: "plain", size: undefined, name: undefined, span, docs: [] };
  return checker.type(declaration, place, false);
}

const progressScalars: ReadonlyMap<string, Scalar> = new Map([
  ["int", "int"],
  ["unsigned", "uint"],
  ["hyper", "hyper"],
  ["float", "float"],
  ["double", "double"],
]);

/** RFC 5531, section 8: the server does not reply, so nothing can come back. */
function checkOneWay(
  checker: TypeChecker,
  { number, result, span }: ProcedureEntry,
  guarantees: readonly string[],
): void {
  const refuse = (why: string, hint: string): void => checker.diagnostics.error(why, span, { hint });
  if (number === 0) refuse("procedure 0 cannot be @oneway", "its reply tells whether somebody is there");
  if (resolved(result).kind !== "void")
    refuse("a @oneway procedure has no result", "no reply carries it: declare it void");
  const other = guarantees.find((tag) => tag !== "@maybe");
  if (other !== undefined)
    refuse(`@oneway and ${other} contradict each other`, "without a reply nobody knows whether it ran");
}

function argument(
  checker: TypeChecker,
  declaration: Declaration,
  name: Name | undefined,
  place: Place,
  bytes: boolean,
): Field {
  const type = checker.type(declaration, place, bytes || hasTag(declaration.docs, "bytes"));
  return { name: name?.text ?? "", type, docs: declaration.docs, span: name?.span ?? declaration.span };
}

function number(checker: TypeChecker, expression: Expression, what: string): number {
  return Number(checker.constants.inRange(expression, 0n, 0xffff_ffffn, what) ?? 0n);
}
