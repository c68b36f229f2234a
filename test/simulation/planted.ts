// The checker is checked: bugs that are planted in the real client, server or store, and that the simulator must find.
// Nothing in src knows of this; each bug is a method replaced for the time of its test.
import type { Rule, SimulationOptions } from "farcall/testing";
import { vi } from "vitest";
import { Evidence } from "../../src/call/executed.js";
import { PendingTable } from "../../src/call/pending.js";
import { RetryPolicy } from "../../src/call/retry.js";
import { DuplicateFilter } from "../../src/onc/engine/duplicate-filter.js";
import { ClientCall, DatagramServer, ServerEngine } from "../../src/onc/engine/index.js";
import { MemoryReplyStore } from "../../src/store/memory.js";
import { Random } from "../../src/testing/random.js";
import type { Ledger } from "./ledger.js";

export interface PlantedBug {
  readonly bug: string;
  /** Replaces what has the bug. */
  readonly plant: () => void;
  /** What the bug is an option of. */
  readonly options?: Partial<SimulationOptions<Ledger>>;
  /** Where to look for it first: what has nothing to do with it is left out. */
  readonly narrowed: Partial<SimulationOptions<Ledger>>;
  /** The rules that it may be found by. */
  readonly breaks: readonly Rule[];
}

/** Replaces a method, whose original the replacement gets. */
function replace<T extends object, K extends keyof T>(on: T, method: K, by: (original: T[K]) => T[K]): void {
  const original = on[method];
  vi.spyOn(on, method as never).mockImplementation(by(original) as never);
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    bug: "no reply cache",
    plant: () => {},
    options: { replyCache: false },
    narrowed: { sessions: ["off"], transports: ["datagram"], faults: ["duplication"] },
    breaks: ["ran-twice"],
  },
  {
    bug: "a key without the arguments",
    plant: () =>
      replace(
        DuplicateFilter.prototype,
        "take",
        (original) =>
          function (this: DuplicateFilter, call, header, message) {
            return original.call(this, call, header, { ...message, argsStart: message.end });
          },
      ),
    narrowed: { sessions: ["off"], transports: ["datagram"], faults: ["xid-reuse"] },
    breaks: ["foreign-reply", "yes-means-ran"],
  },
  {
    bug: "a key without the port",
    plant: () =>
      replace(
        DatagramServer.prototype,
        "receive",
        (original) =>
          function (this: DatagramServer, bytes, peer, send) {
            original.call(this, bytes, peer.replace(/:\d+$/, ""), send);
          },
      ),
    narrowed: { sessions: ["off"], transports: ["datagram"], faults: ["loss"] },
    breaks: ["reply-used-twice", "yes-means-ran"],
  },
  {
    bug: "what a dead server left unfinished is run again",
    plant: () =>
      replace(
        MemoryReplyStore.prototype,
        "claim",
        (original) =>
          function (this: MemoryReplyStore, request) {
            const claim = original.call(this, request);
            if (claim.state !== "lost") return claim;
            return { state: "fresh", transaction: undefined, complete: () => {}, abandon: () => {} };
          },
      ),
    narrowed: {
      sessions: ["off"],
      transports: ["datagram"],
      stores: ["durable"],
      faults: ["duplication", "delay", "crash-during-execution"],
    },
    breaks: ["ran-twice"],
  },
  {
    bug: "at-most-once is sent again over the next connection, to a server that does not know it",
    plant: () => {
      vi.spyOn(ClientCall.prototype, "repeatable", "get").mockReturnValue(true);
      replace(
        RetryPolicy.prototype,
        "next",
        (original) =>
          function (this: RetryPolicy, failed, pause) {
            return original.call(this, { ...failed, filtered: true }, pause);
          },
      );
    },
    narrowed: { sessions: ["off"], transports: ["stream"], faults: ["reset"] },
    breaks: ["ran-twice"],
  },
  {
    bug: "a call without an answer is taken for one that did not run",
    plant: () => vi.spyOn(Evidence.prototype, "executed", "get").mockReturnValue("no"),
    narrowed: { faults: ["loss", "reset"] },
    breaks: ["no-means-never"],
  },
  {
    bug: "a call without an answer is taken for one that ran",
    plant: () => vi.spyOn(Evidence.prototype, "executed", "get").mockReturnValue("yes"),
    narrowed: { faults: ["loss", "reset"] },
    breaks: ["yes-means-ran"],
  },
  {
    bug: "a refused datagram is taken for a proof",
    plant: () =>
      replace(
        Evidence.prototype,
        "add",
        (original) =>
          function (this: Evidence, executed) {
            original.call(this, executed === "unknown" ? "no" : executed);
          },
      ),
    narrowed: { sessions: ["off"], transports: ["datagram"], faults: ["duplication", "crash-after-execution"] },
    breaks: ["no-means-never"],
  },
  {
    bug: "every client begins with the same xid",
    plant: () =>
      replace(
        Random.prototype,
        "bytes",
        (original) =>
          function (this: Random, size) {
            return size === 4 ? new Uint8Array([0, 0, 0, 1]) : original.call(this, size);
          },
      ),
    narrowed: { sessions: ["off"], transports: ["datagram"], faults: ["client-crash"] },
    breaks: ["foreign-reply", "yes-means-ran", "reply-used-twice"],
  },
  {
    bug: "a late reply is taken for that of the next call",
    plant: () =>
      replace(
        PendingTable.prototype,
        "find",
        (original) =>
          function (this: PendingTable<{ id: number }>, id) {
            const found = original.call(this, id);
            return found ?? original.call(this, id + 1);
          },
      ),
    narrowed: { faults: ["loss"] },
    breaks: ["foreign-reply", "yes-means-ran", "reply-used-twice"],
  },
  {
    bug: "deadlines are not kept",
    plant: () => vi.spyOn(PendingTable.prototype, "forEach").mockImplementation(() => {}),
    narrowed: { faults: ["loss"] },
    breaks: ["settles", "settles-in-time"],
  },
  {
    bug: "a handler that throws is answered with a result",
    plant: () =>
      replace(
        ServerEngine.prototype,
        "fail",
        () =>
          function (this: ServerEngine, call) {
            this.succeed(call, { serial: 0, number: 0 });
          },
      ),
    narrowed: { faults: [] },
    breaks: ["foreign-reply"],
  },
];
