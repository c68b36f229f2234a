import { endianness } from "node:os";
import type { CallContext, Handlers } from "../../model/index.js";
import { CallRefused, ServerCall } from "../../onc/engine/index.js";
import { AuthStat } from "../../onc/status.js";
import { type Registration, rpcbindProgram, transports } from "../registry/registry.js";
import { mayForward } from "../registry/remote-calls.js";
import { fromSockaddr, toSockaddr, unixSizeMax } from "../registry/sockaddr.js";
import type { BinderStatistics, RpcbindVersion } from "../registry/statistics.js";
import { portOfUniversalAddress, protocolNumber, toUniversalAddress } from "../registry/uaddr.js";
import type {
  Mapping,
  MappingList,
  RemoteCall,
  Rpcb,
  RpcbEntryList,
  RpcbindV2,
  RpcbindV3,
  RpcbindV4,
  RpcbList,
} from "../rpcbind/rpcbind.js";
import { askerOf } from "./asker.js";
import type { Desk } from "./desk.js";
import { forwardCall } from "./forward.js";
import { ownerByLoopback, ownerOfUid } from "./owner.js";

/** What is said about calls that the binder makes for others. */
export interface RemoteCallOptions {
  /** Programs that are never called, besides those that are known to trust callers of their own machine. */
  readonly refuse?: readonly number[] | undefined;
  /** Milliseconds that such a call may take; default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Most such calls at once; default 64. */
  readonly pendingMax?: number | undefined;
}

const littleEndian = endianness() === "LE";

/** CALLIT and BCAST, or INDIRECT. */
const callit = 5;
const indirect = 10;

/** The procedures of RFC 1833, in their three versions, upon one desk. */
export class Procedures {
  readonly #desk: Desk;
  readonly #statistics: BinderStatistics;
  readonly #timeoutMs: number;
  readonly #pendingMax: number;
  readonly #refused: ReadonlySet<number>;
  #forwarding = 0;

  constructor(desk: Desk, statistics: BinderStatistics, remote: RemoteCallOptions = {}) {
    this.#desk = desk;
    this.#statistics = statistics;
    this.#timeoutMs = remote.timeoutMs ?? 10_000;
    this.#pendingMax = remote.pendingMax ?? 64;
    this.#refused = new Set(remote.refuse);
  }

  /** Who may not call what: only this machine registers, and nobody elsewhere has a list sent to a forged address. */
  readonly authorize = (context: CallContext): AuthStat | undefined => {
    const { local, datagram } = askerOf(context.caller.address);
    if (local) return undefined;
    const { procedure } = context;
    const changes = procedure === "set" || procedure === "unset";
    const lists = procedure === "dump" || procedure === "getstat";
    return changes || (datagram && lists) ? AuthStat.AUTH_TOOWEAK : undefined;
  };

