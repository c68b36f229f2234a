// A process of the server that the hostile tests attack, whose memory is watched from outside, and its good clients.
import { readFileSync } from "node:fs";
import { connect, type RpcError, type ServerOptions } from "farcall";
import { buildChild } from "../support/children.js";
import { later } from "../support/faults.js";
import { TargetV1, type Usage } from "../support/hostile-target.js";
import { Running } from "../support/processes.js";

export class HostileTarget implements AsyncDisposable {
  readonly #process: Running;
  /** Of TCP, UDP and a Unix socket. */
  readonly addresses: readonly [tcp: string, udp: string, unix: string];

  private constructor(process: Running, addresses: readonly [string, string, string]) {
    this.#process = process;
    this.addresses = addresses;
  }

  /** @param descriptors how many it may have, if it is to run out of them */
  static async start(options: ServerOptions, socketPath: string, descriptors?: number): Promise<HostileTarget> {
    const script = await buildChild("hostile-target");
    const wanted = ["tcp://127.0.0.1:0", "udp://127.0.0.1:0", `unix:${socketPath}`];
    const command = [process.execPath, "--expose-gc", script, JSON.stringify(options), ...wanted];
    const limited = descriptors === undefined ? [] : ["sh", "-c", `ulimit -n ${descriptors}; exec "$0" "$@"`];
    const [program = "", ...args] = [...limited, ...command];
    const child = new Running(program, args);
    const [, tcp = "", udp = "", unix = ""] = await child.line(/^READY (\S+) (\S+) (\S+)$/);
    return new HostileTarget(child, [tcp, udp, unix]);
  }

  async usage(): Promise<Usage> {
    await using client = await connect(TargetV1, this.addresses[2]);
    // Replies that are too old go when the next call is claimed.
    await client.give(1);
    return JSON.parse(await client.usage()) as Usage;
  }

  /** The most that it ever had resident, in bytes, as the kernel saw it; `alive` says whether it still runs. */
  get peak(): number {
    const [, kib = "NaN"] =
      /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.#process.pid}/status`, "utf8")) ?? [];
    return Number(kib) * 1024;
  }

  describe(): string {
    return this.#process.describe();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process.stop();
  }
}

/** A client who calls one time after another, as long as the attack goes on. */
export class GoodClient {
  calls = 0;
  readonly failures: RpcError[] = [];
  #running = true;
  readonly #ended: Promise<void>;

  constructor(address: string, size: number) {
    this.#ended = this.#run(address, new Uint8Array(size));
  }

  async #run(address: string, bytes: Uint8Array): Promise<void> {
    await using client = await connect(TargetV1, address, { timeoutMs: 10_000 });
    while (this.#running) {
      try {
        if ((await client.take(bytes)) !== bytes.length) throw new Error("a wrong answer");
        this.calls++;
      } catch (error) {
        this.failures.push(error as RpcError);
      }
      await later(2);
    }
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#ended;
  }
}
