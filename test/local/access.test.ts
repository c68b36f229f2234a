import { createServer } from "node:http";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { connect, Server } from "../../src/index.js";
import { OncClient } from "../../src/onc/index.js";
import {
  CallFate,
  OpenStatus,
  SESSION_PROGRAM,
  SESSION_VERSION,
  xdrOpenArgs,
  xdrOpenResult,
  xdrStatusArgs,
  xdrStatusResult,
} from "../../src/onc/session/session.js";
import * as xdr from "../../src/xdr/index.js";
import { buildChild } from "../support/children.js";
import { asUser, openDirectory, type Told, type UserTask } from "../support/local-user.js";
import { describeWith } from "../support/requirements.js";
import { StoreV1 } from "../support/store.js";
import { WhoV1, WhoXml, whoHandlers } from "../support/who.js";

// Bundling, and starting processes, take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });
beforeAll(async () => {
  await buildChild("local-user");
});

const calls = ["ping", "whoami", "everything"];
const denied = { code: "denied", executed: "no" };
const allowed = { value: "reset everything" };

/** Serves both protocols at Unix sockets with the same options, and gives a task for each address. */
async function serveAll(
  path: (name: string) => string,
  local: object | true,
  access?: object,
): Promise<{ readonly tasks: readonly UserTask[] } & AsyncDisposable> {
  const onc = new Server({ local: local as true }).export(WhoV1, whoHandlers, access);
  const xml = new Server({ local: local as true }).export(WhoXml, whoHandlers, access);
  const tasks = [
    { over: "onc" as const, address: await onc.listen(`unix:${path("o")}`), calls },
    { over: "onc" as const, session: "auto" as const, address: `unix:${path("o")}`, calls },
    { over: "xmlrpc" as const, address: await xml.listen(`http+unix:${path("h")}`), calls },
    { over: "xmlrpc" as const, address: await xml.listen(`scgi+unix:${path("c")}`), calls },
  ];
  return {
    tasks,
    async [Symbol.asyncDispose]() {
      await Promise.all([onc.close(), xml.close()]);
    },
  };
}

/** What came of the calls at each address. */
function byTask(told: readonly Told[]): readonly (readonly Told[])[] {
  return Array.from({ length: told.length / calls.length }, (_, i) =>
    told.slice(i * calls.length, (i + 1) * calls.length),
  );
}

