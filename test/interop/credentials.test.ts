import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, type Identity, MemoryNetwork, Server, type ServerOptions } from "farcall";
import {
  type AuthSysIdentity,
  type AuthSysParams,
  type ClientAuth,
  clientAuthSys,
  connectOnc,
  OncClient,
  type OncService,
  oncProgram,
  type Procedure,
  type ServerAuth,
  serverAuthNone,
  serverAuthSys,
} from "farcall/onc";
import { nothing } from "farcall/xdr";
import { afterAll, describe, expect, it } from "vitest";
import { peerArguments, programs, runPeer, startPeer } from "../support/c-peers.js";
import { ask, callMessage, fromHex, opaqueHex, toHex, words } from "../support/raw-messages.js";
import { describeWith, toBuildC } from "../support/requirements.js";

// AUTH_SYS and AUTH_SHORT: RFC 5531, appendix A.

const transports = ["tcp", "udp", "unix"] as const;
const folder = mkdtempSync(join(tmpdir(), "farcall-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const workstation: AuthSysParams = { stamp: 42, machinename: "workstation", uid: 1000, gid: 100, gids: [4, 24, 27] };

interface Who {
  note: Procedure<[], void>;
}
const WhoV1: OncService<Who> = oncProgram<Who>({
  name: "WHO",
  program: 0x20000e12,
  version: 1,
  procedures: { note: { number: 1, name: "NOTE", args: [], result: nothing } },
});
const program = WhoV1.program;

/** A server that notes who calls. */
async function whoServer(options: ServerOptions = {}): Promise<AsyncDisposable & { seen: Identity[]; server: Server }> {
  const seen: Identity[] = [];
  const server = new Server(options);
  server.export(WhoV1, {
    note({ caller }) {
      seen.push(caller.identity);
    },
  });
  return { seen, server, [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }) };
}

/** Who the workstation's user is, in one text. */
const principal = "1000:100 of workstation";

describeWith(toBuildC, "AUTH_SYS credentials", () => {
  it.each(transports)("of a farcall client are seen by a C server over %s", async (transport) => {
    await using peer = await startPeer(programs.statusServer);
    await using client = await OncClient.open(peer.address(transport), { auth: clientAuthSys(workstation) });
    await client.call({ program: 0x20000e02, version: 2, procedure: 7 }, nothing, undefined, nothing);
    const [seen] = await peer.line(/^\{.*\}$/);
    expect(JSON.parse(seen)).toEqual({ stamp: 42, machine: "workstation", uid: 1000, gid: 100, gids: [4, 24, 27] });
  });

  it("of every size that there may be are seen by a C server", async () => {
    await using peer = await startPeer(programs.statusServer);
    const largest = { stamp: 2 ** 31 - 1, machinename: "m".repeat(255), uid: 2 ** 32 - 2, gid: 0 };
    const gids = Array.from({ length: 16 }, (_, i) => 2 ** 31 + i);
    await using client = await OncClient.open(peer.address("tcp"), { auth: clientAuthSys({ ...largest, gids }) });
    await client.call({ program: 0x20000e02, version: 2, procedure: 7 }, nothing, undefined, nothing);
    const [seen] = await peer.line(/^\{.*\}$/);
    const { stamp, machinename: machine, uid, gid } = largest;
    expect(JSON.parse(seen)).toEqual({ stamp, machine, uid, gid, gids });
  });

  it.each(transports)("of a C client are seen by a farcall handler over %s", async (transport) => {
    await using who = await whoServer();
    const where = transport === "unix" ? `unix:${join(folder, "who")}` : `${transport}://127.0.0.1:0`;
    const address = await who.server.listen(where);
    const args = ["-s", "workstation,1000,100,4,24,27", ...peerArguments(address), program, 1, 1];
    const { lines } = await runPeer(programs.rawClient, args);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ stat: 0, flavor: 1 });
    const { stamp: _, ...rest } = workstation;
    const stamp = expect.any(Number) as number;
    expect(who.seen).toEqual([{ flavor: "sys", verified: false, principal, ...rest, stamp }]);
  });

  it("are nobody's where a C client sends AUTH_NONE", async () => {
    await using who = await whoServer();
    const address = await who.server.listen("tcp://127.0.0.1:0");
    await runPeer(programs.rawClient, [...peerArguments(address), program, 1, 1]);
    expect(who.seen).toEqual([{ flavor: "none", verified: false }]);
  });
});

