import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import {
  type Admitted,
  DatagramAdmission,
  Running,
  StreamAdmission,
  type StreamAdmissionLimits,
} from "../../src/onc/engine/admission.js";

// Which calls may start, and whose turn it is. test/limits shows the same over sockets.

/** A connection with calls of one size to start, as many as it may. */
class Taker implements Admitted {
  running = 0;
  readonly share: Running;
  readonly host: Running;
  readonly reserve: Running;
  readonly #ends: (() => void)[] = [];
  readonly #admission: StreamAdmission<Taker>;
  readonly #size: number;

  constructor(admission: StreamAdmission<Taker>, peer: string, size: number) {
    ({ share: this.share, host: this.host, reserve: this.reserve } = admission.join(peer));
    this.#admission = admission;
    this.#size = size;
  }

  get held(): boolean {
    return this.#size > this.#admission.sizeMax(this);
  }

  /** Starts one call if it may; else it waits for its turn. */
  take(): boolean {
    if (this.held) {
      this.#admission.wait(this);
      return false;
    }
    const counted = this.#admission.sizeMax(this) === Number.POSITIVE_INFINITY ? this.share : this.reserve;
    counted.start(this.#size);
    this.running++;
    this.#ends.push(() => counted.end(this.#size));
    return true;
  }

  takeAll(): number {
    for (;;) if (!this.take()) return this.running;
  }

  /** Its oldest call ends. */
  end(): void {
    this.#ends.shift()?.();
    this.running--;
  }
}

const crowd = (
  limits: StreamAdmissionLimits,
): ((peer: string, size?: number) => Taker) & {
  admission: StreamAdmission<Taker>;
} => {
  const admission = new StreamAdmission<Taker>(limits);
  return Object.assign((peer: string, size = 1) => new Taker(admission, peer, size), { admission });
};

describe("calls on streams", () => {
  it.each([
    ["one connection", ["tcp://a:1"], [400]],
    ["two of one address", ["tcp://a:1", "tcp://a:2"], [400, 134]],
    ["one of each of two addresses", ["tcp://a:1", "tcp://b:1"], [400, 267]],
    ["a third address", ["tcp://a:1", "tcp://a:2", "tcp://b:1"], [400, 134, 222]],
  ])("%s may take no more than leaves others room", (_name, peers, runs) => {
    const take = crowd({ runningCallsMax: 1_200, reservedCallSizeMax: 0 });
    expect(peers.map((peer) => take(peer).takeAll())).toEqual(runs);
  });

  it("of a thousand greedy connections of one address leave half to the others", () => {
    const take = crowd({ runningBytesMax: 1_000_000, reservedCallSizeMax: 0 });
    let taken = 0;
    for (let port = 0; port < 1_000; port++) taken += take(`tcp://a:${port}`, 1_000).takeAll();
    expect(taken).toBe(500);
    expect(take("tcp://b:1", 1_000).takeAll()).toBe(167);
  });

  it("of a connection that has none running start within the reserve, whatever the others have", () => {
    const take = crowd({ runningCallsMax: 3, reservedCallSizeMax: 100 });
    expect(take("tcp://a:1", 1_000_000).takeAll()).toBe(1);
    expect(take("tcp://a:2", 1_000_000).takeAll()).toBe(1);
    expect(take("tcp://a:3", 101).takeAll()).toBe(0);
    expect(take("tcp://a:4", 100).takeAll()).toBe(1);
    expect(take("tcp://b:1", 100).takeAll()).toBe(1);
  });

  it("start in the order in which they have waited, one for each that ends", () => {
    const take = crowd({ runningBytesMax: 100, reservedCallSizeMax: 0 });
    const large = take("tcp://a:1", 100);
    expect(large.take()).toBe(true);
    const waiting = [2, 3, 4].map((port) => take(`tcp://a:${port}`, 100));
    for (const one of waiting) one.take();
    const order: number[] = [];
    let running = large;
    for (let i = 0; i < 7; i++) {
      running.end();
      take.admission.letIn((link) => {
        if (!link.take()) return;
        order.push(waiting.indexOf(link));
        running = link;
      });
      // Whoever has had his turn stands at the end again.
      for (const one of waiting) one.take();
    }
    expect(order).toEqual([0, 1, 2, 0, 1, 2, 0]);
  });

  it("of whoever waits for a reserved place start when one is free", () => {
    const take = crowd({ runningCallsMax: 1, reservedCallSizeMax: 10, connectionsMax: 1 });
    take("tcp://a:1", 1).take();
    const reserved = take("tcp://a:2", 10);
    expect(reserved.take()).toBe(true);
    const next = take("tcp://a:3", 10);
    expect(next.take()).toBe(false);
    const started: Taker[] = [];
    const letIn = (): void => take.admission.letIn((link) => link.take() && started.push(link));
    letIn();
    expect(started).toEqual([]);
    reserved.end();
    letIn();
    expect(started).toEqual([next]);
    expect(take.admission.crowded).toBe(false);
  });

  it("are never more than the limit and one, whoever comes, goes and waits; and nobody waits for ever", () => {
    const step = fc.record({ who: fc.nat(11), what: fc.constantFrom("take", "take", "end", "leave") });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), fc.constantFrom(0, 5), (steps, reservedCallSizeMax) => {
        const limits = { runningCallsMax: 20, runningBytesMax: 100, reservedCallSizeMax, connectionsMax: 12 };
        const take = crowd(limits);
        const sizeOf = (who: number): number => 1 + 3 * who;
        const peerOf = (who: number): string => `tcp://${"abc"[who % 3]}:${who}`;
        const takers = Array.from({ length: 12 }, (_, who) => take(peerOf(who), sizeOf(who)));
        const check = (): void => {
          const [one] = takers as [Taker];
          const all = one.host.within as Running;
          expect(all.calls).toBeLessThanOrEqual(20);
          expect(all.bytes).toBeLessThan(100 + sizeOf(11));
          expect(one.reserve.within?.calls).toBeLessThanOrEqual(12);
        };
        const letIn = (): void => take.admission.letIn((link) => void link.takeAll());
        for (const { who, what } of steps) {
          const taker = takers[who] as Taker;
          if (what === "take") taker.take();
          else if (what === "leave") take.admission.forget(taker);
          else if (taker.running > 0) {
            taker.end();
            letIn();
          }
          check();
        }
        // Everything ends; whoever still waits gets his turn.
        for (const taker of takers) taker.take();
        const served = new Set(takers.filter(({ running }) => running > 0));
        for (let i = 0; i < 100 && served.size < takers.length; i++) {
          const running = takers.find((taker) => taker.running > 0);
          running?.end();
          take.admission.letIn((link) => {
            if (link.take()) served.add(link);
          });
        }
        expect(served.size).toBe(takers.length);
      }),
    );
  });
});

