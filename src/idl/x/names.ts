import type { Diagnostics } from "../diagnostic.js";
import type { Span } from "../source.js";
import {
  discriminantOf,
  type Field,
  type Module,
  type NamedType,
  type Program,
  type Union,
  type Version,
} from "./module.js";

/** `idiomatic`: PascalCase types, camelCase fields and procedures. `verbatim`: as in the `.x` file. */
export type NameStyle = "idiomatic" | "verbatim";

/** The TypeScript name of everything that is emitted, each unique where it stands. */
export interface Names {
  constant(name: string): string;
  type(type: NamedType): string;
  codec(type: NamedType): string;
  /** Of a struct's field, a union's discriminant or arm. */
  property(field: Field): string;
  contract(version: Version): string;
  client(version: Version): string;
  handlers(version: Version): string;
  /** Of the procedures of a version, in order. */
  procedures(version: Version): readonly string[];
  /** Of a procedure's arguments, in order. */
  args(version: Version, procedure: number): readonly string[];
  /** Of the function that reads one node of a list, which is not exported. */
  node(type: NamedType): string;
  /** A name for a variable inside a codec, or the wanted one with a `_` where the module uses it. */
  local(wanted: string): string;
}

/** What the output itself uses, or what cannot be declared at the top of a module. */
export const reservedTop: ReadonlySet<string> = new Set(
  (
    "any arguments as async await bigint boolean break case catch class const continue debugger default delete do else " +
    "enum eval export extends false finally for function if implements import in infer instanceof interface keyof let new " +
    "never null number object package private protected public readonly return static string super switch symbol this " +
    "throw true try type typeof undefined unique unknown var void while with yield " +
    "Array BigInt Client Error Exclude Handlers Infinity NaN NullProcedure Object OncService OneWayProcedure Procedure Promise ReadonlySet Record ReportingProcedure Set " +
    "String Symbol Uint8Array XdrCodec XdrReader XdrWriter oncProgram xdr globalThis"
  ).split(" "),
);
/** Variables of every codec. */
const reservedLocal: ReadonlySet<string> = new Set([
  "r",
  "v",
  "w",
  "n",
  "i",
  "item",
  "items",
  "node",
  "first",
  "last",
  "result",
]);
/** What a client or a handlers object cannot have as a method. */
const reservedProcedure: ReadonlySet<string> = new Set([
  "then",
  "constructor",
  "__proto__",
  "prototype",
  "toString",
  "valueOf",
  "toJSON",
  "hasOwnProperty",
  "isPrototypeOf",
  "propertyIsEnumerable",
  "toLocaleString",
  "__defineGetter__",
  "__defineSetter__",
  "__lookupGetter__",
  "__lookupSetter__",
]);

export function assignNames(module: Module, style: NameStyle, diagnostics: Diagnostics): Names {
  return new Namer(style, diagnostics).assign(module);
}

class Namer implements Names {
  readonly #idiomatic: boolean;
  readonly #diagnostics: Diagnostics;
  readonly #top = new Set<string>(reservedTop);
  readonly #constants = new Map<string, string>();
  readonly #types = new Map<NamedType, Record<"type" | "codec" | "node", string>>();
  readonly #properties = new Map<Field, string>();
  readonly #versions = new Map<
    Version,
    { contract: string; client: string; handlers: string; procedures: readonly string[] }
  >();

  constructor(style: NameStyle, diagnostics: Diagnostics) {
    this.#idiomatic = style === "idiomatic";
    this.#diagnostics = diagnostics;
  }

  assign(module: Module): this {
    for (const { name, span } of module.constants) this.#constants.set(name, this.#unique(name, this.#top, span));
    for (const type of module.types) this.#nameType(type);
    for (const program of module.programs) for (const version of program.versions) this.#nameVersion(program, version);
    for (const { body } of module.types) {
      if (body.kind === "struct") this.#nameFields(body.fields);
      else if (body.kind === "union") this.#nameUnion(body);
    }
    return this;
  }

  constant(name: string): string {
    return this.#constants.get(name) ?? name;
  }

  type(type: NamedType): string {
    return this.#types.get(type)?.type ?? type.name;
  }

  codec(type: NamedType): string {
    return this.#types.get(type)?.codec ?? type.name;
  }

  property(field: Field): string {
    return this.#properties.get(field) ?? field.name;
  }

  contract(version: Version): string {
    return this.#versions.get(version)?.contract ?? version.name;
  }

  client(version: Version): string {
    return this.#versions.get(version)?.client ?? version.name;
  }

  handlers(version: Version): string {
    return this.#versions.get(version)?.handlers ?? version.name;
  }

  procedures(version: Version): readonly string[] {
    return this.#versions.get(version)?.procedures ?? [];
  }

  args(version: Version, procedure: number): readonly string[] {
    const args = version.procedures[procedure]?.args ?? [];
    const taken = new Set<string>();
    return args.map(({ name, type }, i) => {
      const fallback = type.kind === "named" ? type.type.name : args.length === 1 ? "arg" : `arg${i + 1}`;
      const wanted = this.#member(name === "" ? fallback : name);
      let unique = reservedTop.has(wanted) ? `${wanted}_` : wanted;
      while (taken.has(unique) || unique === "options" || unique === "context") unique += "_";
      taken.add(unique);
      return unique;
    });
  }

  node(type: NamedType): string {
    return this.#types.get(type)?.node ?? type.name;
  }

