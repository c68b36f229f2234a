import type { Claim, FreshClaim } from "../../call/reply-cache.js";
import { explainEncode, XdrWriter } from "../../xdr/index.js";
import { CallStatus } from "../session/session.js";
import { type Answer, type Answers, systemError } from "./answers.js";
import type { DuplicateFilter } from "./duplicate-filter.js";
import type { FilteredCall, ServerCall, ServerHost } from "./server-call.js";
import { failed, sessionRefusal } from "./session-call.js";

/**
 * Calls that must not run twice: claimed before they run, answered once the reply is kept. The host puts what it is asked
 * (`ReplyRequests`) to a store, and answers by the commands here, at once or later.
 */
export class OnceCalls {
  readonly #host: ServerHost;
  readonly #answers: Answers;
  readonly #filter: DuplicateFilter | undefined;

  constructor(host: ServerHost, answers: Answers, filter: DuplicateFilter | undefined) {
    this.#host = host;
    this.#answers = answers;
    this.#filter = filter;
  }

  /** The cache has answered `claim`: the call runs, or was known. */
  claimed(call: ServerCall, claim: Claim): void {
    const filtered = call.filtered as FilteredCall;
    if (claim.state !== "fresh") {
      const { link, seat } = call;
      const filter = this.#filter as DuplicateFilter;
      return this.settle(filtered, seat === undefined ? filter.answer(claim, link) : filter.outcome(claim));
    }
    filtered.claim = claim;
    // A transaction was rolled back with the effect; what is kept now is that it failed.
    if (filtered.failed) this.#keep(call, claim, failed);
    // Nobody waits for it any more, and it has not begun. The caller of a session comes back.
    else if (call.link.gone && filtered.waiters === undefined && call.seat === undefined) this.#release(call, claim);
    else if (call.aborted !== undefined) this.#release(call, claim);
    else this.#host.dispatch(call);
  }

  /** The cache could not be asked, so the call does not run. */
  unclaimed(call: ServerCall, error: unknown): void {
    const filtered = call.filtered as FilteredCall;
    (this.#filter as DuplicateFilter).counts.refused++;
    this.#host.report(error, call);
    if (filtered.failed) this.settle(filtered, failed);
    else this.settle(filtered, call.seat === undefined ? systemError : sessionRefusal(CallStatus.CALL_NO_STORE));
  }

  /** The reply is kept: now it may leave. */
  kept(call: ServerCall): void {
    const filtered = call.filtered as FilteredCall;
    this.settle(filtered, filtered.reply as Uint8Array);
  }

  /**
   * The reply could not be kept. With its transaction the effect is gone, so the reply would be a lie; without one the
   * procedure ran, and the reply is true though it cannot be repeated.
   */
  unkept(call: ServerCall, error: unknown): void {
    const filtered = call.filtered as FilteredCall;
    this.#host.report(error, call);
    if (filtered.claim?.transaction === undefined) return this.settle(filtered, filtered.reply as Uint8Array);
    // A COMMIT that failed has done nothing, as far as the store can tell.
    this.settle(filtered, call.seat === undefined ? systemError : sessionRefusal(CallStatus.CALL_UNKNOWN));
  }

  /** The claim was taken back, and with it whatever the handler did in its transaction. */
  released(call: ServerCall): void {
    const filtered = call.filtered as FilteredCall;
    if (call.seat === undefined) return this.settle(filtered, systemError);
    if (!filtered.failed) return this.settle(filtered, sessionRefusal(CallStatus.CALL_EXPIRED));
    // Whoever sends it again must not run it after its caller has learned that it failed.
    this.#host.replies?.claim(call, filtered.key);
  }

  /** The handler has given its result. */
  succeed(call: ServerCall, claim: FreshClaim, value: unknown): void {
    const { link, form } = call;
    const { replies } = link;
    const filtered = call.filtered as FilteredCall;
    // Encoded where it will leave, so that a reply too large for a datagram is found out now.
    const at = replies.size;
    const w = link.gone ? new XdrWriter() : replies.begin();
    let from: number;
    try {
      from = form.result(w, call, value);
    } catch (error) {
      if (!link.gone) replies.abort(at);
      return this.fail(call, claim, explainEncode(error, call.target.result.shape, value));
    }
    // A store that answers at once copies the reply from where it stands, and it leaves from there.
    if (claim.completeCopy !== undefined && !link.gone && !link.full && filtered.waiters === undefined) {
      try {
        claim.completeCopy(w.memory, from, w.position);
      } catch (error) {
        filtered.reply = w.copy(from);
        replies.abort(at);
        return this.unkept(call, error);
      }
      if (call.seat === undefined) this.#filter?.settle(filtered);
      return this.#answers.answerWritten(call, at);
    }
    const reply = w.copy(from);
    // Other replies leave before this one.
    if (!link.gone) replies.abort(at);
    this.#keep(call, claim, reply);
  }

  /** The handler has failed. */
  fail(call: ServerCall, claim: FreshClaim, error: unknown): void {
    const refusal = this.#answers.refusalFor(call, error);
    if (claim.transaction !== undefined) {
      (call.filtered as FilteredCall).failed = true;
      return this.#release(call, claim);
    }
    // It ran, or may have: this failure is its answer, whoever asks again.
    if (call.seat !== undefined) return this.#keep(call, claim, failed);
    const w = new XdrWriter();
    // Whoever asks again has to be told something.
    call.form.refusal(w, call.xid, refusal === "silence" ? systemError : refusal, call.auth);
    this.#keep(call, claim, w.take());
  }

  /** Answers everybody who sent this call. */
  settle(filtered: FilteredCall, answer: Answer): void {
    if (filtered.call.seat === undefined) this.#filter?.settle(filtered);
    this.#answers.answer(filtered.call, answer);
    if (filtered.waiters === undefined) return;
    for (const waiter of filtered.waiters) {
      this.#answers.answer(waiter, answer);
      if (waiter.ended) this.#host.answered(waiter);
    }
  }

  #release(call: ServerCall, claim: FreshClaim): void {
    this.#host.replies?.release(call, claim);
  }

  #keep(call: ServerCall, claim: FreshClaim, reply: Uint8Array): void {
    const filtered = call.filtered as FilteredCall;
    if (filtered.reply !== undefined) return;
    filtered.reply = reply;
    this.#host.replies?.keep(call, claim, reply);
  }
}
