import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { type connect as connectSocket, createServer } from "node:net";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { connect, Server } from "../../src/index.js";
import { credentialReader, type Stream } from "../../src/net/index.js";
import { connectTcp, listenTcp } from "../../src/net/tcp.js";
import { connectUnix, listenUnix } from "../../src/net/unix.js";
import { buildChild } from "../support/children.js";
import { asUser, openDirectory, serveAsUser } from "../support/local-user.js";
import { describeWith } from "../support/requirements.js";
import { knownOf, WhoV1, WhoXml, whoHandlers } from "../support/who.js";
import { runWithoutPackages } from "../support/without-packages.js";

const own = {
  pid: process.pid,
  uid: process.geteuid?.() ?? -1,
  gid: process.getegid?.() ?? -1,
  groups: process.getgroups?.() ?? [],
};

// Bundling, and starting processes, take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });
beforeAll(async () => {
  await Promise.all([buildChild("local-user"), buildChild("without-packages")]);
});

describeWith(["peer-credentials"], "credentials of a Unix socket", () => {
  it("are there in the turn in which the connection is, at both ends", async () => {
    using home = openDirectory();
    const credentials = await credentialReader();
    const accepted: Stream[] = [];
    const listener = await listenUnix(home.path("s"), (stream) => accepted.push(stream), { credentials });
    const near = await connectUnix(home.path("s"), { credentials });
    const far = await vi.waitUntil(() => accepted[0]);
    expect(far.credentials).toMatchObject({ pid: own.pid, uid: own.uid, gid: own.gid });
    // Node adds the effective group.
    expect(new Set([...(far.credentials?.groups ?? []), own.gid])).toEqual(new Set([...own.groups, own.gid]));
    expect(near.credentials).toEqual(far.credentials);
    expect(far.peer).toBe(`unix:uid=${own.uid}`);
    near.destroy();
    far.destroy();
    await listener.close();
  });

  it("are not there where nobody asked", async () => {
    using home = openDirectory();
    await using server = new Server().export(WhoV1, whoHandlers);
    await using client = await connect(WhoV1, await server.listen(`unix:${home.path("s")}`));
    expect(await client.whoami()).toEqual({ pid: -1, uid: -1, gid: -1, groups: [] });
  });

  it("are refused of a socket that is none of Unix, and of one that is closed", async () => {
    const reader = await credentialReader();
    const listener = await listenTcp("127.0.0.1", 0, (stream) => stream.destroy());
    const tcp = await connectTcp("127.0.0.1", Number(/\d+$/.exec(listener.address)?.[0]));
    const socket = tcp.detach() as ReturnType<typeof connectSocket>;
    expect(() => reader.of(socket)).toThrow(/vouches for nobody/);
    socket.destroy();
    expect(() => reader.of(socket)).toThrow(/no descriptor/);
    await listener.close();
  });

  it("finds the numbers of users and groups as the C library does", async () => {
    const reader = await credentialReader();
    expect(reader.uidOf("daemon")).toBe(Number(execFileSync("id", ["-u", "daemon"])));
    expect(reader.gidOf("adm")).toBe(Number(execFileSync("getent", ["group", "adm"]).toString().split(":")[2]));
    for (const name of ["no-such-user", "", "root\0"]) {
      expect(reader.uidOf(name)).toBeUndefined();
      expect(reader.gidOf(name)).toBeUndefined();
    }
  });
});

