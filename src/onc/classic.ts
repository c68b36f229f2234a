import { type Resolver, RpcError } from "../model/index.js";
import type { XdrCodec } from "../xdr/index.js";
import { type DynamicCallOptions, OncClient } from "./client.js";
import { OncServer } from "./server.js";
import { ClntStat } from "./status.js";

// The classic face, as in C's <rpc/rpc.h> and the textbooks: three functions, UDP, and the port mapper in between.
// The binder's part is handed in, since protocols do not import it.

/** What the classic face needs of a binder. */
export interface ClassicBinder {
  readonly resolver: Resolver;
  /** Registers a program's version at an address. */
  readonly register: (
    service: { readonly program: number; readonly version: number; readonly name: string },
    address: string,
  ) => Promise<void>;
}

export interface ClassicResult<T> {
  /** C's `enum clnt_stat`; 0 is success. */
  readonly stat: number;
  /** The result; undefined unless `stat` is 0. */
  readonly value: T | undefined;
  /** How the call failed, with `executed`; undefined when `stat` is 0. */
  readonly error: RpcError | undefined;
}

export interface Classic {
  /**
   * Registers a procedure with this process and with the port mapper, so that `callrpc` finds it.
   *
   * @param handler takes the argument, gives the result
   * @throws RpcError `unavailable` when there is no port mapper, `denied` when it refuses
   */
  registerrpc<A, R>(
    prog: number,
    vers: number,
    proc: number,
    handler: (arg: A) => R | Promise<R>,
    inproc: XdrCodec<A>,
    outproc: XdrCodec<R>,
  ): Promise<void>;
  /** Serves what was registered, until `svc_exit`. Nothing is answered before. */
  svc_run(): Promise<void>;
  /** Ends `svc_run`. */
  svc_exit(): void;
  /**
   * Calls a procedure over UDP, at the port that the host's port mapper names. Never rejects: `stat` says how it went.
   * The call is sent once unless `options.semantics` is `at-least-once`.
   */
  callrpc<A, R>(
    host: string,
    prog: number,
    vers: number,
    proc: number,
    inproc: XdrCodec<A>,
    arg: A,
    outproc: XdrCodec<R>,
    options?: DynamicCallOptions,
  ): Promise<ClassicResult<R>>;
}

/** Makes the classic face over a binder. */
export function classicFace(binder: ClassicBinder): Classic {
  let server: OncServer | undefined;
  let address: Promise<string> | undefined;
  let exit: (() => void) | undefined;
  let running: Promise<void> = Promise.resolve();
  /** Calls that came before `svc_run` wait for it, as in C, where nobody reads the socket before. */
  let started: Promise<void>;
  let start: () => void = () => {};
  const reset = (): void => {
    started = new Promise((resolve) => {
      start = resolve;
    });
  };
  reset();
  return {
    async registerrpc(prog, vers, proc, handler, inproc, outproc) {
      server ??= new OncServer();
      server.exportProcedure({ program: prog, version: vers, procedure: proc }, inproc, outproc, async (arg) => {
        await started;
        return await handler(arg);
      });
      address ??= server.listen("udp://0.0.0.0:0");
      await binder.register({ program: prog, version: vers, name: `program ${prog}` }, await address);
    },
    svc_run() {
      start();
      running = new Promise((resolve) => {
        exit = resolve;
      });
      return running;
    },
    svc_exit() {
      exit?.();
      void server?.close(0);
      server = undefined;
      address = undefined;
      reset();
    },
    async callrpc(host, prog, vers, proc, inproc, arg, outproc, options = {}) {
      try {
        await using client = await OncClient.open(`udp://${host.includes(":") ? `[${host}]` : host}`, {
          program: prog,
          version: vers,
          resolver: binder.resolver,
        });
        const target = { program: prog, version: vers, procedure: proc };
        const value = await client.call(target, inproc, arg, outproc, options);
        return { stat: ClntStat.RPC_SUCCESS, value, error: undefined };
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        return { stat: error.status?.number ?? ClntStat.RPC_FAILED, value: undefined, error };
      }
    },
  };
}
