import { EngineError, type RequestEngine, type RequestNews, type RequestTable } from "./table.js";

/** What is done in a transaction, for somebody who waits for its answer. */
export interface Task<T = unknown> {
  /** Tasks of one kind that stand together are done at once, by the first one's `together`. */
  readonly together?: ((table: RequestTable, tasks: readonly Task[], news: News) => Promise<unknown[]>) | undefined;
  run(table: RequestTable, news: News): Promise<T>;
}

/** What a transaction has changed so far. */
export class News {
  readonly ids: Set<string> = new Set();
  readonly cancelled: Set<string> = new Set();
  waiting = false;

  get told(): RequestNews {
    return { ids: [...this.ids], cancelled: [...this.cancelled], waiting: this.waiting };
  }
}

interface Waiting {
  readonly task: Task;
  resolve(value: never): void;
  reject(error: unknown): void;
}

/** Most tasks of one transaction: more would make those that wait for its end wait for long. */
const batchMax = 256;

/** How often a task is tried again alone that another transaction got in the way of. */
const repeatsMax = 3;

/**
 * Group commit: what comes while a transaction is under way goes into the next one together, so that many tasks share one
 * flush to the disk.
 */
export class Batches {
  readonly #engine: RequestEngine;
  readonly #told: (news: RequestNews) => void;
  readonly #rolledBack: () => void;
  #waiting: Waiting[] = [];
  #running = false;
  /** Transactions made, and the tasks in them. */
  transactions = 0;
  tasks = 0;

  constructor(engine: RequestEngine, told: (news: RequestNews) => void, rolledBack: () => void) {
    this.#engine = engine;
    this.#told = told;
    this.#rolledBack = rolledBack;
  }

  do<T>(task: Task<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ task, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Whoever asks in the same turn shares the first transaction.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, batchMax);
      const error = await this.#commit(batch);
      if (error === undefined) continue;
      // One that cannot be done must not take the others with it.
      for (const each of batch) await this.#alone(each, error, batch.length > 1);
    }
    this.#running = false;
  }

  async #alone(waiting: Waiting, first: unknown, again: boolean): Promise<void> {
    let error: unknown = again ? undefined : first;
    for (let left = again ? repeatsMax + 1 : repeatsMax; left > 0; left--) {
      if (first instanceof EngineError || error instanceof EngineError) break;
      error = await this.#commit([waiting]);
      if (error === undefined) return;
    }
    waiting.reject(error ?? first);
  }

  /** @returns why it was not committed; then nobody has been answered */
  async #commit(batch: readonly Waiting[]): Promise<unknown> {
    const news = new News();
    let answers: unknown[];
    try {
      answers = await this.#engine.transact(
        (table) => perform(table, batch, news),
        () => news.told,
      );
    } catch (error) {
      this.#rolledBack();
      return error ?? new Error("the engine failed without a reason");
    }
    this.transactions++;
    this.tasks += batch.length;
    for (const [i, { resolve }] of batch.entries()) resolve(answers[i] as never);
    if (news.ids.size > 0 || news.cancelled.size > 0 || news.waiting) this.#told(news.told);
    return undefined;
  }
}

async function perform(table: RequestTable, batch: readonly Waiting[], news: News): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (let i = 0; i < batch.length; ) {
    const { task } = batch[i] as Waiting;
    if (task.together === undefined) {
      answers.push(await task.run(table, news));
      i++;
      continue;
    }
    const tasks = [task];
    while (i + tasks.length < batch.length) {
      const next = (batch[i + tasks.length] as Waiting).task;
      if (next.together !== task.together) break;
      tasks.push(next);
    }
    answers.push(...(await task.together(table, tasks, news)));
    i += tasks.length;
  }
  return answers;
}
