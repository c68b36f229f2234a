import type { Claim, FreshClaim, ReplyKey } from "../../call/reply-cache.js";
import type { CallHeader } from "../message.js";
import { CallStatus } from "../session/session.js";
import type { FilteredCall, ServerCall, ServerLink, ServerRefusal } from "./server-call.js";
import { sessionRefusal } from "./session-call.js";

// Which calls of foreign clients are filtered for duplicates, and by what key. A foreign client has no session; all that
// tells its calls apart is where they come from and what they say. So the key is the transport with the peer's address
// and port, and a digest of the message from the xid to the credential, and of the arguments: the same bytes from the
// same port are the same call, anything else is a new one. The verifier is left out: a flavor may make a new one for
// each transmission. The port is needed, because clients behind one address that start at xid 1 would get each other's
// replies; what that costs is said in docs/reply-cache.md.

export interface DuplicateFilterOptions {
  /** Whether calls in datagrams are filtered. */
  readonly datagrams: boolean;
  /** Whether calls on streams are filtered, where the peer has an address of its own. */
  readonly streams: boolean;
  /** Whether exactly-once calls run in the store's transactions; then they are claimed on every link. */
  readonly transactional: boolean;
  /** Names this run of the server, for calls that nothing tells from others. */
  readonly boot: string;
  /** A digest of two pieces, as text, for which nobody can find other pieces. */
  readonly digest: (head: Uint8Array, args: Uint8Array) => string;
}

/** What the filter did, from its start. */
export interface DuplicateCounts {
  /** Duplicates of calls that were done: the kept reply was sent again. */
  resent: number;
  /** Duplicates of calls that run: dropped in datagrams, answered with the first on streams. */
  joined: number;
  /** Calls refused because the store was full, could not be reached, or knows the call and has no reply. */
  refused: number;
}

export class DuplicateFilter {
  readonly counts: DuplicateCounts = { resent: 0, joined: 0, refused: 0 };
  readonly datagrams: boolean;
  readonly streams: boolean;
  /** Whether exactly-once calls can be given what they ask for. */
  readonly transactional: boolean;
  readonly #boot: string;
  readonly #digest: DuplicateFilterOptions["digest"];
  #unfiltered = 0;
  /** Calls whose claim is asked for, that run, or whose reply is being kept: their duplicates never reach the store. */
  readonly #inProgress = new Map<string, FilteredCall>();

  constructor(options: DuplicateFilterOptions) {
    this.datagrams = options.datagrams;
    this.streams = options.streams;
    this.transactional = options.transactional;
    this.#boot = options.boot;
    this.#digest = options.digest;
  }

  /** Whether a call is to be claimed: another execution would break what its contract says. */
  covers({ link, target }: ServerCall): boolean {
    const { semantics } = target;
    if (semantics === "exactly-once" && this.transactional) return true;
    return link.filtered && target.number !== 0 && semantics !== "at-least-once" && semantics !== "maybe";
  }

  /**
   * Takes a call in.
   *
   * @returns undefined when the same call is in progress: its duplicate waits, or is to be dropped
   */
  take(call: ServerCall, header: CallHeader, message: MessageBytes): FilteredCall | undefined {
    const { buffer, start, argsStart, end } = message;
    const head = buffer.subarray(start, header.credentialEnd);
    const key = call.link.filtered
      ? { caller: callerKey(call.link), call: this.#digest(head, buffer.subarray(argsStart, end)) }
      : // Nothing tells it from the same call sent again, so it has a key of its own: only its transaction is wanted.
        { caller: `once ${this.#boot}`, call: `${this.#unfiltered++}` };
    const name = `${key.caller}\0${key.call}`;
    const first = this.#inProgress.get(name);
    if (first === undefined) {
      const filtered = filteredCall(key, name, call);
      this.#inProgress.set(name, filtered);
      return filtered;
    }
    this.counts.joined++;
    // The reply to a datagram goes to the same port, whichever copy it answers; a stream may be another one by now.
    if (call.link.session !== undefined) {
      first.waiters ??= [];
      first.waiters.push(call);
    }
    return undefined;
  }

  /** The call has ended: it is in progress no more. */
  settle(filtered: FilteredCall): void {
    this.#inProgress.delete(filtered.name);
  }

  /** What a claim that was not granted means for a caller of this link: bytes to send, SYSTEM_ERR, or silence. */
  answer(claim: Exclude<Claim, FreshClaim>, link: ServerLink): Uint8Array | ServerRefusal | "drop" {
    this.#count(claim);
    // A datagram's sender asks again; on a stream nobody would. And ONC RPC cannot say "later": silence makes a
    // datagram's sender ask later, which an error does not.
    if (claim.state === "done") return claim.reply;
    if (claim.state === "running" || claim.state === "busy") return link.session === undefined ? "drop" : systemError;
    return systemError;
  }

  /** What it means for a session's caller. */
  outcome(claim: Exclude<Claim, FreshClaim>): Uint8Array | ServerRefusal {
    this.#count(claim);
    return claim.state === "done" ? claim.reply : sessionRefusal(outcomes[claim.state]);
  }

  #count({ state }: Claim): void {
    if (state === "done") this.counts.resent++;
    else if (state === "running") this.counts.joined++;
    else this.counts.refused++;
  }
}

const systemError: ServerRefusal = { stat: "SYSTEM_ERR" };

const outcomes: Readonly<Record<Exclude<Claim["state"], "fresh" | "done">, CallStatus>> = {
  running: CallStatus.CALL_RUNNING,
  "too-large": CallStatus.CALL_TOO_LARGE,
  forgotten: CallStatus.CALL_FORGOTTEN,
  lost: CallStatus.CALL_LOST,
  fenced: CallStatus.CALL_FENCED,
  mismatch: CallStatus.CALL_MISMATCH,
  busy: CallStatus.CALL_BUSY,
};

/** A call that is about to be claimed. */
export function filteredCall(key: ReplyKey, name: string, call: ServerCall): FilteredCall {
  return {
    key,
    name,
    call,
    failed: false,
    claim: undefined,
    reply: undefined,
    waiters: undefined,
  };
}

/** Where a call lies in the bytes it came in. */
export interface MessageBytes {
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly argsStart: number;
  readonly end: number;
}

/** Who is at the other end: what came in clear text must not get a reply that left protected. */
function callerKey(link: ServerLink): string {
  return link.tls === undefined ? link.peer : `${link.peer} tls ${link.tls.fingerprint256 ?? ""}`;
}
