import { limitProblem, timeoutMsDefault } from "../call/call-options.js";
import { RetryPolicy } from "../call/retry.js";
import type { Alarm, Clock } from "../drive/clock.js";
import type { Machine } from "../drive/machine.js";
import {
  type CallbackOptions,
  type CallOptions,
  type Client,
  type ClientStats,
  RpcError,
  type ServerGuarantee,
  type Settlement,
} from "../model/index.js";
import { clientAuthNone } from "./auth/index.js";
import { type Channel, OncChannel } from "./channel.js";
import { typedClient } from "./client.js";
import {
  type CallTarget,
  type ClientCall,
  type ServerCall,
  StreamClientEngine,
  type StreamLink,
  StreamServerLink,
} from "./engine/index.js";
import { watchEngine } from "./observed.js";
import type { OncService } from "./program.js";
import { onc } from "./protocol.js";
import type { Session } from "./session/table.js";
import { ClntStat, clntStatus } from "./status.js";
import { targetsOf } from "./targets.js";

// Calls that a server makes to its clients, over the connections that these have made. They are a client's calls in every way,
// with an engine of their own: only who reads and writes the connection is another. The calls of a client that has a session
// wait, when its connection is lost, for the one that it makes next.

/**
 * Most callbacks of one caller that have not ended, unless a user says otherwise. Each is a call that waits here and one that
 * runs there, so it is also how deep calls and callbacks can be nested.
 */
export const callbacksPerCallerMax = 256;

/** The callers of one server that are called back. */
export class Callbacks {
  readonly #drives = new WeakMap<object, CallbackDrive>();
  readonly #max: number;
  readonly #machine: Machine;

  constructor(max: number | undefined, machine: Machine) {
    this.#max = max ?? callbacksPerCallerMax;
    this.#machine = machine;
  }

  /**
   * A client of a service of the caller's.
   *
   * @throws RpcError `invalid-argument` for a caller that cannot be called, and for a service of another protocol
   */
  clientFor(call: ServerCall, service: OncService<unknown>, { timeoutMs }: CallbackOptions): Client<unknown> {
    const refuse = (message: string): RpcError => new RpcError("invalid-argument", message, { executed: "no" });
    if (service.protocol.name !== onc.name) {
      throw refuse(`${service.name} is a service of the protocol ${service.protocol.name}; the caller speaks ONC RPC`);
    }
    const { link, seat } = call;
    if (!(link instanceof StreamServerLink)) {
      throw refuse(`${link.peer} calls by datagrams, and has no connection over which to call it back`);
    }
    const problem = limitProblem(timeoutMs);
    if (problem !== undefined) throw refuse(`timeoutMs ${problem}`);
    const drive = this.#driveOf(link, seat?.session);
    return typedClient(service, targetsOf(service, {}), new CallbackView(drive.channel, timeoutMs));
  }

  #driveOf(link: StreamServerLink, session: Session<ServerCall> | undefined): CallbackDrive {
    const key = session ?? link;
    let drive = this.#drives.get(key);
    if (drive === undefined) {
      drive = new CallbackDrive(link.peer, session !== undefined, this.#max, this.#machine);
      this.#drives.set(key, drive);
      if (session !== undefined) this.#follow(drive, session);
    }
    drive.attach(link);
    return drive;
  }

  /** The drive goes with the session over whichever connection that is used next. */
  #follow(drive: CallbackDrive, session: Session<ServerCall>): void {
    session.onLink = (link) => {
      if (link instanceof StreamServerLink) drive.attach(link);
    };
    session.onEnd = (reason) => drive.end(reason);
    if (session.ended) drive.end(new Error("the caller's session has ended"));
  }

  /** A connection is gone. */
  lost(link: StreamServerLink, reason: Error | undefined): void {
    const { callingBack } = link;
    if (callingBack instanceof CallbackWire) callingBack.drive.lost(link, reason);
  }
}

/** What a connection knows of the calls that are made over it the other way. */
class CallbackWire {
  readonly drive: CallbackDrive;
  readonly link: StreamLink;

  constructor(drive: CallbackDrive, link: StreamLink) {
    this.drive = drive;
    this.link = link;
  }

  get waiting(): number {
    return this.link.waiting;
  }

  reply(buffer: Uint8Array, start: number, end: number): void {
    this.drive.reply(this.link, buffer, start, end);
  }

  congested(congested: boolean): void {
    this.link.congested = congested;
    if (!congested) this.more();
  }

  /** Adds what waits to what is being written; says whether anything was. */
  more(): boolean {
    return this.drive.more(this.link);
  }
}

/** Runs a client's engine over the connections of a caller. */
class CallbackDrive {
  readonly channel: OncChannel;
  readonly #engine: StreamClientEngine;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  #armedFor = Number.POSITIVE_INFINITY;
  readonly #links = new Map<StreamServerLink, StreamLink>();
  /** Whether another connection may follow the one that is lost. */
  readonly #mayReturn: boolean;
  /** Why nobody can be called any more. */
  #over: RpcError | undefined;
  #waitingForRoom: (() => void)[] = [];

