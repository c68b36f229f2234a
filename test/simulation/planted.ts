// The checker is checked: bugs that are planted in the real client, server or store, and that the simulator must find.
// Nothing in src knows of this; each bug is a method replaced for the time of its test.

import type { ClaimRequest, KnownCall, ReplyStore } from "farcall/store";
import type { Rule, SimulatedTransaction, SimulationOptions } from "farcall/testing";
import { vi } from "vitest";
import { Evidence } from "../../src/call/executed.js";
import { Hedge } from "../../src/call/hedge.js";
import { ObjectProvider } from "../../src/call/lifetime.js";
import { PendingTable } from "../../src/call/pending.js";
import { RetryPolicy } from "../../src/call/retry.js";
import { ClientEngine } from "../../src/onc/engine/client-engine.js";
import { DuplicateFilter } from "../../src/onc/engine/duplicate-filter.js";
import {
  ClientCall,
  DatagramServer,
  ServerCall,
  ServerEngine,
  StreamClientEngine,
} from "../../src/onc/engine/index.js";
import { Session, type SessionCall, SessionTable } from "../../src/onc/session/table.js";
import { Sessions } from "../../src/onc/sessions.js";
import { MemoryReplyStore } from "../../src/store/memory.js";
import { Random } from "../../src/testing/random.js";
import { SimulatedStore } from "../../src/testing/store.js";
import { type Ledger, ledgerSimulation } from "./ledger.js";

export interface PlantedBug {
  readonly bug: string;
  /** Replaces what has the bug. */
  readonly plant: () => void;
  /** What the bug is an option of. */
  readonly options?: Partial<SimulationOptions<Ledger>>;
  /** Where to look for it first: what has nothing to do with it is left out. */
  readonly narrowed: Partial<SimulationOptions<Ledger>>;
  /** Whether it takes too much to show among faults of all kinds: then it is always looked for there. */
  readonly rare?: boolean;
  /** The rules that it may be found by. */
  readonly breaks: readonly Rule[];
}

/** Replaces a method, whose original the replacement gets. */
function replace<T extends object, K extends keyof T>(on: T, method: K, by: (original: T[K]) => T[K]): void {
  const original = on[method];
  vi.spyOn(on, method as never).mockImplementation(by(original) as never);
}

const paying = { calls: ledgerSimulation("exactly-once").calls };

