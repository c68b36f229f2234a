import type { Diagnostics } from "../diagnostic.js";
import type { Span } from "../source.js";
import type { Expression } from "./expression.js";
import type { Token } from "./lex.js";
import type {
  ConstDefinition,
  Definition,
  EnumDefinition,
  Name,
  ProgramDefinition,
  SyntaxTree,
  TypeDefinition,
  TypedefDefinition,
} from "./syntax.js";

/** What one global name means. Types, constants and programs share one name space (RFC 4506, section 6.4). */
export type Entry =
  | {
      readonly kind: "type";
      readonly span: Span;
      readonly definition: TypeDefinition | TypedefDefinition;
      readonly name: string;
      readonly borrowed: boolean;
    }
  | { readonly kind: "const"; readonly span: Span; readonly definition: ConstDefinition; readonly borrowed: boolean }
  | { readonly kind: "member"; readonly span: Span; readonly of: EnumDefinition; readonly borrowed: boolean }
  | {
      readonly kind: "program";
      readonly span: Span;
      readonly definition: ProgramDefinition;
      readonly borrowed: boolean;
    };

/** Numbers that have a name in the C header only: of programs, versions and procedures. */
export interface NumberName {
  readonly expression: Expression;
  readonly span: Span;
}

/** A place where names are looked up after the file's own: another `.x` file, or what C's headers define. */
export type Library = () => readonly SyntaxTree[];

/** The global names of a file, and where to look for the ones it does not define. */
export class Scope {
  readonly #diagnostics: Diagnostics;
  readonly #entries = new Map<string, Entry>();
  readonly #numbers = new Map<string, NumberName>();
  readonly #library: Library;
  #libraryIndex: Map<string, { definition: Definition; text: string }> | undefined;
  /** Types in the order they were met; what was borrowed comes first. */
  readonly own: Entry[] = [];
  readonly borrowed: Entry[] = [];
  readonly #texts = new Map<string, string>();
  readonly cMacros: ReadonlyMap<string, readonly Token[]>;

  constructor(library: Library, cMacros: ReadonlyMap<string, readonly Token[]>, diagnostics: Diagnostics) {
    this.#library = library;
    this.cMacros = cMacros;
    this.#diagnostics = diagnostics;
  }

  declare(tree: SyntaxTree): void {
    for (const definition of tree.definitions) this.#declare(definition, tree.texts.get(definition) ?? "", false);
  }

  /** The entry of a name, borrowed from a library when the file has none. */
  find(name: string): Entry | undefined {
    const own = this.#entries.get(name);
    if (own !== undefined) return own;
    const found = this.#index().get(name);
    if (found === undefined) return undefined;
    this.#declare(found.definition, found.text, true);
    return this.#entries.get(name);
  }

  number(name: string): NumberName | undefined {
    return this.#numbers.get(name);
  }

  /** The names that a misspelt one may have meant. */
  names(kinds: readonly Entry["kind"][]): string[] {
    return [...this.#entries].filter(([, entry]) => kinds.includes(entry.kind)).map(([name]) => name);
  }

  /** Whether a name is free for a type that has none. */
  isFree(name: string): boolean {
    return !this.#entries.has(name);
  }

  /** Declares an inline body that has a tag, or the name derived for one that has none. */
  declareInline(definition: TypeDefinition, name: string, borrowed: boolean): void {
    this.#type(definition, { text: name, span: definition.span }, "", borrowed);
  }

  #index(): Map<string, { definition: Definition; text: string }> {
    if (this.#libraryIndex !== undefined) return this.#libraryIndex;
    const index = new Map<string, { definition: Definition; text: string }>();
    this.#libraryIndex = index;
    for (const tree of this.#library()) {
      for (const definition of tree.definitions) {
        const entry = { definition, text: tree.texts.get(definition) ?? "" };
        for (const name of namesOf(definition)) if (!index.has(name)) index.set(name, entry);
      }
    }
    return index;
  }

  #declare(definition: Definition, text: string, borrowed: boolean): void {
    switch (definition.kind) {
      case "const":
        this.#add(definition.name, text, { kind: "const", span: definition.name.span, definition, borrowed });
        break;
      case "typedef":
        this.#typedef(definition, text, borrowed);
        break;
      case "program":
        if (borrowed) break;
        this.#add(definition.name, text, { kind: "program", span: definition.name.span, definition, borrowed });
        this.#programNumbers(definition);
        break;
      default:
        if (definition.name !== undefined) this.#type(definition, definition.name, text, borrowed);
    }
  }

  #typedef(definition: TypedefDefinition, text: string, borrowed: boolean): void {
    const { type, form, name } = definition.declaration;
    // `typedef struct pair pair;` says what is so already.
    if (form === "plain" && type.kind === "named" && type.tag !== undefined && type.name === name.text) return;
    if (form === "plain" && type.kind === "inline") {
      const { name: tag } = type.definition;
      const named = { ...type.definition, name, span: name.span, docs: [...definition.docs, ...type.definition.docs] };
      // `typedef struct {...} pair;` is the struct itself.
      if (tag === undefined || tag.text === name.text) {
        this.#type(named, name, text, borrowed);
        return;
      }
    }
    this.#add(name, text, { kind: "type", span: name.span, definition, name: name.text, borrowed });
  }

  #type(definition: TypeDefinition, name: Name, text: string, borrowed: boolean): void {
    const entry: Entry = { kind: "type", span: name.span, definition, name: name.text, borrowed };
    if (!this.#add(name, text, entry) || definition.kind !== "enum") return;
    for (const member of definition.members) {
      this.#add(member.name, "", { kind: "member", span: member.name.span, of: definition, borrowed });
    }
  }

  #add(name: Name, text: string, entry: Entry): boolean {
    const first = this.#entries.get(name.text);
    if (first !== undefined) {
      const same = text !== "" && this.#texts.get(name.text) === text;
      // A borrowed definition yields to the file's own.
      if (!same && !entry.borrowed) {
        this.#diagnostics.error(`"${name.text}" is defined twice`, name.span, {
          related: { message: `first defined here, as ${describeEntry(first)}`, span: first.span },
        });
      }
      return false;
    }
    this.#entries.set(name.text, entry);
    this.#texts.set(name.text, text);
    (entry.borrowed ? this.borrowed : this.own).push(entry);
    return true;
  }

  #programNumbers(program: ProgramDefinition): void {
    const add = ({ text, span }: Name, expression: Expression): void => {
      if (!this.#numbers.has(text)) this.#numbers.set(text, { expression, span });
    };
    add(program.name, program.number);
    for (const version of program.versions) {
      add(version.name, version.number);
      for (const procedure of version.procedures) add(procedure.name, procedure.number);
    }
  }
}

function namesOf(definition: Definition): string[] {
  if (definition.kind === "typedef") {
    const { type, name } = definition.declaration;
    const members = type.kind === "inline" && type.definition.kind === "enum" ? type.definition.members : [];
    return [name.text, ...members.map((member) => member.name.text)];
  }
  const own = definition.name === undefined ? [] : [definition.name.text];
  return definition.kind === "enum" ? [...own, ...definition.members.map((member) => member.name.text)] : own;
}

export function describeEntry(entry: Entry): string {
  switch (entry.kind) {
    case "type":
      return entry.definition.kind === "typedef"
        ? "a type"
        : `${entry.definition.kind === "enum" ? "an" : "a"} ${entry.definition.kind}`;
    case "const":
      return "a constant";
    case "member":
      return `a member of enum ${entry.of.name?.text ?? ""}`.trimEnd();
    case "program":
      return "a program";
  }
}