  constructor(peer: string, mayReturn: boolean, pendingCallsMax: number, machine: Machine) {
    const { clock } = machine;
    this.#clock = clock;
    this.#mayReturn = mayReturn;
    const retry = new RetryPolicy(undefined, machine.random);
    const firstXid = new DataView(machine.randomBytes(4).buffer.slice(0, 4)).getUint32(0);
    this.#engine = new StreamClientEngine({
      auth: clientAuthNone(),
      firstXid,
      peer,
      pendingCallsMax,
      retryPolicy: retry,
    });
    watchEngine(this.#engine);
    this.#alarm = clock.alarm(() => {
      this.#armedFor = Number.POSITIVE_INFINITY;
      this.#engine.tick(this.now());
      this.#settle();
    });
    // Whether this caller has sessions is not what other callers of the same address have said.
    const options = { session: mayReturn ? "auto" : "off", machine: { ...machine } } as const;
    this.channel = OncChannel.over(this, this.#engine, retry, options);
  }

  /** The caller is reached over this connection from now on. */
  attach(link: StreamServerLink): void {
    if (this.#over !== undefined || link.gone || link.callingBack !== undefined) return;
    const reverse = this.#engine.opened(this.now(), link.replies);
    reverse.congested = link.congested;
    this.#engine.peer = link.peer;
    this.#links.set(link, reverse);
    link.callingBack = new CallbackWire(this, reverse);
    this.#settle();
  }

  /** The connection is gone. */
  lost(link: StreamServerLink, reason: Error | undefined): void {
    const reverse = this.#links.get(link);
    if (reverse === undefined) return;
    this.#links.delete(link);
    this.#engine.lost(reverse, reason, this.now());
    if (this.#links.size === 0 && !this.#mayReturn) this.end(reason ?? new Error("the caller hung up"));
    this.#settle();
  }

  /** The caller cannot be called any more. */
  end(reason: Error): void {
    if (this.#over !== undefined) return;
    this.#over = new RpcError("unavailable", `the caller is gone: ${reason.message}`, {
      executed: "no",
      status: clntStatus(ClntStat.RPC_CANTSEND),
    });
    for (const [link, reverse] of this.#links) {
      this.#links.delete(link);
      this.#engine.lost(reverse, reason, this.now());
    }
    this.#engine.unreachable(this.#over, this.now(), true);
    this.#settle();
  }

  reply(link: StreamLink, buffer: Uint8Array, start: number, end: number): void {
    this.#engine.message(link, buffer, start, end, this.now());
    this.#settle();
  }

  more(link: StreamLink): boolean {
    if (link !== this.#engine.link || this.#engine.queuedCalls === 0) return false;
    const at = link.outbox.size;
    this.#engine.sendQueued(this.now());
    return link.outbox.size > at;
  }

  // --- what a channel needs of a drive

  /** Never: others may have clients over it too. */
  readonly closed = false;

  now(): number {
    return this.#clock.now();
  }

  start(call: ClientCall): void {
    this.#engine.start(call);
    if (this.#over !== undefined) this.#engine.unreachable(this.#over, this.now(), true);
    this.#settle();
  }

  cancel(call: ClientCall, reason: unknown): void {
    this.#engine.cancel(call, reason, this.now());
    this.#settle();
  }

  async ready(hasRoom: () => boolean): Promise<void> {
    while (!hasRoom() && this.#over === undefined) {
      await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve));
    }
  }

  close(): void {}

  /** Brings the connection and the timer in line with what the engine now wants. */
  #settle(): void {
    for (const [link, { outbox }] of this.#links) if (outbox.size > 0) link.onChange?.();
    const { deadline, pendingCalls } = this.#engine;
    this.#alarm.keepAlive(pendingCalls > 0);
    if (deadline < this.#armedFor) {
      this.#armedFor = deadline;
      this.#alarm.set(deadline);
    }
    if (this.#waitingForRoom.length > 0) for (const wake of this.#waitingForRoom.splice(0)) wake();
  }
}

/** One client over a channel that others use too: closing it ends none of theirs. */
class CallbackView implements Channel {
  readonly #channel: OncChannel;
  readonly #timeoutMs: number | undefined;
  #closed = false;

  constructor(channel: OncChannel, timeoutMs: number | undefined) {
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
  }

  get address(): string {
    return this.#channel.address;
  }

  get stats(): ClientStats {
    return this.#channel.stats;
  }

  get retry(): RetryPolicy {
    return this.#channel.retry;
  }

  call(target: CallTarget, args: readonly unknown[], options: CallOptions | undefined): Promise<unknown> {
    if (this.#closed) {
      const message = `${target.name} to ${this.address}: the client was closed`;
      return Promise.reject(new RpcError("closed", message, { executed: "no", peer: this.address }));
    }
    if (this.#timeoutMs === undefined) return this.#channel.call(target, args, options);
    return this.#channel.call(target, args, { timeoutMs: this.#timeoutMs, ...options });
  }

  guarantee(): Promise<ServerGuarantee> {
    return this.#channel.guarantee();
  }

  renew(): void {
    this.#channel.renew();
  }

  settle(error: RpcError, timeoutMs: number = this.#timeoutMs ?? timeoutMsDefault): Promise<Settlement<unknown>> {
    return this.#channel.settle(error, timeoutMs);
  }

  ready(): Promise<void> {
    return this.#channel.ready();
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }
}

/** What the endpoints tell a connection's callbacks of its writing. */
export function wireOf({ callingBack }: StreamServerLink): CallbackWire | undefined {
  return callingBack instanceof CallbackWire ? callingBack : undefined;
}
