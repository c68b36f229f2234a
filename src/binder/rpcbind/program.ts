import type { Procedure } from "../../model/index.js";
import { type OncService, oncProgram } from "../../onc/program.js";
import { bool, optional, recursive, string, struct, uint, type XdrCodec } from "../../xdr/index.js";

// rpcbind, RFC 1833: program 100000, versions 3 and 4 (section 2.1) and the port mapper, version 2 (section 3).

/** Where rpcbind listens, TCP and UDP. */
export const rpcbindPort = 111;

/** `struct rpcb`: a program's version, and where it is served over one kind of transport. */
export interface Rpcb {
  readonly program: number;
  readonly version: number;
  /** The kind of transport: `tcp`, `udp`, `tcp6`, `udp6` or `local`. */
  readonly netid: string;
  /** The universal address: RFC 5665, section 5.2. */
  readonly address: string;
  /** Who registered it. */
  readonly owner: string;
}

const xdrRpcb: XdrCodec<Rpcb> = struct({
  program: uint,
  version: uint,
  netid: string(),
  address: string(),
  owner: string(),
});

/** `struct rp__list`: all that is registered, as a linked list. */
export interface RpcbList {
  readonly map: Rpcb;
  readonly next: RpcbList | null;
}

const xdrRpcbList: XdrCodec<RpcbList> = struct({
  map: xdrRpcb,
  next: optional(recursive("RpcbList", () => xdrRpcbList)),
});

/** What farcall asks of rpcbind, versions 3 and 4. */
export interface Rpcbind {
  /** Registers; false when the program's version is registered for that netid already. */
  set: Procedure<[Rpcb], boolean>;
  /** Takes a registration back; false when there is none, or it is somebody else's. */
  unset: Procedure<[Rpcb], boolean>;
  /** Where a program is served; empty when it is not registered. */
  getAddr: Procedure<[Rpcb], string, "at-least-once">;
  /** All that is registered; `null` when nothing is. */
  dump: Procedure<[], RpcbList | null, "at-least-once">;
}

function rpcbind(version: number): OncService<Rpcbind> {
  return oncProgram<Rpcbind>({
    name: "RPCBPROG",
    program: 100_000,
    version,
    procedures: {
      set: { number: 1, name: "RPCBPROC_SET", args: [xdrRpcb], result: bool },
      unset: { number: 2, name: "RPCBPROC_UNSET", args: [xdrRpcb], result: bool },
      getAddr: {
        number: 3,
        name: "RPCBPROC_GETADDR",
        args: [xdrRpcb],
        result: string(),
        semantics: "at-least-once",
      },
      dump: {
        number: 4,
        name: "RPCBPROC_DUMP",
        args: [],
        result: optional(xdrRpcbList),
        semantics: "at-least-once",
      },
    },
  });
}

export const RpcbindV4: OncService<Rpcbind> = rpcbind(4);
export const RpcbindV3: OncService<Rpcbind> = rpcbind(3);

/** `struct mapping` of version 2. */
export interface Mapping {
  readonly program: number;
  readonly version: number;
  /** 6 for TCP, 17 for UDP. */
  readonly protocol: number;
  readonly port: number;
}

const xdrMapping: XdrCodec<Mapping> = struct({ program: uint, version: uint, protocol: uint, port: uint });

/** `struct pmaplist`: all that is registered, as a linked list. */
export interface MappingList {
  readonly map: Mapping;
  readonly next: MappingList | null;
}

const xdrMappingList: XdrCodec<MappingList> = struct({
  map: xdrMapping,
  next: optional(recursive("MappingList", () => xdrMappingList)),
});

/** What farcall asks of the port mapper, version 2. */
export interface PortMapper {
  set: Procedure<[Mapping], boolean>;
  unset: Procedure<[Mapping], boolean>;
  /** The port of a program; 0 when it is not registered. */
  getPort: Procedure<[Mapping], number, "at-least-once">;
  /** All that is registered; `null` when nothing is. */
  dump: Procedure<[], MappingList | null, "at-least-once">;
}

export const PortMapperV2: OncService<PortMapper> = oncProgram<PortMapper>({
  name: "PMAP_PROG",
  program: 100_000,
  version: 2,
  procedures: {
    set: { number: 1, name: "PMAPPROC_SET", args: [xdrMapping], result: bool },
    unset: { number: 2, name: "PMAPPROC_UNSET", args: [xdrMapping], result: bool },
    getPort: { number: 3, name: "PMAPPROC_GETPORT", args: [xdrMapping], result: uint, semantics: "at-least-once" },
    dump: {
      number: 4,
      name: "PMAPPROC_DUMP",
      args: [],
      result: optional(xdrMappingList),
      semantics: "at-least-once",
    },
  },
});

/** IANA's number of a transport protocol, as version 2 uses it. */
export const protocolNumber: Readonly<Record<"tcp" | "udp", number>> = { tcp: 6, udp: 17 };
