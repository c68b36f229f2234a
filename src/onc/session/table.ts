import { endSession, type SessionObjects } from "../../call/lifetime.js";
import { Numbered } from "../../call/numbered.js";
import type { Caller } from "../../model/index.js";

/** What a server allows its sessions. */
export interface SessionLimits {
  /** Most sessions at once. At it, one that has made no call goes; if all have, OPEN is answered with busy. */
  readonly sessionsMax: number;
  /** Milliseconds that a session outlives its last connection or datagram. */
  readonly sessionLeaseMs: number;
  /** How far the numbers of a lane may run ahead of what was acknowledged. */
  readonly sessionWindow: number;
  /** Most lanes of a session with calls under way. */
  readonly sessionLanesMax: number;
}

/** The defaults, whose reasons are in docs/limits.md. */
export const sessionLimitDefaults: SessionLimits = {
  sessionsMax: 16_384,
  sessionLeaseMs: 60_000,
  sessionWindow: 512,
  sessionLanesMax: 64,
};

/** What the table needs of a call. */
export interface SessionCall {
  /** Nobody wants it any more: its signal fires, or it does not begin. */
  abort(reason: unknown): void;
}

/** Makes ids that cannot be guessed, and tells whose an id is. */
export interface SessionIds {
  make(principal: string): Uint8Array;
  belongs(id: Uint8Array, principal: string): boolean;
}

/** Lanes without calls that a session keeps. Its client uses one, and a few more while some of its calls take long. */
const idleLanesMax = 4;

/** The calls of a session that count together. */
export class SessionLane<Call> {
  readonly number: number;
  /** The caller's name in keys of the reply cache. */
  readonly caller: string;
  /** The client has the answers of all calls up to this one. */
  acknowledged = 0;
  /** By their numbers: calls that wait or run, or whose replies are being kept. */
  readonly running: Numbered<Call> = new Numbered();

  constructor(number: number, caller: string) {
    this.number = number;
    this.caller = caller;
  }
}

/** One client's session, as the server keeps it. */
export class Session<Call extends SessionCall> implements SessionObjects {
  readonly objects: Map<object, object> = new Map();
  readonly id: Uint8Array;
  readonly principal: string;
  readonly client: string;
  readonly incarnation: string;
  /** Whether its calls run one after another, and what runs and waits then. */
  readonly fifo: boolean;
  current: Call | undefined = undefined;
  readonly waiting: Call[] = [];
  /** Connections that it is used over. */
  readonly links: Set<object> = new Set();
  /** When it ends unless it is used; infinite while a connection stands. */
  until: number = Number.POSITIVE_INFINITY;
  /** Whether what waits is just being begun. */
  turning = false;
  /** Whether it ever made a call. */
  used = false;
  ended = false;
  /** The caller's identity as of its last call, so that its principal need not be worked out for each. */
  identity: object | undefined = undefined;
  /** Is told of a connection that it is used over from now on, and of its end. */
  onLink: ((link: object) => void) | undefined = undefined;
  onEnd: ((reason: Error) => void) | undefined = undefined;
  readonly #lanes = new Map<number, SessionLane<Call>>();
  readonly #name: string;
  #last: SessionLane<Call> | undefined;

  constructor(id: Uint8Array, principal: string, client: string, incarnation: string, fifo: boolean) {
    this.id = id;
    this.principal = principal;
    this.client = client;
    this.incarnation = incarnation;
    this.fifo = fifo;
    this.#name = sessionName(id, principal);
  }