describe("calls in datagrams", () => {
  const take = (admission: DatagramAdmission, peer: string, size = 1): boolean => {
    if (!admission.hasRoom(peer)) return false;
    const call = new Running();
    call.start(size);
    admission.join(peer, call);
    running.push([peer, call]);
    return true;
  };
  const running: [peer: string, call: Running][] = [];
  beforeEach(() => void running.splice(0));
  const takeAll = (admission: DatagramAdmission, peer: string, size?: number): number => {
    for (let count = 0; ; count++) if (!take(admission, peer, size)) return count;
  };

  it.each([
    ["one port", ["udp://a:1"], [400]],
    ["two ports of one address", ["udp://a:1", "udp://a:2"], [400, 134]],
    ["two addresses", ["udp://a:1", "udp://b:1"], [400, 267]],
    ["IPv6 addresses", ["udp://[::1]:1", "udp://[::1]:2", "udp://[::2]:1"], [400, 134, 222]],
  ])("of %s take no more than leaves others room", (_name, peers, runs) => {
    const admission = new DatagramAdmission({ runningDatagramsMax: 1_200 });
    expect(peers.map((peer) => takeAll(admission, peer))).toEqual(runs);
  });

  it("are limited in bytes likewise, and forgotten when they have ended", () => {
    const admission = new DatagramAdmission({ runningDatagramBytesMax: 12_000 });
    expect(takeAll(admission, "udp://a:1", 1_000)).toBe(4);
    expect(admission.hosts).toBe(1);
    for (const [peer, call] of running) {
      call.end(1_000);
      admission.leave(peer);
    }
    expect(admission.hosts).toBe(0);
    expect(takeAll(admission, "udp://b:1", 1_000)).toBe(4);
  });
});
