import { EncodeError, type Executed, type RequestInfo, RpcError, type RpcErrorCode } from "../model/index.js";
import { argsCodec, explainArgs } from "../onc/args.js";
import type { OncChannel } from "../onc/channel.js";
import { type OncProcedure, type OncService, proceduresOf } from "../onc/program.js";
import { targetsOf } from "../onc/targets.js";
import { decode, XdrWriter } from "../xdr/index.js";
import {
  AsyncStatus,
  CancelOutcome,
  type CancelResult,
  type EventsResult,
  FarcallAsyncV1,
  type ListResult,
  type LookResult,
  type RequestEvent,
  RequestEventKind,
  RequestExecuted,
  RequestState,
  type SubmitResult,
  type RequestInfo as WireInfo,
} from "./async.js";
import type { AskOptions, EventsAnswer, LookAnswer, RequestPort, WireEvent } from "./client.js";

/** The async program by the connection of a client, for the procedures of its service. */
export class OncRequestPort implements RequestPort {
  readonly #service: OncService<unknown>;
  readonly #channel: OncChannel;
  readonly #procedures: ReadonlyMap<string, OncProcedure>;
  readonly #targets = targetsOf(FarcallAsyncV1, {});

  constructor(service: OncService<unknown>, channel: OncChannel) {
    this.#service = service;
    this.#channel = channel;
    this.#procedures = new Map(proceduresOf(service));
  }

  get address(): string {
    return this.#channel.address;
  }

