import type { ProtocolStatus } from "../model/index.js";

/** RFC 5531, section 9: how a message is accepted. */
export const AcceptStat = {
  SUCCESS: 0,
  PROG_UNAVAIL: 1,
  PROG_MISMATCH: 2,
  PROC_UNAVAIL: 3,
  GARBAGE_ARGS: 4,
  SYSTEM_ERR: 5,
} as const;

/** RFC 5531, section 9: why a message is denied. */
export const RejectStat = { RPC_MISMATCH: 0, AUTH_ERROR: 1 } as const;

/** RFC 5531, section 9: why authentication failed. */
export const AuthStat = {
  AUTH_OK: 0,
  AUTH_BADCRED: 1,
  AUTH_REJECTEDCRED: 2,
  AUTH_BADVERF: 3,
  AUTH_REJECTEDVERF: 4,
  AUTH_TOOWEAK: 5,
  AUTH_INVALIDRESP: 6,
  AUTH_FAILED: 7,
  AUTH_KERB_GENERIC: 8,
  AUTH_TIMEEXPIRE: 9,
  AUTH_TKT_FILE: 10,
  AUTH_DECODE: 11,
  AUTH_NET_ADDR: 12,
  RPCSEC_GSS_CREDPROBLEM: 13,
  RPCSEC_GSS_CTXPROBLEM: 14,
} as const;
export type AuthStat = (typeof AuthStat)[keyof typeof AuthStat];

const authStatNames = new Map<number, string>(Object.entries(AuthStat).map(([name, number]) => [number, name]));

/** The name of an `auth_stat`, or its number where the specification knows none. */
export function authStatName(stat: number): string {
  return authStatNames.get(stat) ?? `auth_stat ${stat}`;
}

/** How a call ended in C's terms: `enum clnt_stat` of libtirpc's clnt_stat.h. */
export const ClntStat = {
  RPC_SUCCESS: 0,
  RPC_CANTENCODEARGS: 1,
  RPC_CANTDECODERES: 2,
  RPC_CANTSEND: 3,
  RPC_CANTRECV: 4,
  RPC_TIMEDOUT: 5,
  RPC_VERSMISMATCH: 6,
  RPC_AUTHERROR: 7,
  RPC_PROGUNAVAIL: 8,
  RPC_PROGVERSMISMATCH: 9,
  RPC_PROCUNAVAIL: 10,
  RPC_CANTDECODEARGS: 11,
  RPC_SYSTEMERROR: 12,
  RPC_UNKNOWNHOST: 13,
  RPC_PMAPFAILURE: 14,
  RPC_PROGNOTREGISTERED: 15,
  RPC_FAILED: 16,
  RPC_UNKNOWNPROTO: 17,
} as const;
export type ClntStat = (typeof ClntStat)[keyof typeof ClntStat];

const clntStatTexts: readonly string[] = [
  "Success",
  "Can't encode arguments",
  "Can't decode result",
  "Unable to send",
  "Unable to receive",
  "Timed out",
  "Incompatible versions of RPC",
  "Authentication error",
  "Program unavailable",
  "Program/version mismatch",
  "Procedure unavailable",
  "Server can't decode arguments",
  "Remote system error",
  "Unknown host",
  "Port mapper failure",
  "Program not registered",
  "Failed (unspecified error)",
  "Unknown protocol",
];

/** A `clnt_stat` with C's text for it, and what else the peer said. */
export function clntStatus(stat: ClntStat, more: Partial<ProtocolStatus> = {}): ProtocolStatus {
  return { number: stat, text: `RPC: ${clntStatTexts[stat]}`, ...more };
}

/**
 * Whether a refusal of a version names that version among those that are served. Nobody answers so: the call or its answer
 * was damaged on the way, and what the answer says is no evidence.
 */
export function contradictsItself(low: number, high: number, version: number): boolean {
  return version === low || version === high;
}
