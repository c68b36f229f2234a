import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { Socket } from "node:net";
import type { ExchangeHandler, ExchangeListener } from "./exchange.js";
import { type ExchangeAddress, formatExchangeAddress } from "./exchange-address.js";
import type { ExchangeLoad } from "./exchange-limits.js";
import { serveHttp } from "./http-exchange.js";
import { listening } from "./tcp.js";
import { serverOptionsOf, type TlsServerCredentials } from "./tls.js";
import { removeStaleSocket } from "./unix.js";

/** How long a TLS handshake may take, in milliseconds: as long as connecting may. */
const handshakeTimeoutMs = 5_000;

/** How often slow requests are looked for, at the least, in milliseconds. */
const sweepMsMax = 1_000;

/**
 * Serves exchanges over HTTP/1.1 and 1.0: on TCP, with TLS, or on a Unix socket. Rejects with the system's error.
 *
 * @param address its target is not looked at
 */
export async function listenHttp(
  address: ExchangeAddress,
  handler: ExchangeHandler,
  load: ExchangeLoad,
  tls: TlsServerCredentials | undefined,
): Promise<ExchangeListener> {
  const { limits } = load;
  const options = {
    maxHeaderSize: limits.headersSizeMax,
    headersTimeout: limits.requestTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: Math.min(sweepMsMax, limits.requestTimeoutMs / 2),
    keepAlive: true,
    noDelay: true,
  };
  const server: Server =
    address.scheme === "https"
      ? createSecureServer({ ...options, ...serverOptionsOf(tls ?? {}), handshakeTimeout: handshakeTimeoutMs })
      : createServer(options);
  let stopped = false;
  const serve = (request: IncomingMessage, response: ServerResponse, awaited = false): void => {
    serveHttp(request, response, { handler, load, awaited, stopping: () => stopped });
  };
  server.on("request", serve);
  // The peer waits for a word before it sends the body: whoever is refused need not send it.
  server.on("checkContinue", (request, response) => serve(request, response, true));
  server.on("connection", (socket: Socket) => {
    const host = socket.remoteAddress ?? "unix";
    if (stopped || !load.enter(host)) return void socket.destroy();
    socket.once("close", () => load.leave(host));
  });
  if (address.socketPath !== "") {
    await removeStaleSocket(address.socketPath);
    await listening(server, () => server.listen({ path: address.socketPath }));
  } else await listening(server, () => server.listen({ host: address.host, port: address.port }));
  const bound = server.address();
  const place = bound === null || typeof bound === "string" ? {} : { host: bound.address, port: bound.port };
  return {
    address: formatExchangeAddress({ ...address, ...place }),
    stop() {
      stopped = true;
      server.close();
    },
    close() {
      return new Promise((resolve) => {
        stopped = true;
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