describeWith(["peer-credentials", "root"], "a server with local authentication", () => {
  it.each([
    ["its own user and root", true, { uid: 0 }, true],
    ["nobody else", { socketMode: 0o666 }, { uid: 1_001, gid: 1_001 }, false],
    ["nobody else of its own group", { socketMode: 0o666 }, { uid: 1_001, gid: 0 }, false],
    ["a user that is listed", { allow: { uids: [1_001] }, socketMode: 0o666 }, { uid: 1_001, gid: 5 }, true],
    ["not root, where it is not listed", { allow: { uids: [1_001] } }, { uid: 0 }, false],
    ["a user by name", { allow: { users: ["daemon"] }, socketMode: 0o666 }, { uid: 1, gid: 5 }, true],
    ["no other by that name", { allow: { users: ["daemon"] }, socketMode: 0o666 }, { uid: 2, gid: 1 }, false],
    ["a group", { allow: { gids: [1_005] }, socketMode: 0o666 }, { uid: 1_001, gid: 1_005 }, true],
    [
      "a supplementary group",
      { allow: { gids: [1_005] }, socketMode: 0o666 },
      { uid: 1_001, gid: 5, groups: [9, 1_005] },
      true,
    ],
    ["a group by name", { allow: { groups: ["adm"] }, socketMode: 0o666 }, { uid: 1_001, gid: 5, groups: [4] }, true],
    ["nobody of another group", { allow: { gids: [4] }, socketMode: 0o666 }, { uid: 4, gid: 5, groups: [6] }, false],
    [
      "nobody without a number here",
      { allow: { uids: [1_001], gids: [1_001] }, socketMode: 0o666 },
      { uid: 65_534, gid: 65_534, groups: [65_534] },
      false,
    ],
  ])("lets %s call, over every transport", async (_who, local, user, may) => {
    using home = openDirectory();
    await using servers = await serveAll(home.path, local as object);
    const { told } = await asUser({ gid: 0, groups: [], ...user, tasks: servers.tasks });
    expect(told).toHaveLength(servers.tasks.length * calls.length);
    for (const [ping, whoami, reset] of byTask(told)) {
      expect(reset).toMatchObject(may ? allowed : denied);
      expect(whoami).toMatchObject(may ? { value: { uid: user.uid } } : denied);
      // Not even whether anybody is there is for whoever is on no list.
      expect(ping).toMatchObject(may ? {} : denied);
      if (may) expect(ping).not.toHaveProperty("code");
    }
  });

  it("has lists of their own for services and procedures, which hold in place of the wider ones", async () => {
    using home = openDirectory();
    const access = { allow: { uids: [1_001, 1_002] }, allowProcedures: { reset: { uids: [1_002, 1_003] } } };
    await using servers = await serveAll(home.path, { allow: { uids: [1_009] }, socketMode: 0o666 }, access);
    const may = async (uid: number): Promise<unknown> => {
      const { told } = await asUser({ uid, gid: 5, groups: [], tasks: servers.tasks });
      return byTask(told).map(([, whoami, reset]) => [whoami, reset].map((one) => one?.code ?? "allowed"));
    };
    const everywhere = (whoami: string, reset: string): unknown => servers.tasks.map(() => [whoami, reset]);
    expect(await may(1_001)).toEqual(everywhere("allowed", "denied"));
    expect(await may(1_002)).toEqual(everywhere("allowed", "allowed"));
    expect(await may(1_003)).toEqual(everywhere("denied", "allowed"));
    // The server's list is for what has none of its own.
    expect(await may(1_009)).toEqual(everywhere("denied", "denied"));
  });

  it("looks at inner calls of a system.multicall one by one, and tells strangers no methods", async () => {
    using home = openDirectory();
    const own = process.geteuid?.() ?? 0;
    await using server = new Server({ local: { allow: { uids: [4_242] } } });
    server.export(WhoXml, whoHandlers, { allow: { uids: [own] }, allowProcedures: { reset: { uids: [4_242] } } });
    const address = await server.listen(`http+unix:${home.path("h")}`);
    await using client = await connect(WhoXml, address);
    const both = await client.$multicall((inner) => [inner.whoami(), inner.reset("a")]);
    expect(both).toMatchObject([{ ok: true }, { ok: false, executed: "no", error: { code: "denied" } }]);
    await using other = new Server({ local: { allow: { uids: [4_242] } } }).export(WhoXml, whoHandlers);
    const { XmlRpcClient } = await import("../../src/xmlrpc/index.js");
    await using stranger = new XmlRpcClient(await other.listen(`http+unix:${home.path("x")}`));
    await expect(stranger.listMethods()).rejects.toMatchObject(denied);
  });

  it("denies before any argument is looked at", async () => {
    using home = openDirectory();
    await using server = new Server({ local: { allow: { uids: [4_242] } } }).export(WhoV1, whoHandlers);
    const address = await server.listen(`unix:${home.path("s")}`);
    await using stranger = await OncClient.open(address);
    const target = { program: WhoV1.program, version: WhoV1.version, procedure: 2 };
    // A string whose length is a lie: whoever decoded it would answer GARBAGE_ARGS.
    const call = stranger.call(target, xdr.uint, 0xffff_ffff, xdr.string(100));
    await expect(call).rejects.toMatchObject({ ...denied, status: { why: { text: "AUTH_TOOWEAK" } } });
  });

  it("denies a body before it is read, over HTTP", async () => {
    using home = openDirectory();
    await using server = new Server({ local: { allow: { uids: [4_242] } } }).export(WhoXml, whoHandlers);
    await server.listen(`http+unix:${home.path("h")}`);
    const { connect: connectSocket } = await import("node:net");
    const socket = connectSocket(home.path("h"));
    // Its body never comes.
    socket.write("POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n");
    const head = await new Promise<string>((resolve) => socket.once("data", (bytes) => resolve(String(bytes))));
    expect(head).toMatch(/^HTTP\/1\.1 403 .*executed=no/s);
    socket.destroy();
  });

  it("gives a session to its user alone, whoever knows its id", async () => {
    using home = openDirectory();
    const local = { allow: "everyone", socketMode: 0o666 } as const;
    await using server = new Server({ local }).export(WhoV1, whoHandlers);
    const address = await server.listen(`unix:${home.path("s")}`);
    const numbers = { program: SESSION_PROGRAM, version: SESSION_VERSION };
    await using mine = await OncClient.open(address);
    const args = { client: "", incarnation: new Uint8Array(16), fifo: false };
    const opened = await mine.call({ ...numbers, procedure: 1 }, xdrOpenArgs, args, xdrOpenResult);
    if (opened.status !== OpenStatus.OPEN_OK) throw new Error("no session");
    const { session, store } = opened.ok;
    // The kernel notes the effective user of whoever connects.
    process.seteuid?.(1_001);
    let theirs: OncClient;
    try {
      theirs = await OncClient.open(address);
    } finally {
      process.seteuid?.(0);
    }
    await using _theirs = theirs;
    const fate = async (client: OncClient): Promise<number> => {
      const question = { session, store, number: { lane: 0, sequence: 1 }, fence: false };
      return (await client.call({ ...numbers, procedure: 5 }, xdrStatusArgs, question, xdrStatusResult)).fate;
    };
    expect(await fate(theirs)).toBe(CallFate.FATE_DENIED);
    expect(await fate(mine)).toBe(CallFate.FATE_UNSEEN);
  });

  it("serves requests that a server of another make has taken on a Unix socket, by the same lists", async () => {
    using home = openDirectory();
    for (const [uid, status] of [
      [process.geteuid?.() ?? 0, 200],
      [4_242, 403],
    ] as const) {
      await using server = new Server({ local: { allow: { uids: [uid] } } }).export(WhoXml, whoHandlers);
      const { node, fetch: fetched } = await server.httpHandlers();
      const other = createServer(node);
      await new Promise<void>((resolve) => other.listen(home.path(`n${uid}`), resolve));
      const { request } = await import("node:http");
      const got = await new Promise<number | undefined>((resolve, reject) => {
        const headers = { "Content-Type": "text/xml" };
        const asked = request(
          { socketPath: home.path(`n${uid}`), path: "/RPC2", method: "POST", headers },
          (response) => {
            response.resume();
            resolve(response.statusCode);
          },
        );
        asked.on("error", reject);
        asked.end("<methodCall><methodName>whoami</methodName></methodCall>");
      });
      expect(got).toBe(status);
      await new Promise((resolve) => {
        other.close(resolve);
        other.closeAllConnections();
      });
      // Nobody says who sent a request of `fetch`.
      const headers = { "Content-Type": "text/xml" };
      const bare = await fetched(new Request("http://localhost/RPC2", { method: "POST", headers, body: "<a/>" }));
      expect(bare.status).toBe(403);
    }
  });

  it("counts connections by user, so that one user cannot take those of all", async () => {
    using home = openDirectory();
    const local = { allow: "everyone", socketMode: 0o666 } as const;
    await using server = new Server({ local, connectionsPerPeerMax: 2 }).export(WhoV1, whoHandlers);
    const address = await server.listen(`unix:${home.path("s")}`);
    await using first = await connect(WhoV1, address, { session: "off" });
    await using second = await connect(WhoV1, address, { session: "off" });
    expect([await first.reset("a"), await second.reset("b")]).toEqual(["reset a", "reset b"]);
    await using third = await connect(WhoV1, address, { session: "off" });
    await expect(third.reset("c", { timeoutMs: 2_000, retry: false })).rejects.toMatchObject({ code: "unavailable" });
    const tasks = [{ over: "onc" as const, address, calls: ["d"] }];
    const { told } = await asUser({ uid: 1_001, gid: 5, groups: [], tasks });
    expect(told).toEqual([{ value: "reset d" }]);
  });
});

