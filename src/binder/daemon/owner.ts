import { readFileSync } from "node:fs";
import { endianness } from "node:os";
import { superuser, unknownOwner } from "../registry/registry.js";
import { ipBytes } from "../registry/uaddr.js";
import type { Asker } from "./asker.js";

/** Ports below may be bound by the superuser only, on a machine that has not changed that. */
const reservedPorts = 1_024;

/** A connection that is there: the other states may have lost their owner, and then say that it is user 0. */
const established = "01";

/** Of datagram sockets: the same, or not connected. */
const datagramStates = ["01", "07"];

/** What the kernel says about the sockets of this machine: Linux only. */
export type SocketTables = (name: "tcp" | "tcp6" | "udp" | "udp6") => string;

const kernelTables: SocketTables = (name) => {
  try {
    return readFileSync(`/proc/net/${name}`, "utf8");
  } catch {
    return "";
  }
};

/**
 * Who it is that asks over loopback: the user whose socket it is, as the kernel's table of sockets says. Where there is no
 * such table, a reserved port means the superuser, as rpcbind has it.
 *
 * @param local where the binder listens, to tell a connection from others of the same port
 * @returns `superuser`, a uid in decimal, or `unknown`
 */
export function ownerByLoopback(
  asker: Asker,
  localPort: number | undefined,
  tables: SocketTables = kernelTables,
): string {
  const { host, port, datagram, local } = asker;
  if (!local || host === undefined) return unknownOwner;
  const uid = uidOfSocket(host, port, datagram, localPort, tables);
  if (uid !== undefined) return ownerOfUid(uid);
  return port > 0 && port < reservedPorts ? superuser : unknownOwner;
}

export function ownerOfUid(uid: number): string {
  return uid === 0 ? superuser : String(uid);
}

function uidOfSocket(
  host: string,
  port: number,
  datagram: boolean,
  localPort: number | undefined,
  tables: SocketTables,
): number | undefined {
  const hosts = spellings(host);
  const wildcards = ["00000000", "0".repeat(32)];
  const portText = hex(port, 4);
  const ours = localPort === undefined ? undefined : hex(localPort, 4);
  const uids = new Set<number>();
  for (const name of datagram ? (["udp", "udp6"] as const) : (["tcp", "tcp6"] as const)) {
    for (const line of tables(name).split("\n").slice(1)) {
      const [, socket = "", remote = "", state = "", , , , uid = "", , inode = "0"] = line.trim().split(/\s+/);
      const [address = "", bound = ""] = socket.split(":");
      const [, remotePort = ""] = remote.split(":");
      if (bound !== portText || inode === "0" || !/^\d+$/.test(uid)) continue;
      if (datagram) {
        if (!datagramStates.includes(state) || !(hosts.includes(address) || wildcards.includes(address))) continue;
        // A connected socket talks to somebody else.
        if (remotePort !== "0000" && ours !== undefined && remotePort !== ours) continue;
      } else if (state !== established || !hosts.includes(address) || (ours !== undefined && remotePort !== ours)) {
        continue;
      }
      uids.add(Number(uid));
    }
  }
  const [only] = uids;
  return uids.size === 1 ? only : undefined;
}

/** An address as the kernel's tables have it: words of the machine's byte order; one of IPv4 also within IPv6. */
function spellings(host: string): string[] {
  const bytes = ipBytes(host);
  if (bytes === undefined) return [];
  const mapped = [...Array<number>(10).fill(0), 255, 255, ...bytes];
  return bytes.length === 4 ? [words(bytes), words(mapped)] : [words(bytes)];
}

function words(bytes: readonly number[]): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.slice(at, at + 4);
    if (endianness() === "LE") word.reverse();
    text += word.map((byte) => hex(byte, 2)).join("");
  }
  return text;
}

const hex = (value: number, width: number): string => value.toString(16).toUpperCase().padStart(width, "0");
