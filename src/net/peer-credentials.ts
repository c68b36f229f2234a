import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { endianness } from "node:os";
import { type LocalPeer, RpcError } from "../model/index.js";

// Who is at the other end of a Unix socket: getsockopt with SO_PEERCRED and SO_PEERGROUPS, unix(7). The kernel wrote it down
// when the other end connected; seen from a client, when the server began to listen. Node has no way to ask, so the foreign
// function interface of the package koffi does.

/** What asks the kernel. Names are looked up by the C library, so that directory services are asked too. */
export interface CredentialReader {
  /** Throws the system's error, and for a socket that is closed or is no Unix socket. */
  of(socket: Socket): LocalPeer;
  uidOf(user: string): number | undefined;
  gidOf(group: string): number | undefined;
}

/** Looks at who serves, before a byte is sent. */
export interface PeerDemand {
  readonly credentials: CredentialReader;
  /** @throws RpcError `denied` */
  check(peer: LocalPeer | undefined, address: string): void;
}

const SOL_SOCKET = 1;
/** On PowerPC the kernel counts otherwise. */
const SO_PEERCRED = process.arch.startsWith("ppc") ? 21 : 17;
const SO_PEERGROUPS = 59;

/** `struct ucred`: pid, uid and gid, of 32 bits each. */
const ucredSize = 12;

/** `NGROUPS_MAX`: nobody is in more groups. */
const groupsMax = 65_536;

let reader: Promise<CredentialReader> | undefined;

/**
 * What asks the kernel, loaded once.
 *
 * @throws RpcError `unavailable` on systems other than Linux, and where the package koffi is not installed
 */
export function credentialReader(): Promise<CredentialReader> {
  reader ??= load().catch((error: unknown) => {
    reader = undefined;
    throw error;
  });
  return reader;
}

async function load(): Promise<CredentialReader> {
  if (process.platform !== "linux" || process.arch.startsWith("mips")) {
    throw impossible(`who is at the other end of a Unix socket cannot be asked on ${process.platform} ${process.arch}`);
  }
  try {
    return new KoffiReader((await import("koffi")).default);
  } catch (error) {
    const addon = peercred();
    if (addon !== undefined) return peercredReader(addon);
    const why = error instanceof Error ? error.message : String(error);
    const message = `who is at the other end of a Unix socket can only be asked with the package koffi; npm install koffi (${why})`;
    throw impossible(message, error);
  }
}

function impossible(message: string, cause?: unknown): RpcError {
  return new RpcError("unavailable", message, { executed: "no", cause });
}

interface Peercred {
  fromFd(fd: number): { readonly pid: number; readonly uid: number; readonly gid: number };
}

/** An addon that must be compiled, for whoever has it already. */
function peercred(): Peercred | undefined {
  try {
    return createRequire(import.meta.url)("peercred") as Peercred;
  } catch {
    return undefined;
  }
}

/** It knows no supplementary groups, and no names. */
function peercredReader(addon: Peercred): CredentialReader {
  const noNames = (name: string): never => {
    throw new Error(`the number of ${name} can only be looked up with the package koffi; give the number`);
  };
  return {
    of(socket) {
      const { pid, uid, gid } = addon.fromFd(descriptorOf(socket));
      if (!Number.isInteger(uid) || !Number.isInteger(gid) || uid === -1 || uid === none) throw nobodyThere();
      return { pid: pid > 0 ? pid : undefined, uid: mapped(uid), gid: mapped(gid), groups: [] };
    },
    uidOf: noNames,
    gidOf: noNames,
  };
}

/** What the kernel says of a socket that is none of Unix. */
const none = 0xffff_ffff;

function nobodyThere(): Error {
  return new Error("the kernel vouches for nobody there");
}

function descriptorOf(socket: Socket): number {
  const fd = (socket as { _handle?: { fd?: unknown } | null })._handle?.fd;
  if (typeof fd !== "number" || fd < 0) throw new Error("the socket has no descriptor to ask about");
  return fd;
}

