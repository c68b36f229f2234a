import { createHash } from "node:crypto";
import type { ReplyStore, ReplyStoreLimits } from "../call/reply-cache.js";
import type { Machine } from "../drive/machine.js";
import { MemoryReplyStore } from "../store/memory.js";
import { FaultCode } from "./codec/fault-code.js";
import { encodeFault } from "./codec/fault-document.js";
import type { Settings } from "./codec/options.js";
import { type Answer, readFarcallHeader, writeFarcallHeader } from "./engine/index.js";

// Calls that were sent again, by the header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the first one is
// claimed before its handler runs, and its answer is kept; whoever sends the same key again gets that answer.

/**
 * How a server tells calls that were sent again from new ones. The limits are those of the store in memory; another store has
 * its own.
 */
export interface IdempotencyOptions<Tx = unknown> extends ReplyStoreLimits {
  /** Where answers are kept; default: in memory, for this process. The server does not close it. */
  readonly store?: ReplyStore<Tx> | undefined;
  /**
   * The name that this server keeps when it starts again, and that no other running server has: what its earlier run left
   * unfinished is then known for lost at once. Default: a new one each time, so that it is known after `leaseMs`.
   */
  readonly owner?: string | undefined;
  /** Milliseconds after which other servers on the same store take an unfinished call for lost; default 60,000. */
  readonly leaseMs?: number | undefined;
}

/** Longer than a usual call runs. */
const leaseMsDefault = 60_000;

/** A call that has a key. */
export interface KeyedCall {
  readonly key: string;
  /** Who calls: one caller's key is not another's. */
  readonly caller: string;
  /** The request's path and document: the same key with another one is a mistake. */
  readonly target: string;
  readonly document: Uint8Array;
  /** Whether its effect and its answer are to be kept together. */
  readonly transactional: boolean;
}

/** What becomes of a call that has a key: an answer, or an HTTP status with a text. */
export type Kept = Answer | { readonly status: number; readonly text: string; readonly retryAfter?: true };

export class Idempotency {
  readonly store: ReplyStore;
  /** What every response says of the store. */
  readonly note: string;
  readonly #owner: string;
  readonly #boot: string;
  readonly #leaseMs: number;
  readonly #settings: Settings;
  readonly #randomBytes: Machine["randomBytes"];
  /** The calls of this process that run, by caller and key. */
  readonly #running = new Map<string, Promise<Kept>>();

  constructor(options: IdempotencyOptions, settings: Settings, machine: Machine) {
    this.#randomBytes = machine.randomBytes;
    this.#boot = this.newKey();
    this.store = options.store ?? new MemoryReplyStore({ ...options, id: this.newKey(), now: machine.clock.now });
    this.#owner = options.owner ?? this.#boot;
    this.#leaseMs = options.leaseMs ?? leaseMsDefault;
    this.#settings = settings;
    const { id, durable, shared, transactional } = this.store;
    this.note = writeFarcallHeader({ store: { id, durable, shared, transactional } });
  }

  /** A key for a call that came without one and needs the store all the same. */
  newKey(): string {
    return Buffer.from(this.#randomBytes(16)).toString("hex");
  }

  /** Whether a call that was sent to another memory may come to this one: it would run twice. */
  isStranger(farcall: string | undefined): boolean {
    const { store } = readFarcallHeader(farcall);
    return store !== undefined && store.id !== this.store.id;
  }

  /** Runs a call unless it has run, and answers it as the first time. */
  run(call: KeyedCall, run: (transaction: unknown) => Answer | Promise<Answer>): Promise<Kept> {
    return this.#claim(call, `${call.caller}\n${call.key}`, run);
  }

  async #claim(call: KeyedCall, id: string, run: (transaction: unknown) => Answer | Promise<Answer>): Promise<Kept> {
    const claim = await this.store.claim({
      key: { caller: call.caller, call: call.key },
      fingerprint: fingerprint(call),
      owner: this.#owner,
      boot: this.#boot,
      leaseMs: this.#leaseMs,
      transactional: call.transactional && this.store.transactional,
    });
    switch (claim.state) {
      case "fresh": {
        const running = this.#run(claim, call.transactional && this.store.transactional, run);
        this.#running.set(id, running);
        try {
          return await running;
        } finally {
          this.#running.delete(id);
        }
      }
      case "running": {
        const running = this.#running.get(id);
        if (running !== undefined) return await running;
        return { status: 409, text: "the same call runs elsewhere; ask again", retryAfter: true };
      }
      case "done":
        return unpack(claim.reply);
      case "too-large":
        return this.#fault("the call ran before, and its answer was too large to keep", "yes");
      case "forgotten":
        return this.#fault("the call ran before, and its answer is not kept any more", "yes");
      case "lost":
        return this.#fault("a server that has gone had this call; whether it ran is not known", "unknown");
      case "fenced":
        return this.#fault("the call was given up before it came", "no");
      case "mismatch":
        return { status: 422, text: "this Idempotency-Key was used with another request" };
      case "busy":
        return { status: 503, text: "no more answers can be kept", retryAfter: true };
    }
  }

  async #run(
    claim: {
      readonly transaction: unknown;
      complete(reply: Uint8Array): void | Promise<void>;
      abandon(): void | Promise<void>;
    },
    transactional: boolean,
    run: (transaction: unknown) => Answer | Promise<Answer>,
  ): Promise<Kept> {
    let answer: Answer;
    try {
      answer = await run(claim.transaction);
    } catch (error) {
      await claim.abandon();
      throw error;
    }
    // What did not run is not kept: sent again, it may run. What failed in a transaction is as if it had not run.
    if (answer.executed === "no" || (transactional && answer.failed)) {
      await claim.abandon();
      return { ...answer, executed: "no" };
    }
    try {
      await claim.complete(pack(answer));
      return answer;
    } catch (error) {
      if (!transactional) throw error;
      // The commit failed, or its answer was lost.
      return this.#fault("the call's effect may not have been kept", "unknown");
    }
  }

  #fault(text: string, executed: Answer["executed"]): Answer {
    return { body: encodeFault(FaultCode.SYSTEM_ERROR, text, this.#settings), executed, failed: true };
  }
}

/** SHA-256: with a weaker one a caller could make a request that gets another one's answer. */
function fingerprint({ target, document }: KeyedCall): string {
  return createHash("sha256").update(target).update("\n").update(document).digest("base64");
}

/** An answer as it is kept: what it says of the execution on a line, then its document. */
function pack({ body, executed, inner, failed }: Answer): Uint8Array {
  const line = `${failed ? "fault" : "result"} ${writeFarcallHeader({ executed, inner })}\n`;
  return Buffer.concat([Buffer.from(line), typeof body === "string" ? Buffer.from(body) : body]);
}

function unpack(reply: Uint8Array): Answer {
  const end = reply.indexOf(0x0a);
  const [kind, ...note] = Buffer.from(reply.subarray(0, end)).toString().split(" ");
  const { executed = "yes", inner } = readFarcallHeader(note.join(" "));
  return { body: reply.subarray(end + 1), executed, inner, failed: kind === "fault" };
}

/** The key of a header, which may stand in quotes; undefined for none, and for what is none. */
export function keyOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  return /^\s*(?:"([!#-[\]-~]{1,255})"|([\w.:~-]{1,255}))\s*$/
    .exec(header)
    ?.slice(1)
    .find((key) => key !== undefined);
}
