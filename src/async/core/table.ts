import type { RequestEventRow, RequestRow } from "./request.js";

export type MaybePromise<T> = T | Promise<T>;

/** The requests as rows, in a transaction that is under way. Engines bring one. */
export interface RequestTable {
  /** Milliseconds since 1970, by the clock that all who share the rows agree on. */
  readonly now: number;
  /** @param write whether it may be changed: nobody else may change it then before this transaction ends */
  find(id: string, write: boolean): MaybePromise<RequestRow | undefined>;
  /** Those of these keys that are there. */
  findKeys(keys: readonly OwnedKey[]): MaybePromise<RequestRow[]>;
  /** Adds new ones. @returns the ids of those whose keys were free */
  insert(rows: readonly RequestRow[]): MaybePromise<ReadonlySet<string>>;
  /** Writes what may change of a row. */
  update(row: RequestRow, events: readonly RequestEventRow[]): MaybePromise<void>;
  /** Deletes a request and its events. */
  remove(id: string): MaybePromise<void>;
  /** Those that wait for a worker, the oldest first, for this transaction alone. */
  waiting(procedures: readonly string[], count: number): MaybePromise<RequestRow[]>;
  /** Those about which something is due, for this transaction alone. */
  due(count: number): MaybePromise<RequestRow[]>;
  /** When the next one is due. */
  nextDue(): MaybePromise<number | undefined>;
  events(id: string, after: number, count: number): MaybePromise<RequestEventRow[]>;
  forgetEvents(id: string, through: number): MaybePromise<void>;
  /** Requests that count, and their bytes: of an owner, or of all. */
  usage(owner?: string): MaybePromise<Usage>;
  /** An owner's requests that count, the newest first. */
  list(owner: string, count: number): MaybePromise<RequestRow[]>;
}

export interface OwnedKey {
  readonly owner: string;
  readonly key: string;
}

export interface Usage {
  readonly count: number;
  readonly bytes: number;
}

/** What has changed, for whoever waits for it. */
export interface RequestNews {
  /** Requests that have new events. */
  readonly ids: readonly string[];
  /** Requests whose owners want them to end. */
  readonly cancelled: readonly string[];
  /** Whether requests wait that had not. */
  readonly waiting: boolean;
}

/** Runs transactions over the rows, one after another. */
export interface RequestEngine {
  /** Whether what is committed survives a crash of the machine. */
  readonly durable: boolean;
  /** Whether other processes may use the same rows. */
  readonly shared: boolean;
  /**
   * Does work in a transaction. What it throws is thrown on, and nothing has been changed then.
   *
   * @param news gives what others are to be told once it is committed
   * @throws EngineError when the transaction could not be made, or whether it was made is not known
   */
  transact<T>(work: (table: RequestTable) => Promise<T>, news: () => RequestNews): Promise<T>;
  /** Is told what others have changed; what this engine's own transactions change is known. */
  listen(listener: (news: RequestNews | undefined) => void): () => void;
  close(): MaybePromise<void>;
}

/** The engine is dead, or busy for too long. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  /** `no`: nothing has been changed, and will not be. `unknown`: the answer to the commit was lost. */
  readonly executed: "no" | "unknown";

  constructor(message: string, executed: "no" | "unknown", cause?: unknown) {
    super(message, { cause });
    this.executed = executed;
  }
}
