import type { Caller, Handlers, Procedure } from "farcall";
import { oncProgram } from "farcall/onc";
import * as xdr from "farcall/xdr";
import { overXmlRpc } from "farcall/xmlrpc";

/** What the kernel says of a caller; -1 where it says nothing. */
export interface Known {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** A service that tells who calls, for tests of local authentication. */
export interface WhoV1 {
  whoami: Procedure<[], Known>;
  /** For the operator only, in most tests. */
  reset: Procedure<[what: string], string>;
}

export const WhoV1 = oncProgram<WhoV1>({
  name: "WHO_PROG",
  program: 0x20000b01,
  version: 1,
  procedures: {
    whoami: {
      number: 1,
      name: "WHOAMI",
      args: [],
      result: xdr.struct({
        pid: xdr.int,
        uid: xdr.int,
        gid: xdr.int,
        groups: xdr.array(xdr.int),
      }) as xdr.XdrCodec<Known>,
    },
    reset: { number: 2, name: "RESET", args: [xdr.string(100)], result: xdr.string(100) },
  },
});

export const WhoXml = overXmlRpc(WhoV1);

export const knownOf = ({ pid = -1, uid = -1, gid = -1, groups = [] }: Caller): Known => ({ pid, uid, gid, groups });

export const whoHandlers: Handlers<WhoV1> = {
  whoami: ({ caller }) => knownOf(caller),
  reset: (what) => `reset ${what}`,
};
