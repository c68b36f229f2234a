// What the fault codes of different servers mean. XML-RPC gives a fault a number and a text and says nothing of either,
// so only numbers that a family of servers keeps for one meaning say more than "the server failed".

import type { Executed, ProtocolStatus, RpcErrorCode } from "../../model/index.js";
import { FaultCode } from "./fault-code.js";
import type { Fault } from "./fault-document.js";
import type { Preset } from "./options.js";

/** What a fault means for the caller. */
export interface FaultOutcome {
  readonly code: RpcErrorCode;
  readonly executed: Executed;
  /** The server's number and text, as they came. */
  readonly status: ProtocolStatus;
}

type Meaning = readonly [code: RpcErrorCode, executed: Executed];

// The agreed codes. What the server says before it looks for a handler has not run; what it says afterwards may have.
const agreed: Readonly<Record<number, Meaning>> = {
  [FaultCode.NOT_WELL_FORMED]: ["bad-arguments", "no"],
  [FaultCode.UNSUPPORTED_ENCODING]: ["bad-arguments", "no"],
  [FaultCode.INVALID_CHARACTER]: ["bad-arguments", "no"],
  [FaultCode.INVALID_REQUEST]: ["bad-arguments", "no"],
  [FaultCode.METHOD_NOT_FOUND]: ["unimplemented", "no"],
  [FaultCode.INVALID_PARAMS]: ["bad-arguments", "no"],
  [FaultCode.INTERNAL_ERROR]: ["server-error", "unknown"],
  [FaultCode.APPLICATION_ERROR]: ["server-error", "unknown"],
  [FaultCode.SYSTEM_ERROR]: ["server-error", "unknown"],
  [FaultCode.TRANSPORT_ERROR]: ["unavailable", "unknown"],
  // xmlrpc-c (xmlrpc-c/base.h), which rtorrent and many devices answer with. Its type error comes from inside of a
  // handler that takes its parameters apart, and its parse error from inside of rtorrent's commands ("Throttle rate must be
  // between 0 and 2^30"), so neither says anything of what ran before.
  [-501]: ["bad-arguments", "unknown"],
  [-503]: ["bad-arguments", "unknown"],
  [-506]: ["unimplemented", "no"],
  [-507]: ["denied", "unknown"],
  [-509]: ["busy", "unknown"],
};

const ofPresets: Readonly<Partial<Record<Preset, Readonly<Record<number, Meaning>>>>> = {
  // supervisor/xmlrpc.py, class Faults. Parameters are found wrong as the function is called, before it begins.
  supervisord: {
    1: ["unimplemented", "no"],
    2: ["bad-arguments", "no"],
    3: ["bad-arguments", "unknown"],
    6: ["unavailable", "no"],
    10: ["not-found", "no"],
  },
  // odoo/http.py and addons/base/controllers/rpc.py. Access is denied before anything, or by what runs.
  odoo: { 3: ["denied", "no"], 4: ["denied", "unknown"] },
  // BidCos-Service: its texts say "Unknown Device", "Unknown Paramset", "Unknown Parameter".
  homematic: { [-2]: ["not-found", "unknown"], [-3]: ["not-found", "unknown"], [-5]: ["bad-arguments", "unknown"] },
};

/**
 * What a fault means. A number without an agreed meaning is `server-error`, and whether the procedure ran is unknown:
 * Python answers 1 even to a method that it does not have.
 *
 * @param preset the kind of server, whose own numbers then count too
 * @param ran what a farcall server says beside its fault
 */
export function faultOutcome(fault: Fault, preset?: Preset | undefined, ran?: Executed | undefined): FaultOutcome {
  const own = preset === undefined ? undefined : ofPresets[preset]?.[fault.code];
  const [code, executed] = own ?? agreed[fault.code] ?? ["server-error", "unknown"];
  return { code, executed: ran ?? executed, status: { number: fault.code, text: fault.string } };
}
