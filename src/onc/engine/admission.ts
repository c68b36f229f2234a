// Which calls may start. A call keeps its message while it runs, so both the calls that run and their bytes are
// limited. Whoever fills a limit must not shut others out, so what somebody has running weighs against him: what runs
// in all, what of it is his address's, and what of that is his connection's (or port's), are counted together. Whoever
// has nothing running then finds about as much room as the largest takers have taken. (Choudhury and Hahne, "Dynamic
// queue length thresholds for shared-memory packet switches", 1998, share the memory of a switch so.)

/** Calls that run, and the bytes of their messages: of all, of one address, or of one connection or port. */
export class Running {
  calls = 0;
  bytes = 0;
  /** What these count in as well. */
  within: Running | undefined;

  constructor(within?: Running) {
    this.within = within;
  }

  /** From now on these count in something else as well. */
  join(within: Running): void {
    this.within = within;
    for (let of: Running | undefined = within; of !== undefined; of = of.within) {
      of.calls += this.calls;
      of.bytes += this.bytes;
    }
  }

  start(size: number): void {
    for (let of: Running | undefined = this; of !== undefined; of = of.within) {
      of.calls++;
      of.bytes += size;
    }
  }

  /** A call that runs takes more than it did when it started. */
  grow(size: number): void {
    for (let of: Running | undefined = this; of !== undefined; of = of.within) of.bytes += size;
  }

  end(size: number): void {
    for (let of: Running | undefined = this; of !== undefined; of = of.within) {
      of.calls--;
      of.bytes -= size;
    }
  }
}

/** How many calls, and bytes of them, may run at once. */
export class RunningLimit {
  readonly all: Running = new Running();
  readonly #callsMax: number;
  readonly #bytesMax: number;

  constructor(callsMax: number, bytesMax: number) {
    this.#callsMax = callsMax;
    this.#bytesMax = bytesMax;
  }

  /** Whether one more call may start. Its size is not known yet: the last one may exceed the limit. */
  hasRoom(of: Running): boolean {
    // Mostly so little runs that it does not matter whose it is.
    const { all } = this;
    if (3 * all.calls < this.#callsMax && 3 * all.bytes < this.#bytesMax) return true;
    let calls = 0;
    let bytes = 0;
    for (let part: Running | undefined = of; part !== undefined; part = part.within) {
      calls += part.calls;
      bytes += part.bytes;
    }
    return calls < this.#callsMax && bytes < this.#bytesMax;
  }
}

/** What runs by name, each kept while somebody uses it. */
export class RunningByName {
  readonly #all = new Map<string, { readonly running: Running; users: number }>();

  get size(): number {
    return this.#all.size;
  }

  get(name: string): Running | undefined {
    return this.#all.get(name)?.running;
  }

  open(name: string, within: Running): Running {
    let entry = this.#all.get(name);
    if (entry === undefined) {
      entry = { running: new Running(within), users: 0 };
      this.#all.set(name, entry);
    }
    entry.users++;
    return entry.running;
  }

  close(name: string): void {
    const entry = this.#all.get(name);
    if (entry !== undefined && --entry.users === 0) this.#all.delete(name);
  }
}

/** A peer's address without its port: whose calls and connections are counted together. */
export function hostOf(peer: string): string {
  return peer.replace(/:\d+$/, "");
}

/** Most calls on streams that run at once, unless a user says otherwise. */
export const runningCallsMax = 16_384;

/** Most bytes of them: 256 MiB. */
export const runningBytesMax: number = 256 * 1024 * 1024;

/**
 * Bytes of a call that a connection may always have running, whatever the others have: with 8,192 connections that is
 * 128 MiB, and the usual call of another protocol's size (a lookup, a status, a small write) fits.
 */
export const reservedCallSizeMax = 16_384;

/** Most reserved calls, unless there may be fewer connections: who hangs up leaves his call running. */
const reservedCallsMax = 8_192;

export interface StreamAdmissionLimits {
  readonly runningCallsMax?: number | undefined;
  readonly runningBytesMax?: number | undefined;
  readonly reservedCallSizeMax?: number | undefined;
  readonly connectionsMax?: number | undefined;
}

/** One connection, as it stands in line. */
export interface Admitted {
  /** Calls of it that run. */
  readonly running: number;
  /** Whether it may not start the call that it has, or that comes next. */
  readonly held: boolean;
  /** What its calls count in, and above that, what those of its address count in. */
  readonly share: Running;
  readonly host: Running;
  /** What a call counts in that takes its reserved place. */
  readonly reserve: Running;
}

/** Which calls of all connections may start, and who waits for that. */
export class StreamAdmission<Link extends Admitted = Admitted> {
  readonly #limit: RunningLimit;
  readonly #reserved: RunningLimit;
  readonly #reservedSizeMax: number;
  readonly #shares = new RunningByName();
  readonly #reserves = new RunningByName();
  /** Who may not start a call, by address, in the order in which they are let in. */
  readonly #waiting = new Map<Running, Set<Link>>();

