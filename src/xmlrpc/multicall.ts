import { type CallOptions, EncodeError, type Outcome, RpcError, type Semantics } from "../model/index.js";
import type { HttpCallOptions, XmlRpcChannel } from "./channel.js";
import { faultOutcome } from "./codec/fault.js";
import { encodeCall } from "./codec/message.js";
import { innerResult, multicallProcedure } from "./codec/multicall.js";
import { type Preset, type Settings, settingsOf, type XmlRpcOptions } from "./codec/options.js";
import { decodeResult, encodeProcedureCall } from "./codec/procedure.js";
import type { XmlRpcValue } from "./codec/value.js";
import { type CallTarget, innerExecuted } from "./engine/index.js";

/** A call that waits to go with others. */
interface Collected {
  readonly target: CallTarget;
  readonly args: readonly unknown[];
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Whether a server takes calls together, and whether it gives each result in a list of its own, as it should, or bare. */
type Support = "none" | "wrapped" | "bare";

/** Sends calls together, as one `system.multicall`, and one by one to a server that does not have it. */
export class Multicall {
  readonly #channel: XmlRpcChannel;
  readonly #settings: Settings;
  readonly #preset: Preset | undefined;
  #support: Promise<Support> | undefined;

  constructor(channel: XmlRpcChannel, options: XmlRpcOptions) {
    this.#channel = channel;
    this.#settings = settingsOf(options);
    this.#preset = options.preset;
  }

  /**
   * Makes the calls that `collect` asks for with the stubs that it is given.
   *
   * @returns how those ended whose promises it gave back, in that order
   */
  async collect(
    targets: ReadonlyMap<string, CallTarget>,
    collect: (stubs: object) => readonly Promise<unknown>[],
    options?: CallOptions & HttpCallOptions,
  ): Promise<Outcome<unknown>[]> {
    const collected: Collected[] = [];
    const stubs: Record<string, unknown> = Object.create(null);
    for (const [key, target] of targets) {
      const arity = target.procedure?.params.length ?? 0;
      stubs[key] = (...values: unknown[]): Promise<unknown> => {
        const ended = new Promise((resolve, reject) =>
          collected.push({ target, args: values.slice(0, arity), resolve, reject }),
        );
        // Whoever did not give it back does not want to know.
        ended.catch(() => {});
        return ended;
      };
    }
    const wanted = collect(stubs).map(outcomeOf);
    await this.#send(this.#encodable(collected), options ?? {});
    return await Promise.all(wanted);
  }

  /** Makes the calls that `run` collects, and gives how each ended. */
  async run(
    calls: readonly { readonly target: CallTarget; readonly args: readonly unknown[] }[],
    options: CallOptions & HttpCallOptions = {},
  ): Promise<Outcome<unknown>[]> {
    const outcomes: Promise<Outcome<unknown>>[] = [];
    const collected: Collected[] = [];
    for (const call of calls) {
      const ended = new Promise((resolve, reject) => collected.push({ ...call, resolve, reject }));
      outcomes.push(outcomeOf(ended));
    }
    await this.#send(this.#encodable(collected), options);
    return await Promise.all(outcomes);
  }

  /** Those that can be sent. One whose arguments cannot is refused by itself, and the others go. */
  #encodable(calls: readonly Collected[]): Collected[] {
    const settings = this.#settings;
    return calls.filter(({ target, args, reject }) => {
      try {
        if (target.procedure === undefined) encodeCall(target.method, args, settings);
        else encodeProcedureCall(target.procedure, args, settings);
        return true;
      } catch (error) {
        if (!(error instanceof EncodeError)) throw error;
        reject(this.#error("invalid-argument", target, error.message, { executed: "no", cause: error }));
        return false;
      }
    });
  }

