import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { NfsClient } from "../../examples/nfs-client/client.js";
import { parseNfsUrl } from "../../examples/nfs-client/path.js";
import { Running, run } from "../support/processes.js";
import { buildExamples, exampleProgram } from "./built.js";
import { Folder, Served } from "./nfs-support.js";

// The example's client with the example's server.

const megabyte = 1024 * 1024;

describe.skipIf(process.platform !== "linux")("the NFS client", () => {
  let folder: Folder;
  let served: Served;
  let client: NfsClient;

  beforeEach(async () => {
    folder = new Folder();
    mkdirSync(folder.at("export"));
    served = await Served.start(folder);
    client = await NfsClient.mount({ host: "127.0.0.1", port: served.port, mountPort: served.port, path: "/export" });
  });

  afterEach(async () => {
    await client.close();
    await served[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  it.each([0, 1, 524_288, 524_289, 4 * megabyte, 40 * megabyte + 3])("writes and reads %i bytes", async (size) => {
    const data = randomBytes(size);
    expect(await client.write("file", data)).toEqual({ bytes: BigInt(size), rewrites: 0 });
    expect(readFileSync(served.path("file")).equals(data)).toBe(true);
    expect(Buffer.compare(await client.readFile("file"), data)).toBe(0);
  });

  it("replaces a longer file", async () => {
    await client.write("file", Buffer.alloc(1_000));
    await client.write("file", Buffer.from("short"));
    expect(readFileSync(served.path("file"), "utf8")).toBe("short");
  });

  it("lists 10,000 entries with their attributes", { timeout: 60_000 }, async () => {
    using large = new Folder("many");
    mkdirSync(large.at("export"));
    for (let i = 0; i < 10_000; i++) writeFileSync(large.at("export", `${i}`), "");
    await using crowd = await Served.start(large);
    const where = { host: "127.0.0.1", port: crowd.port, mountPort: crowd.port, path: "/export" };
    await using client = await NfsClient.mount(where);
    const seen = new Set<string>();
    for await (const { text, attributes } of client.list()) if (attributes?.size === 0n) seen.add(text);
    expect(seen.size).toBe(10_000);
  });

  it("makes, renames and removes", async () => {
    await client.mkdir("a");
    await client.mkdir("a/b");
    await client.write("a/b/file", Buffer.from("1"));
    await client.rename("a/b/file", "a/moved");
    await client.rmdir("a/b");
    const names = async (path: string) => {
      const found: string[] = [];
      for await (const { text } of client.list(path)) found.push(text);
      return found;
    };
    expect(await names("a")).toEqual(["moved"]);
    await client.remove("a/moved");
    expect(await names("a")).toEqual([]);
    await expect(client.rmdir("b")).rejects.toMatchObject({ status: "NFS3ERR_NOENT", message: "b: NFS3ERR_NOENT" });
    await expect(client.rmdir("/")).rejects.toThrow(TypeError);
  });

  it("reads no directory and follows no link", async () => {
    writeFileSync(folder.at("decoy"), "not served");
    symlinkSync(folder.at("decoy"), served.path("link"));
    await expect(client.readFile("link")).rejects.toThrow("link: not a regular file");
    await expect(client.readFile("/")).rejects.toThrow("not a regular file");
    expect(Buffer.from(await client.readlink("link")).toString()).toBe(folder.at("decoy"));
  });

  it.each([
    ["nfs://host/export", { host: "host", port: undefined, mountPort: undefined, path: "/export" }],
    ["nfs://127.0.0.1:20490/a%20b/c", { host: "127.0.0.1", port: 20490, mountPort: 20490, path: "/a b/c" }],
    ["nfs://h/e?version=3&nfsport=1&mountport=2", { host: "h", port: 1, mountPort: 2, path: "/e" }],
  ])("takes the address %s", (text, url) => {
    expect(parseNfsUrl(text)).toEqual(url);
  });
});

describe.skipIf(process.platform !== "linux")("a server that is killed and started again", () => {
  beforeAll(buildExamples);

  async function start(folder: Folder, port: number): Promise<{ process: Running; port: number }> {
    const options = ["--dir", folder.at("export"), "--port", String(port), "--key", folder.at("key")];
    const server = new Running(process.execPath, [exampleProgram("nfs-server/main.js"), ...options]);
    const ready = await server.line(/^mount tcp:\/\/127\.0\.0\.1:(\d+)$/);
    return { process: server, port: Number(ready[1]) };
  }

  it("keeps what was written: the client writes again what may be lost", { timeout: 60_000 }, async () => {
    using folder = new Folder();
    mkdirSync(folder.at("export"));
    const pieces = Array.from({ length: 12 }, () => randomBytes(megabyte));
    let server = await start(folder, 0);
    const { port } = server;
    try {
      await using client = await NfsClient.mount({ host: "127.0.0.1", port, mountPort: port, path: "/export" });
      async function* source(): AsyncGenerator<Uint8Array> {
        for (const [i, piece] of pieces.entries()) {
          if (i === 8) {
            await server.process.stop();
            server = await start(folder, port);
          }
          yield piece;
        }
      }
      const { bytes, rewrites } = await client.write("file", source());
      expect([bytes, rewrites]).toEqual([BigInt(12 * megabyte), 1]);
      expect(readFileSync(folder.at("export/file")).equals(Buffer.concat(pieces))).toBe(true);
      // The handle of before the restart is searched for and found.
      expect(Buffer.compare(await client.readFile("file"), Buffer.concat(pieces))).toBe(0);
    } finally {
      await server.process.stop();
    }
  });

  it("is used from the command line", { timeout: 60_000 }, async () => {
    using folder = new Folder();
    mkdirSync(folder.at("export"));
    writeFileSync(folder.at("local"), "hello\n");
    await using server = (await start(folder, 0)).process;
    const [, port] = await server.line(/^mount tcp:\/\/127\.0\.0\.1:(\d+)$/);
    const url = (path: string) => `nfs://127.0.0.1:${port}/export/${path}`;
    const nfs = (...args: string[]) => run(process.execPath, [exampleProgram("nfs-client/main.js"), ...args]);

    expect(await nfs("mkdir", url("dir"))).toMatchObject({ code: 0, stderr: "" });
    expect(await nfs("put", folder.at("local"), url("dir/file"))).toMatchObject({ code: 0, stdout: "6 bytes\n" });
    expect(await nfs("mv", url("dir/file"), "/export/file")).toMatchObject({ code: 0, stderr: "" });
    expect(await nfs("cat", url("file"))).toMatchObject({ code: 0, stdout: "hello\n" });
    expect(await nfs("get", url("file"), folder.at("back"))).toMatchObject({ code: 0 });
    expect(readFileSync(folder.at("back"), "utf8")).toBe("hello\n");
    expect((await nfs("ls", url(""))).lines).toEqual([
      expect.stringMatching(/^[d-]\S{9} +\d+ \d{4}-\d\d-\d\d \d\d:\d\d (dir|file)$/),
      expect.stringMatching(/^[d-]\S{9} +\d+ \d{4}-\d\d-\d\d \d\d:\d\d (dir|file)$/),
    ]);
    expect(await nfs("rmdir", url("dir"))).toMatchObject({ code: 0 });
    expect(await nfs("rm", url("file"))).toMatchObject({ code: 0 });
    expect(await nfs("cat", url("file"))).toMatchObject({ code: 1, stderr: "/file: NFS3ERR_NOENT\n" });
    expect(await nfs("ls", `nfs://127.0.0.1:${port}/else`)).toMatchObject({
      code: 1,
      stderr: "/else is not in what 127.0.0.1 exports (/export): MNT3ERR_NOENT\n",
    });
    expect(await nfs("walk", url(""))).toMatchObject({ code: 2, stderr: expect.stringContaining("usage:") });
  });
});
