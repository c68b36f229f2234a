import type { Procedure, Semantics } from "../model/index.js";
import { type OncProcedure, type OncService, oncProgram } from "../onc/program.js";
import type { XdrCodec } from "../xdr/index.js";
import * as xdr from "../xdr/index.js";
import { type Diagnostic, formatDiagnostic } from "./diagnostic.js";
import { nodeHost } from "./generate.js";
import { type CompileOptions, compile } from "./x/compile.js";
import { isOneWay, semanticsFor } from "./x/docs.js";
import {
  discriminantOf,
  type Field,
  type Module,
  type NamedType,
  resolved,
  type Type,
  type Union,
  type Version,
} from "./x/module.js";
import type { Names } from "./x/names.js";
import type { Scalar } from "./x/syntax.js";

/** A contract that is known at run time only. */
export type LoadedContract = Record<string, Procedure<readonly unknown[], unknown, Semantics>>;

/** What a `.x` file describes, without generating code: for tools that get the file when they run. */
export interface LoadedInterface {
  /** One per version of each program, in the order of the file. */
  readonly services: readonly OncService<LoadedContract>[];
  /** The codecs of its types, by their names in TypeScript, such as `Pair`. */
  readonly types: ReadonlyMap<string, XdrCodec<unknown>>;
  /** Its constants, by name. */
  readonly constants: ReadonlyMap<string, bigint | string>;
  /** Warnings. */
  readonly diagnostics: readonly Diagnostic[];
}

/** A `.x` file that cannot be loaded; the message has its diagnostics as text. */
export class LoadError extends Error {
  override readonly name = "LoadError";
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(formatDiagnostic).join("\n"));
    this.diagnostics = diagnostics;
  }
}

/**
 * Makes services and codecs of a `.x` file, as `farcall gen` would write them, but of combinators. Values look the same,
 * and so do their bytes.
 *
 * @throws LoadError when the file does not exist or has errors
 */
export function loadInterface(path: string, options: Partial<CompileOptions> = {}): LoadedInterface {
  const host = options.host ?? nodeHost;
  const text = host.readFile(path);
  if (text === undefined)
    throw new LoadError([{ severity: "error", message: `cannot find "${path}"`, span: undefined }]);
  const { module, names, diagnostics } = compile(path, text, { ...options, host });
  if (module === undefined || names === undefined) throw new LoadError(diagnostics);
  const loader = new Loader(module, names);
  return {
    services: module.programs.flatMap((program) =>
      program.versions.map((version) => loader.service(program.name, program.number, version)),
    ),
    types: loader.types(),
    constants: new Map(module.constants.map(({ name, value }) => [name, value])),
    diagnostics,
  };
}

const scalars: Readonly<
  Record<Scalar, XdrCodec<number> | XdrCodec<bigint> | XdrCodec<boolean> | XdrCodec<xdr.Quadruple>>
> = {
  int: xdr.int,
  uint: xdr.uint,
  hyper: xdr.hyper,
  uhyper: xdr.uhyper,
  float: xdr.float,
  double: xdr.double,
  quadruple: xdr.quadruple,
  bool: xdr.bool,
  char: xdr.char,
  uchar: xdr.uchar,
  short: xdr.short,
  ushort: xdr.ushort,
};

class Loader {
  readonly #names: Names;
  readonly #codecs = new Map<NamedType, XdrCodec<unknown>>();

  constructor(module: Module, names: Names) {
    this.#names = names;
    // Unions ask their discriminants for their values when they are made.
    const enums = module.types.filter(({ body }) => body.kind === "enum");
    const others = module.types.filter(({ body }) => body.kind !== "enum");
    for (const type of [...enums, ...others]) this.#codecs.set(type, this.#make(type));
  }

  types(): ReadonlyMap<string, XdrCodec<unknown>> {
    return new Map([...this.#codecs].map(([type, codec]) => [this.#names.type(type), codec]));
  }

  service(name: string, program: number, version: Version): OncService<LoadedContract> {
    const keys = this.#names.procedures(version);
    const procedures = version.procedures.map((procedure, i): [string, OncProcedure] => {
      const args = procedure.args.map(({ type }) => this.#codec(type));
      const result = this.#codec(procedure.result);
      return [
        keys[i] ?? procedure.name,
        {
          number: procedure.number,
          name: procedure.name,
          args,
          result,
          semantics: semanticsFor(procedure),
          oneWay: isOneWay(procedure),
          progress: procedure.progress && this.#codec(procedure.progress),
        },
      ];
    });
    return oncProgram<LoadedContract>({
      name,
      program,
      version: version.number,
      procedures: Object.fromEntries(procedures) as OncService<LoadedContract>["procedures"],
    });
  }

  #make(type: NamedType): XdrCodec<unknown> {
    const { body } = type;
    const name = this.#names.type(type);
    switch (body.kind) {
      case "alias":
        return this.#codec(body.of);
      case "enum": {
        const members = Object.fromEntries(body.members.map((member) => [member.name, member.value]));
        return xdr.enumeration(name, members);
      }
      case "struct":
        return xdr.struct(Object.fromEntries(body.fields.map((field) => this.#field(field))), name);
      case "union":
        return this.#union(name, body);
    }
  }

  #union(name: string, { discriminant, arms, otherwise }: Union): XdrCodec<unknown> {
    const isBool = discriminantOf(discriminant.type)?.kind === "bool";
    const cases: Record<string, xdr.Arm> = {};
    for (const arm of arms) {
      const carried = this.#arm(arm.field);
      for (const { value } of arm.cases) cases[isBool ? String(value !== 0n) : String(value)] = carried;
    }
    if (otherwise !== undefined) cases["default"] = this.#arm(otherwise.field);
    // The discriminant is made of its actual type: a name that is defined later has no values yet.
    const kind = this.#codec(resolved(discriminant.type)) as XdrCodec<number>;
    return xdr.union({ [this.#names.property(discriminant)]: kind }, cases, name);
  }

  #arm(field: Field | null): xdr.Arm {
    return field === null ? null : Object.fromEntries([this.#field(field)]);
  }

  #field(field: Field): [string, XdrCodec<unknown>] {
    return [this.#names.property(field), this.#codec(field.type)];
  }

  #codec(type: Type): XdrCodec<unknown> {
    switch (type.kind) {
      case "void":
        return xdr.nothing as XdrCodec<unknown>;
      case "scalar":
        return scalars[type.scalar] as XdrCodec<unknown>;
      case "string":
        return (type.bytes ? xdr.bytesString(type.max) : xdr.string(type.max)) as XdrCodec<unknown>;
      case "opaque":
        return (type.fixed ? xdr.opaqueFixed(type.length) : xdr.opaque(type.length)) as XdrCodec<unknown>;
      case "array": {
        const element = this.#codec(type.element);
        return (
          type.fixed ? xdr.arrayFixed(element, type.length) : xdr.array(element, type.length)
        ) as XdrCodec<unknown>;
      }
      case "optional":
        return xdr.optional(this.#codec(type.of));
      case "named": {
        const { type: named } = type;
        return this.#codecs.get(named) ?? xdr.recursive(this.#names.type(named), () => this.#made(named));
      }
    }
  }

  #made(type: NamedType): XdrCodec<unknown> {
    const codec = this.#codecs.get(type);
    if (codec === undefined) throw new Error(`"${type.name}" is used before it is made`);
    return codec;
  }
}
