import type { Executed, RpcErrorCode } from "../../model/index.js";
import type { XdrReader } from "../../xdr/index.js";
import { CallStatus } from "../session/session.js";
import { AcceptStat, authStatName, ClntStat, clntStatus, contradictsItself } from "../status.js";
import type { CallFailure, CallTarget } from "./client-call.js";

/** A call of a session that has no result. */
export interface OutcomeFailure extends CallFailure {
  readonly executed: Executed;
  /** It may be otherwise a moment later: the call is worth trying again, after so long if the server says so. */
  readonly passing?: boolean | undefined;
  readonly retryAfterMs?: number | undefined;
}

/**
 * Reads what `call_outcome` has behind its status, of a call without a result.
 *
 * @throws DecodeError for a status that is not known
 */
export function readFailure(r: XdrReader, status: CallStatus, target: CallTarget): OutcomeFailure {
  switch (status) {
    case CallStatus.CALL_FAILED:
      return failure("yes", "server-error", "the server failed while it handled the call", ClntStat.RPC_SYSTEMERROR);
    case CallStatus.CALL_TOO_LARGE:
      return failure("yes", "server-error", "it ran, and its reply was too large to be kept", ClntStat.RPC_SYSTEMERROR);
    case CallStatus.CALL_REFUSED:
      return refused(r.uint(), r.uint(), r.uint(), target);
    case CallStatus.CALL_DENIED: {
      const why = r.uint();
      const status = clntStatus(ClntStat.RPC_AUTHERROR, { why: { number: why, text: authStatName(why) } });
      return {
        executed: "no",
        code: "denied",
        message: `the server denied the call: ${authStatName(why)}`,
        details: { status },
      };
    }
    case CallStatus.CALL_BUSY: {
      const retryAfterMs = r.uint();
      return { ...failure("no", "busy", "the server is busy", ClntStat.RPC_CANTSEND), passing: true, retryAfterMs };
    }
    case CallStatus.CALL_NO_STORE: {
      const message = "the server cannot reach its store of replies, without which it does not run the call";
      return { ...failure("no", "unavailable", message, ClntStat.RPC_SYSTEMERROR), passing: true };
    }
    case CallStatus.CALL_EXPIRED:
      return failure("no", "deadline-exceeded", "the server had no time left to begin it", ClntStat.RPC_TIMEDOUT);
    case CallStatus.CALL_NO_GUARANTEE:
      return failure(
        "no",
        "unimplemented",
        "the server cannot give the guarantee that the call asks for",
        ClntStat.RPC_FAILED,
      );
    case CallStatus.CALL_MISMATCH:
      return failure("no", "invalid-argument", "the call's number was used with other arguments", ClntStat.RPC_FAILED);
    case CallStatus.CALL_FENCED:
      return failure("no", "unavailable", "the call was given up before it arrived", ClntStat.RPC_FAILED);
    case CallStatus.CALL_STALE:
      return failure("no", "stale", "the server does not know the session", ClntStat.RPC_FAILED);
    case CallStatus.CALL_RUNNING:
      return failure("unknown", "unavailable", "another server runs the call", ClntStat.RPC_CANTRECV);
    case CallStatus.CALL_LOST:
      return failure("unknown", "unavailable", "the server died while it ran the call", ClntStat.RPC_CANTRECV);
    case CallStatus.CALL_FORGOTTEN:
      return failure(
        "unknown",
        "unavailable",
        "the call is older than what the server remembers",
        ClntStat.RPC_CANTRECV,
      );
    case CallStatus.CALL_UNKNOWN:
      return failure(
        "unknown",
        "server-error",
        "it ran, and whether its effect was kept is not known",
        ClntStat.RPC_SYSTEMERROR,
      );
    default:
      return r.fail(`call_status ${status} is not known`);
  }
}

function failure(executed: Executed, code: RpcErrorCode, message: string, stat: ClntStat): OutcomeFailure {
  return { executed, code, message, details: { status: clntStatus(stat) } };
}

/** What is said of a refusal that contradicts itself. */
export function damagedRefusal(low: number, high: number, version: number): string {
  return `the reply refuses version ${version} and says that ${low} to ${high} are served: it, or the call, was damaged`;
}

/** RFC 5531's own refusals, of the call inside. */
function refused(stat: number, low: number, high: number, { program, version, procedure }: CallTarget): OutcomeFailure {
  switch (stat) {
    case AcceptStat.PROG_UNAVAIL:
      return failure("no", "unimplemented", `the server does not serve program ${program}`, ClntStat.RPC_PROGUNAVAIL);
    case AcceptStat.PROG_MISMATCH: {
      if (contradictsItself(low, high, version)) {
        return failure("unknown", "bad-reply", damagedRefusal(low, high, version), ClntStat.RPC_CANTDECODERES);
      }
      const message = `the server serves versions ${low} to ${high} of program ${program}, not version ${version}`;
      const status = clntStatus(ClntStat.RPC_PROGVERSMISMATCH, { low, high });
      return { executed: "no", code: "unimplemented", message, details: { status } };
    }
    case AcceptStat.PROC_UNAVAIL:
      return failure("no", "unimplemented", `the server has no procedure ${procedure}`, ClntStat.RPC_PROCUNAVAIL);
    default:
      return failure("no", "bad-arguments", "the server could not decode the arguments", ClntStat.RPC_CANTDECODEARGS);
  }
}
