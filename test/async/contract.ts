// What every engine of asynchronous requests does. It runs over each of them, with the real thing behind it.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Acceptance, Submission } from "../../src/async/core/accept.js";
import { RequestBook } from "../../src/async/core/book.js";
import { type RequestLimitOptions, requestLimitDefaults, resolveRequestLimits } from "../../src/async/core/limits.js";
import type { RequestRow } from "../../src/async/core/request.js";
import type { RequestEngine } from "../../src/async/core/table.js";

/** Opens an engine that knows nothing yet; or, `again`, one more on the same rows. */
export type OpenEngine = (options: { readonly now: () => number }, again?: boolean) => Promise<RequestEngine>;

export interface EngineFacts {
  readonly durable: boolean;
  readonly shared: boolean;
}

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const text = (data: Uint8Array): string => Buffer.from(data).toString();

let made = 0;
const submission = (more: Partial<Submission> = {}): Submission => {
  made++;
  return {
    id: made.toString(16).padStart(32, "0"),
    owner: "alice",
    key: `key ${made}`,
    digest: "d",
    procedure: "p",
    args: bytes("args"),
    restart: "requeue",
    ttlMs: 10_000,
    ...more,
  };
};

export function requestEngineContract(open: OpenEngine, facts: EngineFacts): void {
  let now = 0;
  let book: RequestBook;
  const opened: RequestBook[] = [];
  const openBook = async (limits: RequestLimitOptions = {}, again = false): Promise<RequestBook> => {
    book = new RequestBook(await open({ now: () => now }, again), resolveRequestLimits(limits));
    opened.push(book);
    return book;
  };
  const submit = async (more: Partial<Submission> = {}): Promise<string> => {
    const answer = await book.submit(submission(more));
    expect(answer.state).toBe("accepted");
    return (answer as Extract<Acceptance, { state: "accepted" }>).id;
  };
  const take = (count = 1, worker = "w", leaseMs = 1_000) => book.take({ worker, procedures: ["p"], count, leaseMs });
  const takeOne = async (worker = "w"): Promise<RequestRow> => {
    const [row] = await take(1, worker);
    expect(row).toBeDefined();
    return row as RequestRow;
  };
  const told = async (id: string, owner = "alice"): Promise<string[]> => {
    const page = await book.events(owner, id, 0, 1_000);
    return (page?.events ?? []).map(({ number, kind, data }) => `${number} ${kind} ${text(data)}`.trim());
  };
  const look = async (id: string, owner = "alice", from = book) => (await from.look(owner, id))?.request;
  const stateOf = async (id: string) => {
    const row = await look(id);
    return row && `${row.state} ${row.executed}`;
  };

  beforeEach(() => {
    now = 1_800_000_000_000;
  });
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.close();
  });

  it("says what it is", async () => {
    await openBook();
    const { durable, shared } = book.engine;
    expect({ durable, shared }).toEqual(facts);
  });

  it("keeps all of a request, byte for byte", async () => {
    await openBook();
    const args = new Uint8Array([0, 255, 1, 254, 39, 0]);
    const id = await submit({ args, digest: "a 'digest'", restart: "resume", ttlMs: 1_234 });
    expect(await look(id)).toMatchObject({
      id,
      owner: "alice",
      digest: "a 'digest'",
      procedure: "p",
      restart: "resume",
      state: "queued",
      acceptedAt: now,
      expiresAt: now + 1_234,
      attempt: 0,
      lastEvent: 0,
      cancelled: false,
    });
    expect([...((await look(id)) as RequestRow).args]).toEqual([...args]);
  });

  it("goes from queued over running to done, and tells each step in order", async () => {
    await openBook();
    const id = await submit();
    const run = await takeOne("worker 1");
    expect(run).toMatchObject({ id, attempt: 1, state: "running", worker: "worker 1", leaseUntil: now + 1_000 });
    expect(await book.progress(run, 1, bytes("half"))).toBe("held");
    expect(await book.finish(run, { state: "done", outcome: bytes("result") })).toBe(true);
    expect(await stateOf(id)).toBe("done yes");
    expect(text(((await look(id)) as RequestRow).outcome)).toBe("result");
    expect(await told(id)).toEqual(["1 running", "2 progress half", "3 done"]);
  });

  describe("an idempotency key", () => {
    it("gives the same id again, queues nothing twice, and holds while the request runs and when it is done", async () => {
      await openBook();
      const id = await submit({ key: "k" });
      expect(await submit({ key: "k" })).toBe(id);
      const run = await takeOne();
      expect(await submit({ key: "k" })).toBe(id);
      await book.finish(run, { state: "done", outcome: bytes("") });
      expect(await submit({ key: "k" })).toBe(id);
      expect(await take(10)).toEqual([]);
    });

    it("with other arguments is a mismatch", async () => {
      await openBook();
      await submit({ key: "k" });
      expect(await book.submit(submission({ key: "k", digest: "other" }))).toEqual({ state: "mismatch" });
    });

    it("is its owner's own", async () => {
      await openBook();
      const id = await submit({ key: "k" });
      expect(await submit({ key: "k", owner: "bob" })).not.toBe(id);
    });

    it("is one request, however many ask at once", async () => {
      await openBook();
      const ids = await Promise.all(Array.from({ length: 40 }, () => submit({ key: "k" })));
      expect(new Set(ids).size).toBe(1);
      expect(await take(10)).toHaveLength(1);
    });

    it("is remembered for a while after its outcome was acknowledged, and then forgotten", async () => {
      await openBook();
      const id = await submit({ key: "k" });
      await book.finish(await takeOne(), { state: "done", outcome: bytes("r") });
      await book.acknowledge("alice", id, 2);
      expect(await submit({ key: "k" })).toBe(id);
      now += requestLimitDefaults.requestKeyKeptMs - 1;
      await book.tend();
      expect(await submit({ key: "k" })).toBe(id);
      now += 1;
      await book.tend();
      expect(await submit({ key: "k" })).not.toBe(id);
    });
  });

  it("gives the oldest first, and only what a worker can run", async () => {
    await openBook();
    const ids = [await submit(), await submit({ procedure: "q" }), await submit(), await submit()];
    expect((await take(2)).map(({ id }) => id)).toEqual([ids[0], ids[2]]);
    expect(await book.take({ worker: "w", procedures: [], count: 9, leaseMs: 1 })).toEqual([]);
    expect((await book.take({ worker: "w", procedures: ["q", "p"], count: 9, leaseMs: 1_000 })).length).toBe(2);
  });

  it("gives each request to one of many workers that ask at once", async () => {
    await openBook();
    const ids = await Promise.all(Array.from({ length: 30 }, () => submit()));
    const taken = (await Promise.all(Array.from({ length: 20 }, (_, i) => take(3, `w${i}`)))).flat();
    expect(taken.map(({ id }) => id).sort()).toEqual([...ids].sort());
  });

  describe("a lease", () => {
    it("that is over takes the request from its worker, whose token counts no more", async () => {
      await openBook();
      const id = await submit();
      const first = await takeOne("slow");
      now += 1_000;
      expect(await book.tend()).toMatchObject({ interrupted: 1 });
      const second = await takeOne("quick");
      expect(second).toMatchObject({ id, attempt: 2 });
      expect(await book.progress(first, 1, bytes("late"))).toBe("lost");
      expect(await book.checkpoint(first, bytes("late"))).toBe("lost");
      expect(await book.renew([first, second], 1_000)).toEqual(["lost", "held"]);
      expect(await book.release(first)).toBe(false);
      expect(await book.finish(first, { state: "done", outcome: bytes("first") })).toBe(false);
      expect(await book.finish(second, { state: "done", outcome: bytes("second") })).toBe(true);
      expect(await book.finish(second, { state: "failed", reason: "again" })).toBe(false);
      expect(text(((await look(id)) as RequestRow).outcome)).toBe("second");
      expect(await told(id)).toEqual(["1 running", "2 interrupted", "3 running", "4 done"]);
    });

    it("that is renewed in time is not over", async () => {
      await openBook();
      await submit();
      const run = await takeOne();
      now += 999;
      expect(await book.renew([run], 1_000)).toEqual(["held"]);
      now += 999;
      expect(await book.tend()).toMatchObject({ interrupted: 0 });
      expect(await book.finish(run, { state: "done", outcome: bytes("") })).toBe(true);
    });

    it("that is over while nobody has looked is still its worker's", async () => {
      await openBook();
      await submit();
      const run = await takeOne();
      now += 5_000;
      expect(await book.finish(run, { state: "done", outcome: bytes("") })).toBe(true);
    });
  });

  describe("after its worker is lost, a request", () => {
    it("that may not run again fails, and nobody knows whether it ran", async () => {
      await openBook();
      const id = await submit({ restart: "fail" });
      await takeOne();
      now += 1_000;
      await book.tend();
      expect(await stateOf(id)).toBe("failed unknown");
      expect(await take()).toEqual([]);
    });

    it.each([
      ["resume", "half"],
      ["requeue", ""],
    ] as const)("with the policy %s starts again with the checkpoint %j", async (restart, expected) => {
      await openBook();
      await submit({ restart });
      const run = await takeOne();
      await book.checkpoint(run, bytes("half"));
      now += 1_000;
      await book.tend();
      expect(text((await takeOne()).checkpoint)).toBe(expected);
    });

    it("fails in the end, when it has taken so many workers with it", async () => {
      await openBook({ attemptsMax: 2 });
      const id = await submit();
      for (let i = 0; i < 2; i++) {
        await takeOne();
        now += 1_000;
        await book.tend();
      }
      expect(await stateOf(id)).toBe("failed unknown");
    });
  });

  it("is given back by a worker that ends", async () => {
    await openBook();
    const id = await submit();
    await book.release(await takeOne());
    expect(await takeOne()).toMatchObject({ id, attempt: 2 });
  });

  describe("cancelling", () => {
    it("a request that waits ends it: it never runs", async () => {
      await openBook();
      const id = await submit();
      expect(await book.cancel("alice", id)).toEqual({ how: "cancelled", state: "cancelled" });
      expect(await stateOf(id)).toBe("cancelled no");
      expect(await take()).toEqual([]);
    });

    it("one that runs tells its worker, and is cancelled when that ends without a result", async () => {
      await openBook();
      const id = await submit();
      const run = await takeOne();
      expect(await book.cancel("alice", id)).toEqual({ how: "requested", state: "running" });
      expect(await book.renew([run], 1_000)).toEqual(["cancelled"]);
      await book.finish(run, { state: "failed", reason: "stopped" });
      expect(await stateOf(id)).toBe("cancelled yes");
    });

    it("one that has a result all the same leaves it done", async () => {
      await openBook();
      const id = await submit();
      const run = await takeOne();
      await book.cancel("alice", id);
      await book.finish(run, { state: "done", outcome: bytes("r") });
      expect(await stateOf(id)).toBe("done yes");
      expect(await book.cancel("alice", id)).toEqual({ how: "too-late", state: "done" });
    });

    it("one whose worker is lost ends it", async () => {
      await openBook();
      const id = await submit();
      await takeOne();
      await book.cancel("alice", id);
      now += 1_000;
      await book.tend();
      expect(await stateOf(id)).toBe("cancelled unknown");
    });
  });

  describe("a time to live", () => {
    it("that is over while it waits expires it, and it has not run", async () => {
      await openBook();
      const id = await submit({ ttlMs: 500 });
      now += 500;
      // Even before anybody has tended it, nobody starts it.
      expect(await take()).toEqual([]);
      expect(await book.tend()).toMatchObject({ expired: 1 });
      expect(await stateOf(id)).toBe("expired no");
    });

    it("that is over while it runs expires it, and what the worker says then counts no more", async () => {
      await openBook();
      const id = await submit({ ttlMs: 500 });
      const run = await takeOne();
      now += 500;
      await book.tend();
      expect(await stateOf(id)).toBe("expired unknown");
      expect(await book.renew([run], 1_000)).toEqual(["lost"]);
      expect(await book.finish(run, { state: "done", outcome: bytes("") })).toBe(false);
    });
  });

  it("keeps an outcome for its time, and nothing afterwards", async () => {
    await openBook({ outcomeKeptMs: 5_000 });
    const id = await submit();
    await book.finish(await takeOne(), { state: "done", outcome: bytes("r") });
    now += 4_999;
    await book.tend();
    expect(await stateOf(id)).toBe("done yes");
    now += 1;
    expect(await book.tend()).toMatchObject({ removed: 1 });
    expect(await stateOf(id)).toBeUndefined();
    expect(await told(id)).toEqual([]);
  });

  it("says when something is due next", async () => {
    await openBook();
    expect((await book.tend()).nextMs).toBeUndefined();
    await submit({ ttlMs: 700 });
    expect((await book.tend()).nextMs).toBe(700);
    await take(1, "w", 300);
    expect((await book.tend()).nextMs).toBe(300);
  });

  describe("events", () => {
    it("go on behind a number, a page at a time", async () => {
      await openBook();
      const id = await submit();
      const run = await takeOne();
      for (let i = 1; i <= 5; i++) await book.progress(run, i, bytes(`${i}`));
      const page = await book.events("alice", id, 2, 3);
      expect(page?.events.map(({ number, data }) => [number, text(data)])).toEqual([
        [3, "2"],
        [4, "3"],
        [5, "4"],
      ]);
    });

    it("are kept until they are acknowledged", async () => {
      await openBook();
      const id = await submit();
      const run = await takeOne();
      await book.progress(run, 1, bytes("a"));
      const page = await book.events("alice", id, 0, 10, 1);
      expect(page?.events.map(({ number }) => number)).toEqual([2]);
      expect(await book.acknowledge("alice", id, 1)).toBe(true);
      expect(await told(id)).toEqual(["2 progress a"]);
      // An acknowledgement of what has not been told yet says nothing of it.
      await book.acknowledge("alice", id, 99);
      await book.progress(run, 2, bytes("b"));
      expect(await told(id)).toEqual(["3 progress b"]);
    });

    it("of one step are told once", async () => {
      await openBook();
      const id = await submit();
      const run = await takeOne();
      await book.progress(run, 1, bytes("a"));
      await book.progress(run, 1, bytes("a"));
      expect(await told(id)).toEqual(["1 running", "2 progress a"]);
    });

    it("that nobody reads are bounded; the last one always has a place", async () => {
      await openBook({ requestEventsMax: 3 });
      const id = await submit();
      const run = await takeOne();
      expect(await book.progress(run, 1, bytes("a"))).toBe("held");
      expect(await book.progress(run, 2, bytes("b"))).toBe("held");
      expect(await book.progress(run, 3, bytes("c"))).toBe("full");
      await book.acknowledge("alice", id, 1);
      expect(await book.progress(run, 4, bytes("d"))).toBe("held");
      await book.finish(run, { state: "done", outcome: bytes("") });
      expect(await told(id)).toEqual(["2 progress a", "3 progress b", "4 progress d", "5 done"]);
    });

    it("that are all acknowledged free the outcome", async () => {
      await openBook();
      const id = await submit();
      await book.finish(await takeOne(), { state: "done", outcome: bytes("result") });
      await book.acknowledge("alice", id, 2);
      expect(await look(id)).toMatchObject({ state: "done", acknowledged: 2, outcome: { length: 0 } });
      expect(await book.list("alice", 10)).toEqual([]);
    });
  });

  it("tells nobody but its owner anything of a request", async () => {
    await openBook();
    const id = await submit();
    expect(await look(id, "bob")).toBeUndefined();
    expect(await book.events("bob", id, 0, 10)).toBeUndefined();
    expect(await book.acknowledge("bob", id, 1)).toBe(false);
    expect(await book.cancel("bob", id)).toBeUndefined();
    expect(await book.list("bob", 10)).toEqual([]);
    expect(await stateOf(id)).toBe("queued no");
    expect((await book.list("alice", 10)).map(({ request }) => request.id)).toEqual([id]);
  });

  describe("when it is full", () => {
    const busy = (limit: string) => ({ state: "busy", limit });

    it("of one owner's requests, the owner is told so, and others are not held up", async () => {
      await openBook({ requestsPerOwnerMax: 2 });
      const id = await submit({ key: "k" });
      await submit();
      expect(await book.submit(submission())).toEqual(busy("requestsPerOwnerMax"));
      // One that was accepted keeps its id.
      expect(await submit({ key: "k" })).toBe(id);
      await submit({ owner: "bob" });
      await book.finish(await takeOne(), { state: "done", outcome: bytes("r") });
      expect(await book.submit(submission())).toEqual(busy("requestsPerOwnerMax"));
      await book.acknowledge("alice", id, 2);
      await submit();
    });

    it("of all owners' requests, everybody is told so", async () => {
      await openBook({ requestsMax: 3 });
      const id = await submit();
      await submit({ owner: "bob" });
      await submit({ owner: "carol" });
      expect(await book.submit(submission({ owner: "dave" }))).toEqual(busy("requestsMax"));
      await book.cancel("alice", id);
      await book.acknowledge("alice", id, 1);
      await submit({ owner: "dave" });
    });

    it("of one owner's bytes, what is too much is refused", async () => {
      await openBook({ requestBytesPerOwnerMax: 100 });
      await submit({ args: new Uint8Array(60) });
      expect(await book.submit(submission({ args: new Uint8Array(41) }))).toEqual(busy("requestBytesPerOwnerMax"));
      await submit({ args: new Uint8Array(40) });
    });

    it("it takes in exactly what it has room for, of many that come at once", async () => {
      await openBook({ requestsPerOwnerMax: 10 });
      const answers = await Promise.all(Array.from({ length: 64 }, () => book.submit(submission())));
      expect(answers.filter(({ state }) => state === "accepted")).toHaveLength(10);
      expect(await take(99)).toHaveLength(10);
    });
  });

  it("shares transactions between those that come together", async () => {
    await openBook();
    await submit();
    const before = book.statistics.transactions;
    await Promise.all(Array.from({ length: 64 }, () => submit()));
    expect(book.statistics.transactions - before).toBeLessThanOrEqual(2);
  });

  it("tells those who listen what has changed", async () => {
    await openBook();
    const heard: string[] = [];
    book.listen((news) => heard.push(news === undefined ? "*" : `${news.waiting ? "+" : ""}${news.ids.join()}`));
    const id = await submit();
    expect(heard).toContain("+");
    await takeOne();
    expect(heard).toContain(id);
  });

  it("has the same rows for whoever opens it again", async () => {
    const first = await openBook();
    const id = await submit({ key: "k" });
    const second = await openBook({}, true);
    expect(await submit({ key: "k" })).toBe(id);
    const run = await takeOne();
    expect(await first.finish(run, { state: "done", outcome: bytes("r") })).toBe(true);
    expect(await look(id, "alice", second)).toMatchObject({ state: "done" });
  });

  it("gives each request to one of two queues that ask at once, and each key one id", async () => {
    const first = await openBook();
    const second = await openBook({}, true);
    const books = [first, second];
    const ids = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const answer = await (books[i % 2] as RequestBook).submit(submission({ key: `shared ${i >> 1}` }));
        return (answer as { id: string }).id;
      }),
    );
    expect(new Set(ids).size).toBe(30);
    const taken = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        (books[i % 2] as RequestBook).take({ worker: `w${i}`, procedures: ["p"], count: 2, leaseMs: 1_000 }),
      ),
    );
    expect(
      taken
        .flat()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([...new Set(ids)].sort());
  });
}