describeWith(["peer-credentials"], "the option local", () => {
  it.each([
    ["tcp://127.0.0.1:0", WhoV1],
    ["udp://127.0.0.1:0", WhoV1],
    ["memory://who", WhoV1],
    ["http://127.0.0.1:0", WhoXml],
    ["scgi://127.0.0.1:0", WhoXml],
  ])("refuses %s, where the kernel vouches for nobody, unless that is said to be wanted", async (address, service) => {
    const serve = (local: object): Server => {
      const server = new Server({ local });
      return service === WhoV1 ? server.export(WhoV1, whoHandlers) : server.export(WhoXml, whoHandlers);
    };
    await using strict = serve({});
    const listen = strict.listen(address);
    await expect(listen).rejects.toMatchObject({ code: "invalid-argument" });
    await expect(listen).rejects.toThrow(/remote: "serve"/);
    await using open = serve({ remote: "serve" });
    const at = await open.listen(address);
    if (service === WhoV1) {
      await using client = await connect(WhoV1, at);
      expect(await client.reset("a")).toBe("reset a");
    } else {
      await using client = await connect(WhoXml, at);
      expect(await client.reset("a")).toBe("reset a");
    }
  });

  it.each([
    [{ allow: { uid: [0] } }, TypeError, /local.allow has no uid; there are uids/],
    [{ allow: "anybody" }, TypeError, /"everyone" or lists/],
    [{ allow: { uids: ["root"] } }, TypeError, /local.allow.uids is a list of numbers/],
    [{ allow: { users: [0] } }, TypeError, /local.allow.users is a list of strings/],
    [{ allow: { gids: [65_534] } }, RangeError, /gid 65534 .* cannot be allowed/],
    [{ allow: { uids: [1.5] } }, RangeError, /unsigned 32-bit/],
  ])("is refused as %j, by the part that is wrong", async (local, type, why) => {
    await using server = new Server({ local: local as object }).export(WhoV1, whoHandlers);
    const listen = server.listen("unix:/nowhere/at/all");
    await expect(listen).rejects.toThrow(type);
    await expect(listen).rejects.toThrow(why);
  });

  it("is refused with a name that nobody has, before anything is listened on", async () => {
    using home = openDirectory();
    await using server = new Server({ local: { allow: { users: ["no-such-user"] } } }).export(WhoV1, whoHandlers);
    const listen = server.listen(`unix:${home.path("s")}`);
    await expect(listen).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    await expect(listen).rejects.toThrow(/no user "no-such-user"/);
  });

  it("must be on for lists of a service to mean anything, and a list must be of a procedure that there is", () => {
    const server = new Server();
    expect(() => server.export(WhoV1, whoHandlers, { allow: { uids: [0] } })).toThrow(/need the server's option local/);
    expect(() => server.export(WhoV1, whoHandlers, { allowProcedures: {} })).toThrow(/option local/);
    const local = new Server({ local: true });
    const access = { allowProcedures: { rest: { uids: [0] } } } as object;
    expect(() => local.export(WhoV1, whoHandlers, access)).toThrow(/WHO_PROG has no procedure rest/);
  });
});

describe("a server without local authentication", () => {
  it("asks the kernel nothing", async () => {
    using home = openDirectory();
    const seen: (number | undefined)[] = [];
    await using server = new Server().export(StoreV1, {
      read: (_key, { caller }) => seen.push(caller.uid),
      write: () => true,
      log: () => {},
    });
    await using client = await connect(StoreV1, await server.listen(`unix:${home.path("s")}`));
    await client.read("a");
    expect(seen).toEqual([undefined]);
  });
});
