import type { Diagnostics } from "../diagnostic.js";
import { checkPrograms } from "./check-program.js";
import { type CheckOptions, TypeChecker } from "./check-type.js";
import { checkUnions } from "./check-union.js";
import { analyse } from "./graph.js";
import type { Constant, Module, NamedType } from "./module.js";
import type { Entry, Scope } from "./scope.js";

/**
 * Looks every name up and holds the rules of RFC 4506 section 6.4 and RFC 5531 section 12.3. The module is complete
 * only when no error was reported.
 */
export function check(file: string, scope: Scope, options: CheckOptions, diagnostics: Diagnostics): Module {
  const checker = new TypeChecker(scope, options, diagnostics);
  // Entries are added while inline bodies are met: those are built where they stand.
  const own = [...scope.own];
  const constants = new Map<string, Constant>();
  for (const entry of own) if (entry.kind === "const") addConstant(constants, entry, checker);
  for (const entry of own) if (entry.kind === "type") checker.build(entry);
  const programs = checkPrograms(checker, own);
  const types = checker.finish();
  if (aliasesEnd(types, diagnostics)) {
    checkUnions(checker.unions, checker, constants);
    if (!diagnostics.failed) analyse(types, diagnostics);
  }
  return { file, constants: [...constants.values()], types, programs };
}

function addConstant(
  constants: Map<string, Constant>,
  entry: Extract<Entry, { kind: "const" }>,
  checker: TypeChecker,
): void {
  const { name, value: written, docs } = entry.definition;
  const expression = { kind: "name", name: name.text, span: name.span } as const;
  const value = typeof written === "string" ? written : checker.constants.value(expression);
  if (value !== undefined) constants.set(name.text, { name: name.text, value, docs, span: name.span });
}

/** Whether every alias leads to something that is not an alias. */
function aliasesEnd(types: readonly NamedType[], diagnostics: Diagnostics): boolean {
  const ends = new Set<NamedType>();
  let all = true;
  for (const start of types) {
    const path = new Set<NamedType>();
    let at: NamedType | undefined = start;
    while (at !== undefined && !ends.has(at)) {
      if (path.has(at)) {
        diagnostics.error(`typedef "${at.name}" leads back to itself`, at.span);
        all = false;
        break;
      }
      path.add(at);
      at = at.body.kind === "alias" && at.body.of.kind === "named" ? at.body.of.type : undefined;
    }
    for (const type of path) ends.add(type);
  }
  return all;
}