  /** Counts a call. */
  #count(version: RpcbindVersion, context: CallContext): void {
    if (context instanceof ServerCall) this.#statistics.called(version, context.target.number);
  }

  // --- version 2

  v2(): Handlers<RpcbindV2> & NullHandler {
    const desk = this.#desk;
    return {
      NULL: (context) => this.#count(2, context),
      set: async ({ prog, vers, prot, port }: Mapping, context) => {
        this.#count(2, context);
        const netid = netidOfProtocol(prot);
        if (netid === undefined || port > 65_535) return false;
        const addr = toUniversalAddress("0.0.0.0", port);
        return await this.#set(2, { prog, vers, netid, addr, owner: ownerOf(context) });
      },
      unset: async ({ prog, vers }, context) => {
        this.#count(2, context);
        const owner = ownerOf(context);
        const done = [await desk.unset(prog, vers, "tcp", owner), await desk.unset(prog, vers, "udp", owner)];
        if (done.includes(true)) this.#statistics.unset(2);
        return !done.includes(false);
      },
      getport: ({ prog, vers, prot }, context) => {
        this.#count(2, context);
        const netid = netidOfProtocol(prot);
        const asker = askerOf(context.caller.address);
        const found = netid === undefined ? undefined : desk.registry.find(prog, vers, netid, false);
        const addr = found === undefined ? "" : desk.merged(found, asker, "");
        this.#statistics.asked(2, prog, vers, netid ?? "", addr !== "");
        return portOfUniversalAddress(addr) ?? 0;
      },
      dump: (context) => {
        this.#count(2, context);
        let list: MappingList | null = null;
        for (const { prog, vers, netid, addr } of [...desk.registry.all()].reverse()) {
          if (netid !== "tcp" && netid !== "udp") continue;
          const port = portOfUniversalAddress(addr) ?? 0;
          list = { map: { prog, vers, prot: protocolNumber[netid], port }, next: list };
        }
        return list;
      },
      callit: async (call, context) => {
        this.#count(2, context);
        const { addr, results } = await this.#forward(2, callit, call, context);
        return { port: portOfUniversalAddress(addr) ?? 0, results };
      },
    };
  }

  // --- versions 3 and 4

  v3(): Handlers<RpcbindV3> & NullHandler {
    return { ...this.#common(3), callit: async (call, context) => await this.#counted(3, callit, call, context) };
  }

  v4(): Handlers<RpcbindV4> & NullHandler {
    const desk = this.#desk;
    return {
      ...this.#common(4),
      bcast: async (call, context) => await this.#counted(4, callit, call, context),
      indirect: async (call, context) => await this.#counted(4, indirect, call, context),
      getversaddr: (entry, context) => {
        this.#count(4, context);
        return this.#find(4, entry, context, true);
      },
      getaddrlist: ({ prog, vers, addr: hint }, context) => {
        this.#count(4, context);
        const asker = askerOf(context.caller.address);
        const family = transports.get(asker.netid)?.family;
        let list: RpcbEntryList | null = null;
        for (const found of [...desk.registry.all()].reverse()) {
          const transport = transports.get(found.netid);
          if (found.prog !== prog || found.vers !== vers) continue;
          if (transport === undefined || transport.family !== family) continue;
          const maddr = desk.merged(found, asker, hint);
          if (maddr === "") continue;
          list = { map: { maddr, netid: found.netid, ...transport }, next: list };
        }
        this.#statistics.asked(4, prog, vers, asker.netid, list !== null);
        return list;
      },
      getstat: (context) => {
        this.#count(4, context);
        return this.#statistics.report();
      },
    };
  }

  #common(version: 3 | 4): Handlers<Pick<RpcbindV4, keyof RpcbindV3 & keyof RpcbindV4>> & NullHandler {
    const { registry } = this.#desk;
    return {
      NULL: (context) => this.#count(version, context),
      set: async ({ prog, vers, netid, addr }, context) => {
        this.#count(version, context);
        return await this.#set(version, { prog, vers, netid: netid.toLowerCase(), addr, owner: ownerOf(context) });
      },
      unset: async ({ prog, vers, netid }, context) => {
        this.#count(version, context);
        const done = await this.#desk.unset(prog, vers, netid, ownerOf(context));
        if (done) this.#statistics.unset(version);
        return done;
      },
      getaddr: (entry, context) => {
        this.#count(version, context);
        return this.#find(version, entry, context, false);
      },
      dump: (context) => {
        this.#count(version, context);
        let list: RpcbList | null = null;
        for (const map of [...registry.all()].reverse()) list = { map, next: list };
        return list;
      },
      gettime: (context) => {
        this.#count(version, context);
        return Math.floor(Date.now() / 1_000);
      },
      uaddr2taddr: (uaddr, context) => {
        this.#count(version, context);
        const { netid } = askerOf(context.caller.address);
        const buf = toSockaddr(netid, uaddr, littleEndian);
        if (buf === undefined) return { maxlen: 0, buf: new Uint8Array() };
        return { maxlen: netid === "local" ? unixSizeMax : buf.length, buf };
      },
      taddr2uaddr: ({ buf }, context) => {
        this.#count(version, context);
        return fromSockaddr(askerOf(context.caller.address).netid, buf, littleEndian);
      },
    };
  }

  async #set(version: RpcbindVersion, entry: Registration): Promise<boolean> {
    const done = await this.#desk.set(entry);
    if (done) this.#statistics.set(version);
    return done;
  }

  /**
   * RFC 1833 takes the kind of transport from the one that the question came over, and so does this; over a Unix socket,
   * where questions of this machine come together, the one that is named.
   */
  #find(version: 3 | 4, { prog, vers, netid: named, addr: hint }: Rpcb, context: CallContext, exact: boolean): string {
    const asker = askerOf(context.caller.address);
    const netid = asker.netid === "local" && transports.has(named) ? named : asker.netid;
    const found = this.#desk.registry.find(prog, vers, netid, exact);
    const addr = found === undefined ? "" : this.#desk.merged(found, asker, hint);
    this.#statistics.asked(version, prog, vers, netid, addr !== "");
    return addr;
  }

  // --- calls for others

  async #counted(version: 3 | 4, by: number, call: RemoteCall, context: CallContext): Promise<Forwarded> {
    this.#count(version, context);
    return await this.#forward(version, by, call, context);
  }

  async #forward(version: RpcbindVersion, by: number, call: RemoteCall, context: CallContext): Promise<Forwarded> {
    try {
      return await this.#forwardOrRefuse(version, by, call, context);
    } catch (error) {
      // RFC 1833: only INDIRECT says that something went wrong. A broadcast would be answered by everybody who cannot help.
      throw by === indirect ? error : new CallRefused("silence");
    }
  }

  async #forwardOrRefuse(
    version: RpcbindVersion,
    by: number,
    call: RemoteCall,
    context: CallContext,
  ): Promise<Forwarded> {
    const asker = askerOf(context.caller.address);
    const { registry } = this.#desk;
    const { prog, vers } = call;
    const netids = asker.netid === "local" ? ["udp", "tcp"] : [asker.netid];
    const netid = netids.find((one) => registry.find(prog, vers, one, true) !== undefined) ?? netids[0] ?? "";
    const entry = registry.find(prog, vers, netid, true);
    const allowed = mayForward(call, this.#refused, entry, asker.local);
    this.#statistics.forwarded(version, call, by, netid, allowed && entry !== undefined);
    if (!allowed) throw new CallRefused({ stat: "AUTH_ERROR", why: AuthStat.AUTH_TOOWEAK });
    if (entry === undefined) throw this.#missing(prog, netid);
    // Itself it knows without a call, and would wait for a free place in it.
    if (prog === rpcbindProgram) return { addr: this.#desk.merged(entry, asker, ""), results: new Uint8Array() };
    if (this.#forwarding >= this.#pendingMax) throw new CallRefused({ stat: "SYSTEM_ERR" });
    this.#forwarding++;
    try {
      const results = await forwardCall(entry, call, this.#timeoutMs);
      return { addr: this.#desk.merged(entry, asker, ""), results };
    } finally {
      this.#forwarding--;
    }
  }

  #missing(prog: number, netid: string): CallRefused {
    const versions = this.#desk.registry.versionsOf(prog, netid);
    if (versions.length === 0) return new CallRefused({ stat: "PROG_UNAVAIL" });
    return new CallRefused({ stat: "PROG_MISMATCH", low: Math.min(...versions), high: Math.max(...versions) });
  }
}

interface Forwarded {
  readonly addr: string;
  readonly results: Uint8Array;
}

/** Procedure 0, which has no place in a contract: it is counted. */
interface NullHandler {
  readonly NULL: (context: CallContext) => void;
}

/** Who registers or takes back. */
function ownerOf(context: CallContext): string {
  const { uid, address } = context.caller;
  if (uid !== undefined) return ownerOfUid(uid);
  const local = context instanceof ServerCall ? context.link.local : undefined;
  const port = /:(\d+)$/.exec(local ?? "")?.[1];
  return ownerByLoopback(askerOf(address), port === undefined ? undefined : Number(port));
}

function netidOfProtocol(prot: number): "tcp" | "udp" | undefined {
  return prot === protocolNumber.tcp ? "tcp" : prot === protocolNumber.udp ? "udp" : undefined;
}
