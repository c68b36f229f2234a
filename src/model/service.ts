import type { ServiceAccess } from "./access.js";
import type { Semantics } from "./semantics.js";

declare const types: unique symbol;

/**
 * One procedure of a contract: its arguments, its result, and what it declares about repetition. It exists in types
 * only; the protocol's own description (numbers, codecs) is in {@link Service.procedures}.
 */
export interface Procedure<Args extends readonly unknown[], Result, Declared extends Semantics = "at-most-once"> {
  readonly [types]: { readonly args: Args; readonly result: Result; readonly declared: Declared };
}

declare const isNull: unique symbol;

/** Procedure 0 of a contract that names it: void to void, harmless to repeat, and answered without a handler. */
export interface NullProcedure extends Procedure<[], void, "at-least-once"> {
  readonly [isNull]: true;
}

declare const isOneWay: unique symbol;

/**
 * A procedure whose server does not reply (RFC 5531, section 8: batching), so it has no result and its guarantee is maybe.
 * A caller learns that its call was sent, and nothing about what became of it.
 */
export interface OneWayProcedure<Args extends readonly unknown[]> extends Procedure<Args, void, "maybe"> {
  readonly [isOneWay]: true;
}

declare const reports: unique symbol;

/** A procedure that tells how far it is while it runs as an asynchronous request: `Progress` is what it tells. */
export interface ReportingProcedure<Args extends readonly unknown[], Result, Declared extends Semantics, Progress>
  extends Procedure<Args, Result, Declared> {
  readonly [reports]: Progress;
}

/** What a procedure tells of its progress: `never` where it declares nothing. */
export type ProgressOf<P> = P extends { readonly [reports]: infer Progress } ? Progress : never;

/** Whether a procedure is one-way: `true`, or `undefined` where there is nothing to say. */
export type OneWayOf<P> = P extends { readonly [isOneWay]: true } ? true : undefined;

export type ArgsOf<P> = P extends Procedure<infer Args, unknown, infer _Declared> ? Args : never;
export type ResultOf<P> = P extends Procedure<infer _Args, infer Result, infer _Declared> ? Result : never;
export type DeclaredOf<P> = P extends Procedure<infer _Args, unknown, infer Declared> ? Declared : never;

declare const contract: unique symbol;

/**
 * A contract that can be called and served: what the IDL compiler emits, and what a protocol's own constructor
 * (`oncProgram`) makes by hand. It carries its protocol, so `connect` and `Server` need no registry.
 *
 * @typeParam C the contract: an interface whose members are {@link Procedure}s
 * @typeParam P the protocol's kind of service
 */
export interface Service<C, P extends Protocol = Protocol> {
  /** In types only: what lets a function that takes any service find its contract. */
  readonly [contract]?: C | undefined;
  readonly protocol: P;
  /** The service's own name, such as `CALC_PROG`, for messages and tools. */
  readonly name: string;
  /** The version in the protocol's own terms. */
  readonly version: number;
  /** Each procedure in the protocol's own terms. */
  readonly procedures: { readonly [K in keyof C]: object };
}

/** What a service knows of its protocol: how to load either half of it, and what can be said without loading them. */
export interface Protocol {
  readonly name: string;
  readonly client: () => Promise<ClientHalf>;
  readonly server: () => Promise<ServerHalf>;
  /** Whether it goes over such addresses, well written or not. */
  readonly fits: (address: string) => boolean;
  /** Why one server cannot serve both services; undefined when it can. */
  readonly clash: (one: object, other: object) => string | undefined;
  /** Whether a procedure is answered without a handler. */
  readonly isNull: (procedure: object) => boolean;
}

/** The client's half of a protocol: a module. What it takes is the protocol's own, and `connect` has the types. */
export interface ClientHalf {
  readonly connectService: (service: never, address: string, options: never) => Promise<unknown>;
}

/** The server's half of a protocol: a module. */
export interface ServerHalf {
  readonly ProtocolServer: new (options: never) => ServingHalf;
}

/** What serves the services of one protocol. */
export interface ServingHalf {
  /** Throws RangeError for what is served already, TypeError for a missing handler. */
  exportService(
    service: never,
    lifetime: "persistent" | "per-session" | "per-call",
    make: () => object,
    access: ServiceAccess<Record<string, unknown>>,
  ): void;
  /** @returns the address in use */
  listen(address: string): Promise<string>;
  close(drainMs: number): Promise<void>;
}
