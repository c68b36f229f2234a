import type { Shape } from "../../model/index.js";
import { argsCodec } from "../../onc/args.js";
import type { Target } from "../../onc/message.js";
import { type OncProcedure, proceduresOf } from "../../onc/program.js";
import { nothing, type XdrCodec } from "../../xdr/index.js";
import type { TargetNames } from "./events.js";

/** A service, as far as a tracer needs it. */
export interface TracedService {
  readonly name: string;
  readonly program: number;
  readonly version: number;
  readonly procedures: object;
}

/** How a known procedure's messages are read. */
export interface KnownProcedure {
  readonly args: XdrCodec<readonly unknown[]>;
  readonly argShapes: readonly Shape[];
  readonly result: XdrCodec<unknown>;
}

export interface Found {
  readonly names: TargetNames;
  readonly procedure: KnownProcedure | undefined;
}

const nothingKnown: Found = { names: {}, procedure: undefined };

/** The interfaces that are known: what a number means. */
export class Catalogue {
  readonly #versions = new Map<string, { readonly name: string; readonly procedures: Map<number, Found> }>();
  readonly #programs = new Map<number, string>();

  /** @returns false when this version of this program is known already, which then stays */
  add({ name, program, version, procedures }: TracedService): boolean {
    const key = `${program}/${version}`;
    if (this.#versions.has(key)) return false;
    const known = proceduresOf({ procedures }).map(([procedureName, procedure]): [number, Found] => [
      procedure.number,
      { names: { program: name, procedure: procedureName }, procedure: knownProcedure(procedure) },
    ]);
    this.#versions.set(key, { name, procedures: new Map(known) });
    this.#programs.set(program, name);
    return true;
  }

  find({ program, version, procedure }: Target): Found {
    const found = this.#versions.get(`${program}/${version}`);
    if (found === undefined) {
      const name = this.#programs.get(program);
      return name === undefined ? nothingKnown : { names: { program: name }, procedure: undefined };
    }
    // Every program has a procedure 0, which a file seldom spells out.
    const names = { program: found.name, procedure: procedure === 0 ? "null" : undefined };
    return found.procedures.get(procedure) ?? { names, procedure: procedure === 0 ? nullProcedure : undefined };
  }
}

function knownProcedure({ args, result }: Pick<OncProcedure, "args" | "result">): KnownProcedure {
  const codec = argsCodec(args);
  return { args: codec, argShapes: codec.shapes, result };
}

const nullProcedure: KnownProcedure = knownProcedure({ args: [], result: nothing });
