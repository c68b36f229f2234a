// Calls as another user: `node local-user '{"uid":..,"gid":..,"groups":[..],"tasks":[..]}'`. Root becomes that user first. Prints
// what came of each call, as JSON.

import { createServer } from "node:net";
import { connect, RpcError } from "farcall";
import type { UserScript } from "../local-user.js";
import { WhoV1, WhoXml } from "../who.js";

const { uid, gid, groups, tasks, serve } = JSON.parse(process.argv[2] ?? "{}") as UserScript;
// Files that the other user may not be able to read.
await Promise.all([WhoV1.protocol.client(), WhoXml.protocol.client(), import("koffi")]);
// What drops away by degrees cannot come back: groups first.
if (groups !== undefined) process.setgroups?.([...groups]);
if (gid !== undefined) process.setgid?.(gid);
if (uid !== undefined) process.setuid?.(uid);

const outcome = async (made: Promise<unknown>): Promise<unknown> => {
  try {
    return { value: await made };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return { code: error.code, executed: error.executed, message: error.message };
  }
};

if (serve !== undefined) {
  // Only counts what arrives.
  let bytes = 0;
  createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      bytes += chunk.length;
    });
    socket.on("close", () => process.stdout.write(`closed after ${bytes} bytes\n`));
  }).listen(serve, () => process.stdout.write("READY\n"));
}

const results: unknown[] = [];
for (const { over, address, requirePeer, calls, session } of tasks) {
  try {
    const options = { ...(requirePeer === undefined ? {} : { requirePeer }), retry: false as const };
    const client =
      over === "onc" ? await connect(WhoV1, address, { ...options, session }) : await connect(WhoXml, address, options);
    for (const call of calls) {
      if (call === "ping") results.push(await outcome(client.$ping()));
      else if (call === "whoami") results.push(await outcome(client.whoami()));
      else results.push(await outcome(client.reset(call)));
    }
    await client.$close();
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    results.push({ connect: error.code, executed: error.executed, message: error.message });
  }
}
if (serve === undefined) process.stdout.write(`pid ${process.pid} ${JSON.stringify(results)}\n`);
