import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Answer, Order } from "./worker.js";

/** A worker process: one order at a time, answered in turn. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  #settle: ((answer: Answer) => void) | undefined;

  constructor(name: string) {
    // Errors of a contender go to stderr; stdout is the report's.
    this.#child = fork(fileURLToPath(new URL("worker.js", import.meta.url)), [name], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child.on("message", (answer) => this.#settle?.(answer as Answer));
    this.#child.on("exit", (code) => this.#settle?.({ error: `the worker ended with code ${code}` }));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async order<T>(order: Order): Promise<T> {
    const answer = await new Promise<Answer>((resolve) => {
      this.#settle = resolve;
      this.#child.send(order, (error) => {
        if (error !== null) resolve({ error: error.message });
      });
    });
    if ("error" in answer) throw new Error(answer.error);
    return answer.ok as T;
  }

  stop(): void {
    this.#child.kill();
  }
}
