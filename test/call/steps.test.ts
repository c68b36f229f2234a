import { describe, expect, it } from "vitest";
import { CallRecord, coarseTimeline, ServerRecord } from "../../src/call/steps.js";
import { callSteps, type Timeline } from "../../src/model/index.js";

/** A record that began at 100, and the clock that it reads. */
function recorded(): { record: CallRecord; clock: { now: number }; told: Timeline[] } {
  const clock = { now: 100 };
  const told: Timeline[] = [];
  const record = new CallRecord({
    now: () => clock.now,
    startedAt: 100,
    asksServer: true,
    tell: (timeline) => told.push(timeline),
  });
  return { record, clock, told };
}

/** Takes a record through steps, by name and the time at which each begins. */
function walk({ record, clock }: ReturnType<typeof recorded>, path: readonly (readonly [string, number])[]): void {
  for (const [step, at] of path) {
    clock.now = at;
    record.enter(step as Parameters<CallRecord["enter"]>[0]);
  }
}

const path = [
  ["stub", 101],
  ["marshal", 103],
  ["send", 107],
  ["network", 115],
  ["return", 215],
] as const;

describe("a call's record", () => {
  it("times each step from its beginning to the next one's, and they add up to the whole", () => {
    const call = recorded();
    walk(call, path);
    call.clock.now = 220;
    const timeline = call.record.end(1, { connectMs: 4 });
    expect(timeline).toEqual({
      connectMs: 4,
      serverTold: false,
      totalMs: 120,
      transmissions: 1,
      steps: [
        { step: "client", side: "client", startMs: 0, durationMs: 1 },
        { step: "stub", side: "client", startMs: 1, durationMs: 2 },
        { step: "marshal", side: "client", startMs: 3, durationMs: 4 },
        { step: "send", side: "client", startMs: 7, durationMs: 8 },
        { step: "network", side: "client", startMs: 15, durationMs: 100 },
        { step: "return", side: "client", startMs: 115, durationMs: 5 },
      ],
    });
    expect(call.told).toEqual([timeline]);
    expect(timeline.steps.reduce((sum, { durationMs }) => sum + durationMs, 0)).toBe(timeline.totalMs);
  });

  it("has all ten steps, in order, once the server told its own, which the network did not take", () => {
    const call = recorded();
    walk(call, path);
    call.record.server = { receive: 5, unmarshal: 6, execute: 70, reply: 8 };
    call.clock.now = 220;
    const { steps, serverTold, totalMs } = call.record.end(1, {});
    expect(serverTold).toBe(true);
    expect(steps.map(({ step }) => step)).toEqual(callSteps);
    expect(steps[4]).toEqual({ step: "network", side: "client", startMs: 15, durationMs: 11 });
    expect(steps.slice(5, 9)).toEqual([
      { step: "receive", side: "server", startMs: 0, durationMs: 5 },
      { step: "unmarshal", side: "server", startMs: 5, durationMs: 6 },
      { step: "execute", side: "server", startMs: 11, durationMs: 70 },
      { step: "reply", side: "server", startMs: 81, durationMs: 8 },
    ]);
    expect(steps.reduce((sum, { durationMs }) => sum + durationMs, 0)).toBe(totalMs);
  });

  it("says that the network took nothing where the server's clock claims more time than passed", () => {
    const call = recorded();
    walk(call, path);
    call.record.server = { receive: 0, unmarshal: 0, execute: 1_000, reply: 0 };
    expect(call.record.end(1, {}).steps[4]).toMatchObject({ step: "network", durationMs: 0 });
  });

  it("adds up a step that is taken again, from its first beginning", () => {
    const call = recorded();
    walk(call, [...path.slice(0, 4), ["send", 120], ["network", 130], ["return", 140]]);
    const { steps } = call.record.end(1, {});
    expect(steps.filter(({ step }) => step === "send" || step === "network")).toEqual([
      { step: "send", side: "client", startMs: 7, durationMs: 18 },
      { step: "network", side: "client", startMs: 15, durationMs: 15 },
    ]);
  });

  it("ends where the call ended: steps that it never came to are absent", () => {
    const call = recorded();
    walk(call, path.slice(0, 3));
    call.clock.now = 600;
    const { steps, totalMs } = call.record.end(1, {});
    expect(steps.map(({ step }) => step)).toEqual(["client", "stub", "marshal", "send"]);
    expect(steps[3]?.durationMs).toBe(493);
    expect(totalMs).toBe(500);
  });
});

describe("a server's record", () => {
  it("counts from the arrival, and the wait between decoding and running as receiving", () => {
    const clock = { now: 40 };
    const record = new ServerRecord(() => clock.now, 33);
    clock.now = 41;
    record.enter("unmarshal");
    clock.now = 43;
    record.enter("receive");
    clock.now = 53;
    record.enter("execute");
    clock.now = 153;
    record.enter("reply");
    clock.now = 157;
    expect(record.times).toEqual({ receive: 18, unmarshal: 2, execute: 100, reply: 4 });
  });

  it("can be asked while the reply is being written", () => {
    const clock = { now: 0 };
    const record = new ServerRecord(() => clock.now, 0);
    record.enter("execute");
    clock.now = 9;
    expect(record.times).toEqual({ receive: 0, unmarshal: 0, execute: 9, reply: 0 });
    record.enter("reply");
    clock.now = 11;
    expect(record.times).toEqual({ receive: 0, unmarshal: 0, execute: 9, reply: 2 });
  });
});

describe("a call that nobody recorded", () => {
  it("knows how long it waited to be sent, and for its answer", () => {
    expect(coarseTimeline({ startedAt: 10, sentAt: 13, transmissions: 1 }, 33, { resolveMs: 1, connectMs: 2 })).toEqual(
      {
        resolveMs: 1,
        connectMs: 2,
        serverTold: false,
        totalMs: 23,
        transmissions: 1,
        steps: [
          { step: "send", side: "client", startMs: 0, durationMs: 3 },
          { step: "network", side: "client", startMs: 3, durationMs: 20 },
        ],
      },
    );
  });

  it("was only ever waiting to be sent when it was not", () => {
    const { steps, totalMs } = coarseTimeline({ startedAt: 10, sentAt: -1, transmissions: 0 }, 33, {});
    expect(steps).toEqual([{ step: "send", side: "client", startMs: 0, durationMs: 23 }]);
    expect(totalMs).toBe(23);
  });
});
