import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";

/** How a process ended and what it printed. */
export interface Finished {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stdout. */
  readonly lines: readonly string[];
}

export interface RunOptions {
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds until it is killed and the promise rejects; default 60,000. */
  readonly timeoutMs?: number | undefined;
}

/** Runs a command to its end. Rejects when it cannot be started or does not end in time; its exit code is a result. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const running = new Running(command, args, { cwd: options.cwd, env: { ...process.env, ...options.env } });
  const timeoutMs = options.timeoutMs ?? 60_000;
  const timer = setTimeout(() => running.kill(), timeoutMs);
  try {
    const code = await running.ended;
    if (running.killed) throw new Error(`no end within ${timeoutMs} ms: ${running.describe()}`);
    return { code, stdout: running.stdout, stderr: running.stderr, lines: running.lines };
  } finally {
    clearTimeout(timer);
  }
}

/** A process that runs beside the test; `await using` ends it. */
export class Running implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #command: string;
  readonly #watchers = new Set<() => void>();
  readonly #failed: Promise<never>;
  stdout = "";
  stderr = "";
  killed = false;
  /** Its exit code, or null when a signal ended it. */
  readonly ended: Promise<number | null>;

  constructor(command: string, args: readonly string[], options: SpawnOptions = {}) {
    this.#command = [command, ...args].join(" ");
    const child = spawn(command, [...args], { ...options, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
      this.#look();
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.#failed = once(child, "error").then(([error]) => Promise.reject(error as Error));
    // `close` comes after both streams have been read to their ends; `exit` may come before.
    this.ended = Promise.race([once(child, "close").then(([code]) => code as number | null), this.#failed]);
    this.ended.then(this.#look, this.#look);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** The complete lines that it has printed so far. */
  get lines(): readonly string[] {
    const lines = this.stdout.split("\n");
    lines.pop();
    return lines;
  }

  /**
   * Waits for the first line after the first `skip` lines that matches, and gives the match.
   * Rejects when the process ends or the time is up without one.
   */
  line(pattern: RegExp, options: { skip?: number; timeoutMs?: number } = {}): Promise<RegExpExecArray> {
    const { skip = 0, timeoutMs = 15_000 } = options;
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        end();
      };
      const look = (): void => {
        for (const line of this.lines.slice(skip)) {
          const match = pattern.exec(line);
          if (match !== null) return settle(() => resolve(match));
        }
        if (this.#over) settle(() => reject(new Error(`ended without ${pattern}: ${this.describe()}`)));
      };
      const timer = setTimeout(
        () => settle(() => reject(new Error(`no ${pattern} within ${timeoutMs} ms: ${this.describe()}`))),
        timeoutMs,
      );
      this.#watchers.add(look);
      look();
    });
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.killed = true;
    this.#child.kill(signal);
  }

  /** Ends it, and resolves when it has gone. */
  async stop(): Promise<void> {
    if (!this.#over) this.kill();
    await this.ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** The command and what it printed, for messages. */
  describe(): string {
    return `${this.#command}\nstdout: ${this.stdout.slice(-2000)}\nstderr: ${this.stderr.slice(-2000)}`;
  }

  get #over(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined;
  }

  readonly #look = (): void => {
    for (const watcher of [...this.#watchers]) watcher();
  };
}
