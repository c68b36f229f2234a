import type { Target } from "../../onc/message.js";
import {
  CallStatus,
  SESSION_PROGRAM,
  SESSION_VERSION,
  xdrAckArgs,
  xdrBody,
  xdrCallHead,
  xdrCallOutcome,
  xdrCancelArgs,
  xdrOpenArgs,
  xdrOpenResult,
  xdrSessionId,
  xdrStatusArgs,
  xdrStatusResult,
} from "../../onc/session/session.js";
import { nothing, XdrReader } from "../../xdr/index.js";
import type { TracedService } from "./catalogue.js";
import type { SessionPlace } from "./events.js";

// farcall's session program, which needs no file either. Its CALL makes a call of another program: that is what is shown.

const name = "FARCALL_SESSION";
const callNumber = 2;

/** The program's procedures by their names in session.x. */
export const sessionService: TracedService = {
  name,
  program: SESSION_PROGRAM,
  version: SESSION_VERSION,
  procedures: {
    open: { number: 1, name: "SESSION_OPEN", args: [xdrOpenArgs], result: xdrOpenResult },
    call: { number: callNumber, name: "SESSION_CALL", args: [xdrCallHead, xdrBody], result: xdrCallOutcome },
    cancel: { number: 3, name: "SESSION_CANCEL", args: [xdrCancelArgs], result: nothing },
    ack: { number: 4, name: "SESSION_ACK", args: [xdrAckArgs], result: nothing },
    status: { number: 5, name: "SESSION_STATUS", args: [xdrStatusArgs], result: xdrStatusResult },
    close: { number: 6, name: "SESSION_CLOSE", args: [xdrSessionId], result: nothing },
  },
};

/** The call that a SESSION_CALL makes. */
export interface InnerCall {
  readonly target: Target;
  readonly place: SessionPlace;
  readonly args: Uint8Array;
}

/** Looks into a call; undefined for any other procedure, and for a SESSION_CALL that is malformed. */
export function innerCallOf(target: Target, bytes: Uint8Array): InnerCall | undefined {
  if (target.program !== SESSION_PROGRAM || target.version !== SESSION_VERSION) return undefined;
  if (target.procedure !== callNumber) return undefined;
  try {
    const r = new XdrReader(bytes);
    const { number, program, version, procedure } = xdrCallHead.decode(r);
    const args = xdrBody.decode(r);
    r.finish();
    return { target: { program, version, procedure }, place: number, args };
  } catch {
    return undefined;
  }
}

/** Looks into the reply to a SESSION_CALL; undefined when there is no result in it. */
export function innerResultOf(bytes: Uint8Array): Uint8Array | undefined {
  try {
    const r = new XdrReader(bytes);
    const outcome = xdrCallOutcome.decode(r);
    r.finish();
    if (outcome.status === CallStatus.CALL_DONE) return outcome.done.result;
    return outcome.status === CallStatus.CALL_EXPLAINED ? outcome.explained.done.result : undefined;
  } catch {
    return undefined;
  }
}

/** Reads the reply to a SESSION_CALL that has no result. */
export const outcomeCodec: typeof xdrCallOutcome = xdrCallOutcome;
