// The service that the project simulates: a procedure for each guarantee, each of which writes down that it ran.
import type { OneWayProcedure, Procedure, Semantics } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { type Random, SimulatedFailure, type SimulationOptions } from "farcall/testing";
import { nothing, string, struct, uint, type XdrCodec } from "farcall/xdr";

export interface Entry {
  readonly client: number;
  readonly number: number;
  readonly text: string;
}

export interface Receipt {
  /** Counts the executions of the server's whole life, so that no two receipts are alike. */
  readonly serial: number;
  readonly number: number;
}

export interface Ledger {
  hint: OneWayProcedure<[entry: Entry]>;
  glance: Procedure<[entry: Entry], Receipt, "maybe">;
  note: Procedure<[entry: Entry], Receipt, "at-least-once">;
  enter: Procedure<[entry: Entry], Receipt>;
  /** Has no arguments, so nothing but its caller tells one call of it from another. */
  next: Procedure<[], Receipt>;
  pay: Procedure<[entry: Entry], Receipt, "exactly-once">;
}

const entry: XdrCodec<Entry> = struct({ client: uint, number: uint, text: string() });
const receipt: XdrCodec<Receipt> = struct({ serial: uint, number: uint });

export const LedgerV1: OncService<Ledger> = oncProgram<Ledger>({
  name: "LEDGER",
  program: 0x2000_0100,
  version: 1,
  procedures: {
    hint: { number: 6, name: "HINT", args: [entry], result: nothing, oneWay: true },
    glance: { number: 1, name: "GLANCE", args: [entry], result: receipt, semantics: "maybe" },
    note: { number: 2, name: "NOTE", args: [entry], result: receipt, semantics: "at-least-once" },
    enter: { number: 3, name: "ENTER", args: [entry], result: receipt },
    next: { number: 5, name: "NEXT", args: [], result: receipt },
    pay: { number: 4, name: "PAY", args: [entry], result: receipt, semantics: "exactly-once" },
  },
});

const byGuarantee: Readonly<Record<Semantics, readonly (keyof Ledger)[]>> = {
  maybe: ["glance", "hint"],
  "at-least-once": ["note"],
  "at-most-once": ["enter", "next"],
  "exactly-once": ["pay"],
};

/** What a simulation of the ledger takes, of one guarantee or of all. */
export function ledgerSimulation(guarantee?: Semantics): SimulationOptions<Ledger> {
  const args = (random: Random, { client, number }: { client: number; number: number }): [Entry] => [
    // Some entries are larger than what a stream takes at once.
    { client, number, text: "x".repeat(random.chance(0.1) ? random.integer(0, 2_000) : random.integer(0, 12)) },
  ];
  const procedures: readonly (keyof Ledger)[] =
    guarantee === undefined ? ["glance", "hint", "note", "enter", "next", "pay"] : byGuarantee[guarantee];
  return {
    service: LedgerV1,
    lifetimes: ["persistent", "per-session"],
    client: { hedge: { note: { afterMs: 40 } } },
    handlers: ({ random, sleep, values }) => {
      const count = (): number => {
        const serial = Number(values.get("serial") ?? 0) + 1;
        values.set("serial", serial);
        return serial;
      };
      const write = async ({ number, text }: Entry): Promise<Receipt> => {
        const serial = count();
        if (text.length % 5 === 1) await sleep(random.between(0, 30));
        if (random.chance(0.03)) throw new SimulatedFailure("the ledger refuses");
        return { serial, number };
      };
      return {
        hint: async (entry) => {
          await write(entry);
        },
        glance: write,
        note: write,
        // At once, as most handlers answer.
        enter: ({ number }) => ({ serial: count(), number }),
        next: () => ({ serial: count(), number: 0 }),
        pay: async ({ number, text }, { transaction }) => {
          // A flipped bit can make this of another call, which then runs outside of any.
          if (transaction === undefined) throw new Error("the transaction is missing");
          const serial = Number(transaction.get("paid") ?? 0) + 1;
          if (text.length % 5 === 1) await sleep(random.between(0, 30));
          transaction.set("paid", serial);
          if (random.chance(0.03)) throw new SimulatedFailure("the ledger refuses");
          return { serial, number };
        },
      };
    },
    calls: Object.fromEntries(procedures.map((name) => [name, name === "next" ? () => [] : args])),
  };
}
