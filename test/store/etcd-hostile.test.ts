// Whatever says that it is etcd: what it answers becomes entries that can be, or nothing.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { openEtcdDirectoryStore } from "../../src/store/index.js";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const prefix = "/farcall/directory/";
const endpoints = ["http://one.test", "http://two.test"];

const entry = (more: object = {}) => ({
  ...{ id: randomBytes(16).toString("hex"), name: "calc", version: 1, address: "tcp://127.0.0.1:1", interface: "" },
  ...{ owner: "alice", leaseMs: 60_000, priority: 0, weight: 1, ...more },
});
const item = (value: object, key = "calc/1/tcp://127.0.0.1:1") => ({
  ...{ key: base64(prefix + key), value: base64(JSON.stringify(value)), lease: "7", mod_revision: "5" },
});

/** Answers each path with what it is told, and all others as an empty etcd does. */
function gateway(answers: Readonly<Record<string, unknown>>): typeof fetch {
  return async (url) => {
    const path = String(url).replace(/^.*\/v3\//, "");
    const answer = Object.hasOwn(answers, path) ? answers[path] : { header: { revision: "5" } };
    if (path === "watch" && !Object.hasOwn(answers, path)) return new Response(new ReadableStream({}));
    return new Response(typeof answer === "string" ? answer : JSON.stringify(answer));
  };
}

const openWith = (answers: Readonly<Record<string, unknown>>, more: object = {}) =>
  openEtcdDirectoryStore({ endpoints, fetch: gateway(answers), checkMs: 10, timeoutMs: 100, ...more });

describe("a directory that something else than etcd answers", () => {
  it("takes over what is an entry, and nothing else", async () => {
    const good = item(entry());
    const kvs = [
      good,
      item(entry({ version: -1 }), "calc/-1/tcp://127.0.0.1:1"),
      item(entry({ id: "short" })),
      item(entry({ name: "other" })),
      item(entry({ interface: 7 })),
      item({}),
      { key: base64(`${prefix}x`), value: "not base64 of JSON" },
      {},
    ];
    const store = await openWith({ "kv/range": { header: { revision: "5" }, kvs, count: "8" } });
    expect((await store.list("", 100)).entries).toHaveLength(1);
    await store.close();
  });

  it("takes over entriesMax entries at the most", async () => {
    const kvs = Array.from({ length: 50 }, (_, i) => item(entry({ version: i }), `calc/${i}/tcp://127.0.0.1:1`));
    const store = await openWith({ "kv/range": { header: { revision: "5" }, kvs } }, { entriesMax: 20 });
    expect((await store.usage("alice")).entries).toBe(20);
    await store.close();
  });

  it.each([
    ["no JSON", "<html>"],
    ["no object", "7"],
    ["no header", {}],
    ["a header without a revision", { header: {} }],
    ["a revision that is no number", { header: { revision: "x" } }],
  ])("cannot be opened on %s", async (_what, answer) => {
    await expect(openWith({ "kv/range": answer })).rejects.toThrow();
  });

  it("cannot be opened without members, nor on ones that do not answer in time", async () => {
    await expect(openEtcdDirectoryStore({ endpoints: [] })).rejects.toThrow(/endpoints: give the address/);
    const silent: typeof fetch = (_url, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
      });
    await expect(openEtcdDirectoryStore({ endpoints, fetch: silent, timeoutMs: 20 })).rejects.toThrow(
      /no member of etcd answers \(http:\/\/one\.test: .*; http:\/\/two\.test: /,
    );
  });

  it("lives on whatever its watch tells, and knows what it knew", async () => {
    const json = fc.jsonValue({ maxDepth: 3 });
    const event = fc.oneof(
      fc.record({ type: fc.constantFrom("PUT", "DELETE", undefined), kv: json }),
      fc.constant({ kv: item(entry({ name: "more" }), "more/1/tcp://127.0.0.1:1") }),
      json,
    );
    const message = fc.oneof(
      fc
        .record({ result: fc.record({ header: json, events: fc.array(event, { maxLength: 4 }) }) })
        .map((each) => JSON.stringify(each)),
      json.map((each) => JSON.stringify(each)),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 8 }), async (messages) => {
        const range = { header: { revision: "5" }, kvs: [item(entry())], count: "1" };
        const store = await openWith({ "kv/range": range, watch: messages.map((each) => `${each}\n`).join("") });
        await new Promise((resolve) => setImmediate(resolve));
        const { entries } = await store.list("", 100);
        expect(entries.length).toBeLessThanOrEqual(2);
        for (const each of entries) expect(each.id).toMatch(/^[0-9a-f]{32}$/);
        await store.close();
      }),
      { numRuns: 300 },
    );
  });

  it("reads anew what a watch that ended may have missed", async () => {
    let reads = 0;
    const answers = {
      get "kv/range"() {
        reads++;
        return { header: { revision: "5" }, kvs: [item(entry({ version: reads }), `calc/${reads}/tcp://127.0.0.1:1`)] };
      },
      watch: "{}\n",
    };
    const store = await openWith(answers);
    await vi.waitFor(async () => expect((await store.find("calc")).entries[0]?.version).toBeGreaterThan(2), {
      timeout: 15_000,
    });
    await store.close();
  });
});