describeWith(toBuildC, "AUTH_SHORT with libtirpc", () => {
  // libtirpc's client takes the verifier's body for a whole encoded opaque_auth. RFC 5531, appendix A, means the handle.
  it("a C client that cannot read our handles goes on with its whole credential", async () => {
    await using who = await whoServer({ shortHandles: 8 });
    const address = await who.server.listen("tcp://127.0.0.1:0");
    const args = ["-n", 3, "-s", "box,1,2", ...peerArguments(address), program, 1, 1];
    const { lines } = await runPeer(programs.rawClient, args);
    expect(lines.map((line) => JSON.parse(line))).toEqual(
      Array.from({ length: 3 }, () => ({
        stat: 0,
        text: "RPC: Success",
        result: "",
        flavor: expect.any(Number) as number,
      })),
    );
    expect(who.seen.map((identity) => (identity as AuthSysIdentity).uid)).toEqual([1, 1, 1]);
  });

  it("a farcall client states its credential again to a C server that gives out handles and refuses them", async () => {
    await using peer = await startPeer(programs.statusServer);
    for (const transport of transports) {
      await using client = await OncClient.open(peer.address(transport), { auth: clientAuthSys(workstation) });
      const target = { program: 0x20000e02, version: 2, procedure: 8 };
      for (let i = 0; i < 4; i++) await client.call(target, nothing, undefined, nothing);
      await Promise.all(Array.from({ length: 20 }, () => client.call(target, nothing, undefined, nothing)));
      await client.call({ ...target, procedure: 7 }, nothing, undefined, nothing);
      await client.call({ ...target, procedure: 7 }, nothing, undefined, nothing);
    }
    await peer.line(/^\{.*"uid":1000/, { skip: 5 });
  });
});

/** AUTH_SYS and AUTH_SHORT at the server, with the flavor of each call that came. */
function watched(shortHandles: number): { readonly auth: ServerAuth[]; readonly flavors: number[] } {
  const flavors: number[] = [];
  let count = 0;
  const randomBytes = (size: number): Uint8Array => new Uint8Array(size).fill(++count);
  const auth = [serverAuthNone, ...serverAuthSys({ shortHandles, randomBytes })].map((inner) => ({
    flavor: inner.flavor,
    authenticate(...args: Parameters<ServerAuth["authenticate"]>) {
      flavors.push(inner.flavor);
      return inner.authenticate(...args);
    },
  }));
  return { auth, flavors };
}

describe("AUTH_SHORT between farcall and farcall", () => {
  it.each(["memory", "memory+datagram", "tcp", "udp"] as const)(
    "stands for the whole credential over %s",
    async (scheme) => {
      const { auth, flavors } = watched(8);
      const network = new MemoryNetwork();
      await using who = await whoServer({ auth, network });
      const address = await who.server.listen(
        scheme.startsWith("memory") ? `${scheme}://who` : `${scheme}://127.0.0.1:0`,
      );
      await using client = await connectOnc(WhoV1, address, {
        auth: clientAuthSys(workstation),
        network,
        session: "off",
      });
      for (let i = 0; i < 3; i++) await client.note();
      expect(flavors).toEqual([1, 2, 2]);
      expect(who.seen).toEqual(Array(3).fill({ flavor: "sys", verified: false, principal, ...workstation }));
    },
  );

  it.each(["memory", "memory+datagram"] as const)(
    "is renewed without a word when the server has forgotten it, over %s",
    async (scheme) => {
      const { auth, flavors } = watched(1);
      const network = new MemoryNetwork();
      await using who = await whoServer({ auth, network });
      const address = await who.server.listen(`${scheme}://who`);
      const open = (uid: number): Promise<Client<Who>> =>
        connectOnc(WhoV1, address, { auth: clientAuthSys({ ...workstation, uid }), network, session: "off" });
      await using first = await open(1);
      await using second = await open(2);
      await first.note();
      await first.note();
      await second.note(); // the server keeps one handle, and forgets the first
      expect(flavors).toEqual([1, 2, 1]);
      await first.note();
      expect(flavors.slice(3)).toEqual([2, 1]);
      await first.note();
      expect(flavors.slice(5)).toEqual([2]);
      expect(who.seen.map((identity) => (identity as AuthSysIdentity).uid)).toEqual([1, 1, 2, 1, 1]);
    },
  );

  it.each(["memory", "memory+datagram"] as const)(
    "is not used by one-way calls, which nobody would tell that the server has forgotten it, over %s",
    async (scheme) => {
      const { auth, flavors } = watched(1);
      const network = new MemoryNetwork();
      await using who = await whoServer({ auth, network });
      const address = await who.server.listen(`${scheme}://who`);
      const open = (credential: ClientAuth): Promise<Client<Who>> =>
        connectOnc(WhoV1, address, { auth: credential, network, session: "off" });
      const [one, two] = [1, 2].map((uid) => clientAuthSys({ ...workstation, uid })) as [ClientAuth, ClientAuth];
      await using first = await open(one);
      await using told = await connectOnc(WhoV1.with({ oneWay: ["note"] }), address, {
        auth: one,
        network,
        session: "off",
      });
      await using second = await open(two);
      await first.note();
      await first.note();
      await second.note(); // the server keeps one handle, and forgets the first
      await told.note();
      await second.note(); // and now the second, for which that one-way call was offered another
      expect(flavors).toEqual([1, 2, 1, 1, 2, 1]);
      expect(who.seen.map((identity) => (identity as AuthSysIdentity).uid)).toEqual([1, 1, 2, 1, 2]);
    },
  );

  it("is renewed for many calls that are under way at once", async () => {
    const { auth } = watched(1);
    const network = new MemoryNetwork();
    await using who = await whoServer({ auth, network });
    const address = await who.server.listen("memory://who");
    const clients = await Promise.all(
      [1, 2, 3].map((uid) => connectOnc(WhoV1, address, { auth: clientAuthSys({ ...workstation, uid }), network })),
    );
    // Each call of one client makes the server forget the handles of the others.
    const calls = Array.from({ length: 90 }, (_, i) => clients[i % 3]?.note());
    expect(await Promise.allSettled(calls)).toEqual(Array(90).fill({ status: "fulfilled", value: undefined }));
    expect(who.seen).toHaveLength(90);
    for (const client of clients) await client.$close();
  });

  it("is denied to whoever only guesses", async () => {
    await using who = await whoServer({ shortHandles: 8 });
    const address = await who.server.listen("tcp://127.0.0.1:0");
    const message = callMessage({ program, version: 1, procedure: 1, credential: words(2, 16, 1, 2, 3, 4) });
    expect(await ask(address, message)).toBe(words(7, 1, 1, 1, 2));
    expect(who.seen).toEqual([]);
  });

  it("is a handle of 16 bytes as the verifier of the reply", async () => {
    await using who = await whoServer({ shortHandles: 8 });
    const address = await who.server.listen("udp://127.0.0.1:0");
    const body = fromHex(words(0) + opaqueHex(new TextEncoder().encode("box")) + words(1, 2, 0));
    const credential = words(1) + opaqueHex(body);
    const answer = await ask(address, callMessage({ program, version: 1, procedure: 1, credential }));
    expect(answer).toMatch(new RegExp(`^${words(7, 1, 0, 2, 16)}[0-9a-f]{32}${words(0)}$`));
    const handle = answer.slice(40, 72);
    expect(handle).not.toBe(toHex(new Uint8Array(16)));
    const again = callMessage({ program, version: 1, procedure: 1, credential: words(2, 16) + handle });
    expect(await ask(address, again)).toBe(words(7, 1, 0, 0, 0, 0));
    expect(who.seen).toHaveLength(2);
  });
});
