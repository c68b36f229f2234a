import type { Refusal, Target } from "../message.js";
import type { ServedProcedure, ServedVersion } from "./server-call.js";

/** A procedure that is served. */
export interface Served {
  readonly served: ServedVersion;
  readonly target: ServedProcedure;
}

/** The programs and versions that a server serves. */
export class ServedPrograms {
  readonly #programs = new Map<number, Map<number, ServedVersion>>();
  #last: Served | undefined;

  /** Throws RangeError when this version is served already. */
  add(served: ServedVersion): void {
    const versions = this.#programs.get(served.program) ?? new Map<number, ServedVersion>();
    const other = versions.get(served.version);
    if (other !== undefined) {
      throw new RangeError(`program ${served.program} version ${served.version} is exported already, as ${other.name}`);
    }
    versions.set(served.version, served);
    this.#programs.set(served.program, versions);
  }

  get all(): readonly ServedVersion[] {
    return [...this.#programs.values()].flatMap((versions) => [...versions.values()]);
  }

  /** What serves a procedure, or why nothing does. */
  find(target: Target): Served | Refusal {
    const last = this.#last;
    // Mostly it is the procedure of the call before.
    if (last?.target.number === target.procedure) {
      const { program, version } = last.served;
      if (program === target.program && version === target.version) return last;
    }
    const versions = this.#programs.get(target.program);
    if (versions === undefined) return { stat: "PROG_UNAVAIL" };
    const served = versions.get(target.version);
    if (served === undefined) {
      const known = [...versions.keys()];
      return { stat: "PROG_MISMATCH", low: Math.min(...known), high: Math.max(...known) };
    }
    const procedure = served.procedures.get(target.procedure);
    if (procedure === undefined) return { stat: "PROC_UNAVAIL" };
    this.#last = { served, target: procedure };
    return this.#last;
  }
}