  local(wanted: string): string {
    let name = wanted;
    while (this.#top.has(name) || reservedLocal.has(name)) name += "_";
    return name;
  }

  #nameType(type: NamedType): void {
    const wanted = this.#idiomatic ? pascalCase(type.name) : type.name;
    const name = this.#unique(wanted, this.#top, type.span);
    const codec = this.#unique(this.#idiomatic ? `xdr${name}` : `xdr_${name}`, this.#top, type.span);
    const node = this.#idiomatic ? `${name.slice(0, 1).toLowerCase()}${name.slice(1)}Node` : `${name}_node`;
    this.#types.set(type, { type: name, codec, node: type.facts.list ? this.#unique(node, this.#top, undefined) : "" });
  }

  #nameVersion(program: Program, version: Version): void {
    const base = this.#idiomatic ? pascalCase(programStem(program.name)) : program.name;
    const separator = this.#idiomatic ? "" : "_";
    const contract = this.#unique(`${base}${separator}V${version.number}`, this.#top, version.span);
    const client = this.#unique(`${contract}${separator}Client`, this.#top, version.span);
    const handlers = this.#unique(`${contract}${separator}Handlers`, this.#top, version.span);
    this.#versions.set(version, { contract, client, handlers, procedures: this.#nameProcedures(version) });
  }

  #nameProcedures(version: Version): string[] {
    const names = version.procedures.map(({ name }) => name);
    const prefix = this.#idiomatic ? commonPrefix(names) : "";
    const taken = new Set<string>(reservedProcedure);
    return version.procedures.map(({ name, span }) =>
      this.#unique(this.#member(name.slice(prefix.length)), taken, span),
    );
  }

  #nameFields(fields: readonly Field[]): void {
    const taken = new Set<string>();
    for (const field of fields) this.#properties.set(field, this.#unique(this.#member(field.name), taken, field.span));
  }

  #nameUnion({ discriminant, arms, otherwise }: Union): void {
    const name = this.#member(discriminant.name);
    this.#properties.set(discriminant, name);
    const fields = [...arms.map(({ field }) => field), otherwise?.field ?? null];
    for (const field of fields) {
      if (field === null) continue;
      const arm = this.#member(field.name);
      this.#properties.set(field, arm === name ? `${arm}Value` : arm);
    }
  }

  #member(name: string): string {
    return this.#idiomatic ? camelCase(name) : name;
  }

  #unique(wanted: string, taken: Set<string>, span: Span | undefined): string {
    let name = wanted;
    while (taken.has(name)) name += "_";
    taken.add(name);
    if (name !== wanted && span !== undefined) {
      this.#diagnostics.warning(
        `the name "${wanted}" is taken or reserved in TypeScript: "${name}" stands for it`,
        span,
      );
    }
    return name;
  }
}

/** Whether a union's default carries its number in `$kind`: only integers need it, all else can be excluded by type. */
export function defaultHasKind(union: Union): boolean {
  return union.otherwise !== undefined && discriminantOf(union.discriminant.type)?.kind === "integer";
}

/** `nfs_fh3` → `NfsFh3`, `READ3args` → `Read3args`, `FOO_BAR` → `FooBar`, `fooBar` → `FooBar`. */
export function pascalCase(name: string): string {
  const [, before = "", core = "", after = ""] = /^(_*)(.*?)(_*)$/.exec(name) ?? [];
  return (
    before +
    words(core)
      .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
      .join("") +
    after
  );
}

/** `ml_hostname` → `mlHostname`, `GETATTR` → `getattr`, `getAttr` stays. */
export function camelCase(name: string): string {
  const [, before = "", core = "", after = ""] = /^(_*)(.*?)(_*)$/.exec(name) ?? [];
  const joined = words(core).map((word, i) => {
    if (i > 0) return word.slice(0, 1).toUpperCase() + word.slice(1);
    // SCVal is scVal, not sCVal.
    return word.replace(/^(?:[A-Z]+(?=[A-Z][a-z])|[A-Z])/, (shout) => shout.toLowerCase());
  });
  return before + joined.join("") + after;
}

/** The parts between underscores; the ones that shout are quietened, the ones with inner capitals are kept. */
function words(core: string): string[] {
  return core
    .split(/_+/)
    .filter((word) => word !== "")
    .map((word) => {
      if (!/[a-z]/.test(word)) return word.toLowerCase();
      // RFC 1813 writes READ3args.
      return word.replace(/^[A-Z]{2,}(?=\d+[a-z]|$)/, (shout) => shout.toLowerCase());
    });
}

/** The program's name without the words that say that it is one. */
export function programStem(name: string): string {
  const stem = name.replace(/_?(?:PROGRAM|PROG|SERVICE|SVC)$/i, "");
  return /[A-Za-z0-9]/.test(stem) && !/^\d/.test(stem) ? stem : name;
}

/**
 * What all names begin with, up to an underscore, so that the rest of each is still a name. A single procedure has
 * nothing in common with another: only `..PROC_` is taken for a prefix there.
 */
export function commonPrefix(names: readonly string[]): string {
  const [first] = names;
  if (first === undefined) return "";
  if (names.length === 1) return /^\w*PROC\d*_(?=[A-Za-z])/i.exec(first)?.[0] ?? "";
  let length = first.length;
  for (const name of names) {
    let same = 0;
    while (same < length && name[same] === first[same]) same++;
    length = same;
  }
  for (let end = first.lastIndexOf("_", length - 1); end >= 0 && length > 0; end = first.lastIndexOf("_", end - 1)) {
    const prefix = first.slice(0, end + 1);
    if (names.every((name) => /^[A-Za-z]/.test(name.slice(prefix.length)))) return prefix;
    if (end === 0) break;
  }
  return "";
}
