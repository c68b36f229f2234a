import type { MaybePromise } from "../../call/reply-cache.js";
import { DecodeError, type Executed } from "../../model/index.js";
import { isPromise } from "../../model/promise.js";
import { XmlRpcDecodeError } from "../codec/error.js";
import { FaultCode } from "../codec/fault-code.js";
import { encodeFault, encodeInnerFault } from "../codec/fault-document.js";
import {
  type DecodedCall,
  decodeCall,
  encodeInnerResult,
  encodeInnerResults,
  printResponse,
} from "../codec/message.js";
import { readInnerCall } from "../codec/multicall.js";
import { type Settings, withCharset } from "../codec/options.js";
import { decodeParams } from "../codec/procedure.js";
import type { XmlRpcValue } from "../codec/value.js";
import { innerLetter } from "./farcall-header.js";
import { XmlRpcFault } from "./fault-error.js";
import { type MethodTable, multicallName, noSuchMethod, type ServedMethod } from "./method-table.js";
import { type Request, ServerCall } from "./server-call.js";

/** What a request is answered with. */
export interface Answer {
  /** The document; text where it is UTF-8. */
  readonly body: string | Uint8Array;
  /** Whether the procedure ran. A result proves it by itself; for `system.multicall` there are letters for each inner call. */
  readonly executed: Executed;
  readonly inner?: string | undefined;
  /** Whether it is a fault. */
  readonly failed: boolean;
}

/** What the dispatcher asks of the server that it runs in. */
export interface DispatchHost {
  /** Whether this caller may make this call; absent where everybody may make every call. */
  readonly authorize?: ((call: ServerCall) => MaybePromise<boolean>) | undefined;
  /** Calls the handler; default: nothing stands around that. */
  readonly invoke?: ((method: ServedMethod, args: readonly unknown[], call: ServerCall) => unknown) | undefined;
  /** A handler failed, or its result cannot be encoded. The caller learns only that something went wrong. */
  report(error: unknown, call: ServerCall, label: string): void;
}

/** A call that was read, and found to be one that can be made. */
export interface ReadCall {
  readonly method: ServedMethod;
  readonly args: readonly unknown[];
}

/** xmlrpc-c's number for a request that is refused, which clients know: the field has agreed upon none. */
const requestRefused = -507;

/**
 * The server's core: a request's document goes in, the answer's comes out. It owns no socket and no timer. What is answered
 * at once is answered without a promise.
 */
export class Dispatcher {
  readonly #methods: MethodTable;
  readonly #settings: Settings;
  readonly #host: DispatchHost;

  constructor(methods: MethodTable, settings: Settings, host: DispatchHost) {
    this.#methods = methods;
    this.#settings = settings;
    this.#host = host;
  }

  /**
   * Reads a call; what cannot be made is answered by itself.
   *
   * @param admits whether whoever asks may call a method at all; absent where everybody may
   */
  read(document: Uint8Array, charset: string | undefined, admits?: Request["admits"]): ReadCall | Answer {
    try {
      return this.#prepare(decodeCall(document, withCharset(this.#settings, charset)), admits);
    } catch (error) {
      return this.#refusal(error);
    }
  }

  /** Makes a call that was read. */
  run({ method, args }: ReadCall, request: Request): MaybePromise<Answer> {
    if (method.name === multicallName) return this.#runAll(args[0] as readonly XmlRpcValue[], request);
    const call = new ServerCall(request, method.name, method.key);
    const outcome = this.#invoke(method, args, call);
    return outcome instanceof Promise ? outcome.then((ended) => this.#answer(ended)) : this.#answer(outcome);
  }

  /** Finds the method, and looks whether the parameters are its own. Throws a fault that says what is wrong. */
  #prepare({ method: name, params }: DecodedCall, admits: Request["admits"]): ReadCall {
    const method = this.#methods.find(name);
    if (method === undefined) throw noSuchMethod(name);
    // Before its parameters are looked at.
    if (admits?.(method) === false) throw notForThem;
    const { procedure } = method;
    const args = procedure === undefined ? params : decodeParams(procedure, params);
    if (name === multicallName && (args[0] as readonly unknown[]).length > this.#settings.multicallMax) {
      const { length } = args[0] as readonly unknown[];
      const text = `${length} calls in one system.multicall, more than multicallMax, ${this.#settings.multicallMax}`;
      throw new XmlRpcFault(FaultCode.INVALID_REQUEST, text);
    }
    return { method, args };
  }

  /** What a call that was not made is answered with. */
  #refusal(error: unknown): Answer {
    const { code, message } = refusalOf(error);
    return { body: encodeFault(code, message, this.#settings), executed: "no", failed: true };
  }

  #invoke(method: ServedMethod, args: readonly unknown[], call: ServerCall): MaybePromise<Ended> {
    const { authorize } = this.#host;
    if (authorize === undefined) return this.#call(method, args, call);
    let allowed: MaybePromise<boolean>;
    try {
      allowed = authorize(call);
    } catch (error) {
      return this.#failed(error, method, call, "no");
    }
    if (allowed instanceof Promise) {
      return allowed.then(
        (yes) => (yes ? this.#call(method, args, call) : refused),
        (error: unknown) => this.#failed(error, method, call, "no"),
      );
    }
    return allowed ? this.#call(method, args, call) : refused;
  }

  #call(method: ServedMethod, args: readonly unknown[], call: ServerCall): MaybePromise<Ended> {
    try {
      const { invoke } = this.#host;
      const value = invoke === undefined ? method.invoke(args, call) : invoke(method, args, call);
      if (!isPromise(value)) return { method, call, value };
      return Promise.resolve(value).then(
        (result): Ended => ({ method, call, value: result }),
        (error: unknown) => this.#failed(error, method, call, "yes"),
      );
    } catch (error) {
      return this.#failed(error, method, call, "yes");
    }
  }