  /**
   * A lane by its number. Lanes without calls are kept only to save making them anew.
   *
   * @returns undefined when too many have calls
   */
  lane(number: number, max: number): SessionLane<Call> | undefined {
    // Mostly it is the lane of the call before, and comparing is faster than looking up.
    if (this.#last?.number === number) return this.#last;
    let lane = this.#lanes.get(number);
    if (lane !== undefined) {
      this.#last = lane;
      return lane;
    }
    if (this.#lanes.size >= max) {
      for (const [other, { running }] of this.#lanes) if (running.size === 0) this.#lanes.delete(other);
      if (this.#lanes.size >= max) return undefined;
    }
    lane = new SessionLane(number, laneCaller(this.#name, number));
    this.#lanes.set(number, lane);
    this.#last = lane;
    return lane;
  }

  /** A lane's call has ended: it is kept if it has others, or is one of the few that save making them anew. */
  left(lane: SessionLane<Call>): void {
    if (lane.running.size > 0 || this.#lanes.size <= idleLanesMax) return;
    this.#lanes.delete(lane.number);
    if (this.#last === lane) this.#last = undefined;
  }

  /** How many lanes it has. */
  get lanes(): number {
    return this.#lanes.size;
  }

  /** A call that waits or runs. */
  find(lane: number, sequence: number): Call | undefined {
    return this.#lanes.get(lane)?.running.get(sequence);
  }

  get running(): Call[] {
    return [...this.#lanes.values()].flatMap(({ running }) => running.values());
  }
}

/** The caller of a lane's calls in the reply cache: principal, session and lane, so that no one gets another's reply. */
export function laneCaller(session: string, lane: number): string {
  return `${session} ${lane}`;
}

export function sessionName(id: Uint8Array, principal: string): string {
  return `session ${hex(id)} of ${principal}`;
}

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** The sessions of one server. It owns no timer: call `tick` at `deadline`. */
export class SessionTable<Call extends SessionCall> {
  readonly limits: SessionLimits;
  /** When a session's lease may end next. */
  deadline: number = Number.POSITIVE_INFINITY;
  readonly #ids: SessionIds;
  /** By the first four bytes of their ids, which no two share. */
  readonly #sessions = new Map<number, Session<Call>>();
  readonly #byClient = new Map<string, Set<Session<Call>>>();
  readonly #byLink = new Map<object, Set<Session<Call>>>();
  /** What `findFor` found last, and by which id. */
  #last: Session<Call> | undefined;
  #lastId: Uint8Array | undefined;

  constructor(limits: SessionLimits, ids: SessionIds) {
    this.limits = limits;
    this.#ids = ids;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /**
   * Begins a session, and ends what an earlier run of the same client left.
   *
   * @param link the connection; undefined for datagrams, which have none
   * @returns undefined when there are too many
   */
  open(
    principal: string,
    args: { readonly client: string; readonly incarnation: Uint8Array; readonly fifo: boolean },
    link: object | undefined,
    now: number,
  ): Session<Call> | undefined {
    const incarnation = hex(args.incarnation);
    if (args.client !== "") {
      for (const other of this.#byClient.get(`${principal}\0${args.client}`) ?? []) {
        if (other.incarnation !== incarnation) this.end(other, new Error("its client has started again"));
      }
    }
    if (this.#sessions.size >= this.limits.sessionsMax && !this.#evict()) return undefined;
    let id = this.#ids.make(principal);
    while (this.#sessions.has(keyOf(id))) id = this.#ids.make(principal);
    const session = new Session<Call>(id, principal, args.client, incarnation, args.fifo);
    this.#sessions.set(keyOf(id), session);
    if (args.client !== "") add(this.#byClient, `${principal}\0${args.client}`, session);
    this.touch(session, link, now);
    return session;
  }

  /** Finds a session that belongs to this principal. */
  find(id: Uint8Array, principal: string): Session<Call> | undefined {
    const session = this.#sessions.get(keyOf(id));
    return session !== undefined && session.principal === principal && equal(session.id, id) ? session : undefined;
  }

  /** The same for every call: an identity that the session has seen needs no principal to be worked out. */
  findFor(id: Uint8Array, identity: Caller, principalOf: (identity: Caller) => string): Session<Call> | undefined {
    // Mostly it is the session of the call before, whose id is then the same object.
    const last = this.#last;
    if (last !== undefined && id === this.#lastId && last.identity === identity && !last.ended) return last;
    const session = this.#sessions.get(keyOf(id));
    if (session === undefined || !equal(session.id, id)) return undefined;
    if (session.identity !== identity) {
      if (session.principal !== principalOf(identity)) return undefined;
      session.identity = identity;
    }
    this.#last = session;
    this.#lastId = id;
    return session;
  }

  /** Whether an id was given to this principal, by whichever server. */
  belongs(id: Uint8Array, principal: string): boolean {
    return this.#ids.belongs(id, principal);
  }

  /** The session is in use: over a connection, for as long as that stands. */
  touch(session: Session<Call>, link: object | undefined, now: number): void {
    if (link === undefined) {
      if (session.links.size === 0) this.#leaseFrom(session, now);
    } else if (!session.links.has(link)) {
      session.links.add(link);
      session.until = Number.POSITIVE_INFINITY;
      add(this.#byLink, link, session);
      session.onLink?.(link);
    }
  }

  /** A connection is gone: sessions that have no other live on for their lease. */
  lost(link: object, now: number): void {
    for (const session of this.#byLink.get(link) ?? []) {
      session.links.delete(link);
      if (session.links.size === 0) this.#leaseFrom(session, now);
    }
    this.#byLink.delete(link);
  }

  #leaseFrom(session: Session<Call>, now: number): void {
    session.until = now + this.limits.sessionLeaseMs;
    if (session.until < this.deadline) this.deadline = session.until;
  }

  /** Ends a session: what still runs is cancelled, its objects are disposed of, and its id is refused as stale. */
  end(session: Session<Call>, reason: Error): void {
    if (session.ended) return;
    session.ended = true;
    this.#sessions.delete(keyOf(session.id));
    take(this.#byClient, `${session.principal}\0${session.client}`, session);
    for (const link of session.links) take(this.#byLink, link, session);
    for (const call of session.running) call.abort(reason);
    session.onEnd?.(reason);
    this.disposeOf(session);
  }

  /** Disposes of the objects of a session that has ended, once no handler works with them any more. */
  disposeOf(session: Session<Call>): void {
    if (session.ended && session.running.length === 0) endSession(session);
  }

  /** Ends the sessions whose leases are over. */
  tick(now: number): void {
    let next = Number.POSITIVE_INFINITY;
    for (const session of this.#sessions.values()) {
      if (session.until <= now) this.end(session, new Error("its session's lease is over: the client is gone"));
      else if (session.until < next) next = session.until;
    }
    this.deadline = next;
  }

  close(reason: Error): void {
    for (const session of this.#sessions.values()) this.end(session, reason);
  }

  /** Makes room: opened by whoever may be nobody, and never used. */
  #evict(): boolean {
    for (const session of this.#sessions.values()) {
      if (session.used) continue;
      this.end(session, new Error("the server has too many sessions"));
      return true;
    }
    return false;
  }
}

function keyOf(id: Uint8Array): number {
  return (((id[0] as number) << 24) | ((id[1] as number) << 16) | ((id[2] as number) << 8) | (id[3] as number)) >>> 0;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}

function add<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

function take<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set?.delete(value) === true && set.size === 0) sets.delete(key);
}
