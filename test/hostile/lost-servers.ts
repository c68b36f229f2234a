// A server that is killed or frozen in the middle of calls, again and again, under one client.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect, RpcError } from "farcall";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Authority } from "../support/certificates.js";
import { buildChild } from "../support/children.js";
import { later, until } from "../support/faults.js";
import { type Ledger, LedgerV1 } from "../support/ledger.js";
import { Running } from "../support/processes.js";
import { describeWith } from "../support/requirements.js";

const transports = ["tcp", "udp", "unix", "tls"] as const;
type Transport = (typeof transports)[number];

/** The longest that a call of these may take. */
const timeoutMs = 400;
/** How much later than its deadline a call may end on a machine that does other things too. */
const graceMs = 5_000;

/** Descriptors and what else keeps a process alive, apart from those of the test's runner that come and go. */
function leftovers(): { descriptors: number; timers: number } {
  const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout" || name === "Immediate").length;
  return { descriptors: readdirSync("/proc/self/fd").length, timers };
}

export interface Losses {
  readonly rounds: number;
  /** Calls of a round. */
  readonly calls: number;
}

/** Loses servers on every transport, and holds each call to what is promised of it. */
export function describeLostServers({ rounds, calls }: Losses): void {
  // Descriptors are counted where Linux lists them.
  describeWith(["openssl", "ip"], "servers killed and frozen in the middle of calls", () => {
    const folder = mkdtempSync(join(tmpdir(), "farcall-"));
    let authority: Authority;
    beforeAll(() => {
      authority = new Authority();
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it.each(transports)(
      `leave nothing behind of ${rounds * calls} calls over %s, and no call without its end`,
      async (transport) => {
        const ends = await loseServers({ transport, folder, authority, rounds, calls });
        expect(Object.values(ends).reduce((sum, count) => sum + count)).toBe(rounds * calls);
        const known = /^(done yes|unavailable (no|unknown)|deadline-exceeded (no|unknown))$/;
        expect(
          Object.keys(ends).filter((end) => !known.test(end)),
          JSON.stringify(ends),
        ).toEqual([]);
        expect(ends["unavailable unknown"] ?? 0).toBeGreaterThan(transport === "udp" ? -1 : 0);
        expect(ends["deadline-exceeded unknown"]).toBeGreaterThan(0);
      },
    );
  });
}

interface Setting extends Losses {
  readonly transport: Transport;
  readonly folder: string;
  readonly authority: Authority;
}

/** What became of the calls, by `code executed`. */
type Ends = Record<string, number>;

async function loseServers({ transport, folder, authority, rounds, calls }: Setting): Promise<Ends> {
  const script = await buildChild("ledger-server");
  const { certFile, keyFile } = authority.issue("localhost", "IP:127.0.0.1");
  const env = transport === "tls" ? { ...process.env, FARCALL_CERT: certFile, FARCALL_KEY: keyFile } : process.env;
  const start = async (address: string): Promise<{ child: Running; address: string }> => {
    const child = new Running(process.execPath, [script, address], { env });
    const [, bound = ""] = await child.line(/^READY (\S+)$/);
    return { child, address: bound };
  };
  const wanted = transport === "unix" ? `unix:${folder}/lost-${rounds}` : `${transport}://127.0.0.1:0`;
  let server = await start(wanted);
  const { address } = server;
  // What making the first connection brings into the process stays: it is no leak.
  const tls = transport === "tls" ? { ca: authority.ca.cert } : undefined;
  const options = { timeoutMs, tls, retry: { backoff: { initialMs: 5, maxMs: 50 } }, retransmit: { initialMs: 50 } };
  await (await connect(LedgerV1, address, options)).$close();
  await server.child.stop();
  server = await start(address);
  await later(50);
  const before = leftovers();

  const ends: Ends = {};
  const ran = new Set<number>();
  const note = (child: Running): void => {
    for (const line of child.lines) if (line.startsWith("ran ")) ran.add(Number(line.slice(4)));
  };
  const unrun: number[] = [];
  let nextId = 1;
  const client: Client<Ledger> = await connect(LedgerV1, address, options);
  const call = async (id: number): Promise<void> => {
    const startedAt = performance.now();
    const procedure = (["hang", "hangRead", "add", "read"] as const)[id % 4] as "hang";
    let end = "done yes";
    try {
      await client[procedure](id);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      end = `${error.code} ${error.executed}`;
      if (error.executed === "no") unrun.push(id);
    }
    ends[end] = (ends[end] ?? 0) + 1;
    expect(performance.now() - startedAt).toBeLessThan(timeoutMs + graceMs);
  };
  for (let round = 0; round < rounds; round++) {
    const { child } = server;
    const batch: Promise<void>[] = [];
    const first = nextId;
    for (let i = 0; i < calls / 2; i++) batch.push(call(nextId++));
    await until(() => child.lines.some((line) => line === `ran ${first}`));
    child.kill(round % 2 === 0 ? "SIGKILL" : "SIGSTOP");
    for (let i = 0; i < calls / 2; i++) {
      batch.push(call(nextId++));
      if (i % 10 === 0) await later(1);
    }
    await Promise.all(batch);
    await child.stop();
    note(child);
    expect(client.$stats()).toMatchObject({ pending: 0, queued: 0, queuedBytes: 0 });
    server = await start(address);
    // The client finds the next one; over UDP the first datagram may yet be answered by the refusal of an earlier one.
    for (let tries = 0; ; tries++) {
      const error = await client.read(nextId++).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error === undefined) break;
      if (tries === 20) throw error;
    }
  }
  await client.$close();
  // While the server lives, whose end would end connections too. Not `expect.poll`, which leaves timers of its own.
  await until(() => leftovers().descriptors <= before.descriptors && leftovers().timers <= before.timers);
  await server.child.stop();
  note(server.child);
  // `no` is a promise: the call did not run, and will not.
  expect(unrun.filter((id) => ran.has(id))).toEqual([]);
  return ends;
}