/** Numbers that stand for all without one here. The administrator may change them. */
const unmappedIds = new Set([65_534, overflowId("uid"), overflowId("gid")]);

function overflowId(kind: "uid" | "gid"): number {
  try {
    return Number(readFileSync(`/proc/sys/kernel/overflow${kind}`, "utf8"));
  } catch {
    return 65_534;
  }
}

function mapped(id: number): number | undefined {
  return unmappedIds.has(id) ? undefined : id;
}

type Koffi = typeof import("koffi").default;

class KoffiReader implements CredentialReader {
  readonly #koffi: Koffi;
  readonly #getsockopt: (fd: number, level: number, name: number, value: Buffer, length: number[]) => number;
  readonly #getpwnam: NameCall;
  readonly #getgrnam: NameCall;

  constructor(koffi: Koffi) {
    this.#koffi = koffi;
    const libc = koffi.load(null);
    this.#getsockopt = libc.func("int getsockopt(int, int, int, _Out_ void *value, _Inout_ uint32_t *length)");
    const lookup = "(const char *name, _Out_ void *entry, _Out_ void *buffer, size_t size, _Out_ void **found)";
    this.#getpwnam = libc.func(`int getpwnam_r${lookup}`);
    this.#getgrnam = libc.func(`int getgrnam_r${lookup}`);
  }

  of(socket: Socket): LocalPeer {
    const fd = descriptorOf(socket);
    const credentials = this.#option(fd, SO_PEERCRED, ucredSize, ucredSize);
    if (credentials.length !== ucredSize) throw new Error("the kernel says something else than who is there");
    const pid = id(credentials, 0);
    const uid = id(credentials, 4);
    if (uid === none) throw nobodyThere();
    const groups = this.#option(fd, SO_PEERGROUPS, 256, groupsMax * 4);
    const gids = Array.from({ length: groups.length / 4 }, (_, i) => id(groups, i * 4));
    return {
      pid: pid > 0 ? pid : undefined,
      uid: mapped(uid),
      gid: mapped(id(credentials, 8)),
      groups: gids.filter((gid) => mapped(gid) !== undefined),
    };
  }

  #option(fd: number, name: number, size: number, sizeMax: number): Buffer {
    const value = Buffer.alloc(size);
    const length = [size];
    if (this.#getsockopt(fd, SOL_SOCKET, name, value, length) === 0) return value.subarray(0, length[0]);
    const errno = this.#koffi.errno();
    const { ERANGE } = this.#koffi.os.errno;
    if (errno === ERANGE && size < sizeMax) return this.#option(fd, name, sizeMax, sizeMax);
    throw new Error(`the kernel does not say who is there (getsockopt ${name}: errno ${errno})`);
  }

  uidOf(user: string): number | undefined {
    return this.#lookUp(this.#getpwnam, user);
  }

  gidOf(group: string): number | undefined {
    return this.#lookUp(this.#getgrnam, group);
  }

  /** `struct passwd` and `struct group` both begin with two pointers, and their number follows. */
  #lookUp(call: NameCall, name: string): number | undefined {
    if (name === "" || name.includes("\0")) return undefined;
    const entry = Buffer.alloc(256);
    const { ERANGE } = this.#koffi.os.errno;
    for (let size = 4_096; size <= 4_194_304; size *= 8) {
      const found: unknown[] = [null];
      const errno = call(name, entry, Buffer.alloc(size), size, found);
      if (errno === ERANGE) continue;
      return errno === 0 && found[0] !== null ? id(entry, 2 * this.#koffi.sizeof("void *")) : undefined;
    }
    return undefined;
  }
}

const little = endianness() === "LE";

/** A number of 32 bits as the machine writes it. */
function id(bytes: Buffer, at: number): number {
  return little ? bytes.readUint32LE(at) : bytes.readUint32BE(at);
}

type NameCall = (name: string, entry: Buffer, buffer: Buffer, size: number, found: unknown[]) => number;
