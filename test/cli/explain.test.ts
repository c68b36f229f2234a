import { fileURLToPath } from "node:url";
import { Server } from "farcall";
import { loadInterface } from "farcall/idl";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { explainText } from "../../src/cli/explain-text.js";
import type { Timeline } from "../../src/model/index.js";
import { type Peer, programs, startPeer } from "../support/c-peers.js";
import { buildCli, farcall } from "../support/cli.js";
import { describeWith, toBuildC } from "../support/requirements.js";

const probe = fileURLToPath(new URL("fixtures/probe.x", import.meta.url));
const everyType = fileURLToPath(new URL("../interop/c/everytype.x", import.meta.url));
const steps = ["client", "stub", "marshal", "send", "network", "receive", "unmarshal", "execute", "reply", "return"];
const ofServer = steps.slice(5, 9);
const time = "\\d+\\.\\d{3}";
const notTold = "not told by this server: in network";
const notReached = "not reached";

beforeAll(() => buildCli());

/** What the table says of each step: a time, or why there is none. */
function toldBy(stderr: string): Record<string, string> {
  const lines = stderr.split("\n");
  const head = lines.findIndex((line) => /^ {2}step {7}clock {6}start ms {4}took ms$/.test(line));
  expect(head).toBeGreaterThanOrEqual(0);
  const rows = lines.slice(head + 1, head + 1 + steps.length).map((line) => line.trim().split(/\s{2,}/));
  expect(rows.map(([step]) => step)).toEqual(steps);
  expect(rows.map(([, clock]) => clock)).toEqual(steps.map((step) => (ofServer.includes(step) ? "server" : "client")));
  expect(lines[head + 1 + steps.length]).toMatch(new RegExp(`^ {2}total\\s+${time}$`));
  return Object.fromEntries(
    rows.map(([step, , ...rest]) => [
      step,
      rest.length === 2 && new RegExp(`^${time} ${time}$`).test(rest.join(" ")) ? "timed" : rest.join(" "),
    ]),
  );
}

const all = (names: readonly string[], what: string): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, what]));

describe("farcall call --explain of a farcall server", () => {
  const server = new Server({ onError: () => {} });
  let address = "";
  let udp = "";
  beforeAll(async () => {
    const [, v2] = loadInterface(probe).services;
    server.export(v2 as NonNullable<typeof v2>, { rest: () => {}, newer: () => new Promise(() => {}) });
    address = await server.listen("tcp://127.0.0.1:0");
    udp = await server.listen("udp://127.0.0.1:0");
  });
  afterAll(() => server.close({ drainMs: 0 }));

  it.each(["tcp", "udp"])("prints all ten steps over %s, and the result alone on stdout", async (transport) => {
    const at = transport === "tcp" ? address : udp;
    const { code, stdout, stderr } = await farcall(["call", at, probe, "rest", "--version", "2", "--explain"]);
    expect([code, stdout]).toEqual([0, "null\n"]);
    expect(toldBy(stderr)).toEqual(all(steps, "timed"));
  });

  it("prints the steps of a call that fails, beside its failure and with the same exit code", async () => {
    const { code, stdout, stderr } = await farcall([
      "call",
      address,
      probe,
      "newer",
      "--version",
      "2",
      "--timeout",
      "300",
      "--explain",
    ]);
    expect([code, stdout]).toEqual([5, ""]);
    expect(toldBy(stderr)).toMatchObject({ ...all(steps.slice(0, 5), "timed"), return: notReached });
    expect(stderr).toMatch(/code {6}deadline-exceeded\n {2}executed {2}unknown/);
  });

  it("says that no step was reached where nobody listens", async () => {
    const { code, stdout, stderr } = await farcall([
      "call",
      "tcp://127.0.0.1:9",
      probe,
      "newer",
      "--version",
      "2",
      "--explain",
    ]);
    expect([code, stdout]).toEqual([3, ""]);
    expect(toldBy(stderr)).toEqual(all(steps, notReached));
    expect(stderr).toMatch(/code {6}unavailable\n {2}executed {2}no/);
  });
});

describeWith(toBuildC, "farcall call --explain of a C server", () => {
  let peer: Peer;
  beforeAll(async () => {
    peer = await startPeer(programs.everyTypeServer);
  });
  afterAll(() => peer.stop());

  it.each(["tcp", "udp", "unix"] as const)(
    "prints its own six steps over %s, and what the server does not tell",
    async (transport) => {
      const { code, stdout, stderr } = await farcall([
        "call",
        peer.address(transport),
        everyType,
        "subtract",
        "5",
        "7",
        "--explain",
      ]);
      expect([code, stdout]).toEqual([0, "-2\n"]);
      expect(toldBy(stderr)).toEqual({ ...all(steps, "timed"), ...all(ofServer, notTold) });
    },
  );
});

describe("the table of steps", () => {
  it("has a line for each of the ten, whatever is known of them", () => {
    const timeline: Timeline = {
      connectMs: 1,
      serverTold: true,
      totalMs: 10_234.5678,
      transmissions: 1,
      steps: steps.map((step, i) => ({
        step: step as Timeline["steps"][number]["step"],
        side: ofServer.includes(step) ? "server" : "client",
        startMs: i,
        durationMs: 10 ** (i - 5),
      })),
    };
    expect(explainText(timeline)).toBe(
      [
        "  step       clock      start ms    took ms",
        "  client     client        0.000      0.000",
        "  stub       client        1.000      0.000",
        "  marshal    client        2.000      0.001",
        "  send       client        3.000      0.010",
        "  network    client        4.000      0.100",
        "  receive    server        5.000      1.000",
        "  unmarshal  server        6.000     10.000",
        "  execute    server        7.000    100.000",
        "  reply      server        8.000   1000.000",
        "  return     client        9.000  10000.000",
        "  total                           10234.568",
        "",
      ].join("\n"),
    );
  });
});
