import type { ServerCall } from "../onc/engine/index.js";
import type { ExecutionRecord } from "./history.js";
import type { CrashPoint, Plan } from "./plan.js";
import type { Program } from "./program.js";
import type { Random } from "./random.js";
import type { SimulatedTransaction } from "./store.js";
import type { VirtualTime } from "./time.js";
import type { TimelineRecorder } from "./timeline.js";

/** An object that serves one session. */
export interface ServingObject {
  readonly number: number;
  disposed: boolean;
}

type Handler = (...args: unknown[]) => unknown;

export interface ExecutionsOptions {
  readonly plan: Plan;
  readonly setup: { readonly keys: { ofArgs(procedure: string, args: readonly unknown[]): string } & ResultKeys };
  readonly time: VirtualTime;
  readonly random: Random;
  readonly timeline: TimelineRecorder | undefined;
  /** Whether a server dies at this point; it has done so when this returns. */
  readonly dies: (point: CrashPoint, program: Program) => boolean;
}

interface ResultKeys {
  ofResult(procedure: string, value: unknown): string;
}

/** Runs handlers, with all that may happen around them, and writes down what they did. */
export class Executions {
  readonly records: ExecutionRecord[] = [];
  readonly #options: ExecutionsOptions;
  readonly #sessions = new WeakMap<object, number>();
  #sessionsSeen = 0;
  readonly #byTransaction = new Map<SimulatedTransaction, ExecutionRecord>();

  constructor(options: ExecutionsOptions) {
    this.#options = options;
  }

  /** A transaction has committed: gives the execution that it was of. */
  committed(transaction: SimulatedTransaction): ExecutionRecord | undefined {
    const execution = this.#byTransaction.get(transaction);
    if (execution !== undefined) execution.committed = true;
    return execution;
  }

  ofResult(procedure: string, value: unknown): string {
    return this.#options.setup.keys.ofResult(procedure, value);
  }

  /** Runs a handler. */
  run(
    program: Program,
    procedure: string,
    handler: Handler | undefined,
    args: unknown[],
    object: ServingObject | undefined,
  ): unknown {
    if (handler === undefined) throw new TypeError(`no handler for ${procedure}`);
    const { plan, setup, time, timeline } = this.#options;
    const dies = (point: CrashPoint): boolean => this.#options.dies(point, program);
    if (dies("crash-before-execution")) return new Promise(() => {});
    const plain = args.slice(0, -1);
    const key = setup.keys.ofArgs(procedure, plain);
    const random = this.#options.random.fork(`${program.boot} ${key.slice(0, 60)}`);
    const ms = random.chance(plan.handling.share) ? random.between(0, plan.handling.ms) : 0;
    const context = args.at(-1) as ServerCall;
    const begin = (): ExecutionRecord => {
      const execution = this.#record(program, procedure, plain, key, context, object);
      timeline?.began(program.name, execution);
      return execution;
    };
    const ended = (execution: ExecutionRecord, value: unknown): unknown => {
      execution.endedAt = time.now;
      execution.result = this.ofResult(procedure, value);
      timeline?.note(program.name, `execution ${execution.number} returns`);
      return dies("crash-after-execution") ? new Promise(() => {}) : value;
    };
    /** Whether the server has died with this one. */
    const lost = (execution: ExecutionRecord): boolean => {
      if (!dies("crash-during-execution")) return false;
      execution.lostAt = time.now;
      return true;
    };
    const threw = (execution: ExecutionRecord, error: unknown): never => {
      execution.endedAt = time.now;
      execution.threw = true;
      timeline?.note(program.name, `execution ${execution.number} throws`);
      throw error;
    };
    if (ms === 0) {
      const execution = begin();
      let value: unknown;
      try {
        value = handler(...args);
      } catch (error) {
        return threw(execution, error);
      }
      if (!(value instanceof Promise)) return lost(execution) ? new Promise(() => {}) : ended(execution, value);
      if (lost(execution)) return unheard(value);
      this.#watch(program, execution, context);
      return value.then(
        (settled) => ended(execution, settled),
        (error) => threw(execution, error),
      );
    }
    const before = random.between(0, ms);
    return (async () => {
      await program.sleep(before);
      const execution = begin();
      this.#watch(program, execution, context);
      try {
        const pending = handler(...args);
        if (lost(execution)) return await unheard(pending);
        const value = await pending;
        await program.sleep(ms - before);
        return await ended(execution, value);
      } catch (error) {
        return threw(execution, error);
      }
    })();
  }

  #record(
    program: Program,
    procedure: string,
    args: readonly unknown[],
    key: string,
    { deadline, seat, transaction }: ServerCall,
    object: ServingObject | undefined,
  ): ExecutionRecord {
    const execution: ExecutionRecord = {
      number: this.records.length,
      boot: program.boot,
      serverSince: program.since,
      procedure,
      args,
      key,
      beganAt: this.#options.time.now,
      endedAt: undefined,
      result: undefined,
      threw: false,
      inSession: seat !== undefined,
      caller: seat && {
        name: seat.session.client,
        run: seat.session.incarnation,
        session: this.#numberOf(seat.session),
      },
      object: object?.number,
      onDisposed: object?.disposed,
      deadline: deadline === undefined ? undefined : program.worldTime(deadline),
      transactional: transaction !== undefined,
      committed: false,
      // One more of the messages that had arrived together, at a server that has just died.
      lostAt: program.alive ? undefined : this.#options.time.now,
    };
    this.records.push(execution);
    if (transaction !== undefined) this.#byTransaction.set(transaction as SimulatedTransaction, execution);
    return execution;
  }

  #numberOf(session: object): number {
    const known = this.#sessions.get(session);
    if (known !== undefined) return known;
    this.#sessions.set(session, ++this.#sessionsSeen);
    return this.#sessionsSeen;
  }

  /** Notes when a handler that takes its time is told that nobody waits for it any more, and when it is lost with its server. */
  #watch(program: Program, execution: ExecutionRecord, { seat, signal }: ServerCall): void {
    if (seat === undefined) return;
    const { time, timeline } = this.#options;
    const fired = (): void => {
      execution.abortedAt = time.now;
      timeline?.note(program.name, `the signal of execution ${execution.number} fires`);
    };
    if (signal.aborted) fired();
    else signal.addEventListener("abort", fired);
    program.onDeath(() => {
      if (execution.endedAt === undefined) execution.lostAt = time.now;
    });
  }
}

/** What a handler of a dead server comes to: nobody hears of it. */
function unheard(pending: unknown): Promise<never> {
  if (pending instanceof Promise) pending.catch(() => {});
  return new Promise(() => {});
}
