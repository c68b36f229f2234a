import type { XdrWriter } from "../../xdr/index.js";
import type { AuthAccepted } from "../auth/index.js";
import { type Refusal, writeRefusal, writeSuccessHeader } from "../message.js";
import { CallStatus, DONE_STATEFUL } from "../session/session.js";
import { AcceptStat } from "../status.js";
import type { ReplyForm, ServerCall, ServerRefusal } from "./server-call.js";

// How replies look: those of RFC 5531, and those that the session program puts into the result of its CALL.

/** RFC 5531, section 9. What is kept of such a reply is all of it: whoever sends the call again uses the same xid. */
export const plainForm: ReplyForm = {
  result(w, call, value) {
    const from = w.position;
    writeSuccessHeader(w, call.xid, call.auth.verifier);
    writeWrapped(w, call.auth, (inner) => call.target.result.encode(inner, value));
    return from;
  },
  refusal(w, xid, refusal, auth) {
    const from = w.position;
    writeRefusal(w, xid, refusal as Refusal, auth?.verifier);
    return from;
  },
  kept(w, _call, bytes) {
    w.bytes(bytes);
  },
};

/** `call_outcome` as the result of SESSION_CALL. Only that is kept: the call may come again under another xid. */
export const sessionForm: ReplyForm = {
  result(w, call, value) {
    writeSuccessHeader(w, call.xid, call.auth.verifier);
    const from = w.position;
    if (call.auth.wrapResult === undefined) writeDone(w, call, value);
    else call.auth.wrapResult(w, (inner) => writeDone(inner, call, value));
    return from;
  },
  refusal(w, xid, refusal, auth) {
    writeSuccessHeader(w, xid, auth?.verifier ?? noVerifier);
    const from = w.position;
    if (auth === undefined) writeOutcome(w, refusal);
    else writeWrapped(w, auth, (inner) => writeOutcome(inner, refusal));
    return from;
  },
  kept(w, call, bytes) {
    writeSuccessHeader(w, call.xid, call.auth.verifier);
    writeWrapped(w, call.auth, (inner) => inner.bytes(bytes));
  },
};

const noVerifier = { flavor: 0, body: new Uint8Array(0) };

function writeWrapped(w: XdrWriter, auth: AuthAccepted, write: (w: XdrWriter) => void): void {
  if (auth.wrapResult === undefined) write(w);
  else auth.wrapResult(w, write);
}

/** `call_done`: its result is written where it goes, and its length afterwards. */
function writeDone(w: XdrWriter, { record, seat, target }: ServerCall, value: unknown): void {
  if (seat?.explain === true && record !== undefined) {
    w.uint32(CallStatus.CALL_EXPLAINED);
    const { receive, unmarshal, execute, reply } = record.times;
    for (const ms of [receive, unmarshal, execute, reply]) w.uint32(Math.round(ms * 1_000));
  } else {
    w.uint32(CallStatus.CALL_DONE);
  }
  w.uint32(seat !== undefined && seat.session.objects.size > 0 ? DONE_STATEFUL : 0);
  w.uint32(0);
  const at = w.position;
  target.result.encode(w, value);
  w.patchUint32(at - 4, w.position - at);
}

function writeOutcome(w: XdrWriter, refusal: ServerRefusal): void {
  switch (refusal.stat) {
    case "SESSION":
      w.uint32(refusal.status);
      if (refusal.status === CallStatus.CALL_BUSY) w.uint32(refusal.retryAfterMs ?? 0);
      return;
    case "SYSTEM_ERR":
      w.uint32(CallStatus.CALL_FAILED);
      return;
    case "AUTH_ERROR":
      w.uint32(CallStatus.CALL_DENIED);
      w.uint32(refusal.why);
      return;
    case "RPC_MISMATCH":
      throw new RangeError("a call of a session is of a version of the protocol that was understood");
    default:
      w.uint32(CallStatus.CALL_REFUSED);
      w.uint32(AcceptStat[refusal.stat]);
      w.uint32(refusal.stat === "PROG_MISMATCH" ? refusal.low : 0);
      w.uint32(refusal.stat === "PROG_MISMATCH" ? refusal.high : 0);
  }
}
