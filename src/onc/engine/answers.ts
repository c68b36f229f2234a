import { explainEncode } from "../../xdr/index.js";
import type { AuthAccepted } from "../auth/index.js";
import type { Refusal } from "../message.js";
import { plainForm } from "./reply-form.js";
import {
  CallRefused,
  type ReplyForm,
  type ServerCall,
  type ServerHost,
  type ServerLink,
  type ServerRefusal,
} from "./server-call.js";

// How calls count while they run, and how they are answered and end, whatever they promise.

/** What answers a call: a kept reply, a refusal, or silence. */
export type Answer = Uint8Array | ServerRefusal | "drop";

export const systemError: Refusal = { stat: "SYSTEM_ERR" };

/** Calls of no more bytes are not weighed, which costs time: the arguments of all that may run take some 32 MiB. */
const weighedMin = 128;

/** What sessions are told of the ends of their calls. */
export interface SessionEnds {
  /** A call of a session was answered. */
  left(call: ServerCall): void;
  /** Nothing more happens to it. */
  over(call: ServerCall): void;
}

export class Answers {
  /** Calls that run, of all links, and the bytes that they count with. */
  running = 0;
  runningBytes = 0;
  sessions: SessionEnds | undefined = undefined;
  readonly #host: ServerHost;

  constructor(host: ServerHost) {
    this.#host = host;
  }

  /** From now on the call runs, as far as limits are concerned. */
  count(call: ServerCall, size: number): void {
    call.begin(size);
    this.running++;
    this.runningBytes += size;
  }

  /** The call's turn is over: where it still runs, it keeps its arguments. Those of small calls weigh little. */
  weigh(call: ServerCall): void {
    if (!call.ended && call.size > weighedMin) this.runningBytes += call.weigh();
  }

  /** @returns whether there is somebody to answer */
  end(call: ServerCall): boolean {
    if (call.ended) return false;
    call.end();
    this.running--;
    this.runningBytes -= call.size;
    if (call.seat !== undefined) this.sessions?.left(call);
    return !call.link.gone && !call.silent;
  }

  /** Nothing more happens to a call. */
  over(call: ServerCall): void {
    call.settled();
    if (call.seat !== undefined) this.sessions?.over(call);
  }

  /** Ends a call with its result, which waits while the peer leaves too much unread. */
  succeed(call: ServerCall, value: unknown): void {
    if (call.link.full && !call.ended && !call.link.gone && !call.silent) {
      call.link.deferred.push({ call, value });
      return;
    }
    if (this.end(call)) this.#reply(call, value);
    this.over(call);
  }

  #reply(call: ServerCall, value: unknown): void {
    const { replies } = call.link;
    const at = replies.size;
    try {
      call.form.result(replies.begin(), call, value);
    } catch (error) {
      replies.abort(at);
      this.#host.report(explainEncode(error, call.target.result.shape, value), call);
      this.refuse(call.link, call.xid, systemError, call.auth, call.form);
      return;
    }
    replies.commit(at);
    if (call.auth.upgrade === true) call.link.upgrading = true;
  }

  /** Ends a call whose handler failed. */
  fail(call: ServerCall, error: unknown): void {
    const open = this.end(call);
    const refusal = this.refusalFor(call, error);
    if (open && refusal !== "silence") this.refuse(call.link, call.xid, refusal, call.auth, call.form);
    this.over(call);
  }

  /** What answers a call whose handler threw; that is reported unless it meant to refuse. */
  refusalFor(call: ServerCall, error: unknown): CallRefused["refusal"] {
    if (error instanceof CallRefused) return error.refusal;
    this.#host.report(error, call);
    return systemError;
  }

  /** Ends a call with an answer that is there, which waits while the peer leaves too much unread. */
  answer(call: ServerCall, answer: Answer): void {
    const { link } = call;
    if (answer instanceof Uint8Array) {
      if (link.full && !link.gone) {
        link.deferred.push({ call, value: undefined, reply: answer });
        return;
      }
      this.repeat(call, answer);
      return;
    }
    if (this.end(call) && answer !== "drop") this.refuse(link, call.xid, answer, call.auth, call.form);
    this.over(call);
  }

  /** Ends a call whose reply stands in its link's writer, from `at` on. */
  answerWritten(call: ServerCall, at: number): void {
    if (this.end(call)) call.link.replies.commit(at);
    else call.link.replies.abort(at);
    this.over(call);
  }

  /** Ends a call with a kept reply. */
  repeat(call: ServerCall, kept: Uint8Array): void {
    if (this.end(call)) {
      const { form, link, seat } = call;
      const { replies } = link;
      if (seat === undefined) {
        replies.append(kept);
      } else {
        const at = replies.size;
        form.kept(replies.begin(), call, kept);
        replies.commit(at);
      }
    }
    this.over(call);
  }

  /** Says why a call gets no result. */
  refuse(
    link: ServerLink,
    xid: number,
    refusal: ServerRefusal,
    auth?: AuthAccepted | undefined,
    form: ReplyForm = plainForm,
  ): void {
    const at = link.replies.size;
    form.refusal(link.replies.begin(), xid, refusal, auth);
    link.replies.commit(at);
  }
}