  #procedure(key: string): OncProcedure {
    const procedure = this.#procedures.get(key);
    if (procedure !== undefined) return procedure;
    throw new RpcError("invalid-argument", `${this.#service.name} has no procedure ${key}`, { executed: "no" });
  }

  label(procedure: string): string {
    this.#procedure(procedure);
    return `${this.#service.name}.${procedure}`;
  }

  prepare(key: string, values: readonly unknown[]): object {
    const procedure = this.#procedure(key);
    const args = argsCodec(procedure.args);
    const writer = new XdrWriter();
    try {
      args.encode(writer, values);
    } catch (error) {
      const why = explainArgs(error, args, values);
      if (!(why instanceof EncodeError)) throw why;
      throw new RpcError("invalid-argument", `${this.label(key)}: ${why.message}`, { executed: "no", cause: why });
    }
    const { program, version } = this.#service;
    return { label: this.label(key), program, version, procedure: procedure.number, arguments: writer.take() };
  }

  async submit(
    prepared: unknown,
    key: string,
    ttlMs: number,
    options: AskOptions,
  ): Promise<{ readonly id: string; readonly ttlMs: number }> {
    const { label, ...target } = prepared as { readonly label: string };
    const answer = (await this.#ask("submit", { ...target, key, ttl: BigInt(ttlMs) }, options)) as SubmitResult;
    switch (answer.status) {
      case AsyncStatus.ASYNC_OK:
        return { id: answer.accepted.id, ttlMs: Number(answer.accepted.ttl) };
      case AsyncStatus.ASYNC_BAD_ARGUMENTS:
        throw this.#refused(answer.status, label, answer.why);
      default:
        throw this.#refused(answer.status, label);
    }
  }

  async look(id: string, waitMs: number, options: AskOptions): Promise<LookAnswer> {
    const answer = (await this.#ask("look", { id, wait: waitMs }, options)) as LookResult;
    if (answer.status !== AsyncStatus.ASYNC_OK) throw this.#refused(answer.status, `request ${id}`);
    const { request, end } = answer.ok;
    return {
      info: this.#info(request),
      end: (procedure: string) => (end === null ? undefined : this.#event(procedure, end)),
    };
  }

  async events(
    id: string,
    after: number,
    acknowledged: number,
    waitMs: number,
    options: AskOptions,
  ): Promise<EventsAnswer> {
    const args = { id, after, acknowledged, count: 256, wait: waitMs };
    const answer = (await this.#ask("events", args, options)) as EventsResult;
    if (answer.status !== AsyncStatus.ASYNC_OK) throw this.#refused(answer.status, `request ${id}`);
    const { request, events } = answer.ok;
    return {
      info: this.#info(request),
      events: (procedure: string) => events.map((event) => this.#event(procedure, event)),
    };
  }

  async acknowledge(id: string, through: number, options: AskOptions): Promise<void> {
    const status = (await this.#ask("acknowledge", { id, through }, options)) as AsyncStatus;
    if (status !== AsyncStatus.ASYNC_OK) throw this.#refused(status, `request ${id}`);
  }

  async cancel(id: string, options: AskOptions): Promise<"cancelled" | "requested" | "too-late"> {
    const answer = (await this.#ask("cancel", id, options)) as CancelResult;
    if (answer.status !== AsyncStatus.ASYNC_OK) throw this.#refused(answer.status, `request ${id}`);
    switch (answer.ok.outcome) {
      case CancelOutcome.CANCEL_DONE:
        return "cancelled";
      case CancelOutcome.CANCEL_REQUESTED:
        return "requested";
      case CancelOutcome.CANCEL_TOO_LATE:
        return "too-late";
    }
  }

  async list(count: number, options: AskOptions): Promise<RequestInfo[]> {
    const answer = (await this.#ask("list", count, options)) as ListResult;
    if (answer.status !== AsyncStatus.ASYNC_OK) throw this.#refused(answer.status, "the list of requests");
    return answer.requests.map((request) => this.#info(request));
  }

  #ask(procedure: keyof FarcallAsyncV1, arg: unknown, options: AskOptions): Promise<unknown> {
    const target = this.#targets.get(procedure);
    if (target === undefined) throw new Error(`the async program has no procedure ${procedure}`);
    return this.#channel.call(target, [arg], options);
  }

  #refused(status: Exclude<AsyncStatus, typeof AsyncStatus.ASYNC_OK>, what: string, why?: string): RpcError {
    const [code, executed, text] = refusals[status];
    const message = `${what} at ${this.address}: ${why ?? text}`;
    return new RpcError(code, message, { executed, peer: this.address, attempts: 1, status: { number: status, text } });
  }

  #info(info: WireInfo): RequestInfo {
    const { program, version } = this.#service;
    const own = info.program === program && info.version === version;
    const [key] = [...this.#procedures].find(([, { number }]) => own && number === info.procedure) ?? [];
    return {
      id: info.id,
      procedure: key,
      target: `${info.program}.${info.version}.${info.procedure}`,
      state: states[info.state],
      executed: executeds[info.executed],
      attempt: info.attempt,
      ageMs: Number(info.age),
      ttlMs: Number(info.ttl),
      lastEvent: info.lastEvent,
      acknowledged: info.acknowledged,
      cancelled: info.cancelled,
    };
  }

  #event(key: string, { number, at: bigAt, body }: RequestEvent): WireEvent {
    const { result, progress } = this.#procedure(key);
    const at = Number(bigAt);
    const ended = (kind: "failed" | "cancelled" | "expired", failure: { executed: RequestExecuted; reason: string }) =>
      ({ number, at, kind, executed: executeds[failure.executed], reason: failure.reason }) as const;
    switch (body.kind) {
      case RequestEventKind.EVENT_RUNNING:
        return { number, at, kind: "running" };
      case RequestEventKind.EVENT_INTERRUPTED:
        return { number, at, kind: "interrupted" };
      case RequestEventKind.EVENT_PROGRESS:
        return { number, at, kind: "progress", value: progress && this.#decoded(key, progress, body.value) };
      case RequestEventKind.EVENT_DONE:
        return { number, at, kind: "done", value: this.#decoded(key, result, body.result) };
      case RequestEventKind.EVENT_FAILED:
        return ended("failed", body.failed);
      case RequestEventKind.EVENT_CANCELLED:
        return ended("cancelled", body.cancelled);
      case RequestEventKind.EVENT_EXPIRED:
        return ended("expired", body.expired);
    }
  }

  #decoded(key: string, codec: OncProcedure["result"], bytes: Uint8Array): unknown {
    try {
      return decode(codec, bytes);
    } catch (error) {
      const message = `${this.label(key)}: what the request gave is not of its type: ${(error as Error).message}`;
      throw new RpcError("bad-reply", message, { executed: "yes", peer: this.address, cause: error });
    }
  }
}

const refusals: Readonly<
  Record<Exclude<AsyncStatus, typeof AsyncStatus.ASYNC_OK>, readonly [RpcErrorCode, Executed, string]>
> = {
  [AsyncStatus.ASYNC_BUSY]: ["busy", "no", "the queue is full; nothing was queued"],
  [AsyncStatus.ASYNC_UNAVAILABLE]: ["unavailable", "no", "the queue cannot be asked now; nothing was done"],
  [AsyncStatus.ASYNC_UNKNOWN]: ["unavailable", "unknown", "the queue failed, and what it did is not known"],
  [AsyncStatus.ASYNC_NO_PROCEDURE]: ["unimplemented", "no", "the server takes no requests for this procedure"],
  [AsyncStatus.ASYNC_BAD_ARGUMENTS]: ["bad-arguments", "no", "the arguments are not of their types"],
  [AsyncStatus.ASYNC_MISMATCH]: [
    "invalid-argument",
    "no",
    "the key belongs to a request with another procedure or other arguments",
  ],
  [AsyncStatus.ASYNC_NOT_FOUND]: ["not-found", "unknown", "there is no such request"],
  [AsyncStatus.ASYNC_DENIED]: ["denied", "no", "this caller may not do this"],
};

const states: Readonly<Record<RequestState, RequestInfo["state"]>> = {
  [RequestState.REQUEST_QUEUED]: "queued",
  [RequestState.REQUEST_RUNNING]: "running",
  [RequestState.REQUEST_DONE]: "done",
  [RequestState.REQUEST_FAILED]: "failed",
  [RequestState.REQUEST_CANCELLED]: "cancelled",
  [RequestState.REQUEST_EXPIRED]: "expired",
};

const executeds: Readonly<Record<RequestExecuted, Executed>> = {
  [RequestExecuted.EXECUTED_NO]: "no",
  [RequestExecuted.EXECUTED_YES]: "yes",
  [RequestExecuted.EXECUTED_UNKNOWN]: "unknown",
};
