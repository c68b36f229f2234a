// Three things that happen to a server, and what its caller sees: killed in the middle of a call, not there at the next
// call, frozen before it can answer.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Message, Order, Outcome } from "./process.js";

/** How to start a process of a contender, given its role. */
export interface Program {
  readonly script: string;
  readonly args: readonly string[];
}

/** What a caller saw: an outcome, nothing until the wait was over, or the end of its own process. */
export type Sight = Outcome | "pending" | "ended";

export interface Seen {
  readonly killed: Sight;
  readonly down: Sight;
  readonly frozen: Sight;
}

/** The calls, by the numbers that they are reported by. */
const calls = { warm: 1, killed: 2, down: 3, frozen: 4 };

/**
 * Plays all three with processes of their own.
 *
 * @param waitMs how long a call may take before it counts as pending
 */
export async function crash(program: Program, waitMs: number): Promise<Seen> {
  const [{ killed, down }, frozen] = await Promise.all([killedAndDown(program, waitMs), frozenServer(program, waitMs)]);
  return { killed, down, frozen };
}

async function killedAndDown(program: Program, waitMs: number): Promise<Pick<Seen, "killed" | "down">> {
  await using pair = await start(program);
  pair.client.call(calls.killed, 0);
  await pair.server.message("ran", (message) => message.ran === 0);
  const before = performance.now();
  await pair.server.kill();
  // A while later, whatever became of the first: by now every client could know that the connection is gone.
  await sleep(1_000);
  pair.client.call(calls.down, 21);
  const [killed, down] = await Promise.all([
    pair.client.outcome(calls.killed, waitMs),
    pair.client.outcome(calls.down, waitMs),
  ]);
  // Of a call that was killed, the time counts from there.
  const early = before - pair.client.calledAt(calls.killed);
  return { killed: typeof killed === "string" ? killed : { ...killed, ms: Math.max(0, killed.ms - early) }, down };
}

async function frozenServer(program: Program, waitMs: number): Promise<Sight> {
  await using pair = await start(program);
  pair.server.signal("SIGSTOP");
  pair.client.call(calls.frozen, 21);
  return await pair.client.outcome(calls.frozen, waitMs);
}

/** A server and a client of it that has made a call. */
async function start(program: Program): Promise<{ server: Peer; client: Peer } & AsyncDisposable> {
  const peers: Peer[] = [];
  const end = async (): Promise<void> => void (await Promise.all(peers.map((peer) => peer.kill())));
  try {
    const server = new Peer(program, ["serve"]);
    peers.push(server);
    const { address } = await server.message("address");
    const client = new Peer(program, ["call", address]);
    peers.push(client);
    await client.message("connected");
    client.call(calls.warm, 21);
    const warm = await client.outcome(calls.warm, startMs);
    if (typeof warm === "string" || !("value" in warm) || warm.value !== 42) {
      throw new Error(`no answer while all is well: ${JSON.stringify(warm)}`);
    }
    return { server, client, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** How long a process may take to start on a busy machine. */
const startMs = 60_000;

/** A frozen process would outlive its parent, whatever that tells it. */
const living = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

type Kind<K extends string> = Extract<Message, Readonly<Record<K, unknown>>>;

class Peer {
  readonly #child: ChildProcess;
  readonly #said: Message[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #calledAt = new Map<number, number>();

  constructor({ script, args }: Program, role: readonly string[]) {
    // What a contender writes to its console is no part of the table.
    this.#child = fork(script, [...args, ...role], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    living.add(this.#child);
    let complaints = "";
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      complaints += text;
    });
    this.#child.on("message", (message) => {
      this.#said.push(message as Message);
      for (const listener of [...this.#listeners]) listener();
    });
    this.#child.on("exit", (code, signal) => {
      living.delete(this.#child);
      if (signal !== "SIGKILL") process.stderr.write(`${args} ${role} ended with ${code ?? signal}: ${complaints}\n`);
      for (const listener of [...this.#listeners]) listener();
    });
  }

  call(call: number, n: number): void {
    this.#calledAt.set(call, performance.now());
    this.#child.send({ call, n } satisfies Order, () => {});
  }

  calledAt(call: number): number {
    return this.#calledAt.get(call) as number;
  }

  /** Waits for a message of a kind; rejects when it does not come. */
  async message<K extends string>(kind: K, fits: (message: Kind<K>) => boolean = () => true): Promise<Kind<K>> {
    const message = await this.#wait(kind, fits, startMs);
    if (message === undefined) throw new Error(`no ${kind} from ${this.#child.spawnargs.join(" ")}`);
    return message;
  }

  async outcome(call: number, waitMs: number): Promise<Sight> {
    const message = await this.#wait("outcome", (message) => message.call === call, waitMs);
    return message?.outcome ?? (this.#gone ? "ended" : "pending");
  }

  #wait<K extends string>(kind: K, fits: (message: Kind<K>) => boolean, ms: number): Promise<Kind<K> | undefined> {
    return new Promise((resolve) => {
      const settle = (message?: Kind<K>): void => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        resolve(message);
      };
      const look = (): void => {
        const found = this.#said.find((message) => kind in message && fits(message as Kind<K>));
        if (found !== undefined || this.#gone) settle(found as Kind<K> | undefined);
      };
      const timer = setTimeout(settle, ms);
      this.#listeners.add(look);
      look();
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  get #gone(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Kills it, also where it is frozen, and resolves when it has gone. */
  async kill(): Promise<void> {
    if (this.#gone) return;
    const exited = once(this.#child, "exit");
    this.signal("SIGKILL");
    await exited;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
