import { isLoopback, netidOf, plainHost } from "../registry/uaddr.js";

/** Who asks a binder, as far as the transport knows. */
export interface Asker {
  /** The kind of transport that the question came over. */
  readonly netid: string;
  /** Undefined on a Unix socket. */
  readonly host: string | undefined;
  readonly port: number;
  readonly datagram: boolean;
  /** Whether it is on this machine: it came over loopback or a Unix socket. */
  readonly local: boolean;
}

/** @param address a caller's, such as `tcp://127.0.0.1:40312` or `unix:` */
export function askerOf(address: string): Asker {
  const match = /^(tcp|udp|tls):\/\/\[?(.*?)\]?:(\d+)$/.exec(address);
  if (match === null) return { netid: "local", host: undefined, port: 0, datagram: false, local: true };
  const host = plainHost(match[2] ?? "");
  const datagram = match[1] === "udp";
  return {
    netid: netidOf(datagram ? "udp" : "tcp", host),
    host,
    port: Number(match[3]),
    datagram,
    local: isLoopback(host),
  };
}
