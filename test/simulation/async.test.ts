import { afterEach, describe, expect, it, vi } from "vitest";
import { RequestBook } from "../../src/async/core/book.js";
import { OncRequestPort } from "../../src/async/onc-port.js";
import { simulateAsync } from "./async-simulate.js";
import type { Sabotage } from "./async-world.js";

it("plays histories of asynchronous requests in which nothing is lost, doubled or seen by others", async () => {
  const { violation, histories } = await simulateAsync({ seed: 1, histories: 40 });
  expect(violation).toBeUndefined();
  expect(histories).toBe(40);
});

interface PlantedBug {
  readonly bug: string;
  readonly sabotage?: Sabotage;
  readonly plant?: () => void;
  readonly breaks: RegExp;
}

const bugs: readonly PlantedBug[] = [
  {
    bug: "commits are answered and not made",
    sabotage: { forgetful: true },
    breaks: /knows nothing of it|not known any more|not known|never settled|told its events|no such request/,
  },
  {
    bug: "keys are not looked for",
    sabotage: {
      table: (table) => ({ ...table, findKeys: () => [], insert: (rows) => table.insert(rows.map(renamed)) }),
    },
    breaks: /was given the ids|knows nothing of it/,
  },
  {
    bug: "whose a request is is not asked",
    plant: () => {
      const { look } = RequestBook.prototype;
      vi.spyOn(RequestBook.prototype, "look").mockImplementation(async function (this: RequestBook, owner, id) {
        return (await look.call(this, owner, id)) ?? (await look.call(this, owner.includes("alice") ? bob : alice, id));
      });
    },
    breaks: / saw /,
  },
  {
    bug: "a run that lost its lease may finish",
    plant: () => {
      const { finish } = RequestBook.prototype;
      vi.spyOn(RequestBook.prototype, "finish").mockImplementation(function (this: RequestBook, { id, attempt }, end) {
        return finish.call(this, { id, attempt }, end).then(async (held) => {
          for (let other = attempt + 1; !held && other < attempt + 4; other++) {
            if (await finish.call(this, { id, attempt: other }, end)) return true;
          }
          return held;
        });
      });
    },
    breaks: /its last attempt has not returned|has the result of another|was told/,
  },
  {
    bug: "what may not run again runs again",
    sabotage: {
      table: (table) => ({
        ...table,
        insert: (rows) => table.insert(rows.map((row) => ({ ...row, restart: "requeue" as const }))),
      }),
    },
    breaks: /which must not run again, ran/,
  },
  {
    bug: "more is acknowledged than has arrived",
    plant: () => {
      const { events } = OncRequestPort.prototype;
      vi.spyOn(OncRequestPort.prototype, "events").mockImplementation(function (
        this: OncRequestPort,
        id,
        after,
        acknowledged,
        waitMs,
        options,
      ) {
        return events.call(this, id, after, acknowledged + 2, waitMs, options);
      });
    },
    breaks: /told its events as|no end at the end|told progress/,
  },
  {
    bug: "events are told from before",
    plant: () => {
      const { events } = RequestBook.prototype;
      vi.spyOn(RequestBook.prototype, "events").mockImplementation(function (
        this: RequestBook,
        owner,
        id,
        after,
        count,
        acknowledged,
      ) {
        return events.call(this, owner, id, after, count, acknowledged).then(async (page) => {
          if (page === undefined || after === 0 || page.events.length === 0) return page;
          const [first] = page.events;
          return { ...page, events: first === undefined ? [] : [first, ...page.events] };
        });
      });
    },
    breaks: /told its events as/,
  },
];

const alice = "sys 1:1 of alice";
const bob = "sys 2:1 of bob";
let names = 0;
const renamed = <T extends { readonly key: string }>(row: T): T =>
  // The first of a key keeps it, so that the judge finds one.
  ({ ...row, key: names++ % 2 === 0 ? row.key : `${row.key} ${names}` });

describe("a planted bug is found", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each(bugs)("$bug", async ({ sabotage, plant, breaks }) => {
    plant?.();
    const { violation } = await simulateAsync({ seed: 1, histories: 400, sabotage });
    expect(violation?.broken.map(({ message }) => message).join("\n")).toMatch(breaks);
    expect(violation?.timeline).toContain("server starts");
  });
});
