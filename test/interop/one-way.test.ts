import { connect, Server } from "farcall";
import { expect, it } from "vitest";
import { programs, runPeer, startPeer } from "../support/c-peers.js";
import { until } from "../support/faults.js";
import { startMessageLog } from "../support/message-log.js";
import { NotesV1 } from "../support/notes.js";
import { words } from "../support/raw-messages.js";
import { describeWith, toBuildC } from "../support/requirements.js";

// RFC 5531, section 8: calls without replies, gathered and flushed by one that has a reply. The same between C programs,
// from C to farcall, and from farcall to C.

const names = { [NotesV1.program]: { 1: "NOTE", 2: "COUNT" } };
/** What passes on the wire when three notes are taken and counted, whoever talks to whom. */
const messages = ["call NOTE(1)", "call NOTE(2)", "call NOTE(3)", "call COUNT()", "reply COUNT = 3"];
const clntSuccess = 0;
const clntTimedOut = 5;
const batch = (transport: string, port: string | number): Promise<{ lines: readonly string[]; code: number | null }> =>
  runPeer(programs.batchClient, [transport, port, NotesV1.program, 1, 1, 3, 2]);

async function serveNotes() {
  const server = new Server();
  const notes: number[] = [];
  server.export(NotesV1, { note: (value) => void notes.push(value), count: () => notes.length });
  return { server, notes };
}

describeWith(toBuildC, "calls that are not replied to", () => {
  it("pass from C to C", async () => {
    await using peer = await startPeer(programs.onewayServer);
    await using log = await startMessageLog(peer.address("tcp"), names);
    const { lines, code } = await batch("tcp", log.port);
    expect(lines).toEqual([...[1, 2, 3].map((n) => `sent ${n} ${clntSuccess}`), `flushed ${clntSuccess} 3`]);
    expect(log.lines).toEqual(messages);
    expect(code).toBe(0);
  });

  it("pass from a C client to a farcall server, in order", async () => {
    const { server, notes } = await serveNotes();
    await using log = await startMessageLog(await server.listen("tcp://127.0.0.1:0"), names);
    const { lines } = await batch("tcp", log.port);
    expect(lines.at(-1)).toBe(`flushed ${clntSuccess} 3`);
    expect(notes).toEqual([1, 2, 3]);
    expect(log.lines).toEqual(messages);
    await server.close();
  });

  it("pass from a farcall client to a C server, in order", async () => {
    await using peer = await startPeer(programs.onewayServer);
    await using log = await startMessageLog(peer.address("tcp"), names);
    await using client = await connect(NotesV1, log.address, { session: "off" });
    for (const value of [1, 2, 3]) void client.note(value);
    expect(await client.count()).toBe(3);
    expect(peer.lines).toEqual(["note 1", "note 2", "note 3", "count 3"]);
    expect(log.lines).toEqual(messages);
    expect(client.$stats()).toMatchObject({ calls: 4, pending: 0, strayReplies: 0 });
  });

  it("are datagrams over UDP, from C to farcall and from farcall to C", async () => {
    const { server, notes } = await serveNotes();
    const address = await server.listen("udp://127.0.0.1:0");
    const port = address.slice(address.lastIndexOf(":") + 1);
    // Over UDP libtirpc does not even send what it is not to wait for.
    const { lines } = await batch("udp", port);
    expect(lines).toEqual([...[1, 2, 3].map((n) => `sent ${n} ${clntTimedOut}`), `flushed ${clntSuccess} 0`]);
    const { lines: waited } = await runPeer(programs.rawClient, [
      "-t",
      1,
      "udp",
      port,
      NotesV1.program,
      1,
      1,
      words(7),
    ]);
    expect(waited).toMatchObject([expect.stringContaining(`"stat":${clntTimedOut}`)]);
    await until(() => notes.length === 1);
    expect(notes).toEqual([7]);
    await server.close();

    await using peer = await startPeer(programs.onewayServer);
    await using client = await connect(NotesV1, peer.address("udp"), { session: "off" });
    for (const value of [1, 2, 3]) await client.note(value);
    expect(await client.count()).toBe(3);
    expect(peer.lines).toEqual(["note 1", "note 2", "note 3", "count 3"]);
  });
});
