import { formatIpAddress } from "../net/address.js";
import { XmlRpcServer } from "./server.js";
import type { XmlRpcServerOptions } from "./server-options.js";

export interface WebServerOptions extends XmlRpcServerOptions {
  /** The address that is listened on; default `127.0.0.1`. */
  readonly host?: string | undefined;
}

/**
 * The classic server, as in Apache XML-RPC: it listens from the moment that it is made, and handlers are added under names.
 *
 * ```ts
 * const server = new WebServer(4444);
 * server.addHandler("test", { square: (n: number) => n * n });
 * ```
 */
export class WebServer implements AsyncDisposable {
  readonly #server: XmlRpcServer;
  readonly #address: Promise<string>;

  /** @param port 0 takes a free one, which {@link start} tells */
  constructor(port: number, options: WebServerOptions = {}) {
    this.#server = new XmlRpcServer(options);
    this.#address = this.#server.listen(formatIpAddress("http", options.host ?? "127.0.0.1", port));
  }

  /** Serves an object's methods as `NAME.METHOD`, or a function as `NAME`: {@link XmlRpcServer.addHandler}. */
  addHandler(name: string, handler: object): this {
    this.#server.addHandler(name, handler);
    return this;
  }

  /**
   * Waits until the server listens.
   *
   * @returns its address, such as `http://127.0.0.1:4444/RPC2`
   * @throws RpcError `unavailable` when the port cannot be had
   */
  start(): Promise<string> {
    return this.#address;
  }

  /** Ends the server; requests that run have `drainMs` milliseconds, by default 5,000. */
  async shutdown(drainMs = 5_000): Promise<void> {
    await this.#address.catch(() => {});
    await this.#server.close(drainMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}
