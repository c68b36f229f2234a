import type { Socket } from "node:net";
import { connect, createSecureContext, type SecureContext, type SecureContextOptions, TLSSocket } from "node:tls";
import { RpcError, type TlsPeer } from "../model/index.js";
import { NodeStream } from "./node-stream.js";
import type { StreamLayer } from "./stream.js";

/** The application protocol that a TLS session of ONC RPC is for: RFC 9289, section 5.1. */
const alpnSunRpc = "sunrpc";

/** Keys, certificates and trust; PEM text or bytes, as Node takes them. */
export interface TlsCredentials {
  /** The certificates that are trusted; default: Node's own. */
  readonly ca?: SecureContextOptions["ca"];
  /** One's own certificate, for the server, and for a client that authenticates itself. */
  readonly cert?: SecureContextOptions["cert"];
  readonly key?: SecureContextOptions["key"];
  readonly passphrase?: string | undefined;
}

export interface TlsClientCredentials extends TlsCredentials {
  /** The name that the server's certificate must have; default: the host of the address. */
  readonly servername?: string | undefined;
}

export interface TlsServerCredentials extends TlsCredentials {
  /** Whether clients must show a certificate that `ca` vouches for; default false: they may. */
  readonly requireClientCertificate?: boolean | undefined;
}

/** How long a handshake may take, in milliseconds: as long as connecting may. */
const handshakeTimeoutMs = 5_000;

/** What a TLS session is for. */
export interface TlsUse {
  /** The application protocol, for ALPN. */
  readonly alpn: string;
  /** Whether a peer that does not agree on it is refused. */
  readonly alpnRequired: boolean;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
}

/** RFC 9289, sections 5.1 and 5.1.1. */
const sunRpcUse: TlsUse = { alpn: alpnSunRpc, alpnRequired: true, minVersion: "TLSv1.3" };

/** RFC 9325, section 3.1.1: version 1.2 is still about. Peers of HTTP/1.1 need not name it. */
export const httpUse: TlsUse = { alpn: "http/1.1", alpnRequired: false, minVersion: "TLSv1.2" };

/**
 * Puts TLS above a TCP stream, at either end. The client checks the server's certificate and name; a server that
 * asks for certificates checks the client's. There are no early data. For ONC RPC it is version 1.3, and a peer that does
 * not agree on `sunrpc` is refused.
 *
 * The layer rejects with the system's or OpenSSL's error, and the stream below is destroyed.
 *
 * @throws RpcError `invalid-argument` for keys or certificates that cannot be used
 */
export function tlsLayer(
  credentials: TlsClientCredentials & TlsServerCredentials,
  host = "",
  use: TlsUse = sunRpcUse,
): StreamLayer {
  const secureContext = secureContextOf(credentials, use.minVersion);
  return async (below, side) => {
    const socket = below.detach() as Socket;
    const common = { secureContext, ALPNProtocols: [use.alpn] };
    const required = credentials.requireClientCertificate === true;
    const secured =
      side === "client"
        ? // A host that is an address is checked against the certificate's addresses, but is no server name.
          connect({ ...common, socket, host, ...serverNameOf(credentials.servername ?? host) })
        : new TLSSocket(socket, {
            ...common,
            isServer: true,
            requestCert: required || credentials.ca !== undefined,
            rejectUnauthorized: required,
          });
    await handshake(secured, side === "client" ? "secureConnect" : "secure");
    try {
      checkPeer(secured, side, required, use);
    } catch (error) {
      secured.destroy();
      throw error;
    }
    const tls = peerOf(secured, side);
    return new NodeStream(secured, below.peer.replace(/^tcp:/, "tls:"), below.local, { tls });
  };
}

/**
 * What a TLS session is made with. A key or certificate that cannot be read is the user's mistake, not a connection's.
 *
 * @throws RpcError `invalid-argument`
 */
export function secureContextOf(credentials: TlsCredentials, minVersion: "TLSv1.2" | "TLSv1.3"): SecureContext {
  try {
    return createSecureContext({
      ...(credentials.ca === undefined ? {} : { ca: credentials.ca }),
      ...(credentials.cert === undefined ? {} : { cert: credentials.cert }),
      ...(credentials.key === undefined ? {} : { key: credentials.key }),
      ...(credentials.passphrase === undefined ? {} : { passphrase: credentials.passphrase }),
      minVersion,
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const message = `the tls option's ca, cert or key cannot be used: ${why}; each is PEM, as text or bytes`;
    throw new RpcError("invalid-argument", message, { executed: "no", cause: error });
  }
}

/** The name to ask a server for, unless it is an address. */
export function serverNameOf(name: string): { servername?: string } {
  return /^[\d.]+$|:/.test(name) || name === "" ? {} : { servername: name };
}

function handshake(socket: TLSSocket, event: "secure" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: Error): void => {
      clearTimeout(limit);
      socket.off(event, onDone);
      socket.off("error", finish);
      socket.off("close", onClose);
      if (error === undefined) return resolve();
      socket.on("error", () => {}); // what follows the first error is of no interest, but must not end the process
      socket.destroy();
      reject(error);
    };
    const onDone = (): void => finish();
    const onClose = (): void => finish(new Error("the connection was closed during the TLS handshake"));
    const limit = setTimeout(
      () => finish(new Error(`no TLS handshake within ${handshakeTimeoutMs} ms`)),
      handshakeTimeoutMs,
    );
    socket.once(event, onDone);
    socket.once("error", finish);
    socket.once("close", onClose);
  });
}

/** What Node leaves to its user at the server's end, and ALPN at both. */
function checkPeer(socket: TLSSocket, side: "client" | "server", required: boolean, use: TlsUse): void {
  if (use.alpnRequired && socket.alpnProtocol !== use.alpn) {
    throw new Error(`the peer did not agree on the application protocol "${use.alpn}" (ALPN)`);
  }
  if (side === "server" && required && !isVerified(socket, side)) {
    throw new Error("the client's certificate was refused");
  }
}

/**
 * Whether the trusted certificates vouch for the peer's. At the server's end of a socket that was not accepted by Node's
 * own TLS server, Node keeps the answer in its handle; a runtime that does not counts as no.
 */
function isVerified(socket: TLSSocket, side: "client" | "server"): boolean {
  if (side === "client") return socket.authorized;
  const handle = (socket as { _handle?: { verifyError?: () => Error | null } })._handle;
  return handle?.verifyError !== undefined && handle.verifyError() === null;
}

/** What the session proved about the peer. */
export function peerOf(socket: TLSSocket, side: "client" | "server"): TlsPeer {
  const certificate = socket.getPeerCertificate();
  const shown = certificate !== null && Object.keys(certificate).length > 0;
  return {
    protocol: socket.getProtocol() ?? "unknown",
    verified: shown && isVerified(socket, side),
    ...(shown
      ? {
          subject: String(certificate.subject.CN),
          altNames: certificate.subjectaltname?.split(", ") ?? [],
          fingerprint256: certificate.fingerprint256,
        }
      : {}),
  };
}
