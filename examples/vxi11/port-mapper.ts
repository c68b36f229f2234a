import { type ResolveQuery, type Resolver, RpcError } from "farcall";
import { OncClient } from "farcall/onc";
import * as xdr from "farcall/xdr";

const getPort = { program: 100_000, version: 2, procedure: 3 };
const mapping = xdr.struct({ program: xdr.uint, version: xdr.uint, protocol: xdr.uint, port: xdr.uint });
const protocolTcp = 6;

/**
 * Finds the instrument for one connection, and refuses to find it for another.
 *
 * A link ends with its connection. The client would connect again by itself, but the link's number would mean nothing
 * there, or worse: many instruments count their links from zero, so after a restart it may be somebody else's.
 *
 * @param port of the core channel, where it is known; otherwise the instrument's port mapper is asked
 */
export class OneConnection implements Resolver {
  readonly #port: number | undefined;
  readonly #portMapperPort: number;
  #used = false;

  constructor(port: number | undefined, portMapperPort: number) {
    this.#port = port;
    this.#portMapperPort = portMapperPort;
  }

  async resolve(query: ResolveQuery): Promise<string> {
    if (this.#used) {
      const message = "the connection to the instrument was lost, and the link with it; open the instrument again";
      throw new RpcError("unavailable", message, { executed: "no" });
    }
    this.#used = true;
    if (this.#port !== undefined) return `tcp://${query.host}:${this.#port}`;
    try {
      return `tcp://${query.host}:${await this.#ask(query)}`;
    } catch (error) {
      const { code, message } =
        error instanceof RpcError ? error : { code: "unavailable" as const, message: `${error}` };
      // Whatever became of the question: the instrument was not called.
      throw new RpcError(code === "not-found" ? code : "unavailable", `${query.host}: ${message}`, {
        executed: "no",
        cause: error,
      });
    }
  }

  /** By version 2 only: the port mappers of instruments know no other, and some hang when asked for one. */
  async #ask({ host, program, version, timeoutMs }: ResolveQuery): Promise<number> {
    const endsAt = performance.now() + timeoutMs;
    const portMapper = await OncClient.open(`tcp://${host}:${this.#portMapperPort}`, { connectTimeoutMs: timeoutMs });
    try {
      const wanted = { program, version, protocol: protocolTcp, port: 0 };
      const timeLeft = Math.max(1, endsAt - performance.now());
      const port = await portMapper.call(getPort, mapping, wanted, xdr.uint, { timeoutMs: timeLeft });
      if (port !== 0) return port;
    } finally {
      await portMapper.close();
    }
    throw new RpcError("not-found", `there is a port mapper, but no VXI-11 instrument`, { executed: "no" });
  }
}