describeWith(["peer-credentials", "root"], "credentials of processes of several users", () => {
  it("are in context.caller, with supplementary groups, over ONC RPC, HTTP and SCGI", async () => {
    using home = openDirectory();
    const local = { allow: "everyone", socketMode: 0o666 } as const;
    await using onc = new Server({ local }).export(WhoV1, whoHandlers);
    await using xml = new Server({ local }).export(WhoXml, whoHandlers);
    const addresses = [
      await onc.listen(`unix:${home.path("onc")}`),
      await xml.listen(`http+unix:${home.path("http")}`),
      await xml.listen(`scgi+unix:${home.path("scgi")}`),
    ];
    const tasks = addresses.map((address, i) => ({
      over: i === 0 ? ("onc" as const) : ("xmlrpc" as const),
      address,
      calls: ["whoami"],
    }));
    const groups = Array.from({ length: 200 }, (_, i) => 3_000 + i); // more than the first question has room for
    const { pid, told } = await asUser({ uid: 1_001, gid: 1_002, groups, tasks });
    expect(told).toEqual(addresses.map(() => ({ value: { pid, uid: 1_001, gid: 1_002, groups } })));
  });

  it("are undefined for a user and groups without numbers here", async () => {
    using home = openDirectory();
    const seen: object[] = [];
    await using server = new Server({ local: { allow: "everyone", socketMode: 0o666 } }).export(WhoV1, {
      ...whoHandlers,
      whoami({ caller }) {
        seen.push({ uid: caller.uid, gid: caller.gid, groups: caller.groups, address: caller.address });
        return knownOf(caller);
      },
    });
    const address = await server.listen(`unix:${home.path("s")}`);
    const tasks = [{ over: "onc" as const, address, calls: ["whoami"] }];
    await asUser({ uid: 65_534, gid: 65_534, groups: [65_534, 7], tasks });
    expect(seen).toEqual([{ uid: undefined, gid: undefined, groups: [7], address: "unix:uid=unmapped" }]);
  });

  it("say who serves, to a client that demands somebody, before it has sent a byte", async () => {
    using home = openDirectory();
    await using impostor = await serveAsUser({
      uid: 1_001,
      gid: 1_002,
      groups: [1_003],
      serve: home.path("s"),
      tasks: [],
    });
    const demand = { requirePeer: { users: ["root"], gids: [1_004] }, connectTimeoutMs: 5_000 };
    const denied = { code: "denied", executed: "no" };
    await expect(connect(WhoV1, `unix:${home.path("s")}`, demand)).rejects.toMatchObject(denied);
    await expect(connect(WhoV1, `unix:${home.path("s")}`, demand)).rejects.toThrow(/uid 1001, gid 1002/);
    await expect(connect(WhoXml, `http+unix:${home.path("s")}`, demand)).rejects.toMatchObject(denied);
    await expect(connect(WhoXml, `scgi+unix:${home.path("s")}`, demand)).rejects.toMatchObject(denied);
    for (let closed = 0; closed < 4; closed++) {
      const [line] = await impostor.line(/^closed after .*/, { skip: 1 + closed });
      expect(line).toBe("closed after 0 bytes");
    }
    // By user, by group, by supplementary group.
    for (const requirePeer of [{ uids: [1_001] }, { gids: [1_002] }, { gids: [1_003] }]) {
      const options = { requirePeer, session: "off", timeoutMs: 100 } as const;
      await using client = await connect(WhoV1, `unix:${home.path("s")}`, options);
      await expect(client.whoami()).rejects.toMatchObject({ code: "deadline-exceeded" });
    }
  });

  it("are asked at each connection again, not at the first alone", async () => {
    using home = openDirectory();
    const server = new Server().export(WhoV1, whoHandlers);
    const address = await server.listen(`unix:${home.path("s")}`);
    await using client = await connect(WhoV1, address, { requirePeer: { uids: [own.uid] }, session: "off" });
    expect(await client.reset("a")).toBe("reset a");
    await server.close();
    await using impostor = await serveAsUser({ uid: 1_001, serve: home.path("s"), tasks: [] });
    const failure = await client.reset("b", { timeoutMs: 5_000, retry: false }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "denied", executed: "no" });
    await impostor.line(/^closed after 0 bytes$/);
  });
});

describeWith(["peer-credentials"], "a client that demands who serves", () => {
  it("calls whom it demands, over ONC RPC, HTTP and SCGI, also after the pool has made another connection", async () => {
    using home = openDirectory();
    const requirePeer = { uids: [own.uid] };
    await using onc = new Server().export(WhoV1, whoHandlers);
    await using xml = new Server().export(WhoXml, whoHandlers);
    await using first = await connect(WhoV1, await onc.listen(`unix:${home.path("o")}`), { requirePeer });
    expect(await first.reset("a")).toBe("reset a");
    for (const address of [`http+unix:${home.path("h")}`, `scgi+unix:${home.path("c")}`]) {
      await using client = await connect(WhoXml, await xml.listen(address), { requirePeer });
      const made = await Promise.all(["a", "b", "c", "d"].map((what) => client.reset(what)));
      expect(made).toEqual(["reset a", "reset b", "reset c", "reset d"]);
      expect(client.$stats().connects).toBeGreaterThan(3);
    }
  });

  it.each([
    ["tcp://127.0.0.1:1", { uids: [0] }, /Unix sockets/],
    ["unix:/nowhere", "everyone", /everyone/],
    ["unix:/nowhere", { uid: [0] }, /no uid; there are uids/],
    ["unix:/nowhere", { users: ["no-such-user"] }, /no user "no-such-user"/],
    ["unix:/nowhere", { groups: ["no-such-group"] }, /no group "no-such-group"/],
    ["unix:/nowhere", { uids: [65_534] }, /cannot be allowed/],
    ["unix:/nowhere", { uids: [-1] }, /unsigned/],
    ["unix:/nowhere", { uids: "0" }, /list of numbers/],
  ])("says what is wrong with the demand, at %s: %j", async (address, requirePeer, why) => {
    const open = connect(WhoV1, address, { requirePeer: requirePeer as object });
    await expect(open).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    await expect(open).rejects.toThrow(why);
  });

  it("asks over HTTP for a Unix socket as well, and not through somebody else's transport", async () => {
    const requirePeer = { uids: [0] };
    await expect(connect(WhoXml, "http://127.0.0.1:1/", { requirePeer })).rejects.toMatchObject({
      code: "invalid-argument",
    });
    const transport = (): never => {
      throw new Error("not asked");
    };
    await expect(connect(WhoXml, "http+unix:/nowhere", { requirePeer, transport })).rejects.toThrow(/option transport/);
  });

  it("takes a peer that hangs up at once for what it is", async () => {
    using home = openDirectory();
    const server = createServer((socket) => socket.destroy());
    server.listen(home.path("s"));
    await once(server, "listening");
    const open = connect(WhoV1, `unix:${home.path("s")}`, { requirePeer: { uids: [own.uid] }, session: "off" });
    await using client = await open;
    await expect(client.reset("a", { timeoutMs: 2_000, retry: false })).rejects.toMatchObject({ code: "unavailable" });
    server.close();
  });
});

describe("a machine without the package that asks the kernel", () => {
  it("is told what is missing, before anything is listened on or called", async () => {
    const missing =
      "who is at the other end of a Unix socket can only be asked with the package koffi; npm install koffi";
    expect(await runWithoutPackages("without-packages")).toEqual([
      `listen unavailable no: ${missing}`,
      "socket none",
      `connect unavailable no: ${missing}`,
    ]);
  });
});