  #failed(error: unknown, method: ServedMethod, call: ServerCall, executed: Executed): Ended {
    call.onEnd?.({ error, executed });
    if (error instanceof XmlRpcFault) return { fault: error, executed };
    this.#host.report(error, call, method.label);
    return { fault: executed === "yes" ? procedureFailed : serverFailed, executed };
  }

  #answer(ended: Ended): Answer {
    if (ended.fault === undefined) {
      const { method, call, value } = ended;
      call.record?.enter("reply");
      try {
        const body = printResponse(value, this.#settings, method.procedure?.result);
        call.onEnd?.(undefined);
        return { body, executed: "yes", failed: false };
      } catch (error) {
        call.onEnd?.({ error, executed: "yes" });
        this.#host.report(error, call, method.label);
        return this.#answer({ fault: badResult, executed: "yes" });
      }
    }
    const { fault, executed } = ended;
    return { body: encodeFault(fault.code, fault.message, this.#settings), executed, failed: true };
  }

  // --- system.multicall

  /** Makes the calls one after another, each as if it had come by itself. */
  async #runAll(calls: readonly XmlRpcValue[], request: Request): Promise<Answer> {
    const results: string[] = [];
    let letters = "";
    // A fault for each call there is always room for.
    let room = this.#settings.documentSizeMax - envelopeSize - calls.length * faultSizeMax;
    for (const inner of calls) {
      let ended: Ended;
      try {
        // What has no room is not begun, since its result could not be told; nor is anything for nobody.
        if (room <= 0 || request.gone) throw noRoom;
        const read = readInnerCall(inner);
        if (read.method === multicallName) throw recursive;
        const { method, args } = this.#prepare(read, request.admits);
        ended = await this.#invoke(method, args, new ServerCall(request, method.name, method.key));
      } catch (error) {
        ended = { fault: refusalOf(error), executed: "no" };
      }
      let { text, executed } = this.#inner(ended);
      const size = ended.fault === undefined ? text.length : text.length - faultSizeMax;
      if (size > room) ({ text, executed } = this.#inner({ fault: resultHasNoRoom, executed }));
      else room -= Math.max(0, size);
      results.push(text);
      letters += innerLetter(executed);
    }
    try {
      return { body: encodeInnerResults(results, this.#settings), executed: "yes", inner: letters, failed: false };
    } catch (error) {
      return {
        body: encodeFault(FaultCode.INTERNAL_ERROR, (error as Error).message, this.#settings),
        executed: "yes",
        failed: true,
      };
    }
  }

  #inner(ended: Ended): { readonly text: string; readonly executed: Executed } {
    if (ended.fault === undefined) {
      const { method, call, value } = ended;
      call.record?.enter("reply");
      try {
        const text = encodeInnerResult(value, this.#settings, method.procedure?.result);
        call.onEnd?.(undefined);
        return { text, executed: "yes" };
      } catch (error) {
        call.onEnd?.({ error, executed: "yes" });
        this.#host.report(error, call, method.label);
        return this.#inner({ fault: badResult, executed: "yes" });
      }
    }
    const { fault, executed } = ended;
    return { text: encodeInnerFault(fault.code, fault.message, this.#settings), executed };
  }
}

/** How a call ended, before that is written. */
type Ended =
  | { readonly fault?: undefined; readonly method: ServedMethod; readonly call: ServerCall; readonly value: unknown }
  | { readonly fault: XmlRpcFault; readonly executed: Executed };

const notForThem = new XmlRpcFault(requestRefused, "this caller may not call this");
const refused: Ended = { fault: notForThem, executed: "no" };
const procedureFailed = new XmlRpcFault(FaultCode.APPLICATION_ERROR, "the procedure failed");
const serverFailed = new XmlRpcFault(FaultCode.INTERNAL_ERROR, "the server failed before the procedure ran");
const badResult = new XmlRpcFault(FaultCode.INTERNAL_ERROR, "the procedure's result cannot be sent");
const recursive = new XmlRpcFault(FaultCode.INVALID_REQUEST, "system.multicall within system.multicall");
const noRoom = new XmlRpcFault(FaultCode.INVALID_REQUEST, "the results of the calls before are too large already");
const resultHasNoRoom = new XmlRpcFault(FaultCode.INTERNAL_ERROR, "the result has no room beside those before it");

/** Bytes of an answer around the results of a system.multicall, and of one short fault among them. */
const envelopeSize = 512;
const faultSizeMax = 256;

/** Why a call was not made, as a fault. */
function refusalOf(error: unknown): XmlRpcFault {
  if (error instanceof XmlRpcFault) return error;
  if (error instanceof XmlRpcDecodeError) return new XmlRpcFault(error.faultCode, error.message);
  if (error instanceof DecodeError) return new XmlRpcFault(FaultCode.INVALID_PARAMS, error.message);
  throw error;
}