export const plantedBugs: readonly PlantedBug[] = [
  {
    bug: "no reply cache",
    plant: () => {},
    // Without what is exactly-once: whose handlers have no transaction then, and say so before anything runs twice.
    options: { replyCache: false, calls: ledgerSimulation("at-most-once").calls },
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
    // What is sent again then is "maybe", too.
    breaks: ["ran-twice", "sent-twice"],
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
    // The reply of another call may be anything: a result, a failure that ran, a refusal.
    breaks: ["foreign-reply", "yes-means-ran", "reply-used-twice", "no-means-never"],
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
  {
    bug: "a reply is kept before its transaction commits",
    plant: () =>
      replace(
        SimulatedStore.prototype,
        "of",
        (original) =>
          function (this: SimulatedStore, program) {
            return keepsEarly(original.call(this, program));
          },
      ),
    narrowed: { ...paying, stores: ["durable"], faults: ["store-down"] },
    breaks: ["foreign-reply"],
  },
  {
    bug: "a call that has not arrived is called fenced, and no fence is placed",
    plant: () =>
      replace(
        MemoryReplyStore.prototype,
        "look",
        (original) =>
          function (this: MemoryReplyStore, request) {
            const look = original.call(this, { ...request, fence: false });
            return look.state === "unseen" && request.fence === true ? { state: "fenced" } : look;
          },
      ),
    narrowed: { sessions: ["auto"], transports: ["datagram"], faults: ["delay", "loss", "duplication"] },
    breaks: ["no-means-never", "ran-twice"],
  },
  {
    bug: "a call that a dead server left unfinished is said not to have run",
    plant: () =>
      replace(
        MemoryReplyStore.prototype,
        "look",
        (original) =>
          function (this: MemoryReplyStore, request) {
            const look = original.call(this, request);
            return look.state === "lost" ? { state: "fenced" } : look;
          },
      ),
    narrowed: { sessions: ["auto"], stores: ["durable"], faults: ["crash-after-execution", "crash-during-execution"] },
    breaks: ["no-means-never", "ran-twice"],
  },
  {
    bug: "a stale session is taken for a new one",
    plant: () =>
      replace(
        SessionTable.prototype,
        "findFor",
        (original) =>
          function (this: SessionTable<SessionCall>, id, identity, principalOf) {
            const known = original.call(this, id, identity, principalOf);
            if (known !== undefined) return known;
            const made = this.open(principalOf(identity), { client: "", incarnation: id, fifo: false }, undefined, 0);
            if (made !== undefined) Object.assign(made, { id });
            return made;
          },
      ),
    narrowed: { sessions: ["auto"], stores: ["memory"], faults: ["crash-after-execution", "crash-before-reply"] },
    // Calls of the one before run again, and where it had state, nobody is told that it is gone.
    breaks: ["ran-twice", "lost-state"],
  },
  {
    bug: "a key without the session",
    plant: () =>
      replace(
        Session.prototype,
        "lane",
        (original) =>
          function (this: Session<SessionCall>, number, max) {
            const lane = original.call(this, number, max);
            return lane && Object.assign(lane, { caller: `lane ${number}` });
          },
      ),
    narrowed: { sessions: ["auto"], calls: { next: () => [] }, faults: ["loss"] },
    // A call that has another one's key gets its reply, or a refusal, while its own runs or never does.
    breaks: ["reply-used-twice", "yes-means-ran", "foreign-reply", "no-means-never"],
  },
  {
    bug: "a stale answer that comes twice disproves twice",
    plant: () =>
      replace(
        ClientEngine.prototype,
        "useSession",
        (original) =>
          function (this: ClientEngine, options) {
            Object.assign(this, { doubles: false });
            return original.call(this, options);
          },
      ),
    narrowed: {
      sessions: ["auto"],
      transports: ["datagram"],
      stores: ["durable"],
      faults: ["duplication", "crash-after-execution", "crash-before-reply"],
    },
    breaks: ["ran-twice", "no-means-never"],
  },
  {
    bug: "the server does not keep a session's calls in order",
    plant: () =>
      replace(
        SessionTable.prototype,
        "open",
        (original) =>
          function (this: SessionTable<SessionCall>, principal, args, link, now) {
            return original.call(this, principal, { ...args, fifo: false }, link, now);
          },
      ),
    narrowed: { sessions: ["auto"], transports: ["stream"], faults: ["delay"] },
    breaks: ["out-of-order"],
  },
  {
    bug: "a handler is told that its caller waits for a second longer",
    plant: () => {
      const { get } = Object.getOwnPropertyDescriptor(ServerCall.prototype, "deadline") as { get: () => number };
      vi.spyOn(ServerCall.prototype, "deadline", "get").mockImplementation(function (this: ServerCall) {
        return get.call(this) + 1_000;
      });
    },
    narrowed: { sessions: ["auto"], faults: ["delay"] },
    breaks: ["wrong-deadline"],
  },
  {
    bug: "servers on one store remember each for itself",
    plant: () =>
      replace(
        SimulatedStore.prototype,
        "of",
        (original) =>
          function (this: SimulatedStore, program) {
            const shared = original.call(this, program);
            const own = new MemoryReplyStore({ now: () => program.clock.now() });
            return {
              ...shared,
              claim: (request) => (request.transactional === true ? shared.claim(request) : own.claim(request)),
              look: (request) => own.look(request),
              forget: (caller, through) => own.forget(caller, through),
            };
          },
      ),
    narrowed: {
      calls: ledgerSimulation("at-most-once").calls,
      sessions: ["auto"],
      stores: ["durable"],
      faults: ["failover"],
    },
    breaks: ["ran-twice", "no-means-never"],
  },
  {
    bug: "a call that must not run twice is hedged",
    plant: () => {
      vi.spyOn(ClientCall.prototype, "repeatable", "get").mockReturnValue(true);
      replace(
        StreamClientEngine.prototype,
        "start",
        (original) =>
          function (this: StreamClientEngine, call) {
            original.call(this, Object.assign(call, { hedge: new Hedge({ afterMs: 40 }) }));
          },
      );
    },
    narrowed: { sessions: ["off"], transports: ["stream"], faults: [] },
    // "maybe" is hedged then, too; and what one copy is refused, the other may still be granted.
    breaks: ["ran-twice", "sent-twice", "no-means-never"],
  },
  {
    bug: "one copy of a hedged call is forgotten while it runs",
    plant: () => vi.spyOn(ServerCall.prototype, "runsTwice").mockImplementation(() => {}),
    narrowed: { calls: ledgerSimulation("at-least-once").calls, sessions: ["auto"], faults: ["client-crash"] },
    breaks: ["orphan", "foreign-state"],
  },
  {
    bug: "a client that needs a session makes its calls without one",
    plant: () =>
      replace(
        ClientEngine.prototype,
        "useSession",
        (original) =>
          function (this: ClientEngine, options) {
            return original.call(this, { ...options, mode: "auto" });
          },
      ),
    narrowed: { calls: ledgerSimulation("at-most-once").calls, faults: ["loss", "partition"] },
    breaks: ["made-plainly"],
  },
  {
    bug: "all sessions have their objects in common",
    plant: () => {
      const objects = new WeakMap<object, Map<object, object>>();
      replace(
        SessionTable.prototype,
        "open",
        (original) =>
          function (this: SessionTable<SessionCall>, principal, args, link, now) {
            const shared = objects.get(this) ?? new Map<object, object>();
            objects.set(this, shared);
            const session = original.call(this, principal, args, link, now);
            return session && Object.assign(session, { objects: shared });
          },
      );
    },
    narrowed: { sessions: ["auto"], lifetimes: ["per-session"], faults: [] },
    breaks: ["foreign-state"],
  },
  {
    bug: "nobody is told that state hangs on the session",
    plant: () => {
      const objects = new WeakMap<object, object>();
      replace(
        ObjectProvider.prototype,
        "acquire",
        (original) =>
          function (this: ObjectProvider, session) {
            if (this.lifetime !== "per-session" || session === undefined) return original.call(this, session);
            const object = objects.get(session) ?? original.call(this, undefined);
            objects.set(session, object);
            return object;
          },
      );
    },
    narrowed: { sessions: ["auto"], lifetimes: ["per-session"], faults: ["crash-before-reply", "failover"] },
    breaks: ["lost-state"],
  },
  {
    bug: "the signal of a call does not fire at its deadline",
    plant: () => vi.spyOn(Sessions.prototype, "watch").mockImplementation(() => {}),
    narrowed: { sessions: ["auto"], faults: [] },
    breaks: ["orphan"],
  },
  {
    bug: "what a client left behind runs on when it has started again",
    plant: () =>
      replace(
        SessionTable.prototype,
        "end",
        (original) =>
          function (this: SessionTable<SessionCall>, session, reason) {
            if ((reason as Error).message !== "its client has started again") original.call(this, session, reason);
          },
      ),
    narrowed: { sessions: ["auto"], faults: ["client-crash"] },
    breaks: ["orphan"],
  },
  {
    // Takes a client that died, a short lease, a handler that outlasts it, and a network that kept the news from nobody.
    rare: true,
    bug: "a lease does not end",
    plant: () => vi.spyOn(SessionTable.prototype, "tick").mockImplementation(() => {}),
    narrowed: { sessions: ["auto"], faults: ["client-crash"] },
    breaks: ["orphan"],
  },
];

/** A store that has the reply of a transaction before that has committed. */
function keepsEarly(store: ReplyStore<SimulatedTransaction>): ReplyStore<SimulatedTransaction> {
  const early = new Map<string, Uint8Array>();
  const nameOf = ({ key }: Pick<ClaimRequest, "key">): string => `${key.caller} ${key.call}`;
  const known = (request: Pick<ClaimRequest, "key">): KnownCall | undefined => {
    const reply = early.get(nameOf(request));
    return reply && { state: "done", reply };
  };
  return {
    ...store,
    look: (request) => known(request) ?? store.look(request),
    async claim(request) {
      const kept = known(request);
      if (kept !== undefined) return kept;
      const claim = await store.claim(request);
      if (claim.state !== "fresh" || claim.transaction === undefined) return claim;
      return {
        ...claim,
        complete(reply) {
          early.set(nameOf(request), reply);
          return claim.complete(reply);
        },
      };
    },
  };
}