  async #send(calls: readonly Collected[], options: CallOptions & HttpCallOptions): Promise<void> {
    if (calls.length === 0) return;
    let support: Support;
    try {
      support = await this.#ask(options);
    } catch (error) {
      // The question failed, so none of the calls was sent.
      for (const call of calls) call.reject(this.#ofWhole(call, error as RpcError, "no"));
      return;
    }
    const { multicallMax } = this.#settings;
    const parts: Promise<void>[] = [];
    if (support !== "none") {
      for (let at = 0; at < calls.length; at += multicallMax) {
        parts.push(this.#together(calls.slice(at, at + multicallMax), support === "bare", options));
      }
    } else {
      for (const { target, args, resolve, reject } of calls) {
        parts.push(this.#channel.call(target, args, options).then(resolve, reject));
      }
    }
    await Promise.all(parts);
  }

  /**
   * What the server makes of `system.multicall`. One harmless call tells: only a server that has the method answers with a
   * list, and how it puts a text into the list is how it puts everything.
   */
  #ask(options: CallOptions): Promise<Support> {
    if (this.#support !== undefined) return this.#support;
    const { signal, timeoutMs } = options;
    const inner = { method: "system.methodHelp", args: ["system.multicall"] };
    const asked = this.#channel.call(targetOf("at-least-once"), [[inner]], { signal, timeoutMs }).then(
      (results): Support => {
        const [result] = results as readonly XmlRpcValue[];
        if (typeof result === "string") return "bare";
        return this.#preset === "supervisord" && !Array.isArray(result) ? "bare" : "wrapped";
      },
      (error: unknown): Support => {
        if (error instanceof RpcError && saysNo(error)) return "none";
        // Nobody answered: the next batch asks again.
        this.#support = undefined;
        throw error;
      },
    );
    this.#support = asked;
    return asked;
  }

  async #together(calls: readonly Collected[], bare: boolean, options: CallOptions & HttpCallOptions): Promise<void> {
    const repeatable = calls.every(({ target }) => target.semantics === "at-least-once");
    const target = targetOf(repeatable ? "at-least-once" : "at-most-once");
    const inner = calls.map(({ target: { method, procedure }, args }) => ({ method, procedure, args }));
    let letters: string | undefined;
    let results: readonly XmlRpcValue[];
    try {
      const noted = { ...options, noted: (said: string | undefined) => (letters = said) };
      results = (await this.#channel.call(target, [inner], noted)) as readonly XmlRpcValue[];
    } catch (error) {
      for (const call of calls) call.reject(this.#ofWhole(call, error as RpcError, (error as RpcError).executed));
      return;
    }
    for (const [i, call] of calls.entries()) this.#settle(call, results[i], bare, innerExecuted(letters, i));
  }

  #settle(
    { target, resolve, reject }: Collected,
    result: XmlRpcValue | undefined,
    bare: boolean,
    ran: "no" | "yes" | "unknown" | undefined,
  ): void {
    const preset = this.#preset;
    try {
      const answer = innerResult(result, bare);
      if (answer.fault !== undefined) {
        const { code, executed, status } = faultOutcome(answer.fault, preset, ran);
        const text = `fault ${status.number}${status.text === "" ? "" : `: ${status.text}`}`;
        return reject(this.#error(code, target, text, { executed, status, attempts: 1, transmissions: 1 }));
      }
      resolve(target.procedure === undefined ? answer.value : decodeResult(target.procedure, answer.value));
    } catch (error) {
      const executed = result === undefined ? (ran ?? "unknown") : "yes";
      reject(
        this.#error("bad-reply", target, (error as Error).message, {
          executed,
          cause: error,
          attempts: 1,
          transmissions: 1,
        }),
      );
    }
  }

  /** The failure of all calls as that of one of them. */
  #ofWhole({ target }: Collected, error: RpcError, executed: RpcError["executed"]): RpcError {
    const { status, attempts, transmissions, timeline } = error;
    const text = `as part of system.multicall: ${error.message}`;
    return this.#error(error.code, target, text, { executed, status, attempts, transmissions, timeline, cause: error });
  }

  #error(
    code: RpcError["code"],
    target: CallTarget,
    text: string,
    details: ConstructorParameters<typeof RpcError>[2],
  ): RpcError {
    const peer = this.#channel.address;
    return new RpcError(code, `${target.name} to ${peer}: ${text}`, { ...details, peer });
  }
}

function targetOf(semantics: Semantics): CallTarget {
  return { name: "system.multicall", method: "system.multicall", procedure: multicallProcedure, semantics };
}

/** Whether somebody answered, who does not have the method. */
function saysNo({ code }: RpcError): boolean {
  return code === "unimplemented" || code === "server-error" || code === "bad-arguments" || code === "bad-reply";
}

/** A failure as a value. */
export function outcomeOf(call: Promise<unknown>): Promise<Outcome<unknown>> {
  return call.then(
    (value) => ({ ok: true, value }),
    (error: unknown) => {
      if (error instanceof RpcError) return { ok: false, error, executed: error.executed };
      throw error;
    },
  );
}
