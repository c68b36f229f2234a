// How operations of VXI-11 end.
import {
  ERROR_ABORT,
  ERROR_CHANNEL_EXISTS,
  ERROR_INVALID_ADDRESS,
  ERROR_INVALID_LINK,
  ERROR_IO,
  ERROR_IO_TIMEOUT,
  ERROR_LOCKED,
  ERROR_NO_CHANNEL,
  ERROR_NO_LOCK,
  ERROR_NONE,
  ERROR_NOT_ACCESSIBLE,
  ERROR_NOT_SUPPORTED,
  ERROR_OUT_OF_RESOURCES,
  ERROR_PARAMETER,
  ERROR_SYNTAX,
} from "./vxi11.js";

const texts: ReadonlyMap<number, string> = new Map([
  [ERROR_NONE, "no error"],
  [ERROR_SYNTAX, "syntax error"],
  [ERROR_NOT_ACCESSIBLE, "device not accessible"],
  [ERROR_INVALID_LINK, "invalid link identifier"],
  [ERROR_PARAMETER, "parameter error"],
  [ERROR_NO_CHANNEL, "channel not established"],
  [ERROR_NOT_SUPPORTED, "operation not supported"],
  [ERROR_OUT_OF_RESOURCES, "out of resources"],
  [ERROR_LOCKED, "device locked by another link"],
  [ERROR_NO_LOCK, "no lock held by this link"],
  [ERROR_IO_TIMEOUT, "I/O timeout"],
  [ERROR_IO, "I/O error"],
  [ERROR_INVALID_ADDRESS, "invalid address"],
  [ERROR_ABORT, "aborted"],
  [ERROR_CHANNEL_EXISTS, "channel already established"],
]);

/** With these the instrument's work may have begun; with all others it has refused. */
const begun: ReadonlySet<number> = new Set([ERROR_IO_TIMEOUT, ERROR_IO, ERROR_ABORT]);

/** The instrument answered, and what it answered is an error. When no answer came, there is an `RpcError` instead. */
export class Vxi11Error extends Error {
  override readonly name = "Vxi11Error";
  /** One of the ERROR_... numbers. */
  readonly code: number;
  /** Whether the operation had an effect; a part of one counts as unknown. */
  readonly executed: "no" | "unknown";

  constructor(code: number, operation: string, hint = "") {
    super(`${operation}: ${texts.get(code) ?? "unassigned error"} (${code})${hint}`);
    this.code = code;
    this.executed = begun.has(code) ? "unknown" : "no";
  }
}
