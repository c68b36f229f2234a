import type { Semantics } from "../model/index.js";
import { argsCodec } from "../onc/args.js";
import { declaredBy, type OncService, proceduresOf } from "../onc/program.js";
import { type XdrCodec, XdrWriter } from "../xdr/index.js";

/** Tells values of one service apart by their bytes on the wire. */
export class Keys {
  readonly #args = new Map<string, XdrCodec<readonly unknown[]>>();
  readonly #results = new Map<string, XdrCodec<unknown>>();
  readonly #declared = new Map<string, Semantics>();
  readonly #oneWay = new Set<string>();
  readonly #writer = new XdrWriter();

  constructor(service: OncService<unknown>) {
    for (const [name, procedure] of proceduresOf(service)) {
      this.#args.set(name, argsCodec(procedure.args));
      this.#results.set(name, procedure.result);
      this.#declared.set(name, declaredBy(procedure));
      if (procedure.oneWay === true) this.#oneWay.add(name);
    }
  }

  /** A procedure with its arguments. */
  ofArgs(procedure: string, args: readonly unknown[]): string {
    return `${procedure} ${this.#bytesOf(this.#args.get(procedure), args)}`;
  }

  ofResult(procedure: string, value: unknown): string {
    return this.#bytesOf(this.#results.get(procedure), value);
  }

  /** Whether nobody waits for a reply of it. */
  isOneWay(procedure: string): boolean {
    return this.#oneWay.has(procedure);
  }

  declared(procedure: string): Semantics {
    return this.#declared.get(procedure) ?? "at-most-once";
  }

  #bytesOf<T>(codec: XdrCodec<T> | undefined, value: T): string {
    const w = this.#writer;
    w.reset();
    try {
      codec?.encode(w, value);
    } catch (error) {
      return `cannot be encoded: ${String(error)}`;
    }
    return Buffer.from(w.view()).toString("latin1");
  }
}