  constructor(limits: StreamAdmissionLimits = {}) {
    this.#limit = new RunningLimit(
      limits.runningCallsMax ?? runningCallsMax,
      limits.runningBytesMax ?? runningBytesMax,
    );
    this.#reservedSizeMax = limits.reservedCallSizeMax ?? reservedCallSizeMax;
    const reservedMax = limits.connectionsMax ?? reservedCallsMax;
    this.#reserved = new RunningLimit(reservedMax, reservedMax * this.#reservedSizeMax);
  }

  /** What the calls of one more connection of this peer count in. Each `join` is followed by a `leave` of the same peer. */
  join(peer: string): Pick<Admitted, "share" | "host" | "reserve"> {
    const name = hostOf(peer);
    const host = this.#shares.open(name, this.#limit.all);
    return { share: new Running(host), host, reserve: this.#reserves.open(name, this.#reserved.all) };
  }

  /** A connection is over, and so are all of its calls. */
  leave(peer: string): void {
    const name = hostOf(peer);
    this.#shares.close(name);
    this.#reserves.close(name);
  }

  /** The most bytes that the connection's next call may have: any, those of its reserved place, or -1 for no call. */
  sizeMax(link: Link): number {
    if (this.#limit.hasRoom(link.share)) return Number.POSITIVE_INFINITY;
    return link.running === 0 && this.#reserved.hasRoom(link.reserve) ? this.#reservedSizeMax : -1;
  }

  /** Puts a connection at the end of the line, or leaves it where it stands. */
  wait(link: Link): void {
    const line = this.#waiting.get(link.host);
    if (line === undefined) this.#waiting.set(link.host, new Set([link]));
    else line.add(link);
  }

  /** Takes a connection out of the line. */
  forget(link: Link): void {
    const line = this.#waiting.get(link.host);
    if (line?.delete(link) === true && line.size === 0) this.#waiting.delete(link.host);
  }

  /** Whether somebody waits. */
  get crowded(): boolean {
    return this.#waiting.size > 0;
  }

  /** Lets those in line start calls, the first first, as long as there is room. Who is not satisfied waits again. */
  letIn(start: (link: Link) => void): void {
    for (const [host, line] of this.#waiting) {
      for (let left = line.size; left > 0; left--) {
        const [link] = line;
        if (link === undefined || !(this.#limit.hasRoom(host) || this.#reserved.hasRoom(link.reserve))) break;
        line.delete(link);
        if (link.held) line.add(link);
        else start(link);
      }
      if (this.#waiting.get(host)?.size === 0) this.#waiting.delete(host);
    }
  }
}

/** Most calls in datagrams that run at once, unless a user says otherwise. */
export const runningDatagramsMax = 4_096;

/** Most bytes of them: 64 MiB. */
export const runningDatagramBytesMax: number = 64 * 1024 * 1024;

export interface DatagramAdmissionLimits {
  readonly runningDatagramsMax?: number | undefined;
  readonly runningDatagramBytesMax?: number | undefined;
}

/** Which datagrams may start a call. They have limits of their own: nobody can wait in line to be read. */
export class DatagramAdmission {
  readonly #limit: RunningLimit;
  readonly #hosts = new RunningByName();
  readonly #ports = new RunningByName();

  constructor(limits: DatagramAdmissionLimits = {}) {
    this.#limit = new RunningLimit(
      limits.runningDatagramsMax ?? runningDatagramsMax,
      limits.runningDatagramBytesMax ?? runningDatagramBytesMax,
    );
  }

  /** Whether a datagram of this peer may start a call. */
  hasRoom(peer: string): boolean {
    return this.#limit.hasRoom(this.#ports.get(peer) ?? this.#hosts.get(hostOf(peer)) ?? this.#limit.all);
  }

  /** The call of a datagram runs on, after the turn that it came in. Each `join` is followed by a `leave`. */
  join(peer: string, call: Running): void {
    call.join(this.#ports.open(peer, this.#hosts.open(hostOf(peer), this.#limit.all)));
  }

  leave(peer: string): void {
    this.#ports.close(peer);
    this.#hosts.close(hostOf(peer));
  }

  /** How many addresses have a call that runs. */
  get hosts(): number {
    return this.#hosts.size;
  }
}
